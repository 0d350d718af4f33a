from typing import Any

import msgspec
import pytest
from plants import SECOND, START, agent, config, feed, fresh_core, message, of

from edge_anomaly.core import Core
from edge_anomaly.errors import ConfigError
from edge_anomaly.intake import MAX_PAYLOAD
from edge_anomaly.values import Event, Message, Publish, Score, State

BASE = "edge-agent/v1/north/gw"
HEALTHY = [10.0] * 8
FAULT = [10.0, 12.0, 14.5, 17.5, 21.0, 25.0]  # each well above the mean of the three before


def at(second: float) -> int:
    return START + round(second * SECOND)


def drive(core: Core, messages: list[Message], *, each: float = 0.0) -> list[Publish]:
    """Messages one by one, `each` seconds apart, then a tick a second later."""
    sent: list[Publish] = []
    now = START + 60 * SECOND
    for one in messages:
        sent += core.receive([one], now)
        sent += core.tick(now)
        now += round(each * SECOND)
    return sent + core.tick(now + SECOND)


def test_a_fault_is_one_event() -> None:
    [event] = feed(fresh_core(), HEALTHY + FAULT)
    found = msgspec.convert(event, Event)
    assert (found.type, found.device, found.agent, found.detector) == (
        "new",
        "c-1",
        "north/gw",
        "small",
    )
    assert found.score > found.threshold == 1.0
    assert found.contributors[0].signal == "flow"


def test_a_healthy_device_is_silent() -> None:
    assert feed(fresh_core(), HEALTHY * 20) == []


def test_an_alarm_needs_three_windows_and_ends_after_two() -> None:
    core = fresh_core()
    assert feed(core, [*HEALTHY, *FAULT[1:3]]) == []
    raised = feed(core, [17.5], start=10)
    assert [event["type"] for event in raised] == ["new"]
    assert feed(core, [21.0, 18.0], start=11) == []  # the last is below, once
    [ended] = feed(core, [18.8], start=13)
    assert ended["type"] == "end"
    assert ended["event_id"] == raised[0]["event_id"]
    assert ended["seq"] == 2


def test_two_windows_above_are_no_alarm() -> None:
    assert feed(fresh_core(), [*HEALTHY, 12.0, 14.0, 12.0, 12.6]) == []


def test_a_device_does_not_alarm_for_another() -> None:
    core = fresh_core()
    assert feed(core, HEALTHY, device="c/2") == []
    [event] = feed(core, HEALTHY + FAULT)
    assert event["device"] == "c-1"


def test_every_window_gives_a_score() -> None:
    core = fresh_core()
    sent = drive(core, [message(s, 10.0) for s in range(6)])
    scores = [msgspec.convert(one, Score) for one in of(sent, "score")]
    assert [score.warm for score in scores] == [False, False, False, True, True, True]
    assert [score.score for score in scores] == [None, None, None, 0.0, 0.0, 0.0]
    assert scores[3].ts_ms == (START + 4 * SECOND) // 10**6
    assert scores[3].ts == scores[3].window.end
    assert {one.qos for one in sent if one.topic.endswith("score")} == {0}


def test_a_device_is_named_in_topics_with_its_slash_escaped() -> None:
    sent = drive(fresh_core(), [message(s, 10.0, device="c/2") for s in range(5)])
    assert {one.topic for one in sent} == {
        f"{BASE}/device/c%2F2/availability",
        f"{BASE}/device/c%2F2/score",
        f"{BASE}/device/c%2F2/state",
    }
    assert of(sent, "state")[0]["device"] == "c/2"


def test_a_state_is_retained_when_it_is_first_known_and_when_it_changes() -> None:
    core = fresh_core()
    sent: list[Publish] = []
    for second, flow in enumerate(HEALTHY + FAULT + [25.0] * 8):
        now = at(second)
        sent += core.receive([message(second, {"flow": flow, "temp": 10.0})], now)
    states = [msgspec.convert(one, State) for one in of(sent, "state")]
    assert [(one.state, one.severity) for one in states] == [
        ("NORMAL", None),
        ("ACTIVE_UNACK", "critical"),
        ("NORMAL", None),
    ]
    assert {one.retain for one in sent if one.topic.endswith("/state")} == {True}
    assert {one.retain for one in sent if not one.topic.endswith("/state")} == {False}


def test_a_new_connection_begins_with_all_that_is_retained() -> None:
    core = fresh_core()
    sent: list[Publish] = list(core.connected(START))
    for second, flow in enumerate(HEALTHY + FAULT):
        sent += core.receive([message(second, {"flow": flow, "temp": 10.0})], at(second))
        sent += core.receive([message(second, 10.0, device="c/2")], at(second))
    kept = {one.topic: one.payload for one in sent if one.retain}
    again = core.connected(at(20))
    assert {one.topic for one in again} == kept.keys()
    assert all(one.retain and one.qos == 1 for one in again)
    for one in again:
        if one.topic.endswith("/state"):
            assert one.payload == kept[one.topic]
    assert of(again, "status") == [{"state": "online", "ts": "2023-11-14T22:13:40.000Z"}]


def test_info_says_what_runs() -> None:
    [info] = of(fresh_core().connected(START), "info")
    assert (info["version"], info["config_sha256"]) == ("1.2.3", "c0ffee")
    [model] = info["models"]
    assert model["devices"] == ["c-1", "c/2"]
    assert (model["name"], model["provider"]) == ("small", "by hand")


def test_the_will_and_the_last_words_are_told_apart() -> None:
    core = fresh_core()
    assert core.will.topic == f"{BASE}/status"
    assert core.will.retain
    assert msgspec.json.decode(core.will.payload) == {"state": "offline"}
    core.receive([Message("wide", b"{")], START)
    core.tick(START)
    core.receive([Message("wide", b"{")], START)  # within the quiet time: not told yet
    said = core.stopped(START + 1)
    assert [error["count"] for error in of(said, "error")] == [1]
    assert said[-1].topic == f"{BASE}/status"
    assert msgspec.json.decode(said[-1].payload)["state"] == "stopped"


def test_silence_counts_from_the_connection_on() -> None:
    core = fresh_core(config("lateness: 0s", "lateness: 5s"))
    core.receive([message(0, {"flow": 1.0})], START)
    core.connected(START + 100 * SECOND)
    assert of(core.tick(START + 101 * SECOND), "score") == []
    assert len(of(core.tick(START + 106 * SECOND), "score")) == 1


BAD: list[tuple[str, Message]] = [
    ("unparsable", Message("wide", b"{")),
    ("unparsable", Message("wide", b"\x00\x93NUMPY\xff\xfe")),
    ("unparsable", Message("wide", b"[" * 100_000)),
    ("unparsable", Message("plant/c-1/flow", b'{"t": 1, "value": NaN}')),
    ("unparsable", Message("plant/c-1/flow", b'{"t": 1, "value": 1e999}')),
    ("empty", Message("wide", b"")),
    ("too_large", Message("wide", b" " * 10_000_000)),
    ("missing", Message("wide", b"{}")),
    ("missing", Message("wide", b"[{}]")),
    ("wrong_type", Message("wide", b"null")),
    ("wrong_type", message(9, "text", signal="flow")),
    ("wrong_type", message(9, {"flow": "text"})),
    ("not_finite", message(9, {"flow": 1e39})),
    ("bad_time", Message("wide", b'{"id": "c-1", "t": 1e30, "v": {"flow": 1}}')),
    ("unknown_device", message(9, 10.0, device="x-9", signal="flow")),
    ("unknown_device", message(9, {"flow": 1.0}, device="x-9")),
    ("unknown_signal", message(9, 10.0, signal="colour")),
    ("unknown_signal", message(9, {"colour": 1.0})),
    ("no_input", Message("elsewhere/c-1/flow", b"{}")),
    ("late", message(-50, 10.0, signal="flow")),
    ("future", message(9_000, 10.0, signal="flow")),
    ("duplicate", message(5, 99.0, signal="flow")),
]


@pytest.mark.parametrize(
    ("code", "bad"), BAD, ids=[f"{n}-{code}" for n, (code, _) in enumerate(BAD)]
)
def test_bad_input_is_counted_told_and_disturbs_nothing(code: str, bad: Message) -> None:
    good = [message(s, {"flow": 10.0 + s % 3, "temp": 10.0 - s % 2}) for s in range(12)]
    clean, spoilt = fresh_core(), fresh_core()
    now = at(12)
    want = clean.receive(good, now) + clean.tick(now)
    sent = spoilt.receive([*good[:6], bad], now)
    sent += spoilt.receive([bad, *good[6:]], now) + spoilt.tick(now)
    assert of(sent, "score") == of(want, "score")
    assert of(sent, "event") == of(want, "event")
    assert clean.rejected == {}
    assert spoilt.rejected == {code: 2}
    [error] = of(sent, "error")
    assert (error["code"], error["count"], error["total"]) == (code, 2, 2)
    assert len(error["sample"]) <= 4 * 200  # bytes that are no text are escaped


def test_what_is_wrong_is_told_with_its_example() -> None:
    sent = drive(fresh_core(), [Message("wide", b'{"id": "c-1"')])
    [error] = of(sent, "error")
    assert error["topic"] == "wide"
    assert error["sample"] == '{"id": "c-1"'
    assert error["detail"].startswith("not JSON: ")
    sent = drive(fresh_core(), [message(0, 1.0, device="x", signal="flow")])
    [error] = of(sent, "error")
    assert (error["topic"], error["device"]) == ("plant/x/flow", "x")
    assert error["detail"] == "no model watches 'x'"


def test_what_the_grid_refuses_is_told_by_device_signal_and_time() -> None:
    core = fresh_core()
    core.receive([message(20, 10.0), message(3, 10.0, signal="temp")], at(20))
    [error] = of(core.tick(at(20)), "error")
    assert (error["code"], error["device"]) == ("late", "c-1")
    assert error["detail"].startswith("temp at 2023-11-14T22:13:23.000Z: older than")


def test_a_flood_of_bad_input_is_told_at_a_bounded_rate() -> None:
    core = fresh_core()
    sent = drive(core, [Message("wide", b"{")] * 600, each=0.05)  # for thirty seconds
    errors = of(sent, "error")
    assert 3 <= len(errors) <= 4
    said = of(core.stopped(START + 200 * SECOND), "error")
    assert sum(error["count"] for error in errors + said) == core.rejected["unparsable"] == 600


def test_one_message_with_a_million_bad_parts_is_one_error() -> None:
    payload = b"[" + b",".join([b"1"] * 100_000) + b"]"
    core = fresh_core()
    [error] = of(drive(core, [Message("wide", payload)]), "error")
    assert error["count"] == 100_000


def test_a_payload_of_the_greatest_size_is_read() -> None:
    body = message(0, 10.0).payload
    core = fresh_core()
    core.receive([Message("wide", body.ljust(MAX_PAYLOAD))], START)
    assert core.rejected == {}
    core.receive([Message("wide", body.ljust(MAX_PAYLOAD + 1))], START)
    assert core.rejected == {"too_large": 1}


def test_a_reading_without_a_time_counts_from_its_arrival() -> None:
    core = fresh_core(config("    time: {path: t}\n    lateness: 0s", "    lateness: 0s"))
    for second in range(6):
        core.receive([Message("plant/c-1/flow", b'{"value": 10}')], at(second))
    sent = core.receive([Message("plant/c-1/flow", b'{"value": 10}')], at(6))
    [score] = of(sent, "score")
    assert score["ts_ms"] == at(6) // 10**6


def scores_of(core: Core, messages: list[Message], size: int) -> list[Any]:
    sent: list[Publish] = []
    for start in range(0, len(messages), size):
        sent += core.receive(messages[start : start + size], at(40))
    return of(sent + core.tick(at(200)), "score")


@pytest.mark.parametrize("size", [1, 2, 7, 33])
def test_messages_in_batches_of_any_size_give_the_same_scores(size: int) -> None:
    messages = [
        message(s, {"flow": 10.0 + s % 5, "temp": 10.0 - s % 2}, device=device)
        for s in range(40)
        for device in ("c-1", "c/2")
    ]

    def by_device(scores: list[Any]) -> list[Any]:
        return sorted(scores, key=lambda score: (score["device"], score["ts_ms"]))

    want = by_device(scores_of(fresh_core(smoothed=True), messages, 1000))
    assert len(want) == 80
    assert by_device(scores_of(fresh_core(smoothed=True), messages, size)) == want


def test_two_models_may_not_watch_one_device() -> None:
    rules = config()
    monitors = [agent(rules)[1], agent(rules)[1]]
    with pytest.raises(ConfigError, match="device 'c-1' is watched by another"):
        Core(rules, monitors, version="1", config_sha256="")


def test_every_payload_is_of_its_schema() -> None:
    core = fresh_core()
    sent = core.connected(START)
    for second, flow in enumerate(HEALTHY + FAULT):
        sent += core.receive([message(second, {"flow": flow, "temp": 10.0})], at(second))
    for leaf, kind in (("event", Event), ("score", Score), ("state", State)):
        found = of(sent, leaf)
        assert found
        assert msgspec.to_builtins([msgspec.convert(one, kind) for one in found]) == found


def test_subscriptions_are_the_inputs_and_the_commands() -> None:
    inputs = [("plant/+/+", 1), ("wide", 1)]
    assert fresh_core().subscriptions == [*inputs, (f"{BASE}/cmd/#", 1)]
    assert fresh_core(config("alarms:", "commands: {allow: []}\nalarms:")).subscriptions == inputs


def test_the_clocks_that_are_furthest_off_are_told() -> None:
    core = fresh_core()
    core.receive([message(30, 10.0)], at(0))
    core.receive([message(0, 10.0, device="c/2")], at(3600))
    assert core.skews_ns == {"c/2": -3600 * SECOND, "c-1": 30 * SECOND}
    assert list(core.skews_ns) == ["c/2", "c-1"]
