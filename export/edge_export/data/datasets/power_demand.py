"""Power demand of a Dutch research facility (Keogh et al., 2005): 1997, every 15 min.

Public layout: `power_data.txt`, one value a line, of chickenbestlover/RNN-Time-series-Anomaly-
Detection (folder dataset/power_demand/raw) or www.cs.ucr.edu/~eamonn/discords. The year began on
a Wednesday. Days 0 to 202 are what to learn from (the last 35 of them calibrate), the rest is
judged. Holidays and odd weeks have no official labels: faults are injected.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["DEVICE", "HELD_OUT", "MISSING", "PERIOD_NS", "SIGNAL", "load"]

DEVICE = "power_demand"
SIGNAL = "power"
PERIOD_NS = 900 * 10**9
START_NS = 852_076_800 * 10**9  # 1997-01-01T00:00, a Wednesday
DAY_NS = 86_400 * 10**9
LEARN_DAYS = 203
HELD_OUT = 35 / 203  # share of the days to learn from that calibrate
MISSING = files.place(
    "`power_data.txt` (see www.cs.ucr.edu/~eamonn/discords) into a folder", "power_demand"
)


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Days 0 to 202, and the rest of the year; both unlabelled.

    Args:
        root: The dataset's folder.
        entities: There is only `power_demand`.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or the file is not what it should be.
    """
    root = root or files.folder("power_demand")
    files.chosen("power_demand", (DEVICE,), entities, MISSING)
    path = root / "power_data.txt"
    values = files.matrix(path, MISSING)
    if values.shape[1] != 1:
        raise RecordingError(f"{path}: {values.shape[1]} values a line, not one")
    table = {
        "t_ns": START_NS + np.arange(len(values)) * PERIOD_NS,
        "signals": (SIGNAL,),
        "values": values.astype(np.float32),
    }
    whole = files.recording(path, DEVICE, table)
    border = START_NS + LEARN_DAYS * DAY_NS
    return Halves([cut(whole, START_NS, border)], [cut(whole, border, 2**62)])
