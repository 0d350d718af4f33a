"""Findings to alarm events: ids that survive a crash, and sentences an operator can use.

An `Alarm` is of one device and one detector. It knows nothing of what the detector looks
at: a `Finding` brings a score, a threshold and, should it come to a transition, the cause.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from edge_anomaly.alarms.calendars import Suppression
from edge_anomaly.alarms.decision import Hysteresis, Verdict
from edge_anomaly.alarms.evidence import Cause, Detector, Finding, rounded
from edge_anomaly.alarms.life import Change, Life, step, told
from edge_anomaly.alarms.opened import Opened, event_id
from edge_anomaly.alarms.sentences import sentence
from edge_anomaly.errors import StateError
from edge_anomaly.values import Event, State, iso

__all__ = ["Alarm"]

_CHANGES = {
    Verdict.RAISED: Change.RAISED,
    Verdict.WORSE: Change.WORSE,
    Verdict.BETTER: Change.BETTER,
    Verdict.CLEARED: Change.CLEARED,
}


@dataclass
class Alarm:
    """The alarm of one device and detector."""

    device: str
    detector: Detector
    owner: str
    suppression: Suppression = field(default_factory=lambda: Suppression(()))
    life: Life = Life.NORMAL
    event: Opened | None = None  # the newest, also when it is over
    scale: float = 1.0  # of the threshold, as an operator has set it
    shelved_until_ns: int | None = None
    out: bool = False  # of service
    suppressed: str | None = None  # what suppresses it
    decision: Hysteresis = field(init=False)
    transitions: deque[int] = field(init=False)  # latest raised and cleared, for chatter

    def __post_init__(self) -> None:
        rules = self.detector.rules
        self.decision = Hysteresis(rules)
        self.transitions = deque(maxlen=rules.chatter.transitions)
        self.group = rules.group_of(self.device)

    @property
    def covered(self) -> bool:
        """Whether operators are not to be called for it."""
        return self.out or self.shelved_until_ns is not None or self.suppressed is not None

    @property
    def word(self) -> str:
        """The state as it is told."""
        return told(
            self.life,
            out=self.out,
            shelved=self.shelved_until_ns is not None,
            suppressed=self.suppressed is not None,
        )

    @property
    def state(self) -> State:
        """Where the alarm stands; an event that has ended leaves no trace but its sentence."""
        word, event = self.word, self.event
        if event is None:
            return State(device=self.device, detector=self.detector.name, state=word)
        ended = not self.life.open
        if ended and not self.covered:
            word = "NORMAL"
        since = event.start_ns if event.end_ns is None or not ended else event.end_ns
        return State(
            device=self.device,
            detector=self.detector.name,
            group=self.group,
            state=word,
            severity=None if ended else event.severity,
            event_id=event.id,
            since=iso(since),
            message=sentence(self.device, event, ended=ended),
        )

    def judge(self, finding: Finding, now_ns: int) -> list[Event]:
        """Take what the detector found next; the transitions that it made, nearly always none."""
        if self.out:
            return []
        events = []
        suppressed = self.suppression.at(finding.end_ns)
        if suppressed != self.suppressed:
            events += self._cover(suppressed, finding.end_ns, now_ns)
        threshold = finding.threshold * self.scale
        if self.decision.elapse(finding.end_ns) is Verdict.CLEARED:
            events += self._take(Change.CLEARED, finding, now_ns)
        verdict = self.decision.step(finding.score / threshold, finding.end_ns)
        event = self.event
        if event is not None and self.life.open and event.peak < finding.score:
            event.peak = finding.score
        if verdict is Verdict.NOTHING:
            if event is None or not self.life.open:
                return events
            change = self._in_time(event, finding.end_ns)
            if change is None:
                return events
        else:
            change = _CHANGES[verdict]
        return events + self._take(change, finding, now_ns)

    def acknowledge(self, now_ns: int) -> list[Event]:
        """Somebody has seen it; nothing where there is nothing to see, or it was seen before."""
        return self._change(Change.ACK, now_ns, now_ns)

    def shelve(self, until_ns: int, now_ns: int) -> list[Event]:
        """Put aside until then."""
        self.shelved_until_ns = until_ns
        return self._covered(Change.SHELVED, now_ns)

    def unshelve(self, now_ns: int) -> list[Event]:
        """Bring back."""
        if self.shelved_until_ns is None:
            return []
        self.shelved_until_ns = None
        return self._covered(Change.UNSHELVED, now_ns)

    def withdraw(self, now_ns: int) -> list[Event]:
        """Judge no more; an open event ends."""
        self.out = True
        events = self._change(Change.WITHDRAWN, now_ns, now_ns, end_ns=now_ns)
        self.decision.reset()
        return events

    def reinstate(self) -> None:
        """Judge again, from nothing."""
        self.out = False

    def forget(self, now_ns: int) -> list[Event]:
        """Be as before the first finding; an open event ends. What operators have set stays."""
        events = self._change(Change.WITHDRAWN, now_ns, now_ns, end_ns=now_ns)
        self.life, self.event, self.suppressed = Life.NORMAL, None, None
        self.transitions.clear()
        self.decision.reset()
        return events

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "life": str(self.life),
            "event": None if self.event is None else msgspec.to_builtins(self.event),
            "scale": self.scale,
            "shelved_until_ns": self.shelved_until_ns,
            "out": self.out,
            "suppressed": self.suppressed,
            "transitions": list(self.transitions),
            "decision": self.decision.snapshot(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            life = Life(state["life"])
            event = msgspec.convert(state["event"], Opened | None)
            numbers = msgspec.convert(state["transitions"], list[int])
            plain = {key: state[key] for key in ("scale", "shelved_until_ns", "out", "suppressed")}
            decision = state["decision"]
        except (KeyError, TypeError, ValueError, msgspec.ValidationError) as exc:
            raise StateError(f"alarm of {self.device}: {exc}") from exc
        self.decision.restore(decision)
        self.life, self.event = life, event
        self.transitions.extend(numbers)
        self.__dict__.update(plain)

    def _take(self, change: Change, finding: Finding, now_ns: int) -> list[Event]:
        """A change that a finding brings."""
        t_ns, decision = finding.end_ns, self.decision
        if change is Change.RAISED and self.life is not Life.LATCHED:
            start = decision.start_ns
            self.event = Opened(
                id=event_id(self.owner, self.device, self.detector.name, start // 1_000_000),
                start_ns=start,
                detect_ns=t_ns,
                window=finding.span,
                score=finding.score,
                threshold=finding.threshold,
                peak=finding.score,
                severity=decision.severity,
            )
        event = self.event
        if event is None:
            raise RuntimeError(f"{self.device}: {change} without an event")
        event.window, event.score = finding.span, finding.score
        event.threshold = finding.threshold * self.scale
        event.severity, event.quality = decision.severity, finding.quality
        cause = finding.cause()
        if change is not Change.CLEARED:  # then the cause is what it was
            event.text, event.trend = cause.text, cause.trend
            event.contributors, event.where = list(cause.contributors), cause.where
        if change in {Change.RAISED, Change.CLEARED}:
            self._note_chatter(event, t_ns)
        end_ns = None
        if change is Change.CLEARED:
            end_ns = decision.end_ns
            if self.detector.rules.latching:
                change = Change.LATCHED
        elif change is Change.RAISED:
            event.end_ns = None
        return self._change(change, t_ns, now_ns, end_ns=end_ns, cause=cause)

    def _in_time(self, event: Opened, t_ns: int) -> Change | None:
        """What the mere passing of time brings."""
        rules = self.detector.rules
        if not event.stale and t_ns - event.detect_ns >= rules.stale:
            event.stale = True
            return Change.STALE
        if rules.realarm is not None and t_ns - event.told_ns >= rules.realarm:
            return Change.AGAIN
        return None

    def _note_chatter(self, event: Opened, t_ns: int) -> None:
        """After too many transitions the alarm stands until it has been quiet as long."""
        chatter = self.detector.rules.chatter
        self.transitions.append(t_ns)
        full = len(self.transitions) == chatter.transitions
        now = full and t_ns - self.transitions[0] <= chatter.within
        self.decision.hold_ns = chatter.within if now else 0
        event.chattering = event.chattering or now

    def _cover(self, suppressed: str | None, t_ns: int, now_ns: int) -> list[Event]:
        self.suppressed = suppressed
        change = Change.UNSUPPRESSED if suppressed is None else Change.SUPPRESSED
        return self._covered(change, now_ns, t_ns)

    def _covered(self, change: Change, now_ns: int, t_ns: int | None = None) -> list[Event]:
        """What is told when a cover is put on or lifted: nothing where no event is open."""
        if self.event is None or not self.life.open:
            return []
        return [self._tell("update", change, now_ns if t_ns is None else t_ns, now_ns)]

    def _change(
        self,
        change: Change,
        t_ns: int,
        now_ns: int,
        *,
        end_ns: int | None = None,
        cause: Cause | None = None,
    ) -> list[Event]:
        following = step(self.life, change)
        if following is None or self.event is None:
            return []
        self.life = following.then
        if change in {Change.RAISED, Change.WORSE, Change.AGAIN}:
            self.event.told_ns = t_ns
        if end_ns is not None:
            self.event.end_ns = end_ns
        return [self._tell(following.event, change, t_ns, now_ns, cause)]

    def _tell(
        self, kind: str, change: Change, t_ns: int, now_ns: int, cause: Cause | None = None
    ) -> Event:
        event = self.event
        if event is None:
            raise RuntimeError(f"{self.device}: {change} without an event")
        event.seq += 1
        ended = not self.life.open
        forgotten = change is Change.WITHDRAWN and not self.out
        return Event(
            type=kind,
            event_id=event.id,
            seq=event.seq,
            agent=self.owner,
            device=self.device,
            group=self.group,
            detector=self.detector.name,
            severity=event.severity,
            state=self.word,
            change=str(change),
            active=self.life in {Life.ACTIVE_UNACK, Life.ACTIVE_ACK},
            acknowledged=self.life in {Life.ACTIVE_ACK, Life.CLEARED_ACK},
            suppressed=self.suppressed,
            shelved_until=None if self.shelved_until_ns is None else iso(self.shelved_until_ns),
            chattering=event.chattering,
            ts=iso(t_ns),
            ts_ms=t_ns // 1_000_000,
            start_ts=iso(event.start_ns),
            end_ts=None if event.end_ns is None else iso(event.end_ns),
            detect_ts=iso(event.detect_ns),
            publish_ts=iso(now_ns),
            score=rounded(event.score),
            threshold=rounded(event.threshold),
            peak_score=rounded(event.peak),
            contributors=list(event.contributors if cause is None else cause.contributors),
            window=event.window,
            where=event.where if cause is None else cause.where,
            trend=event.trend if cause is None else cause.trend,
            quality=event.quality,
            replayed=False,
            model=self.detector.model,
            message=sentence(
                self.device, event, ended=ended, change="forgotten" if forgotten else str(change)
            ),
        )
