"""All alarms of an agent, and what they amount to together.

The panel in a control room: findings come in, transitions go out; what operators ask is done at
the desk; a flood is told as one.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from edge_anomaly.alarms.alarm import Alarm
from edge_anomaly.alarms.calendars import Span, Suppression, calendars_of
from edge_anomaly.alarms.desk import Desk, Done
from edge_anomaly.alarms.evidence import Detector, Finding
from edge_anomaly.alarms.flood import flood_event
from edge_anomaly.alarms.labels import Labels
from edge_anomaly.alarms.rates import AlarmRates, Raised, Turn
from edge_anomaly.commands import Request
from edge_anomaly.errors import StateError
from edge_anomaly.files.rules import Alarms
from edge_anomaly.values import Event, Rates, State

__all__ = ["Annunciator"]

ADVISORY = "advisory"  # the severity of what calls nobody at once
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


class Annunciator:
    """The alarms by device and detector."""

    def __init__(self, owner: str, rules: Alarms) -> None:
        self._owner = owner
        self._rules = rules
        self._alarms: dict[tuple[str, str], Alarm] = {}
        self._of_device: dict[str, list[Alarm]] = {}
        self._suppressions: dict[str, Suppression] = {}
        self._rates = AlarmRates(rules.flood)
        self._changed: set[str] = set()
        self._desk = Desk(rules, self._alarms, self._of_device, self.touch)

    @property
    def labels(self) -> Labels:
        """What operators have said of alarms."""
        return self._desk.labels

    @labels.setter
    def labels(self, labels: Labels) -> None:
        self._desk.labels = labels

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
        self._desk.remember(alarm.device, alarm.event, events)
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
            self._desk.remember(device, event, told)
            events += told
        self._changed.discard(device)
        return events

    def fulfils(self, request: Request) -> bool:
        """Whether it is for us."""
        return self._desk.fulfils(request)

    def follow(self, request: Request, now_ns: int) -> Done:
        """Do what is asked.

        Raises:
            CommandError: It cannot be done; nothing is changed.
        """
        return self._desk.follow(request, now_ns)

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
            **self._desk.snapshot(),
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
            self._rates.restore(state["rates"])
            self._desk.restore(state)
        except (KeyError, TypeError, AttributeError, msgspec.ValidationError) as exc:
            raise StateError(f"alarms: {exc}") from exc

    def _flood(self, turn: Turn, t_ns: int, now_ns: int) -> Event:
        return flood_event(self._owner, self._rules.flood, turn, t_ns, now_ns)
