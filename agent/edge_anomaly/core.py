"""The agent without its I/O: messages and time in, things to publish out.

The core opens nothing, sleeps never and asks no clock. Whoever drives it brings the
bytes and the time, so that a test replays a month of a plant in seconds and a replay
of a recording gives the alarms of the live run.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from edge_anomaly.alarms.annunciator import Annunciator
from edge_anomaly.alarms.watched import Watched
from edge_anomaly.asked import Asked
from edge_anomaly.availability import Availability
from edge_anomaly.errors import ConfigError, StateError
from edge_anomaly.files.config import Config
from edge_anomaly.home_assistant import discovery, has_started, status_filter
from edge_anomaly.intake import Intake
from edge_anomaly.monitor import Judged, Monitor
from edge_anomaly.outgoing import Outgoing
from edge_anomaly.ports import Model
from edge_anomaly.rejects import Rejects
from edge_anomaly.shadow import Opinion
from edge_anomaly.timeline import Refused
from edge_anomaly.values import Event, Message, Publish

__all__ = ["Core"]

LOOK_NS = 10**9  # between two looks for silent devices
SKEWS = 10  # devices whose clocks are told of


class Core:
    """Everything between the broker's bytes and the broker's bytes."""

    def __init__(
        self,
        config: Config,
        monitors: Sequence[Monitor],
        *,
        version: str,
        config_sha256: str,
        outward: Collection[str] = (),
    ) -> None:
        """Put the parts together.

        Args:
            config: What was asked for.
            monitors: The models at work.
            version: Of the agent.
            config_sha256: Of the file.
            outward: Verbs that the driver fulfils: see `Asked.requests`.

        Raises:
            ConfigError: Two models watch one device, or no such verb can be allowed.
        """
        self._base = config.base
        self._monitors = monitors
        self._version = version
        self.config_sha256 = config_sha256
        self._rejects = Rejects()
        self._outgoing = Outgoing(config.base)
        owner = f"{config.site}/{config.agent}"
        self._watch: dict[str, Monitor] = {}
        self.annunciator = Annunciator(owner, config.alarms)
        self.asked = Asked(config, outward, self.annunciator, self._rejects, self._outgoing)
        for index, monitor in enumerate(monitors):
            for device in monitor.devices:
                if monitor.row(device) is None:
                    continue
                if device in self._watch:
                    raise ConfigError(
                        f"device {device!r} is watched by another model too",
                        ("models", index, "devices"),
                    )
                self._watch[device] = monitor
        self._intake = Intake(config.inputs, self._watch, self._rejects, config.max_devices)
        self._devices = {
            device: Watched(
                self.annunciator, monitor.bundle, device, monitor.row(device) or 0, config.alarms
            )
            for device, monitor in self._watch.items()
        }
        self._home = None if config.home_assistant is None else config.home_assistant.prefix
        self._availability = Availability(self._watch, config.offline_after)
        self._forget_after = config.forget_after
        self.forgotten = 0  # devices, so far
        self._looked_ns = 0  # for silent devices
        self.newest_ns: int | None = None  # end of the newest window
        self.watcher: Callable[[Judged], None] | None = None  # of every window, for the page
        self.forgetter: Callable[[str], None] | None = None  # of every device that is forgotten
        self._told: set[str] = set()  # devices whose state has been published

    @property
    def input_filters(self) -> list[tuple[str, int]]:
        """Topic filter and QoS of every input."""
        return self._intake.subscriptions

    @property
    def subscriptions(self) -> list[tuple[str, int]]:
        """Topic filter and QoS of every input, and of the commands."""
        home = [] if self._home is None else [(status_filter(self._home), 1)]
        return self.input_filters + self.asked.subscriptions + home

    @property
    def rejected(self) -> dict[str, int]:
        """How much input could not be used, by reason."""
        return self._rejects.totals

    @property
    def devices(self) -> list[str]:
        """All that are watched."""
        return list(self._watch)

    @property
    def models(self) -> list[Model]:
        """The models at work."""
        return [monitor.model for monitor in self._monitors]

    @property
    def counted(self) -> tuple[int, int]:
        """Readings taken and windows scored so far."""
        readings = sum(monitor.readings for monitor in self._monitors)
        return readings, sum(monitor.windows for monitor in self._monitors)

    @property
    def availabilities(self) -> dict[str, int]:
        """How many devices are unknown, online and offline."""
        return self._availability.counts

    @property
    def will(self) -> Publish:
        """What the broker shall say when the agent is gone without a word."""
        return self._outgoing.status("offline")

    def connected(self, now_ns: int) -> list[Publish]:
        """What every new connection begins with: all that is retained.

        Silence of the devices counts from here, since it was the agent that was away.
        """
        for monitor in self._monitors:
            monitor.resume(now_ns)
        self._availability.resume(now_ns)
        return self.retained(now_ns)

    def retained(self, now_ns: int) -> list[Publish]:
        """All retained topics as they are now."""
        say = self._outgoing
        return [
            say.status("online", now_ns),
            say.info(self._monitors, self._version, self.config_sha256, now_ns),
            *(say.available(device, presence) for device, presence in self._availability),
            *(say.state(self.annunciator.state(device)) for device in sorted(self._told)),
            *self._discovery(),
        ]

    def stopped(self, now_ns: int) -> list[Publish]:
        """The last words of a clean stop."""
        return [*self._errors(now_ns, everything=True), self._outgoing.status("stopped", now_ns)]

    def receive(self, messages: Iterable[Message], arrived_ns: int) -> list[Publish]:
        """Take a batch of messages; bad ones are counted and disturb nothing else."""
        out: list[Publish] = []
        for message in messages:
            verb = self.asked.verb_of(message.topic)
            if self._home is not None and message.topic == status_filter(self._home):
                out += self._discovery() if has_started(self._home, message) else []
            elif verb is None:
                out += self._intake.read(message, arrived_ns)
            else:
                out += self.asked.take(verb, message, arrived_ns)
        for monitor in self._monitors:
            out += self._publish(monitor.advance(arrived_ns), arrived_ns)
        self._intake.settle()
        return out + self._states()

    def tick(self, now_ns: int) -> list[Publish]:
        """Let time pass: close the slots that need wait no longer, report what was refused."""
        out: list[Publish] = []
        for monitor in self._monitors:
            out += self._publish(monitor.expire(now_ns), now_ns)
        told = [*self._silences(now_ns), *self.annunciator.tick(now_ns)]
        out += [self._outgoing.event(event) for event in told]
        self._intake.look_at_clocks()
        return out + self._states() + self._presence(now_ns) + self._errors(now_ns)

    def prepare(self) -> None:
        """Do what can be done before the next messages arrive; changes nothing that is told."""
        for monitor in self._monitors:
            monitor.prepare()

    def opinion(self, opinion: Opinion) -> Publish:
        """What a candidate thinks of a window."""
        return self._outgoing.opinion(opinion)

    def no_longer(self, other: "Core") -> list[Publish]:
        """Retained topics of ours that `other` has no device for, emptied."""
        gone = sorted(set(self.devices) - set(other.devices))
        return [item for device in gone for item in self._outgoing.emptied(device)]

    def become(self, other: "Core") -> None:
        """Be `other` from now on; whoever holds this core then holds that one."""
        other.watcher, other.forgetter = self.watcher, self.forgetter
        other.annunciator.labels = self.annunciator.labels  # of which a file is kept
        vars(self).update(vars(other))

    def snapshot(self) -> dict[str, Any]:
        """All that earlier messages left behind, as plain values and arrays."""
        return {
            "monitors": [monitor.snapshot() for monitor in self._monitors],
            "alarms": self.annunciator.snapshot(),
            "inputs": self._intake.snapshot(),
            "told": sorted(self._told),
            "rejects": self._rejects.snapshot(),
            "audit": self.asked.audit.snapshot(),
            "availability": self._availability.snapshot(),
            "looked_ns": self._looked_ns,
            "forgotten": self.forgotten,
            "devices": {name: device.snapshot() for name, device in self._devices.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> list[str]:
        """Take up where a snapshot left off, perhaps under another config.

        Returns:
            What could not be taken over, in words: models that are not the same any more.

        Raises:
            StateError: It is no snapshot of a core; what was restored before the flaw stays.
        """
        try:
            kept = {monitor["sha256"]: monitor for monitor in state["monitors"]}
            lost = [self._restore(monitor, kept) for monitor in self._monitors]
            self.annunciator.restore(state["alarms"])
            self._intake.restore(state["inputs"])
            self._told = set(state["told"]) & self._watch.keys()
            self._rejects.restore(state["rejects"])
            self.asked.audit.restore(state["audit"])
            self._availability.restore(state["availability"])
            self._looked_ns = int(state["looked_ns"])
            self.forgotten = int(state.get("forgotten", 0))  # older ones did not count
            lost += [self._restore_device(*kept) for kept in state["devices"].items()]
        except (KeyError, TypeError, AttributeError) as exc:
            raise StateError(f"no snapshot: {exc!r}") from exc
        return [words for words in lost if words]

    def _restore(self, monitor: Monitor, kept: Mapping[str, Mapping[str, Any]]) -> str | None:
        name = monitor.bundle.manifest.name
        state = kept.get(monitor.bundle.sha256)
        if state is None:
            return f"the windows of {name}, which is new or has changed"
        try:
            monitor.restore(state)
        except StateError as exc:
            return f"the windows of {name}: {exc}"
        return None

    def _restore_device(self, name: str, kept: Mapping[str, Any]) -> str | None:
        device = self._devices.get(name)
        try:
            if device is not None:
                device.restore(kept)
        except StateError as exc:
            return f"the advisories of {name}: {exc}"
        return None

    def _discovery(self) -> list[Publish]:
        """What Home Assistant finds the devices by, where it is to."""
        if self._home is None:
            return []
        named = [(d, monitor.bundle.manifest.name) for d, monitor in self._watch.items()]
        return discovery(self._home, self._base, named, self._version)

    @property
    def skews_ns(self) -> dict[str, int]:
        """How far the clocks of devices were ahead of ours when they spoke last: the worst ten."""
        found = [
            (device, skew)
            for monitor in self._monitors
            for device, skew in monitor.timeline.skew_ns.items()
            if device in self._watch
        ]
        return dict(sorted(found, key=lambda pair: -abs(pair[1]))[:SKEWS])

    def _presence(self, now_ns: int) -> list[Publish]:
        """Of devices that are heard for the first time, or no longer; looked for every second."""
        if 0 <= now_ns - self._looked_ns < LOOK_NS:
            return []
        self._looked_ns = now_ns
        changed = [
            self._outgoing.available(device, presence)
            for monitor in self._monitors
            for device, presence in self._availability.update(
                {d: t for d, t in monitor.timeline.newest_ns.items() if d in self._watch}, now_ns
            )
        ]
        return changed + self._forget(now_ns)

    def _forget(self, now_ns: int) -> list[Publish]:
        """Evict the devices that have not been heard for too long; their last words."""
        out: list[Publish] = []
        if self._forget_after is None:
            return out
        for device in self._availability.unseen(now_ns, self._forget_after):
            monitor = self._watch[device]
            monitor.forget(monitor.row(device) or 0)
            ended = self.annunciator.forget(device, now_ns)
            self._devices[device].begin_anew()
            self._availability.forget(device)
            self._intake.forget(device)
            self._told.discard(device)
            self.forgotten += 1
            if self.forgetter is not None:
                self.forgetter(device)
            out += [self._outgoing.event(event) for event in ended]
            out += self._outgoing.emptied(device)
        return out

    def judged(
        self, windows: Iterable[Judged | Refused], now_ns: int
    ) -> Iterator[tuple[Judged, list[Event]]]:
        """Windows with the alarm transitions each one made; refused readings are counted."""
        for window in windows:
            if isinstance(window, Refused):
                self._intake.refuse(window)
            else:
                if self.newest_ns is None or window.end_ns > self.newest_ns:
                    self.newest_ns = window.end_ns
                if self.watcher is not None:
                    self.watcher(window)
                yield window, self._devices[window.device].judge(window, now_ns)

    def _publish(self, windows: Iterable[Judged | Refused], now_ns: int) -> list[Publish]:
        out = []
        for window, events in self.judged(windows, now_ns):
            scale = self._devices[window.device].alarm.scale
            out.append(self._outgoing.score(window, scale))
            out += [self._outgoing.event(event) for event in events]
            if window.score is not None and window.device not in self._told:
                self.annunciator.touch(window.device)
        return out

    def _silences(self, now_ns: int) -> Iterator[Event]:
        """Of devices that have sent nothing for too long."""
        for monitor in self._monitors:
            after_ns = self._devices[monitor.watched[0]].silence_ns
            if after_ns is not None:
                for device, since_ns in monitor.timeline.overdue(now_ns, after_ns):
                    if device not in self._devices:
                        continue  # watched before a reload, and remembered from then
                    yield from self._devices[device].silent(since_ns, now_ns)

    def clock_set(self, by_ns: int) -> None:
        """The gateway's clock was set forward (or back): nobody has been silent so long."""
        for monitor in self._monitors:
            monitor.timeline.shift(by_ns)
        self._availability.shift(by_ns)

    def _states(self) -> list[Publish]:
        """Of the devices that stand otherwise than was last said, or of which nothing was."""
        changed = self.annunciator.changed()
        self._told.update(changed)
        return [self._outgoing.state(self.annunciator.state(device)) for device in changed]

    def _errors(self, now_ns: int, *, everything: bool = False) -> list[Publish]:
        out = []
        for reject in self._rejects.due(now_ns, everything=everything):
            out.append(self._outgoing.error(reject, now_ns))
            self._rejects.said(reject, now_ns)
        return out
