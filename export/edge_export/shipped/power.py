"""The bundle of the simulated works: `python -m edge_export.shipped power`, some seconds.

Half a year of healthy load of every feeder; the newest five weeks are held out, and set the
thresholds with the weeks before them: an alarm a feeder and month.
"""

from pathlib import Path

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.plants.feeders import FEEDER_NAMES, WEEK
from edge_anomaly.plants.power import FEEDER_SIGNALS, POWER_PERIOD_S, Works
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import BUDGET, Rule
from edge_export.data.recordings import Recording
from edge_export.families.usad import Config

__all__ = ["build", "recordings"]

SEED = 20260  # of the healthy works; the demo and its tests run others
WEEKS = 26
CONFIG = Config(trees=100, held_out=5 / 26)


def recordings(weeks: int, seed: int = SEED) -> list[Recording]:
    """Healthy time of every feeder, before the demo's first slot."""
    slot, values = Works(seed).step(weeks * WEEK)
    period_ns = int(POWER_PERIOD_S * 1e9)
    monday = 4 * 24 * 3600 * 10**9  # the epoch's first Monday
    return [
        Recording(feeder, monday + slot * period_ns, tuple(FEEDER_SIGNALS), values[:, column])
        for column, feeder in enumerate(FEEDER_NAMES)
    ]


def build(out: Path, *, weeks: int = WEEKS, config: Config = CONFIG) -> Bundle:
    """Train the bundle and write it to `out`; an older one there is replaced.

    Raises:
        BundleError: It cannot be written.
    """
    plan = Plan(
        name="power",
        units=FEEDER_SIGNALS,
        # An alarm in ten days is right for a feeder; four of them in a demo of a minute, which is
        # three weeks, would cry wolf too often.
        rule=Rule(BUDGET, 0.03),
        torchscript=False,
        command="python -m edge_export.shipped power",
    )
    return train_bundle("usad", recordings(weeks), config, out, plan)
