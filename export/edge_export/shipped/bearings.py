"""The bundle that the demo of the bearings runs: `python -m edge_export.shipped bearings`.

A thousand healthy snapshots of each simulated shaft, of which the last three tenths are held
out. Only the graph of 8 bits ships: 9 MB in the place of 35.
"""

from pathlib import Path

import numpy as np

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.plants.bearings import DEVICES, SIGNALS, Bearings
from edge_anomaly.plants.vibration import BEARINGS, RATE, SNAPSHOT
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording
from edge_export.families.vae import Config

__all__ = ["build", "recordings"]

SEED = 20261  # of the healthy plant; the demo and its tests run others
SNAPSHOTS = 1000  # of each shaft
CONFIG = Config(epochs=20)


def recordings(snapshots: int, seed: int = SEED) -> list[Recording]:
    """Healthy snapshots of every shaft, laid end to end."""
    _, heard = Bearings(seed).step(snapshots)  # (n, shafts, bearings, samples)
    t_ns = np.arange(snapshots * SNAPSHOT) * round(1e9 / RATE)
    return [
        Recording(
            device, t_ns, tuple(SIGNALS), heard[:, d].transpose(0, 2, 1).reshape(-1, BEARINGS)
        )
        for d, device in enumerate(DEVICES)
    ]


def build(out: Path, *, snapshots: int = SNAPSHOTS, config: Config = CONFIG) -> Bundle:
    """Train the bundle and write it to `out`; an older one there is replaced.

    Raises:
        BundleError: It cannot be written.
        ParityError: The graph does not answer as the trained model.
        UselessModelError: It has collapsed.
    """
    plan = Plan(
        name="bearings",
        period_ns=round(1e9 / RATE),
        units=SIGNALS,
        rule=Rule(parameter=0.995),  # three in a row are asked for on top
        torchscript=False,
        float32=False,
        command="python -m edge_export.shipped bearings",
    )
    return train_bundle("vae", recordings(snapshots), config, out, plan)
