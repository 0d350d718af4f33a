"""What an onlooker knows of plant and agent from their messages alone; pure."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from edge_anomaly.simulate import LABELS, Label
from edge_anomaly.values import Event, Score

__all__ = ["Board", "Line", "Machine", "Seen"]

RECENT = 60  # windows shown
LINES = 200  # kept of the log


class Line(NamedTuple):
    """Something that happened."""

    t_s: float  # the plant's time
    kind: str  # fault | repair | alarm | worse | clear | note
    device: str
    text: str


@dataclass
class Seen:
    """One alarm, or one fault: from when to when, in the plant's time."""

    device: str
    start_s: float
    end_s: float | None = None  # None while it lasts
    what: str = ""


@dataclass
class Machine:
    """What is known of one device."""

    name: str
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))  # score / threshold
    alarm: Seen | None = None  # that is active
    severity: str = ""
    fault: Seen | None = None  # that is there
    warm: bool = False

    @property
    def ratio(self) -> float | None:
        """Newest deviation over the alarm level; None before the first."""
        return self.recent[-1] if self.recent else None


class Board:
    """Takes messages as they come; those of QoS 1 may come twice."""

    def __init__(self, base: str, devices: Iterable[str]) -> None:
        """Know nothing yet.

        Args:
            base: What the agent's topics begin with.
            devices: To show, in this order.
        """
        self._base = base
        self.machines = {device: Machine(device) for device in devices}
        self.status = "starting"
        self.alarms: list[Seen] = []
        self.faults: list[Seen] = []
        self.lines: deque[Line] = deque(maxlen=LINES)
        self.time_s: float | None = None  # the plant's, as far as scores tell
        self.happened = 0  # lines so far, also those no longer kept
        self.refused = 0  # readings that the agent could not use
        self._told: set[tuple[str, int]] = set()
        self._open: dict[str, Seen] = {}

    def take(self, topic: str, payload: bytes) -> None:
        """Take a message; topics that mean nothing here are passed over.

        Raises:
            msgspec.DecodeError: It is not what its topic promises.
        """
        if topic.startswith(f"{LABELS}/"):
            self._label(msgspec.json.decode(payload, type=Label))
        elif topic == f"{self._base}/status":
            self.status = str(msgspec.json.decode(payload).get("state", "unknown"))
        elif topic == f"{self._base}/event":
            self._event(msgspec.json.decode(payload, type=Event))
        elif topic == f"{self._base}/error":
            self.refused += int(msgspec.json.decode(payload).get("count", 1))
        elif topic.startswith(f"{self._base}/device/") and topic.endswith("/score"):
            self._score(msgspec.json.decode(payload, type=Score))

    def _score(self, score: Score) -> None:
        machine = self.machines.get(score.device)
        if machine is None:
            return
        machine.warm = score.warm
        self.time_s = max(self.time_s or 0.0, score.ts_ms / 1e3)
        if score.score is not None:
            machine.recent.append(score.score / score.threshold)

    def _label(self, label: Label) -> None:
        machine = self.machines.get(label.device)
        if machine is None:
            return
        fault, machine.fault = machine.fault, None
        if fault is not None:
            fault.end_s = label.t
            if label.kind is None:
                self._say(label.t, "repair", label.device, f"{label.device} is repaired.")
        if label.kind is not None:
            machine.fault = Seen(label.device, label.t, what=label.kind)
            self.faults.append(machine.fault)
            self._say(label.t, "fault", label.device, label.sentence)

    def _event(self, event: Event) -> None:
        machine = self.machines.get(event.device)
        if machine is None or (event.event_id, event.seq) in self._told:
            return
        self._told.add((event.event_id, event.seq))
        at_s = event.ts_ms / 1e3
        alarm = self._open.get(event.event_id)
        if alarm is None:
            alarm = Seen(event.device, _seconds(event.detect_ts), what=event.message)
            self._open[event.event_id] = alarm
            self.alarms.append(alarm)
        if event.type == "end":
            alarm.end_s = at_s
            machine.alarm, machine.severity = None, ""
        else:
            machine.alarm, machine.severity = alarm, event.severity
        calls = "worse" if event.change in {"worse", "raised"} else "note"
        kind = {"new": "alarm", "end": "clear"}.get(event.type, calls)
        self._say(at_s, kind, event.device, event.message)

    def _say(self, t_s: float, kind: str, device: str, text: str) -> None:
        self.lines.append(Line(t_s, kind, device, text))
        self.happened += 1


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
