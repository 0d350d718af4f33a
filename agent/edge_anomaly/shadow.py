"""A candidate bundle beside the one at work: it scores the same windows and alarms nobody."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Scores

__all__ = ["Opinion", "Shadow", "unlike"]

OPINIONS = 10_000  # not yet told; the oldest are dropped


class Opinion(NamedTuple):
    """What both think of one window."""

    device: str
    end_ns: int
    score: float  # of the one at work
    threshold: float
    candidate: float
    candidate_threshold: float


@dataclass
class _Account:
    windows: int = 0
    above: int = 0  # windows above the threshold of the one at work
    candidate_above: int = 0
    both_above: int = 0
    unusable: int = 0  # scores of the candidate that are no number


class Shadow:
    """The candidate's scorer, and how it compares."""

    def __init__(self, bundle: Bundle, model: Model) -> None:
        self.bundle = bundle
        self.model = model
        self._scorer = Scorer(bundle, model)
        self._account = _Account()
        self._opinions: list[Opinion] = []

    @property
    def windows(self) -> int:
        """Scored so far."""
        return self._account.windows

    @property
    def unusable(self) -> int:
        """How many scores were no number."""
        return self._account.unusable

    def score(
        self,
        window: NDArray[np.float32],
        device: NDArray[np.int64],
        slot: NDArray[np.int64],
        other: Scores,
    ) -> None:
        """Score windows, shape (B, W, C), of which the one at work thinks `other`."""
        mine = self._scorer.score(window, device, slot)
        above, mine_above = other.score > other.threshold, mine.score > mine.threshold
        count = self._account
        count.windows += device.size
        count.above += int(above.sum())
        count.candidate_above += int(mine_above.sum())
        count.both_above += int((above & mine_above).sum())
        count.unusable += int((~np.isfinite(mine.score)).sum())
        period = self.bundle.manifest.period_ns
        for i, row in enumerate(device):
            self._opinions.append(
                Opinion(
                    device=self.bundle.manifest.devices[row],
                    end_ns=(int(slot[i]) + 1) * period,
                    score=float(other.score[i]),
                    threshold=float(other.threshold[i]),
                    candidate=float(mine.score[i]),
                    candidate_threshold=float(mine.threshold[i]),
                )
            )
        del self._opinions[:-OPINIONS]

    def forget(self, row: int) -> None:
        """Know nothing more of a device."""
        self._scorer.forget_wholly(row)

    def told(self) -> list[Opinion]:
        """Opinions since the last call."""
        opinions, self._opinions = self._opinions, []
        return opinions

    def account(self) -> dict[str, int]:
        """Windows, and how many were above either threshold."""
        return vars(self._account).copy()

    def snapshot(self) -> dict[str, Any]:
        """The running values that the candidate has by now."""
        return {"scorer": self._scorer.snapshot()}


def unlike(bundle: Bundle, other: Bundle) -> str | None:
    """Why `other` cannot judge the windows that are cut for `bundle`, in words."""
    ours, theirs = bundle.manifest, other.manifest
    for what, a, b in (
        ("devices", ours.devices, theirs.devices),
        ("signals", bundle.signals, other.signals),
        ("period", ours.period_ns, theirs.period_ns),
        ("window", bundle.window, other.window),
        ("hop", ours.branches[0].hop, theirs.branches[0].hop),
    ):
        if a != b:
            return f"its {what} differ: use `reload` with a config that names it"
    return None
