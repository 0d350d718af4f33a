"""The bundle of the simulated servers: `python -m edge_export.shipped servers`, some minutes.

Two healthy weeks of every server; the second is held out and sets the thresholds. A graph
autoencoder and, beside it, the projection that it must beat, as one ensemble.
"""

from pathlib import Path

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.plants.servers import SERVER_NAMES, SERVER_PERIOD_S, SERVER_SIGNALS, ServerRoom
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording
from edge_export.families.ensemble import Mixed
from edge_export.families.gevae import Config
from edge_export.families.linear import Config as Linear

__all__ = ["CONFIG", "build", "recordings"]

SEED = 20260  # of the healthy room; the demo and its tests run others
DAY = int(86400 / SERVER_PERIOD_S)
DAYS = 14
CONFIG = Mixed(
    {
        # Twelve signals need half the width of a rack's 38.
        "gevae": Config(
            node=16,
            head=16,
            latent=16,
            predictor=32,
            every=6,
            epochs=6,
            predictor_epochs=3,
            held_out=0.5,
        ),
        "pca": Linear(window=1, with_raw=False, held_out=0.5),
    }
)


def recordings(days: int, seed: int = SEED) -> list[Recording]:
    """Healthy time of every server."""
    slot, values = ServerRoom(seed).step(days * DAY)
    period_ns = int(SERVER_PERIOD_S * 1e9)
    monday = 4 * 24 * 3600 * 10**9  # the epoch's first Monday
    return [
        Recording(server, monday + slot * period_ns, tuple(SERVER_SIGNALS), values[:, column])
        for column, server in enumerate(SERVER_NAMES)
    ]


def build(out: Path, *, days: int = DAYS, config: Mixed = CONFIG) -> Bundle:
    """Train the bundle and write it to `out`; an older one there is replaced.

    Raises:
        UselessModelError: The autoencoder learnt nothing of use.
        BundleError: It cannot be written.
    """
    plan = Plan(
        name="servers",
        units=SERVER_SIGNALS,
        # As for the compressors: at the usual 0.995 a minute of demo, which is ten hours of four
        # servers, would hold several alarms of healthy time.
        rule=Rule(parameter=0.9998),
        torchscript=False,
        command="python -m edge_export.shipped servers",
    )
    return train_bundle("gevae+pca", recordings(days), config, out, plan)
