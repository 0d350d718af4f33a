"""A page with devices that are made up, and what a test does to them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from edge_anomaly.adapters.web import WebPage
from edge_anomaly.traces import Traces
from edge_anomaly.values import Event, ModelRef, Publish, State, WindowSpan, iso
from edge_anomaly.wall import Wall

__all__ = ["BASE", "Stage", "event", "staged"]

BASE = "edge-agent/v1/north/gw"
START_MS = 1_700_000_000_000


def event(device: str, **more: object) -> Event:
    """An alarm that is new, but for what is said otherwise."""
    about = {
        "type": "new",
        "event_id": f"id-{device}",
        "seq": 1,
        "agent": "north/gw",
        "device": device,
        "detector": "small",
        "severity": "warning",
        "state": "ACTIVE_UNACK",
        "ts": iso(START_MS * 10**6),
        "ts_ms": START_MS,
        "start_ts": iso(START_MS * 10**6),
        "end_ts": None,
        "detect_ts": iso(START_MS * 10**6),
        "publish_ts": iso(START_MS * 10**6),
        "score": 3.0,
        "threshold": 2.0,
        "peak_score": 3.0,
        "contributors": [
            {"signal": "flow", "share": 0.7, "value": 11.0, "expected": 10.0},
            {"signal": "temp", "share": 0.3, "value": 71.0, "expected": 70.0},
        ],
        "window": WindowSpan(start="", end="", coverage=1.0),
        "quality": "good",
        "replayed": False,
        "model": ModelRef(name="small", version="1", sha256=""),
        "message": f"{device}: flow is 11 m3/h where 10 m3/h is expected",
    }
    return msgspec.convert(about | more, Event)


@dataclass
class Stage:
    """What the agent says, as a test has it say."""

    page: WebPage
    devices: list[str]
    slot: int = 0

    def say(self, leaf: str, body: object) -> None:
        self.page.heard([Publish(f"{BASE}/{leaf}", msgspec.json.encode(body))], 0)

    def step(self, slots: int = 1) -> None:
        """Windows of every device."""
        said = []
        for _ in range(slots):
            self.slot += 1
            for number, device in enumerate(self.devices):
                ratio = 0.5 + 0.2 * math.sin(self.slot / 9 + number) + 0.02 * (number % 7)
                score = {"ts_ms": START_MS + self.slot * 60_000, "score": ratio, "threshold": 1.0}
                payload = msgspec.json.encode(score)
                said.append(Publish(f"{BASE}/device/{device}/score", payload))
        self.page.heard(said, 0)

    def alarm(self, device: str, **more: object) -> None:
        new = event(device, **more)
        self.say("event", new)
        ended = new.type == "end"
        self.say(
            f"device/{device}/state",
            State(
                device=device,
                detector="small",
                state="NORMAL" if ended else new.state,
                severity=None if ended else new.severity,
                event_id=new.event_id,
                since=new.start_ts,
                message=new.message,
            ),
        )


@contextmanager
def staged(count: int = 4, *, token: str | None = None) -> Iterator[Stage]:
    """A page with so many devices in two groups, online."""
    devices = [f"m-{number:03}" for number in range(count)]
    wall = Wall(BASE, [(name, f"line {1 + n // 100}") for n, name in enumerate(devices)])
    with WebPage(("127.0.0.1", 0), wall, Traces([]), token=token) as page:
        stage = Stage(page, devices)
        stage.say("status", {"state": "online"})
        stage.step(60)
        yield stage
