"""Messages to the time grids of the models: what each topic leads to, and what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from edge_anomaly.errors import PayloadError, StateError
from edge_anomaly.files.inputs import AnyInput
from edge_anomaly.formats import Block, Format, Gone, Sample, format_name
from edge_anomaly.monitor import Monitor
from edge_anomaly.rejects import Rejects
from edge_anomaly.timeline import Refused
from edge_anomaly.topics import read_topic, routes, subscriptions
from edge_anomaly.values import Message, Publish, iso
from edge_kernels import CROWDED, DUPLICATE, FUTURE, LATE, RESTARTED

__all__ = ["MAX_PAYLOAD", "Intake"]

MAX_PAYLOAD = 1 << 20  # bytes; larger ones are refused unread
KNOWN_TOPICS = 100_000  # names that are remembered; beyond it they are read anew
_OUTCOMES = {
    CROWDED: "crowded",
    DUPLICATE: "duplicate",
    FUTURE: "future",
    LATE: "late",
    RESTARTED: "clock_set_back",
}
_HINTS = {
    LATE: "older than what was already judged; raise `lateness` if this is usual",
    DUPLICATE: "the same signal at the same time again; the first one stands",
    CROWDED: "more readings in one slot than are kept for a mean, a least or a greatest value",
    RESTARTED: "nothing but late readings for a whole window: its clock was set back, and the "
    "device begins afresh",
    FUTURE: "ahead of this machine's clock; check both clocks and the time's `unit`",
}

_Place = tuple[Monitor, int, int]  # row and column


class _Feed(NamedTuple):
    """What a topic leads to; None where the payload has the say."""

    format: Format
    device: str | None
    signal: str | None
    place: _Place | None  # where the topic names both
    quick: Callable[[bytes], tuple[int | None, float] | None] | None  # likewise


class _RejectOf(Protocol):
    """Counts a part of a message that cannot be used."""

    def __call__(self, code: str, detail: str, device: str | None = None) -> None: ...


def _overlook(code: str, detail: str, device: str | None = None) -> None:
    """Say nothing yet: the message that brings the topic is counted when it is read."""


class Intake:
    """All inputs of the config, and the models that their readings are for."""

    def __init__(
        self,
        inputs: Sequence[AnyInput],
        watch: Mapping[str, Monitor],
        rejects: Rejects,
        most: int | None = None,
    ) -> None:
        """Make a reader for every input.

        Args:
            inputs: Of the config.
            watch: The model of each device.
            rejects: Counts what cannot be used.
            most: Devices that may be live at once; None: all of them.

        Raises:
            ConfigError: A format needs a library that is not installed.
        """
        self._routes = routes(inputs)
        self._watch = watch
        self._rejects = rejects
        self._feeds: dict[str, _Feed] = {}
        self._most = len(watch) if most is None else most
        self._bounded = self._most < len(watch)
        self._seated: set[str] = set()  # known to be in a grid, so that nobody asks again
        self._live: set[str] | None = None  # in a grid, or let in since `settle`; when asked for

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filter and QoS of every input."""
        return subscriptions(self._routes)

    def read(self, message: Message, arrived_ns: int) -> Sequence[Publish]:
        """Take a message; a bad one is counted and disturbs nothing else.

        Returns:
            What is to be said back: the request for a birth, in Sparkplug.
        """
        feed = self._feeds.get(message.topic)
        if feed is not None and feed.quick is not None and feed.place is not None:
            payload = message.payload
            found = feed.quick(payload) if len(payload) <= MAX_PAYLOAD else None
            if found is not None:
                monitor, row, column = feed.place
                t_ns, value = found
                monitor.add(row, column, arrived_ns if t_ns is None else t_ns, value)
                return ()
        return self._fully(message, arrived_ns)

    def settle(self) -> None:
        """All that was read has been placed: who is live shows in the grids."""
        self._live = None

    def forget(self, device: str) -> None:
        """A device is live no longer."""
        self._seated.discard(device)
        self._live = None
        self._feeds.clear()

    def refuse(self, refused: Refused) -> None:
        """Count readings that a time grid did not take."""
        self._rejects.add(
            _OUTCOMES[refused.outcome],
            device=refused.device,
            detail=f"{refused.signal} at {iso(refused.t_ns)}: {_HINTS[refused.outcome]}",
            times=refused.count,
        )

    def look_at_clocks(self) -> None:
        """Tell once of each device whose times are a unit of time off what they should be."""
        for monitor in {id(monitor): monitor for monitor in self._watch.values()}.values():
            for device, t_ns, factor in monitor.timeline.mistaken_units():
                self._rejects.add(
                    "implausible_time",
                    device=device,
                    detail=f"its time is {iso(t_ns)}; {factor:,} times as much would be today: "
                    "check `unit` (or `precision`); such readings are used as they are",
                )

    def snapshot(self) -> dict[str, Any]:
        """What the formats remember."""
        return {_name(route.spec): route.format.snapshot() for route in self._routes}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what inputs of the same topic and format remembered.

        Raises:
            StateError: It is no such state.
        """
        if not isinstance(state, Mapping):
            raise StateError("no state of inputs")
        for route in self._routes:
            if _name(route.spec) in state:
                route.format.restore(state[_name(route.spec)])

    def _fully(self, message: Message, arrived_ns: int) -> list[Publish]:
        topic, payload = message.topic, message.payload

        def reject(code: str, detail: str, device: str | None = None) -> None:
            self._rejects.add(code, topic=topic, device=device, detail=detail, payload=payload)

        feed = self._feeds.get(topic) or self._feed(topic)
        if feed is None:
            reject("no_input", "no input of the config reads this topic")
            return []
        if len(payload) > MAX_PAYLOAD:
            reject("too_large", f"{len(payload)} bytes; the limit is {MAX_PAYLOAD}")
            return []
        said: list[Publish] = []
        try:
            for item in feed.format.read(message, arrived_ns, reject):
                if isinstance(item, Publish):
                    said.append(item)
                else:
                    self._take(item, feed, arrived_ns, reject)
        except PayloadError as exc:
            reject(exc.code, str(exc), feed.device)
        return said

    def _take(
        self, item: Sample | Block | Gone, feed: _Feed, arrived_ns: int, reject: _RejectOf
    ) -> None:
        if isinstance(item, Sample):
            device, signal, t_ns, value, uncertain = item
            place = feed.place or self._place(
                device or feed.device or "", signal or feed.signal or "", reject
            )
            if place is not None:
                monitor, row, column = place
                add = monitor.timeline.add_uncertain if uncertain else monitor.add
                add(row, column, arrived_ns if t_ns is None else t_ns, value)
        elif isinstance(item, Block):
            self._block(item, feed, arrived_ns, reject)
        else:
            found = [self._place(item.device, signal, _overlook) for signal in item.signals]
            places = [place for place in found if place is not None]
            if places:
                monitor, row, _ = places[0]
                monitor.timeline.end(row, [column for _, _, column in places])

    def _block(self, block: Block, feed: _Feed, arrived_ns: int, reject: _RejectOf) -> None:
        device = block.device or feed.device or ""
        found = [
            self._place(device, signal or feed.signal or "", reject) for signal in block.signals
        ]
        known = [i for i, place in enumerate(found) if place is not None]
        places = [place for place in found if place is not None]
        if not places or not len(block.values):
            return
        values = block.values if len(known) == len(found) else block.values[:, known]
        bad = values.size - int(np.count_nonzero(np.isfinite(values)))
        if bad:
            reject("not_finite", f"{bad} of {values.size} samples", device)
        t_ns = block.t_ns
        if t_ns is None:
            t_ns = arrived_ns - round((len(values) - 1) * block.step_ns)
        monitor, row, _ = places[0]
        columns = np.array([column for _, _, column in places])
        monitor.timeline.add_block(
            row, columns, t_ns, block.step_ns, values, uncertain=block.uncertain
        )

    def _feed(self, topic: str) -> _Feed | None:
        found = read_topic(self._routes, topic)
        if found is None:
            return None
        route, device, signal = found
        place = None
        if device is not None and signal is not None:
            place = self._place(device, signal, _overlook)
        if len(self._feeds) >= KNOWN_TOPICS:
            self._feeds.clear()
        feed = _Feed(route.format, device, signal, place, route.format.quick)
        if place is None or not self._bounded or device in self._seated:
            self._feeds[topic] = feed
        return feed

    def _place(self, device: str, signal: str, reject: _RejectOf) -> _Place | None:
        monitor = self._watch.get(device)
        row = None if monitor is None else monitor.row(device)
        if monitor is None or row is None:
            reject("unknown_device", f"no model watches {device!r}", device)
            return None
        column = monitor.column(signal)
        if column is None:
            name = monitor.bundle.manifest.name
            reject("unknown_signal", f"{name} has no signal {signal!r}", device)
            return None
        if self._bounded and device not in self._seated and not self._admit(device, monitor, row):
            reject("crowded", f"`max_devices` allows {self._most} live devices at once", device)
            return None
        return monitor, row, column

    def _admit(self, device: str, monitor: Monitor, row: int) -> bool:
        """Whether a device is live or may become so. Depends on the grids and this batch alone.

        Let in is not yet live: the grid may refuse the reading, and then the place is free.
        """
        if monitor.timeline.heard(row):
            self._seated.add(device)
            return True
        if self._live is None:
            self._live = {
                name
                for one in {id(one): one for one in self._watch.values()}.values()
                for name in one.timeline.newest_ns
                if self._watch.get(name) is one
            }
        if device not in self._live and len(self._live) >= self._most:
            return False
        self._live.add(device)
        return True


def _name(spec: AnyInput) -> str:
    return f"{format_name(spec)} {spec.topic}"
