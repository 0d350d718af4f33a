"""Load of the regions of PJM, an American grid, hourly (Kaggle "Hourly Energy Consumption").

Public layout: `est_hourly.csv`, packed with gzip or not, of the repository salesforce/Merlion
(data/multivariate/energy_power). Local time: where clocks are set back an hour comes twice, of
which the first is kept. One device a region, from its first reading on; no labels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import files
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import cut

__all__ = ["MISSING", "PERIOD_NS", "REGIONS", "SIGNAL", "load"]

REGIONS = (
    "AEP", "COMED", "DAYTON", "DEOK", "DOM", "DUQ", "EKPC", "FE", "NI", "PJME", "PJMW", "PJM_Load",
)  # fmt: skip
SIGNAL = "load"
PERIOD_NS = 3600 * 10**9
LEARN = 0.6  # first share of a region's time
MISSING = files.place("`est_hourly.csv.gz` of github.com/salesforce/Merlion into a folder", "pjm")


def load(root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
    """The first 60 % of every region's time, and the rest; both unlabelled, MW.

    Args:
        root: The dataset's folder.
        entities: Regions, such as `PJME`; by default all.

    Raises:
        RecordingError: The dataset is not there (says what to download and where to put it)
            or the file is not what it should be.
    """
    root = root or files.folder("pjm")
    wanted = files.chosen("pjm", REGIONS, entities, MISSING)
    path = root / "est_hourly.csv"
    found = files.columns(path, ("Datetime", *wanted), MISSING)
    halves = Halves([], [])
    for region in wanted:
        known = np.flatnonzero(np.isfinite(found[region]))
        if not known.size:
            raise RecordingError(f"{path}: column {region!r} holds no number")
        rows = known[files.rising(found["Datetime"][known])]
        table = {
            "t_ns": found["Datetime"][rows],
            "signals": (SIGNAL,),
            "values": found[region][rows].astype(np.float32)[:, np.newaxis],
        }
        whole = files.recording(path, region, table)
        first, border = int(whole.t_ns[0]), int(whole.t_ns[int(rows.size * LEARN)])
        halves.train.append(cut(whole, first, border))
        halves.test.append(cut(whole, border, 2**62))
    return halves
