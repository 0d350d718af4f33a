"""What operators ask of the alarms: seen, put aside, planned, scaled, labelled, out of service."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from edge_anomaly.alarms.alarm import Alarm
from edge_anomaly.alarms.calendars import Span, nanoseconds
from edge_anomaly.alarms.evidence import rounded
from edge_anomaly.alarms.labels import Labelled, Labels
from edge_anomaly.alarms.opened import Opened
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
from edge_anomaly.values import Event, iso

__all__ = ["Desk", "Done"]

PAST = 5_000  # ended events that can still be labelled

Done = tuple[dict[str, Any], list[Event]]  # what the reply tells, and what is to be published


class Desk:
    """Requests in, changed alarms out."""

    def __init__(
        self,
        rules: Alarms,
        alarms: Mapping[tuple[str, str], Alarm],
        of_device: Mapping[str, list[Alarm]],
        touch: Callable[[str], None],
    ) -> None:
        """Begin without a label.

        Args:
            rules: What may be asked.
            alarms: By device and detector; whoever owns them adds to them.
            of_device: The same by device, that of its model first.
            touch: Told of each device whose state changes.
        """
        self.labels = Labels()
        self._rules = rules
        self._alarms, self._of_device, self._touch = alarms, of_device, touch
        self._past: dict[str, tuple[str, int, int]] = {}  # ended events: device, start, end
        self._fulfil: dict[type[Request], Callable[[Any, int], Done]] = {
            Ack: self._acknowledge,
            Shelve: self._shelve,
            Unshelve: self._unshelve,
            Maintenance: self._maintain,
            Threshold: self._scale,
            Label: self._label,
            OutOfService: self._out,
        }

    def fulfils(self, request: Request) -> bool:
        """Whether it is for us."""
        return type(request) in self._fulfil

    def follow(self, request: Request, now_ns: int) -> Done:
        """Do what is asked.

        Raises:
            CommandError: It cannot be done; nothing is changed.
        """
        return self._fulfil[type(request)](request, now_ns)

    def remember(self, device: str, event: Opened | None, events: Iterable[Event]) -> None:
        """Keep an event that has ended, for whoever labels it."""
        if event is None or event.end_ns is None or all(one.type != "end" for one in events):
            return
        self._past[event.id] = (device, event.start_ns, event.end_ns)
        if len(self._past) > PAST:
            del self._past[next(iter(self._past))]

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {
            "labels": self.labels.snapshot(),
            "past": {event: list(about) for event, about in self._past.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none; what was restored before the flaw stays.
        """
        try:
            self.labels.restore(state["labels"])
            self._past = msgspec.convert(state["past"], dict[str, tuple[str, int, int]])
        except (KeyError, TypeError, msgspec.ValidationError) as exc:
            raise StateError(f"labels: {exc}") from exc

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
            self._touch(alarm.device)
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
