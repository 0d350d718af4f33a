"""Verdicts to alarm events: ids that survive a crash, and sentences an operator can use."""

import base64
import hashlib
from dataclasses import dataclass

import numpy as np

from edge_anomaly.bundle import Bundle
from edge_anomaly.config import Alarms
from edge_anomaly.decision import Hysteresis, Verdict
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Contributor, Event, ModelRef, State, WindowSpan, iso

__all__ = ["Alarm", "event_id", "span"]

CONTRIBUTORS = 5
LEAST_SHARE = 0.05  # a smaller part explains nothing
DIGITS = 6  # significant; the rest is the runtime's rounding

_STATE = {Verdict.RAISED: "ACTIVE_UNACK", Verdict.WORSE: "ACTIVE_UNACK"}
_TYPE = {Verdict.RAISED: "new", Verdict.WORSE: "update", Verdict.CLEARED: "end"}


def event_id(*parts: str | int) -> str:
    """An id that depends on nothing but `parts`: 26 characters, lower case."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


@dataclass
class _Open:
    """What is remembered of an event while it lasts."""

    id: str
    start_ns: int
    detect_ns: int
    seq: int = 0
    peak: float = 0.0
    blamed: str = ""  # the signals, as last told


class Alarm:
    """The anomaly alarm of one device."""

    def __init__(self, device: str, bundle: Bundle, rules: Alarms, owner: str) -> None:
        self._device = device
        self._owner = owner
        self._detector = bundle.manifest.name
        self._signals = bundle.manifest.signals
        self._model = ModelRef(
            name=bundle.manifest.name, version=bundle.manifest.version, sha256=bundle.sha256
        )
        self._decision = Hysteresis(rules)
        self._event: _Open | None = None
        self.state = State(device=device, state="NORMAL")

    def judge(self, window: Judged, now_ns: int) -> Event | None:
        """Take the device's next window; a transition, if it made one.

        `state` is brought up to date.
        """
        if window.score is None:
            return None
        verdict = self._decision.step(window.score / window.threshold, window.end_ns)
        if self._event:
            self._event.peak = max(self._event.peak, window.score)
        if verdict is Verdict.NOTHING:
            return None
        if verdict is Verdict.RAISED:
            start = self._decision.run_start_ns
            name = event_id(self._owner, self._device, self._detector, start // 1_000_000)
            self._event = _Open(name, start, window.end_ns, peak=window.score)
        return self._transition(verdict, window, window.score, now_ns)

    def _transition(self, verdict: Verdict, window: Judged, score: float, now_ns: int) -> Event:
        open_event = self._event
        if open_event is None:
            raise RuntimeError(f"{self._device}: {verdict} without an event")
        open_event.seq += 1
        ended = verdict is Verdict.CLEARED
        end_ns = self._decision.run_start_ns if ended else None
        contributors = self._contributors(window)
        event = Event(
            type=_TYPE[verdict],
            event_id=open_event.id,
            seq=open_event.seq,
            agent=self._owner,
            device=self._device,
            detector=self._detector,
            severity=self._decision.severity,
            state=_STATE.get(verdict, "CLEARED_UNACK"),
            ts=iso(window.end_ns),
            ts_ms=window.end_ns // 1_000_000,
            start_ts=iso(open_event.start_ns),
            end_ts=None if end_ns is None else iso(end_ns),
            detect_ts=iso(open_event.detect_ns),
            publish_ts=iso(now_ns),
            score=_rounded(score),
            threshold=_rounded(window.threshold),
            peak_score=_rounded(open_event.peak),
            contributors=contributors,
            window=span(window),
            quality="good" if window.coverage == 1.0 else "uncertain",
            replayed=False,
            model=self._model,
            message=self._message(verdict, contributors, end_ns),
        )
        self.state = State(
            device=self._device,
            state="NORMAL" if ended else event.state,
            severity=None if ended else event.severity,
            event_id=event.event_id,
            since=event.end_ts if ended else event.start_ts,
            message=event.message,
        )
        if ended:
            self._event = None
        return event

    def _contributors(self, window: Judged) -> list[Contributor]:
        excess = np.maximum(window.deviation, 0.0)
        share = excess / max(float(excess.sum()), 1e-12)
        return [
            Contributor(
                signal=self._signals[c].name,
                share=round(float(share[c]), 3),
                value=_rounded(float(window.observed[c])),
                expected=_rounded(float(window.expected[c])),
            )
            for c in np.argsort(-share, kind="stable")[:CONTRIBUTORS]
            if share[c] >= LEAST_SHARE
        ]

    def _message(
        self, verdict: Verdict, contributors: list[Contributor], end_ns: int | None
    ) -> str:
        open_event = self._event
        if open_event is None:
            raise RuntimeError("no event to tell of")
        since = f"since {_minute(open_event.start_ns)}"
        if end_ns is not None:
            lasted = _lasting(end_ns - open_event.start_ns)
            cause = f"; it was {open_event.blamed}" if open_event.blamed else ""
            return f"{self._device}: back to normal after {lasted}{cause}"
        grown = " and it grew worse" if verdict is Verdict.WORSE else ""
        if not contributors:
            return f"{self._device}: unusual behaviour of all signals together{grown}, {since}"
        first = contributors[0]
        unit = {signal.name: signal.unit for signal in self._signals}[first.signal]
        open_event.blamed = " and ".join(c.signal for c in contributors[:2])
        others = f", then {contributors[1].signal}" if len(contributors) > 1 else ""
        return (
            f"{self._device}: {first.signal} is {_with_unit(first.value, unit)} where "
            f"{_with_unit(first.expected, unit)} is expected "
            f"({first.share:.0%} of the deviation{others}){grown}, {since}"
        )


def span(window: Judged) -> WindowSpan:
    """The stretch of time that `window` covers."""
    return WindowSpan(
        start=iso(window.start_ns), end=iso(window.end_ns), coverage=round(window.coverage, 4)
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _with_unit(value: float, unit: str) -> str:
    return f"{value:.4g} {unit}".rstrip()


def _minute(t_ns: int) -> str:
    return iso(t_ns)[:19].replace("T", " ") + " UTC"


def _lasting(ns: int) -> str:
    seconds = ns // 10**9
    if seconds < 120:  # noqa: PLR2004 - two minutes still read well in seconds
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - likewise
