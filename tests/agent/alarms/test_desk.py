"""What operators ask for, as it comes over MQTT, and what the alarms do."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from plants import SECOND, START, config, fresh_core, message, of

from edge_anomaly.alarms.evidence import Detector
from edge_anomaly.commands import Label, Reply
from edge_anomaly.core import Core
from edge_anomaly.files.rules import Alarms, Clear, Raise
from edge_anomaly.values import Message, ModelRef, Publish

BASE = "edge-agent/v1/north/gw"
FAULT = [10.0] * 8 + [10.0, 12.0, 14.5, 17.5, 21.0, 25.0]
RULES = Alarms(raise_=Raise(windows=1), clear=Clear(windows=1))
STUCK = Detector("stuck", ModelRef(name="small", version="1", sha256=""), RULES)


def in_alarm(**rules: Any) -> tuple[Core, str]:
    """A core whose c-1 is in alarm at second 14, and the event's id."""
    text = "".join(f"\n  {key}: {value}" for key, value in rules.items())
    core = fresh_core(config("alarms:", f"alarms:{text}"))
    sent: list[Publish] = []
    for second, flow in enumerate(FAULT):
        both = {"flow": flow, "temp": 10.0}
        sent += core.receive([message(second, both)], START + second * SECOND)
    [new] = of(sent, "event")
    return core, new["event_id"]


def ask(core: Core, verb: str, at: Any = 20, **body: Any) -> tuple[Reply, list[Publish]]:
    topic, payload = f"{BASE}/cmd/{verb}", msgspec.json.encode(body)
    sent = core.receive([Message(topic, payload)], START + round(at * SECOND))
    [reply] = [one for one in sent if "/reply/" in one.topic]
    return msgspec.json.decode(reply.payload, type=Reply), sent


def refused(core: Core, verb: str, **body: Any) -> str | None:
    reply, sent = ask(core, verb, **body)
    assert (reply.status, len(sent)) == ("error", 1)
    return reply.code


@pytest.mark.parametrize("how", ["event_id", "device", "group"])
def test_an_alarm_is_acknowledged_by_event_device_or_group(how: str) -> None:
    core, event_id = in_alarm(groups="{line: ['c-*']}")
    target = {"event_id": event_id, "device": "c-1", "group": "line"}[how]
    reply, sent = ask(core, "ack", id="7", **{how: target})
    assert (reply.status, reply.id) == ("ok", "7")
    assert reply.data == {"alarms": [{"device": "c-1", "detector": "small", "state": "ACTIVE_ACK"}]}
    [event] = of(sent, "event")
    assert (event["type"], event["state"], event["seq"]) == ("update", "ACTIVE_ACK", 2)
    [state] = of(sent, "state")
    assert (state["state"], state["event_id"]) == ("ACTIVE_ACK", event_id)
    assert [entry.verb for entry in core.asked.audit.entries] == ["ack"]


def test_what_is_not_there_is_not_found() -> None:
    core, _ = in_alarm()
    assert refused(core, "ack", device="x-9") == "not_found"
    assert refused(core, "ack", event_id="abc") == "not_found"
    assert refused(core, "ack", group="line") == "not_found"
    assert refused(core, "ack", device="c-1", detector="stuck") == "not_found"
    assert refused(core, "label", event_id="abc", verdict="true") == "not_found"
    assert refused(core, "threshold", device="x-9", scale=1.1) == "not_found"


def test_a_shelve_ends_by_itself() -> None:
    core, event_id = in_alarm()
    reply, sent = ask(core, "shelve", device="c-1", **{"for": "10s"})
    assert reply.data["until"] == "2023-11-14T22:13:50.000Z"
    assert [event["state"] for event in of(sent, "event")] == ["SHELVED"]
    assert of(core.tick(START + 29 * SECOND), "event") == []
    sent = core.tick(START + 30 * SECOND)
    [back] = of(sent, "event")
    assert (back["change"], back["state"], back["event_id"]) == (
        "unshelved",
        "ACTIVE_UNACK",
        event_id,
    )
    assert [state["state"] for state in of(sent, "state")] == ["ACTIVE_UNACK"]


def test_nothing_is_shelved_for_ever() -> None:
    core, _ = in_alarm(longest_shelve="1h")
    assert refused(core, "shelve", device="c-1", **{"for": "61min"}) == "out_of_bounds"
    assert refused(core, "shelve", device="c-1", **{"for": "0s"}) == "out_of_bounds"
    assert ask(core, "shelve", device="c-1", **{"for": "1h"})[0].status == "ok"
    assert ask(core, "unshelve", device="c-1")[0].data["alarms"][0]["state"] == "ACTIVE_UNACK"


def test_maintenance_marks_what_goes_on() -> None:
    core, _ = in_alarm()
    reply, _ = ask(core, "maintenance", 13.5, device="c-1", reason="belt", **{"for": "1h"})
    assert reply.data["devices"] == ["c-1"]
    sent = core.receive([message(14, {"flow": 30.0, "temp": 10.0})], START + 14 * SECOND)
    [event] = of(sent, "event")
    assert (event["state"], event["suppressed"], event["active"]) == ("SUPPRESSED", "belt", True)
    ask(core, "maintenance", 14.5, device="c-1", over=True)
    sent = core.receive([message(15, {"flow": 36.0, "temp": 10.0})], START + 15 * SECOND)
    assert [event["state"] for event in of(sent, "event")] == ["ACTIVE_UNACK"]
    start = datetime(2023, 11, 14, 23, tzinfo=UTC).isoformat()
    reply, _ = ask(core, "maintenance", device="c-1", start=start, **{"for": "1h"})
    assert reply.data["end"] == "2023-11-15T00:00:00.000Z"


def test_a_threshold_is_scaled_within_limits_and_told_with_the_score() -> None:
    core, _ = in_alarm(scale="[0.5, 2.0]")
    assert refused(core, "threshold", device="c-1", scale=2.1) == "out_of_bounds"
    reply, _ = ask(core, "threshold", device="c-1", scale=1.5)
    assert reply.data["before"] == {"small": 1.0}
    sent = core.receive([message(14, {"flow": 30.0, "temp": 10.0})], START + 14 * SECOND)
    assert of(sent, "score")[0]["threshold"] == 1.5
    assert core.annunciator.scale("c-1", "small") == 1.5


def test_a_label_keeps_the_stretch_of_its_event() -> None:
    core, event_id = in_alarm()
    reply, _ = ask(core, "label", 20, event_id=event_id, verdict="true", by="ana")
    assert reply.data["labels"] == 1
    reply, _ = ask(core, "label", 21, event_id=event_id, verdict="false")
    assert reply.data["labels"] == 1  # the latest verdict stands
    start, end = "2023-11-14T22:00:00Z", "2023-11-14T22:10:00Z"
    ask(core, "label", 22, device="c-1", start=start, end=end, verdict="true")
    assert [(label.verdict, label.start, label.end) for label in core.annunciator.labels] == [
        ("false", "2023-11-14T22:13:30.000Z", "2023-11-14T22:13:41.000Z"),
        ("true", "2023-11-14T22:00:00.000Z", "2023-11-14T22:10:00.000Z"),
    ]
    assert refused(core, "label", device="x", start=start, end=end, verdict="true") == "not_found"


def test_a_device_out_of_service_is_scored_and_not_judged() -> None:
    core, _ = in_alarm()
    _, sent = ask(core, "out-of-service", device="c-1")
    assert [event["type"] for event in of(sent, "event")] == ["end"]
    assert [state["state"] for state in of(sent, "state")] == ["OUT_OF_SERVICE"]
    sent = core.receive([message(14, {"flow": 90.0, "temp": 10.0})], START + 14 * SECOND)
    assert (len(of(sent, "score")), of(sent, "event")) == (1, [])
    _, sent = ask(core, "out-of-service", device="c-1", out=False)
    assert [state["state"] for state in of(sent, "state")] == ["NORMAL"]


def test_all_of_it_survives_a_restart() -> None:
    core, event_id = in_alarm(realarm="5s")
    ask(core, "label", event_id=event_id, verdict="true")
    ask(core, "threshold", device="c-1", scale=1.2)
    ask(core, "maintenance", device="c/2", **{"for": "1h"})
    ask(core, "shelve", device="c-1", **{"for": "1h"})
    state = core.annunciator.snapshot()
    again = fresh_core(config("alarms:", "alarms:\n  realarm: 5s"))
    again.annunciator.restore(state)
    assert again.annunciator.snapshot() == state
    assert again.annunciator.state("c-1") == core.annunciator.state("c-1")
    reply, _ = ask(again, "label", event_id=event_id, verdict="false")
    assert reply.data["labels"] == 1


def test_a_label_without_a_stretch_is_refused_however_it_came() -> None:
    with pytest.raises(ValueError, match="expected event_id"):
        Label(verdict="true")
