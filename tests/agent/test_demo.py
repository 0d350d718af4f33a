import io
import json
import threading
from types import TracebackType
from typing import Self

import msgspec
import pytest
from brokers import eventually
from rich.console import Console

from edge_anomaly import cli
from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.demo.command import bundle_of, configuration
from edge_anomaly.demo.gateway import AgentProcess
from edge_anomaly.demo.screen import STARTING
from edge_anomaly.demo.show import Show
from edge_anomaly.errors import AgentError
from edge_anomaly.files.config import parse
from edge_anomaly.plants import COMPRESSORS, PERIOD_S, PLANTS, SIGNALS, Fault, Kind, Plant
from edge_anomaly.simulate import Feed, Label
from edge_anomaly.values import Event, ModelRef, Score, WindowSpan, iso

BASE = "edge-agent/v1/demo/stand-in"
LAST = list(SIGNALS)[-1]
FAULTS = [
    Fault.of(Kind.VALVE_HUNTING, "c-2", (10, 30), size=0.2),
    Fault.of(Kind.FILTER_CLOGGING, "c-4", (20, 40), size=2.0),
]
SPEED = 1800.0  # thirty slots a second


class StandIn:
    """An agent that knows the answers: it alarms one slot after each label of `c-2`."""

    def __init__(self, url: str, *, dies_at: int | None = None) -> None:
        self._client = PlainClient(url, ["plant/#", "plant-labels/#"], self._take)
        self._dies_at = dies_at
        self._slots = 0
        self._pending: Label | None = None
        self._alarm: Event | None = None
        self.stopped = threading.Event()
        self.failure: BaseException = AgentError("plant.yaml:3: broker: it broke")

    def __enter__(self) -> Self:
        self._client.connect()
        self._publish("status", {"state": "online"})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        self.stopped.set()

    def check(self) -> None:
        if self._dies_at is not None and self._slots >= self._dies_at:
            raise self.failure

    def _take(self, topic: str, payload: bytes) -> None:
        if topic == "plant-labels/c-2":
            self._pending = msgspec.json.decode(payload, type=Label)
            return
        _, device, signal, *_ = [*topic.split("/"), ""]
        if not topic.startswith("plant/") or signal != LAST:
            return
        t_s = json.loads(payload)["t"] + PERIOD_S
        self._slots += device == "c-1"
        score = Score(
            device=device,
            ts=iso(int(t_s * 1e9)),
            ts_ms=int(t_s * 1e3),
            score=1.5 if self._alarm and device == "c-2" else 0.5,
            threshold=1.0,
            warm=True,
            coverage=1.0,
            window=WindowSpan(start="", end="", coverage=1.0),
        )
        self._publish(f"device/{device}/score", score)
        if device == "c-2" and self._pending is not None:
            self._answer(self._pending, t_s)
            self._pending = None

    def _answer(self, label: Label, t_s: float) -> None:
        if label.kind is None and self._alarm is None:
            return
        now = iso(int(t_s * 1e9))
        before = self._alarm
        event = Event(
            type="new" if before is None else "end",
            event_id="e1",
            seq=1 if before is None else 2,
            agent="demo/stand-in",
            device="c-2",
            detector="stand-in",
            severity="warning",
            state="ACTIVE_UNACK",
            ts=now,
            ts_ms=int(t_s * 1e3),
            start_ts=now,
            end_ts=None if before is None else now,
            detect_ts=now if before is None else before.detect_ts,
            publish_ts=now,
            score=1.5,
            threshold=1.0,
            peak_score=1.5,
            contributors=[],
            window=WindowSpan(start="", end="", coverage=1.0),
            quality="good",
            replayed=False,
            model=ModelRef(name="m", version="1", sha256=""),
            message="c-2 behaves unusually." if before is None else "c-2 is as usual again.",
        )
        self._publish("event", event)
        self._alarm = event if before is None else None

    def _publish(self, leaf: str, payload: object) -> None:
        self._client.publish(f"{BASE}/{leaf}", msgspec.json.encode(payload))


def new_show(*, terminal: bool = False) -> tuple[Show, io.StringIO]:
    file = io.StringIO()
    console = Console(file=file, width=120, height=40, force_terminal=terminal, color_system=None)
    feed = Feed(COMPRESSORS, 1, FAULTS)
    return Show(console, feed, speed=SPEED, seconds=None), file


def test_plain_output_tells_faults_and_alarms_as_they_come_and_sums_them_up() -> None:
    show, file = new_show()
    with EmbeddedBroker() as broker:
        agent = StandIn(broker.url)
        show.run(broker.url, BASE, agent, 50)
        assert agent.stopped.is_set()
    show.print_summary()
    summary = show.summary()
    assert (summary.injected, summary.alarmed, summary.false_alarms) == (2, 1, 0)
    assert summary.delay_s == PERIOD_S
    lines = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert lines[0] == STARTING
    assert lines[1:4] == [
        "01 Jan 00:10 ✕ broken The seal gas control valve of c-2 hunts.",
        "01 Jan 00:11 ▲ ALARM c-2 behaves unusually.",
        "01 Jan 00:20 ✕ broken The seal gas filter of c-4 clogs.",
    ]
    assert "01 Jan 00:31 ○ over c-2 is as usual again." in lines
    assert "faults injected 2" in lines
    assert any(line.startswith("readings 2,000 published") for line in lines)
    assert {machine.name for machine in show.board.machines.values() if machine.recent} == {
        "c-1",
        "c-2",
        "c-3",
        "c-4",
    }


def test_a_terminal_sees_the_machines_and_no_line_twice() -> None:
    show, file = new_show(terminal=True)
    with EmbeddedBroker() as broker:
        show.run(broker.url, BASE, StandIn(broker.url), 20)
    screen = file.getvalue()
    assert "machine" in screen
    assert "really broken" in screen
    assert "150%" in screen
    assert "▲ warning" in screen
    assert show.board.happened == 2


def test_ctrl_c_stops_everything_and_leaves_the_summary() -> None:
    show, _ = new_show()
    with EmbeddedBroker() as broker:
        agent = StandIn(broker.url, dies_at=15)
        agent.failure = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            show.run(broker.url, BASE, agent, None)
        assert agent.stopped.is_set()
    assert not any(thread.name == "plant" for thread in threading.enumerate())
    summary = show.summary()
    assert summary.alarmed == 1
    assert summary.injected in {1, 2}  # the plant may have gone on while the end was seen


def test_an_agent_that_ends_ends_the_demo_with_its_own_words() -> None:
    show, _ = new_show()
    with (
        EmbeddedBroker() as broker,
        pytest.raises(AgentError, match=r"^plant.yaml:3: broker: it broke$"),
    ):
        show.run(broker.url, BASE, StandIn(broker.url, dies_at=5), None)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=list(PLANTS))
def test_its_configuration_is_one_that_the_agent_reads(plant: Plant) -> None:
    config = parse(configuration(plant, "mqtt://127.0.0.1:1883"))
    assert config.base == f"edge-agent/v1/demo/{plant.name}"
    assert config.models[0].bundle == str(bundle_of(plant))
    assert all(config.models[0].watches(device) for device in plant.devices)


def test_an_agent_process_that_cannot_start_says_why() -> None:
    with AgentProcess("site: north\n") as agent:

        def ended() -> bool:
            try:
                agent.check()
            except AgentError:
                return True
            return False

        eventually(ended, within=60)
        with pytest.raises(AgentError, match=r"plant\.yaml:1: .*agent"):
            agent.check()


def test_the_demo_finds_a_fault_from_broker_to_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--for", "8s", "--speed", "1200", "--seed", "3"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "01 Jan 00:40 ✕ broken The seal gas control valve of c-4 hunts." in lines
    [alarm] = [line for line in lines if "▲ ALARM" in line]
    assert " c-4: " in alarm
    assert "seal_gas_flow" in alarm  # the valve's doing
    assert "faults injected 1" in lines
    assert "faults alarmed 1" in lines
    assert "false alarms 0" in lines
    assert any(line.startswith("readings 6,400 published") for line in lines)
