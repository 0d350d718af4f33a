"""All alarms of an agent: what operators ask of them, and what they amount to together.

The panel in a control room: findings come in, transitions go out; commands acknowledge,
shelve and suppress; a flood is told as one.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from edge_anomaly.alarms.alarm import Alarm
from edge_anomaly.alarms.calendars import Span, Suppression, calendars_of, nanoseconds
from edge_anomaly.alarms.evidence import Detector, Finding, rounded
from edge_anomaly.alarms.labels import Labelled, Labels
from edge_anomaly.alarms.opened import Opened, event_id
from edge_anomaly.alarms.rates import AlarmRates, Raised, Turn
from edge_anomaly.commands import (
    Ack,
    CommandError,
    Label,
    Maintenance,
    OutOfService,
    Request,
    Shelve,
    Target,
    Threshold,
    Unshelve,
)
from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Alarms
from edge_anomaly.values import Event, ModelRef, Rates, State, WindowSpan, iso

__all__ = ["FLOOD", "Annunciator", "Done"]

ADVISORY = "advisory"  # the severity of what calls nobody at once
FLOOD = "flood"  # the detector of a flood's events
PLANT = "*"  # their device
PAST = 5_000  # ended events that can still be labelled
_URGENCY = (
    "ACTIVE_UNACK",
    "ACTIVE_ACK",
    "CLEARED_UNACK",
    "SHELVED",
    "SUPPRESSED",
    "OUT_OF_SERVICE",
    "NORMAL",
    "CLEARED_ACK",
)

Done = tuple[dict[str, Any], list[Event]]  # what the reply tells, and what is to be published


class Annunciator:
    """The alarms by device and detector."""

    def __init__(self, owner: str, rules: Alarms) -> None:
        self._owner = owner
        self._rules = rules
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._of_device: dict[str, list[Alarm]] = {}
        self._suppressions: dict[str, Suppression] = {}
        self._rates = AlarmRates(rules.flood)
        self._flood_seq = 0
        self._changed: set[str] = set()
        self._past: dict[str, tuple[str, int, int]] = {}  # ended events: device, start, end
        self.labels = Labels()
        self._fulfil: dict[type[Request], Callable[[Any, int], Done]] = {
            Ack: self._acknowledge,
            Shelve: self._shelve,
            Unshelve: self._unshelve,
            Maintenance: self._maintain,
            Threshold: self._scale,
            Label: self._label,
            OutOfService: self._out,
        }

    def add(self, device: str, detector: Detector) -> Alarm:
        """The alarm of `device` and `detector`, new and normal."""
        if device not in self._suppressions:
            self._suppressions[device] = Suppression(calendars_of(self._rules, device))
        alarm = Alarm(device, detector, self._owner, self._suppressions[device])
        self._alarms[device, detector.name] = alarm
        self._of_device.setdefault(device, []).append(alarm)
        return alarm

    def judge(self, alarm: Alarm, finding: Finding, now_ns: int) -> list[Event]:
        """Take a finding; the transitions it made, and a flood's if it made one."""
        before = alarm.suppressed
        events = alarm.judge(finding, now_ns)
        if alarm.suppressed != before:
            self._changed.add(alarm.device)
        if not events:
            turn = self._rates.advance(finding.end_ns) if self._rates.flooded else None
            return [] if turn is None else [self._flood(turn, finding.end_ns, now_ns)]
        self._changed.add(alarm.device)
        self._remember(alarm.device, alarm.event, events)
        if alarm.covered:
            return events
        told = list(events)
        for event in events:
            if event.type == "new" and event.severity != ADVISORY:
                new = Raised(finding.end_ns, event.device, event.event_id, event.message)
                turn = self._rates.add(new)
                if turn is not None:
                    told.append(self._flood(turn, finding.end_ns, now_ns))
        return told

    def tick(self, now_ns: int) -> list[Event]:
        """Shelves whose time is up."""
        events = []
        for alarm in self._alarms.values():
            until = alarm.shelved_until_ns
            if until is not None and now_ns >= until:
                events += alarm.unshelve(now_ns)
                self._changed.add(alarm.device)
        return events

    def forget(self, device: str, now_ns: int) -> list[Event]:
        """Be as before the device's first finding; the last words of its open events."""
        events = []
        for alarm in self._of_device[device]:
            event = alarm.event
            told = alarm.forget(now_ns)
            self._remember(device, event, told)
            events += told
        self._changed.discard(device)
        return events

    def fulfils(self, request: Request) -> bool:
        """Whether it is for us."""
        return type(request) in self._fulfil

    def follow(self, request: Request, now_ns: int) -> Done:
        """Do what is asked.

        Raises:
            CommandError: It cannot be done; nothing is changed.
        """
        return self._fulfil[type(request)](request, now_ns)

    def touch(self, device: str) -> None:
        """Have the state of `device` told, though nothing changed."""
        self._changed.add(device)

    def changed(self) -> list[str]:
        """Devices whose state has changed since the last call, in order of their names."""
        names, self._changed = sorted(self._changed), set()
        return names

    def state(self, device: str) -> State:
        """Where a device stands: its most urgent alarm."""
        states = [alarm.state for alarm in self._of_device[device]]
        return min(states, key=lambda state: _URGENCY.index(state.state))

    def scale(self, device: str, detector: str) -> float:
        """What the threshold is multiplied by."""
        return self._alarms[device, detector].scale

    def rates(self, t_ns: int) -> Rates:
        """How many alarms the operators get."""
        return self._rates.figures(t_ns)

    def counts(self) -> dict[str, int]:
        """How many alarms are in each state."""
        found: dict[str, int] = {}
        for alarm in self._alarms.values():
            word = alarm.state.state
            found[word] = found.get(word, 0) + 1
        return found

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "alarms": [
                {"device": device, "detector": detector, **alarm.snapshot()}
                for (device, detector), alarm in self._alarms.items()
            ],
            "asked": {
                device: [list(span) for span in suppression.asked]
                for device, suppression in self._suppressions.items()
                if suppression.asked
            },
            "rates": self._rates.snapshot(),
            "flood_seq": self._flood_seq,
            "labels": self.labels.snapshot(),
            "past": {event: list(about) for event, about in self._past.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off; alarms of devices that are gone are dropped.

        Raises:
            StateError: It is none; what was restored before the flaw stays.
        """
        try:
            for kept in state["alarms"]:
                alarm = self._alarms.get((kept["device"], kept["detector"]))
                if alarm is not None:
                    alarm.restore(kept)
            for device, spans in state["asked"].items():
                if device in self._suppressions:
                    self._suppressions[device].asked = msgspec.convert(spans, list[Span])
            self._flood_seq = msgspec.convert(state["flood_seq"], int)
            self._rates.restore(state["rates"])
            self.labels.restore(state["labels"])
            self._past = msgspec.convert(state["past"], dict[str, tuple[str, int, int]])
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as exc:
            raise StateError(f"alarms: {exc}") from exc

    def _remember(self, device: str, event: Opened | None, events: Iterable[Event]) -> None:
        if event is None or event.end_ns is None or all(one.type != "end" for one in events):
            return
        self._past[event.id] = (device, event.start_ns, event.end_ns)
        if len(self._past) > PAST:
            del self._past[next(iter(self._past))]

    def _flood(self, turn: Turn, t_ns: int, now_ns: int) -> Event:
        """The one event that stands for many."""
        first = turn.alarms[0]
        count = len(turn.alarms)
        devices = len({one.device for one in turn.alarms})
        within = self._rules.flood.within
        if turn.begins:
            self._flood_seq = 0
            text = f"{count} new alarms on {devices} devices within {within / 60e9:g} min"
        else:
            text = f"the flood is over: {count} alarms on {devices} devices"
        self._flood_seq += 1
        return Event(
            type="new" if turn.begins else "end",
            event_id=event_id(self._owner, FLOOD, first.event_id),
            seq=self._flood_seq,
            agent=self._owner,
            device=PLANT,
            detector=FLOOD,
            severity="warning",
            state="ACTIVE_UNACK" if turn.begins else "CLEARED_UNACK",
            change="raised" if turn.begins else "cleared",
            active=turn.begins,
            acknowledged=False,
            first_out=first.event_id,
            ts=iso(t_ns),
            ts_ms=t_ns // 1_000_000,
            start_ts=iso(first.t_ns),
            end_ts=None if turn.begins else iso(t_ns),
            detect_ts=iso(turn.alarms[min(count - 1, self._rules.flood.alarms)].t_ns),
            publish_ts=iso(now_ns),
            score=float(count),
            threshold=float(self._rules.flood.alarms),
            peak_score=float(count),
            contributors=[],
            window=WindowSpan(start=iso(first.t_ns), end=iso(t_ns), coverage=1.0),
            quality="good",
            replayed=False,
            model=ModelRef(name=FLOOD, version="", sha256=""),
            message=f"{text}; first out {first.message}",
        )

    def _meant(self, target: Target) -> list[Alarm]:
        if target.event_id is not None:
            alarms = [
                alarm
                for alarm in self._alarms.values()
                if alarm.event is not None and alarm.event.id == target.event_id
            ]
            what = f"event {target.event_id}"
        elif target.device is not None:
            alarms, what = self._of_device.get(target.device, []), f"device {target.device!r}"
        else:
            patterns = self._rules.groups.get(target.group or "", [])
            devices = [d for d in self._of_device if any(fnmatchcase(d, p) for p in patterns)]
            alarms = [alarm for device in devices for alarm in self._of_device[device]]
            what = f"group {target.group!r}"
        if target.detector is not None:
            alarms = [alarm for alarm in alarms if alarm.detector.name == target.detector]
            what += f" with a detector {target.detector!r}"
        if not alarms:
            raise CommandError("not_found", f"no {what}")
        return list(alarms)

    def _each(self, alarms: Iterable[Alarm], act: Callable[[Alarm], list[Event]]) -> Done:
        """Do `act` to each; the reply names them."""
        events, done = [], []
        for alarm in alarms:
            events += act(alarm)
            done.append({"device": alarm.device, "detector": alarm.detector.name})
            self._changed.add(alarm.device)
        for entry, alarm in zip(done, alarms, strict=True):
            entry["state"] = alarm.state.state
        return {"alarms": done}, events

    def _acknowledge(self, request: Ack, now_ns: int) -> Done:
        seen = [alarm for alarm in self._meant(request) if alarm.event is not None]
        return self._each(seen, lambda alarm: alarm.acknowledge(now_ns))

    def _shelve(self, request: Shelve, now_ns: int) -> Done:
        longest = self._rules.longest_shelve
        if not 0 < request.for_ <= longest:
            raise CommandError(
                "out_of_bounds", f"an alarm may be shelved for {longest / 3600e9:g} h at most"
            )
        until = now_ns + request.for_
        data, events = self._each(self._meant(request), lambda alarm: alarm.shelve(until, now_ns))
        return data | {"until": iso(until)}, events

    def _unshelve(self, request: Unshelve, now_ns: int) -> Done:
        return self._each(self._meant(request), lambda alarm: alarm.unshelve(now_ns))

    def _maintain(self, request: Maintenance, now_ns: int) -> Done:
        alarms = self._meant(request)
        if request.for_ is None:
            for alarm in alarms:
                alarm.suppression.asked = []
            return {"devices": sorted({alarm.device for alarm in alarms})}, []
        start = now_ns if request.start is None else nanoseconds(request.start)
        span = Span(start, start + request.for_, request.reason or "maintenance")
        for alarm in {alarm.device: alarm for alarm in alarms}.values():
            alarm.suppression.ask(span)
        devices = sorted({alarm.device for alarm in alarms})
        return {"devices": devices, "start": iso(start), "end": iso(span.end_ns)}, []

    def _scale(self, request: Threshold, _now_ns: int) -> Done:
        least, most = self._rules.scale
        if not least <= request.scale <= most:
            raise CommandError("out_of_bounds", f"a scale must lie between {least:g} and {most:g}")
        alarms = self._meant(Target(device=request.device, detector=request.detector))
        if request.detector is None:
            alarms = alarms[:1]  # the model's: it was put on first
        before = {alarm.detector.name: alarm.scale for alarm in alarms}

        def act(alarm: Alarm) -> list[Event]:
            alarm.scale = request.scale
            return []

        data, events = self._each(alarms, act)
        return data | {"before": before, "scale": rounded(request.scale)}, events

    def _label(self, request: Label, now_ns: int) -> Done:
        if request.event_id is None:
            if request.device is None or request.start is None or request.end is None:
                raise CommandError("malformed", "a label needs a device, a start and an end")
            if request.device not in self._of_device:
                raise CommandError("not_found", f"no device {request.device!r}")
            start, end = nanoseconds(request.start), nanoseconds(request.end)
            device = request.device
        else:
            device, start, end = self._stretch(request.event_id, now_ns)
        label = Labelled(
            device=device,
            start=iso(start),
            end=iso(end),
            verdict=request.verdict,
            event_id=request.event_id,
            by=request.by,
            ts=iso(now_ns),
        )
        self.labels.add(label)
        return {"label": msgspec.to_builtins(label), "labels": len(self.labels)}, []

    def _stretch(self, event: str, now_ns: int) -> tuple[str, int, int]:
        """Device, start and end of an event; of one that is open, until now."""
        if event in self._past:
            return self._past[event]
        [alarm] = self._meant(Target(event_id=event))
        if alarm.event is None:
            raise CommandError("not_found", f"no event {event}")
        start = alarm.event.start_ns
        return alarm.device, start, alarm.event.end_ns or max(now_ns, start + 1)

    def _out(self, request: OutOfService, now_ns: int) -> Done:
        def act(alarm: Alarm) -> list[Event]:
            if request.out:
                return alarm.withdraw(now_ns)
            alarm.reinstate()
            return []

        return self._each(self._meant(request), act)
