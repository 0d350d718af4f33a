"""The public datasets by name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from edge_export.data.datasets import (
    asd,
    compressor8,
    cwru,
    ims,
    nab,
    pjm,
    power_demand,
    pronostia,
    skab,
    smd,
    steel,
    tep,
)
from edge_export.data.datasets.files import Halves

__all__ = ["DATASETS", "Dataset"]


class Dataset(Protocol):
    """What each file of this package offers."""

    MISSING: str  # what to download and where to put it

    def load(self, root: Path | None = None, entities: Sequence[str] | None = None) -> Halves:
        """What to learn from and what to judge by, of all entities or some."""
        ...


DATASETS: Mapping[str, Dataset] = {
    "asd": asd,
    "compressor8": compressor8,
    "cwru": cwru,
    "ims": ims,
    "nab": nab,
    "pjm": pjm,
    "power_demand": power_demand,
    "pronostia": pronostia,
    "skab": skab,
    "smd": smd,
    "steel": steel,
    "tep": tep,
}
