"""What is worth telling before there is an alarm: `degrading`, `drift` and `rhythm`.

All go through the alarms' own machinery, so that they are acknowledged, shelved and
suppressed like any other; their severity is `advisory`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from edge_anomaly.alarms.drift import Drift, Shift, reference_of
from edge_anomaly.alarms.evidence import Cause, Detector, Finding, rounded
from edge_anomaly.alarms.rhythm import Beat, Rhythm, periods_of
from edge_anomaly.alarms.trend import Estimate, TrendLine
from edge_anomaly.errors import StateError
from edge_anomaly.files.bundle import Bundle, Signal
from edge_anomaly.files.rules import Alarms, Clear, Raise
from edge_anomaly.monitor import Judged
from edge_anomaly.values import ModelRef, Trend

__all__ = ["DEGRADING", "DRIFT", "RHYTHM", "Advisor", "advisory_detector"]

DEGRADING, DRIFT, RHYTHM = "degrading", "drift", "rhythm"
_DELAYS = {
    DEGRADING: (Raise(windows=2), Clear(below=0.5, windows=4)),
    DRIFT: (Raise(windows=1), Clear(below=0.8, windows=1)),
    RHYTHM: (Raise(windows=2), Clear(below=1.0, windows=1)),
}


def advisory_detector(name: str, bundle: Bundle, rules: Alarms) -> Detector:
    """The detector of an advisory; groups and calendars are the config's."""
    manifest = bundle.manifest
    begin, end = _DELAYS[name]
    gentle = msgspec.structs.replace(
        rules,
        raise_=begin,
        clear=end,
        minimum=0,
        merge_gap=0,
        severities={"advisory": 1.0},
        latching=False,
    )
    model = ModelRef(name=manifest.name, version=manifest.version, sha256=bundle.sha256)
    return Detector(name, model, gentle)


class Advisor:
    """What one device's healthy windows foretell."""

    def __init__(self, bundle: Bundle, device: int, rules: Alarms) -> None:
        """Make ready.

        Args:
            bundle: Its calibration may bring the reference of healthy time.
            device: Row of the bundle's devices.
            rules: `trend` and `drift` say what is watched.
        """
        self._signals: Sequence[Signal] = bundle.manifest.signals
        self._rules = rules
        # Not the threshold in use, which may itself follow the score: that would hide the wear.
        self._usual = float(bundle.calibration["threshold"][device])
        self.trend: Trend | None = None  # the newest, for the events of others
        self._line = None if rules.trend is None else TrendLine(rules.trend.span)
        self._drift: Drift | None = None
        reference = reference_of(bundle.calibration, device)
        if rules.drift is not None and reference is not None:
            self._drift = Drift(
                reference,
                samples=rules.drift.samples,
                over_ns=rules.drift.over,
                apart_ns=bundle.window * bundle.manifest.period_ns,
            )

        periods = periods_of(bundle.calibration, device)
        self._rhythm: Rhythm | None = None
        if rules.drift is not None and periods is not None:
            self._rhythm = Rhythm(
                periods, bundle.manifest.period_ns, bundle.manifest.branches[0].hop
            )

    @property
    def watches(self) -> list[str]:
        """The advisories that may come."""
        parts = {DEGRADING: self._line, DRIFT: self._drift, RHYTHM: self._rhythm}
        return [name for name, part in parts.items() if part is not None]

    def take(self, window: Judged, scale: float, *, calm: bool) -> list[tuple[str, Finding]]:
        """Findings by advisory; most windows bring none.

        Args:
            window: That was scored.
            scale: What an operator has the threshold multiplied by.
            calm: No alarm of the device is active: only then is it healthy time.
        """
        if window.score is None:
            return []
        found = []
        if self._line is not None:
            estimate = self._line.add(window.end_ns, window.score / (self._usual * scale))
            if estimate is not None:
                found.append((DEGRADING, self._degrading(window, estimate)))
        if self._drift is not None and calm:
            shift = self._drift.add(window.end_ns, window.score, window.observed)
            if shift is not None:
                found.append((DRIFT, self._drifting(window, shift)))
        if self._rhythm is not None:
            beat = self._rhythm.add(window.end_ns, window.observed)
            if beat is not None:
                found.append((RHYTHM, self._beating(window, beat)))
        return found

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "line": None if self._line is None else self._line.snapshot(),
            "drift": None if self._drift is None else self._drift.snapshot(),
            "rhythm": None if self._rhythm is None else self._rhythm.snapshot(),
            "trend": None if self.trend is None else msgspec.to_builtins(self.trend),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off; what is watched no more is passed over.

        Raises:
            StateError: A part does not fit.
        """
        if self._line is not None and state.get("line") is not None:
            self._line.restore(state["line"])
            self.trend = _read_trend(state.get("trend"))
        if self._drift is not None and state.get("drift") is not None:
            self._drift.restore(state["drift"])
        if self._rhythm is not None and state.get("rhythm") is not None:
            self._rhythm.restore(state["rhythm"])

    def _degrading(self, window: Judged, estimate: Estimate) -> Finding:
        rules = self._rules.trend
        hours = estimate.to_threshold_h
        self.trend = Trend(
            per_hour=rounded(math.expm1(min(estimate.slope, 50.0))),
            to_threshold_s=_seconds(hours),
            earliest_s=_seconds(estimate.earliest_h),
            latest_s=_seconds(estimate.latest_h),
        )
        urgency = 0.0
        if rules is not None and hours is not None and estimate.growth >= math.log(rules.growth):
            urgency = min(100.0, rules.horizon / 3600e9 / max(hours, 1e-6))
        trend = self.trend

        def cause() -> Cause:
            if hours is None:
                return Cause("its deviation does not grow any more", trend=trend)
            latest = "never" if estimate.latest_h is None else _hours(estimate.latest_h)
            return Cause(
                f"its deviation grows by {trend.per_hour:.0%} an hour and reaches the alarm level "
                f"in about {_hours(hours)} ({_hours(estimate.earliest_h or hours)} to {latest})",
                trend=trend,
            )

        return Finding(window.start_ns, window.end_ns, urgency, 1.0, cause)

    def _drifting(self, window: Judged, shift: Shift) -> Finding:
        what = "the deviation" if not shift.worst else self._signals[shift.worst - 1].name

        def cause() -> Cause:
            return Cause(
                f"{what} is no longer distributed as in the time that the model learnt from "
                f"(stability index {shift.psi:.2f}, limit {shift.limit:.2f}, {shift.samples} "
                "windows): recalibrate, or train again if this is the plant's new normal"
            )

        return Finding(window.start_ns, window.end_ns, shift.psi, shift.limit, cause)

    def _beating(self, window: Judged, beat: Beat) -> Finding:
        name = self._signals[beat.signal].name
        before, now = (_hours(ns / 3600e9) for ns in (beat.before_ns, beat.now_ns))

        def cause() -> Cause:
            return Cause(
                f"{name} repeats itself every {now} where the model learnt {before}: "
                "train again if this is the plant's new rhythm"
            )

        return Finding(window.start_ns, window.end_ns, beat.ratio, 1.0, cause)


def _read_trend(kept: object) -> Trend | None:
    try:
        return msgspec.convert(kept, Trend | None)
    except msgspec.ValidationError as exc:
        raise StateError(f"trend: {exc}") from exc


def _seconds(hours: float | None) -> float | None:
    return None if hours is None or hours > 24 * 365 else round(hours * 3600, 0)


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"  # noqa: PLR2004 - two days
