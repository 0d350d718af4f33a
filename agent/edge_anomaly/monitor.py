"""One model at work: readings of its devices in, judged windows out."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import ConfigError, StateError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Input
from edge_anomaly.files.config import Model as Watch
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Scores
from edge_anomaly.shadow import Shadow  # noqa: TC001 - named, as elsewhere, where it is used
from edge_anomaly.timeline import Refused, Timeline
from edge_kernels import Readings

__all__ = ["MICRO_BATCH", "Judged", "Monitor"]

MICRO_BATCH = 128  # windows through the graph at once; more gains nothing on one core


@dataclass(frozen=True)
class Judged:
    """A window that fell due, scored where enough of it was there."""

    device: str
    start_ns: int
    end_ns: int
    coverage: float
    warm: bool
    score: float | None
    threshold: float
    deviation: NDArray[np.float32]  # (C,)
    observed: NDArray[np.float32]  # (C,) engineering units
    expected: NDArray[np.float32]  # (C,)
    where_ns: tuple[int, int] | None = None  # start and end of what a stage blames in the window
    unscored: str | None = None  # why: warming_up | coverage | not_finite
    last: NDArray[np.float32] | None = None  # (C,) the newest slot, engineering units
    age_ns: NDArray[np.int64] | None = None  # (C,) since the last reading, or NEVER
    still_ns: NDArray[np.int64] | None = None  # (C,) how long the value has been the same
    extremes_ns: tuple[int, int, int] = (0, 0, 0)  # the longest still; least and greatest age


class Monitor:
    """A bundle, its loaded graph, and the time grid of the devices it watches."""

    def __init__(self, bundle: Bundle, model: Model, watch: Watch, inputs: Sequence[Input]) -> None:
        """Make room for every device of the bundle that the config names.

        Raises:
            ConfigError: The config names no device or signal that the bundle knows, or a
                lateness that would not fit in memory.
        """
        manifest = bundle.manifest
        self.bundle = bundle
        self.model = model
        self.devices = manifest.devices
        self.signals = bundle.signals
        self.units = [signal.unit for signal in manifest.signals]
        self.runtime = watch.runtime
        self.shadow: Shadow | None = None  # another bundle's view of the same windows
        self.windows = 0  # scored so far
        self._rows = {d: row for row, d in enumerate(self.devices) if watch.watches(d)}
        self.watched = list(self._rows)  # by the config
        if not self._rows:
            raise ConfigError(
                f"{watch.devices} names no device of {watch.bundle}, "
                f"which knows {', '.join(self.devices[:20])}",
                ("models", "devices"),
            )
        columns = {name: column for column, name in enumerate(self.signals)}
        for here, there in watch.signals.items():
            if there not in columns:
                raise ConfigError(
                    f"{watch.bundle} has no signal {there!r}", ("models", "signals", here)
                )
            columns[here] = columns[there]
        self._columns = columns
        size = len(self.devices)
        self.timeline = Timeline(manifest, bundle.calibration["fill"], watch, inputs, MICRO_BATCH)
        self._due = self.timeline.due
        self._scorer = Scorer(bundle, model)
        self._broken = np.zeros(size, np.bool_)  # a window could not be scored since the last
        self.add = self.timeline.add

    def row(self, device: str) -> int | None:
        """The row of `device`, or None where this model does not watch it."""
        return self._rows.get(device)

    def column(self, signal: str) -> int | None:
        """The column of a signal by the plant's name for it, or None."""
        return self._columns.get(signal)

    @property
    def readings(self) -> int:
        """Taken so far."""
        return self.timeline.readings

    def advance(self, arrived_ns: int) -> Iterator[Judged | Refused]:
        """Place the readings taken since the last call and judge what falls due."""
        return self._judged(self.timeline.advance(arrived_ns))

    def place(self, readings: Readings, arrived_ns: int) -> Iterator[Judged | Refused]:
        """Like `add` and `advance`, for readings that are columns already."""
        return self._judged(self.timeline.place(readings, arrived_ns))

    def expire(self, now_ns: int) -> Iterator[Judged | Refused]:
        """Judge the windows whose last slot need wait no longer."""
        return self._judged(self.timeline.expire(now_ns))

    def resume(self, now_ns: int) -> None:
        """Count no silence before `now_ns`: the agent, not the devices, was away."""
        self.timeline.resume(now_ns)

    def forget(self, row: int) -> None:
        """Know of a device what was known before its first reading."""
        self.timeline.forget(row)
        self._scorer.forget_wholly(row)
        self._broken[row] = False
        if self.shadow is not None:
            self.shadow.forget(row)

    def _judged(self, steps: Iterable[int | Refused]) -> Iterator[Judged | Refused]:
        for step in steps:
            if isinstance(step, Refused):
                yield step
            else:
                yield from self._judge(step)

    def snapshot(self) -> dict[str, Any]:
        """All that earlier readings left behind."""
        return {
            "sha256": self.bundle.sha256,
            "timeline": self.timeline.snapshot(),
            "scorer": self._scorer.snapshot(),
            "broken": self._broken.copy(),
            "windows": self.windows,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is of another grid or model; nothing is changed.
        """
        try:
            broken, windows = state["broken"], int(state["windows"])
            if broken.shape != self._broken.shape:
                raise StateError(f"{broken.size} devices were {self._broken.size}")
            before = self._scorer.snapshot()
            self._scorer.restore(state["scorer"])
            try:
                self.timeline.restore(state["timeline"])
            except StateError:
                self._scorer.restore(before)
                raise
        except (KeyError, AttributeError, TypeError) as exc:
            raise StateError(f"no snapshot of a monitor: {exc!r}") from exc
        self._broken[:] = broken
        self.windows = windows

    def _judge(self, count: int) -> Iterator[Judged]:
        device, coverage = self._due.device[:count], self._due.coverage[:count]
        scored = self._due.warm[:count] & (coverage >= self.bundle.manifest.min_coverage)
        fresh = self._fresh(device, scored)
        place = np.cumsum(scored) - 1
        if scored.any():
            scores = self._scorer.score(
                self._due.window[:count][scored],
                device[scored],
                self._due.slot[:count][scored],
                fresh[scored],
            )
            if self.shadow is not None:
                self.shadow.score(
                    self._due.window[:count][scored],
                    device[scored],
                    self._due.slot[:count][scored],
                    scores,
                )
        self.windows += int(scored.sum())
        period, span = self.timeline.period_ns, self.bundle.window
        nothing = np.empty(0, np.float32)
        # Copies: the room is written anew before everybody has looked at every window.
        age, still = self._due.age[:count].copy(), self._due.still[:count].copy()
        last = self._due.window[:count, -1].copy()
        extremes = zip(still.max(axis=1), age.min(axis=1), age.max(axis=1), strict=True)
        most = [(int(longest), int(least), int(oldest)) for longest, least, oldest in extremes]
        for i in range(count):
            end_ns = (int(self._due.slot[i]) + 1) * period
            at = int(place[i]) if scored[i] else None
            # A reading near 3e38 leaves inf or NaN, which no alarm and no JSON can hold.
            score = math.nan if at is None else float(scores.score[at])
            unscored = None if math.isfinite(score) else "not_finite"
            if at is None:
                unscored = "coverage" if self._due.warm[i] else "warming_up"
            yield Judged(
                device=self.devices[device[i]],
                start_ns=end_ns - span * period,
                end_ns=end_ns,
                coverage=float(coverage[i]),
                warm=bool(self._due.warm[i]),
                score=score if math.isfinite(score) else None,
                threshold=self._scorer.usual_threshold(int(device[i]))
                if at is None
                else float(scores.threshold[at]),
                deviation=nothing if at is None else scores.deviation[at],
                observed=nothing if at is None else scores.observed[at],
                expected=nothing if at is None else scores.expected[at],
                where_ns=None if at is None else self._where(scores, at, end_ns),
                unscored=unscored,
                last=last[i],
                age_ns=age[i],
                still_ns=still[i],
                extremes_ns=most[i],
            )

    def _where(self, scores: Scores, at: int, end_ns: int) -> tuple[int, int] | None:
        """Start and end of what is to blame inside a window that is above its threshold."""
        if not scores.score[at] > scores.threshold[at]:
            return None  # nobody asks, and working it out takes time
        span = scores.where(at)
        if span is None:
            return None
        period = self.timeline.period_ns
        start_ns = end_ns - self.bundle.window * period
        return start_ns + span[0] * period, start_ns + (span[1] + 1) * period

    def prepare(self) -> None:
        """Do what can be done before the next readings arrive."""
        self._scorer.prepare()

    def _fresh(self, device: NDArray[np.int64], scored: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which windows are the first scored ones behind a gap, shape (B,)."""
        fresh = np.zeros(device.size, np.bool_)
        if scored.all() and not self._broken.any():
            return fresh
        for i, d in enumerate(device):
            fresh[i] = scored[i] and self._broken[d]
            self._broken[d] = not scored[i]
        return fresh
