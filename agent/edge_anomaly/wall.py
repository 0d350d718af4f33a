"""What the page shows, put together from what the agent publishes; pure and bounded.

Whoever feeds it and whoever reads it must take turns: it has no lock.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from edge_anomaly.values import Publish

__all__ = ["LOG", "POINTS", "SPARK", "Wall"]

POINTS = 720  # windows of a device that are remembered
SPARK = 90  # of them, shown beside its name
LOG = 200  # transitions
HOLE = 3  # spacings of windows, beyond which there is a hole in the line
ERRORS = 20  # reasons why input was not used

OPEN = frozenset({"ACTIVE_UNACK", "ACTIVE_ACK", "CLEARED_UNACK", "SHELVED", "SUPPRESSED"})

Json = dict[str, Any]


class _Device:
    """One device."""

    def __init__(self) -> None:
        self.windows: deque[tuple[int, float | None, float]] = deque(maxlen=POINTS)
        self.window: Json | None = None  # the newest
        self.spacing_ms: int | None = None  # of the newest two that were scored
        self.scored_ms: int | None = None
        self.state: Json = {"state": "NORMAL"}
        self.availability = "unknown"

    def take(self, ts_ms: int, score: float | None, threshold: float) -> list[float | None]:
        """What a window adds to the line.

        Some models judge few of the windows that fall due; a hole is only what lasts longer
        than three of those that they judge.
        """
        far = (
            self.scored_ms is not None
            and self.spacing_ms is not None
            and ts_ms - self.scored_ms > HOLE * self.spacing_ms
        )
        if score is None:
            if far or self.scored_ms is None:
                self.window = {"ts_ms": ts_ms, "score": None, "threshold": threshold}
            return []
        if far:
            self.windows.append((ts_ms, None, threshold))
        if self.scored_ms is not None:
            self.spacing_ms = max(1, ts_ms - self.scored_ms)
        self.scored_ms = ts_ms
        self.windows.append((ts_ms, score, threshold))
        self.window = {"ts_ms": ts_ms, "score": score, "threshold": threshold}
        return ([None] if far else []) + [round(score / threshold, 4)]

    @property
    def ratios(self) -> list[float | None]:
        """Score / threshold of the newest windows, the oldest first."""
        newest = list(self.windows)[-SPARK:]
        return [
            None if score is None else round(score / threshold, 4) for _, score, threshold in newest
        ]


class Wall:
    """Takes messages as the agent publishes them; tells all of it, or what is new."""

    def __init__(self, base: str, devices: Iterable[tuple[str, str | None]] = ()) -> None:
        """Begin empty.

        Args:
            base: What the agent's topics begin with.
            devices: That are known already, with the group of each.
        """
        self._head = f"{base}/"
        self.base = base
        self._devices: dict[str, _Device] = {name: _Device() for name, _ in devices}
        self._groups = dict(devices)
        self._alarms: dict[str, Json] = {}  # events that are open
        self._log: deque[Json] = deque(maxlen=LOG)
        self._errors: dict[str, Json] = {}
        self.status = "starting"
        self.info: Json = {}
        self.health: Json = {}
        self.replies: list[Json] = []  # since they were last taken
        self._new: dict[str, Json] = {}  # by device: what has changed
        self._new_log: list[Json] = []
        self._new_parts: set[str] = set()

    def take(self, item: Publish) -> None:
        """Take what was published; topics that mean nothing here are passed over."""
        leaf = item.topic.removeprefix(self._head)
        if leaf.startswith("device/"):
            _, name, kind = leaf.split("/", 2)
            if item.payload:
                self._take_device(unquote(name), kind, msgspec.json.decode(item.payload))
            else:
                self._forget(unquote(name))
        elif leaf == "event":
            self._take_event(msgspec.json.decode(item.payload))
        elif leaf.startswith("reply/"):
            self.replies.append(msgspec.json.decode(item.payload))
        elif leaf == "error":
            error = msgspec.json.decode(item.payload)
            self._errors[error["code"]] = error
            while len(self._errors) > ERRORS:
                del self._errors[next(iter(self._errors))]
            self._new_parts.add("errors")
        elif leaf == "status":
            self.status = msgspec.json.decode(item.payload)["state"]
            self._new_parts.add("status")
        elif leaf in {"info", "health"}:
            setattr(self, leaf, msgspec.json.decode(item.payload))
            self._new_parts.add(leaf)

    def everything(self) -> Json:
        """All that a page begins with."""
        return {
            "base": self.base,
            "devices": {
                name: {
                    "group": self._groups.get(name),
                    "state": device.state,
                    "availability": device.availability,
                    "ratios": device.ratios,
                    "window": device.window,
                }
                for name, device in self._devices.items()
            },
            "alarms": list(self._alarms.values()),
            "log": list(self._log),
            **self._parts({"status", "info", "health", "errors"}),
        }

    def delta(self) -> Json | None:
        """What is new since the last call, or None."""
        if not self._new and not self._new_log and not self._new_parts:
            return None
        found: Json = self._parts(self._new_parts)
        if self._new:
            found["devices"] = self._new
        if self._new_log:
            found["log"] = self._new_log
            found["alarms"] = list(self._alarms.values())
        self._new, self._new_log, self._new_parts = {}, [], set()
        return found

    def device(self, name: str) -> Json | None:
        """All windows of a device; None where it is not known."""
        device = self._devices.get(name)
        if device is None:
            return None
        times, scores, thresholds = (
            zip(*device.windows, strict=True) if device.windows else ((), (), ())
        )
        return {
            "device": name,
            "ts_ms": times,
            "score": scores,
            "threshold": thresholds,
            "state": device.state,
            "events": [event for event in self._log if event["device"] == name],
        }

    def _take_device(self, name: str, kind: str, body: Json) -> None:
        device = self._devices.get(name)
        if device is None:
            device = self._devices[name] = _Device()
        new = self._new.setdefault(name, {})
        if kind == "score":
            more = device.take(body["ts_ms"], body["score"], body["threshold"])
            new["window"] = device.window
            new["more"] = [*new.get("more", ()), *more][-SPARK:]
        elif kind == "state":
            device.state = new["state"] = body
            if body.get("group"):
                self._groups[name] = body["group"]
            self._keep_open(body)
        elif kind == "availability":
            device.availability = new["availability"] = body["state"]

    def _forget(self, name: str) -> None:
        """What was retained of a device is emptied: it is as if it had never been heard."""
        device = self._devices[name] = _Device()
        self._alarms = {i: one for i, one in self._alarms.items() if one["device"] != name}
        self._new[name] = {
            "state": device.state,
            "availability": device.availability,
            "window": None,
            "ratios": [],
        }
        self._new_parts.add("alarms")

    def _take_event(self, event: Json) -> None:
        open_ = event["type"] != "end" and event["state"] != "CLEARED_ACK"
        if open_:
            self._alarms[event["event_id"]] = event
        else:
            self._alarms.pop(event["event_id"], None)
        self._log.append(event)
        self._new_log = [*self._new_log, event][-LOG:]

    def _keep_open(self, state: Mapping[str, Any]) -> None:
        """An alarm from before we began to look is known by the device's state alone."""
        name = state.get("event_id")
        if name is None or state["state"] not in OPEN or name in self._alarms:
            return
        known = {key: state.get(key) for key in ("device", "detector", "severity", "message")}
        self._alarms[name] = {
            **known,
            "event_id": name,
            "state": state["state"],
            "start_ts": state.get("since"),
            "contributors": [],
        }
        self._new_parts.add("alarms")

    def _parts(self, wanted: Iterable[str]) -> Json:
        parts = {
            "status": self.status,
            "info": self.info,
            "health": self.health,
            "errors": list(self._errors.values()),
            "alarms": list(self._alarms.values()),
        }
        return {name: parts[name] for name in wanted}
