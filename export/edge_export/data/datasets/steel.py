"""Power of a steel plant (Sathishkumar et al., UCI 851, CC BY 4.0): 2018, every 15 min.

Public layout: `Steel_industry_data.csv` as the UCI repository has it. Its stamps name the end of
a quarter of an hour in local time, and the last of a day still carries that day's date; here a
row's time is where its quarter begins. Days 0 to 202 are what to learn from (the last 35 of them
calibrate), the rest is judged. There are no labels: faults are injected.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["DEVICE", "HELD_OUT", "MISSING", "PERIOD_NS", "SIGNAL", "load"]

DEVICE = "steel"
SIGNAL = "Usage_kWh"
PERIOD_NS = 900 * 10**9
START_NS = 1_514_764_800 * 10**9  # 2018-01-01T00:00, a Monday
DAY_NS = 86_400 * 10**9
LEARN_DAYS = 203
HELD_OUT = 35 / 203  # share of the days to learn from that calibrate
MISSING = files.place("`Steel_industry_data.csv` of UCI dataset 851 into a folder", "steel")


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """Days 0 to 202, and the rest of the year; both unlabelled.

    Args:
        root: The dataset's folder.
        entities: There is only `steel`.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or the file is not what it should be.
    """
    root = root or files.folder("steel")
    files.chosen("steel", (DEVICE,), entities, MISSING)
    path = root / "Steel_industry_data.csv"
    found = files.columns(path, (SIGNAL,), MISSING, words=("date",))
    rows = np.arange(found[SIGNAL].size)
    minutes = (rows + 1) * 15 % 1440
    if any(
        stamp[-5:] != f"{minute // 60:02d}:{minute % 60:02d}"
        for stamp, minute in zip(found["date"].tolist(), minutes.tolist(), strict=True)
    ):
        raise RecordingError(f"{path}: its dates are not every 15 min from 00:15 on")
    table = {
        "t_ns": START_NS + rows * PERIOD_NS,
        "signals": (SIGNAL,),
        "values": found[SIGNAL].astype(np.float32)[:, np.newaxis],
    }
    whole = files.recording(path, DEVICE, table)
    border = START_NS + LEARN_DAYS * DAY_NS
    return Halves([cut(whole, START_NS, border)], [cut(whole, border, 2**62)])
