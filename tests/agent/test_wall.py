from typing import Any

import msgspec
import numpy as np
from plants import START, bundle

from edge_anomaly.monitor import Judged
from edge_anomaly.traces import LONGEST, Traces
from edge_anomaly.values import Publish
from edge_anomaly.wall import LOG, POINTS, SPARK, Wall

BASE = "edge-agent/v1/north/gw"


def window(t_ns: int, observed: tuple[float, float]) -> Judged:
    pair = np.array(observed, np.float32)
    return Judged(
        device="c-1",
        start_ns=t_ns - 4 * 10**9,
        end_ns=t_ns,
        coverage=1.0,
        warm=True,
        score=0.5,
        threshold=1.0,
        deviation=np.ones(2, np.float32),
        observed=pair,
        expected=pair,
    )


def said(leaf: str, **body: Any) -> Publish:
    return Publish(f"{BASE}/{leaf}", msgspec.json.encode(body))


def scored(device: str, second: int, score: float | None = 0.5) -> Publish:
    return said(f"device/{device}/score", ts_ms=second * 1_000, score=score, threshold=2.0)


def test_what_is_new_is_told_once() -> None:
    wall = Wall(BASE, [("c-1", "line")])
    assert wall.delta() is None
    wall.take(scored("c-1", 1))
    wall.take(scored("c-1", 2, None))
    assert wall.delta() == {
        "devices": {
            "c-1": {
                "window": {"ts_ms": 1_000, "score": 0.5, "threshold": 2.0},
                "more": [0.25],
            }
        }
    }
    assert wall.delta() is None


def test_a_hole_is_what_lasts_longer_than_a_few_windows_that_are_judged() -> None:
    wall = Wall(BASE)
    wall.take(scored("c-1", 0, None))
    first = wall.everything()["devices"]["c-1"]
    assert (first["window"]["score"], first["ratios"]) == (None, [])  # it warms up
    for second in range(1, 41):  # one window in ten is judged
        wall.take(scored("c-1", second, 0.5 if second % 10 == 0 else None))
    for second in range(41, 80):
        wall.take(scored("c-1", second, None))
    found = wall.everything()["devices"]["c-1"]
    assert found["ratios"] == [0.25] * 4
    assert found["window"]["score"] is None  # nothing for long
    wall.take(scored("c-1", 80))
    assert wall.everything()["devices"]["c-1"]["ratios"] == [0.25] * 4 + [None, 0.25]
    news = wall.delta()
    assert news is not None
    assert news["devices"]["c-1"]["more"] == [0.25] * 4 + [None, 0.25]


def test_a_device_named_with_a_slash_is_one_device() -> None:
    wall = Wall(BASE)
    wall.take(scored("c%2F2", 1))
    assert list(wall.everything()["devices"]) == ["c/2"]
    assert wall.device("c/3") is None


def test_alarms_are_open_until_they_end() -> None:
    wall = Wall(BASE)
    event = {"event_id": "a", "device": "c-1", "state": "ACTIVE_UNACK", "type": "new", "seq": 1}
    wall.take(said("event", **event))
    assert [alarm["event_id"] for alarm in wall.everything()["alarms"]] == ["a"]
    wall.take(said("event", **{**event, "type": "end", "state": "CLEARED_UNACK"}))
    wall.take(said("event", **{**event, "type": "update", "state": "CLEARED_ACK"}))
    assert wall.everything()["alarms"] == []
    assert len(wall.everything()["log"]) == 3


def test_an_alarm_from_before_is_known_by_the_state() -> None:
    wall = Wall(BASE)
    state = {"device": "c-1", "state": "ACTIVE_ACK", "event_id": "a", "severity": "critical"}
    wall.take(said("device/c-1/state", **state, since="2026-01-01T00:00:00Z", message="c-1: hot"))
    [alarm] = wall.everything()["alarms"]
    assert (alarm["event_id"], alarm["message"], alarm["contributors"]) == ("a", "c-1: hot", [])


def test_everything_is_bounded() -> None:
    wall = Wall(BASE)
    for second in range(2 * POINTS):
        wall.take(scored("c-1", second))
        wall.take(said("event", event_id="a", device="c-1", state="x", type="end", seq=second))
        wall.take(said("error", code=f"e{second}", total=1))
    found = wall.everything()
    assert len(found["devices"]["c-1"]["ratios"]) == SPARK
    assert len(found["log"]) == LOG
    assert len(found["errors"]) == 20
    device = wall.device("c-1")
    assert device is not None
    assert len(device["score"]) == POINTS
    news = wall.delta()
    assert news is not None
    assert len(news["devices"]["c-1"]["more"]) == SPARK
    assert len(news["log"]) == LOG


def test_strange_topics_mean_nothing() -> None:
    wall = Wall(BASE)
    wall.take(Publish("homeassistant/status", b"online"))
    wall.take(said("device/c-1/colour", x=1))
    assert wall.everything()["alarms"] == []


def test_traces_hold_what_was_measured_and_expected() -> None:
    traces = Traces([(bundle(), ["c-1"])])
    assert traces.device("c-1") is None
    for second in range(2 * LONGEST):
        traces.add(window(START + second * 10**9, (second, np.nan)))
    found = traces.device("c-1")
    assert found is not None
    assert len(found["t_ms"]) == LONGEST
    flow, temp = found["signals"]
    assert (flow["name"], flow["unit"], flow["observed"][-1]) == ("flow", "m3/h", 2 * LONGEST - 1)
    assert temp["observed"][-1] is None
    assert found["t_ms"] == sorted(found["t_ms"])
    assert traces.device("x-9") is None


def test_traces_of_many_devices_share_the_memory() -> None:
    few, many = (Traces([(bundle(), [f"c-{n}" for n in range(count)])]) for count in (2, 20_000))
    assert few.nbytes < many.nbytes < 30_000_000


def test_a_device_that_is_forgotten_leaves_the_page() -> None:
    wall, traces = Wall(BASE), Traces([(bundle(), ["c-1"])])
    wall.take(scored("c-1", 1))
    wall.take(said("device/c-1/state", state="CLEARED_UNACK", device="c-1", event_id="a"))
    wall.take(said("device/c-1/availability", state="offline"))
    traces.add(window(START, (1.0, 1.0)))
    for leaf in ("state", "availability"):
        wall.take(Publish(f"{BASE}/device/c-1/{leaf}", b"", retain=True))
    traces.forget("c-1")
    news = wall.delta()
    assert news is not None
    [(_, device)] = news["devices"].items()
    assert (device["availability"], device["window"], device["ratios"]) == ("unknown", None, [])
    assert wall.everything()["alarms"] == news["alarms"] == []
    assert traces.device("c-1") is None
