from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import START, config, fresh_core, of

from edge_anomaly.commands import (
    VERBS,
    Audit,
    Command,
    CommandError,
    Reply,
    answer,
    read_command,
)
from edge_anomaly.commands.reading import MAX_REQUEST
from edge_anomaly.core import Core
from edge_anomaly.errors import ConfigError, StateError
from edge_anomaly.values import Message, Publish

BASE = "edge-agent/v1/north/gw"


def ask(verb: str, body: object, **more: Any) -> Message:
    payload = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Message(f"{BASE}/cmd/{verb}", payload, **more)


def replies(sent: list[Publish]) -> list[Reply]:
    return [msgspec.json.decode(one.payload, type=Reply) for one in sent if "/reply/" in one.topic]


def refused(verb: str, body: object, core: Core | None = None) -> Reply:
    [reply] = replies((core or fresh_core()).receive([ask(verb, body)], START))
    assert reply.status == "error"
    return reply


GOOD: list[tuple[str, dict[str, Any]]] = [
    ("ack", {"event_id": "abc"}),
    ("ack", {"device": "c-1", "detector": "small", "by": "ana", "reason": "seen", "id": "7"}),
    ("shelve", {"device": "c-1", "for": "30min"}),
    ("unshelve", {"group": "line-1"}),
    ("maintenance", {"group": "line-1", "start": "2026-01-01T00:00:00Z", "for": "2h"}),
    ("maintenance", {"device": "c-1", "over": True}),
    ("threshold", {"device": "c-1", "scale": 1.2}),
    ("label", {"event_id": "abc", "verdict": "false"}),
    (
        "label",
        {
            "device": "c-1",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-01T01:00:00+00:00",
            "verdict": "true",
        },
    ),
    ("out-of-service", {"device": "c-1"}),
]
BAD: list[tuple[str, object, str]] = [
    ("ack", b"", "malformed"),
    ("ack", b"{", "malformed"),
    ("ack", b"[" * 10_000, "malformed"),
    ("ack", b"\xff\xfe", "malformed"),
    ("ack", 7, "malformed"),
    ("ack", {}, "expected one of event_id, device and group"),
    ("ack", {"device": "c-1", "event_id": "abc"}, "expected one of"),
    ("ack", {"device": "c-1", "colour": "red"}, "unknown field `colour`"),
    ("ack", {"device": "c-1", "id": "x" * 300}, "length <= 256"),
    ("ack", {"device": "c-1", "reason": "x" * MAX_REQUEST}, "bytes; at most"),
    ("shelve", {"device": "c-1"}, "missing required field `for`"),
    ("shelve", {"device": "c-1", "for": "forever"}, "expected a duration"),
    ("maintenance", {"device": "c-1"}, "either `for` or `over: true`"),
    ("maintenance", {"device": "c-1", "for": "1h", "over": True}, "either `for`"),
    ("maintenance", {"event_id": "abc", "for": "1h"}, "of a device or a group"),
    ("maintenance", {"device": "c-1", "for": "1h", "start": "2026-01-01T00:00:00"}, "timezone"),
    ("threshold", {"device": "c-1", "scale": 0}, "> 0"),
    ("threshold", {"device": "c-1", "scale": "much"}, "`float`"),
    ("label", {"event_id": "abc"}, "missing required field `verdict`"),
    ("label", {"event_id": "abc", "verdict": "perhaps"}, "Invalid enum value"),
    ("label", {"verdict": "true", "device": "c-1"}, "expected event_id, or device, start and end"),
    ("label", {"verdict": "true", "event_id": "a", "device": "c-1"}, "expected either event_id"),
    (
        "label",
        {
            "device": "c-1",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-01T00:00:00Z",
            "verdict": "true",
        },
        "end must be after start",
    ),
    ("out-of-service", {"event_id": "abc"}, "is a device or a group"),
    ("dance", {}, "no verb 'dance'"),
    ("ack/more", {"device": "c-1"}, "no verb 'ack/more'"),
]


@pytest.mark.parametrize(("verb", "body"), GOOD, ids=range(len(GOOD)))
def test_a_well_formed_command_is_understood(verb: str, body: dict[str, Any]) -> None:
    command = read_command(verb, ask(verb, body))
    assert type(command.request) is VERBS[verb]
    assert command.id == body.get("id")


@pytest.mark.parametrize(("verb", "body", "why"), BAD, ids=range(len(BAD)))
def test_what_is_malformed_is_answered_with_the_reason(verb: str, body: object, why: str) -> None:
    reply = refused(verb, body)
    assert why in ((reply.code if why == "malformed" else reply.error) or "")
    assert reply.code in {"malformed", "unknown_verb"}


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=200), st.sampled_from([*VERBS, "dance", ""]))
def test_no_bytes_whatever_disturb(payload: bytes, verb: str) -> None:
    command = read_command(verb, ask(verb, payload))
    assert answer(BASE, command, START)


def test_the_id_comes_back_even_from_a_malformed_request() -> None:
    assert refused("ack", {"id": "42", "colour": "red"}).id == "42"
    assert refused("ack", {"id": 42}).id is None  # an id is text
    assert refused("dance", {"id": "42"}).id == "42"


def test_a_reply_goes_below_reply_and_a_strange_verb_makes_no_topic() -> None:
    core = fresh_core()
    [known] = core.receive([ask("ack", b"{")], START)
    [unknown] = core.receive([ask("a/b", b"{")], START)
    assert (known.topic, known.qos, known.retain) == (f"{BASE}/reply/ack", 1, False)
    assert unknown.topic == f"{BASE}/reply/unknown"


def test_an_mqtt_5_response_topic_is_honoured_with_its_correlation() -> None:
    message = ask("ack", {"id": "1"}, response_topic="me/here", correlation=b"\x00\x07")
    ours, theirs = fresh_core().receive([message], START)
    assert ours.topic == f"{BASE}/reply/ack"
    assert (theirs.topic, theirs.correlation) == ("me/here", b"\x00\x07")
    assert theirs.payload == ours.payload
    own = f"{BASE}/reply/ack"
    [one] = fresh_core().receive([ask("ack", {}, response_topic=own, correlation=b"c")], START)
    assert (one.topic, one.correlation) == (own, b"c")


@pytest.mark.parametrize(
    "topic", ["", "a/#", "a/+/b", "$SYS/x", "a\0b", f"{BASE}/event", f"{BASE}/cmd/ack"]
)
def test_nobody_makes_the_agent_speak_where_it_must_not(topic: str) -> None:
    [ours] = fresh_core().receive([ask("ack", {}, response_topic=topic)], START)
    assert ours.topic == f"{BASE}/reply/ack"


def test_a_retained_command_is_ignored_and_counted() -> None:
    core = fresh_core()
    assert core.receive([ask("ack", {"device": "c-1"}, retain=True)], START) == []
    assert core.rejected == {"retained_command": 1}
    assert len(core.asked.audit) == 0
    [error] = of(core.tick(START), "error")
    assert error["code"] == "retained_command"


def test_only_allowed_verbs_are_followed() -> None:
    core = fresh_core(config("alarms:", "commands: {allow: [shelve]}\nalarms:"))
    assert refused("ack", {"device": "c-1"}, core).code == "not_allowed"
    assert refused("shelve", {"device": "c-1"}, core).code == "malformed"


def test_a_verb_that_is_none_cannot_be_allowed() -> None:
    with pytest.raises(ConfigError, match="no verb 'dance'") as raised:
        fresh_core(config("alarms:", "commands: {allow: [ack, dance]}\nalarms:"))
    assert raised.value.key == ("commands", "allow", 1)


def test_what_the_core_cannot_do_itself_is_handed_outwards() -> None:
    rules = config()
    core = Core(rules, [], version="1", config_sha256="", outward={"label"})
    body = {"id": "9", "event_id": "abc", "verdict": "true", "by": "ana"}
    assert core.receive([ask("label", body)], START) == []
    [command] = core.asked.requests
    [reply] = replies(core.asked.answer(command, START, data={"stored": 1}))
    assert (reply.id, reply.status, reply.data) == ("9", "ok", {"stored": 1})
    [entry] = core.asked.audit.entries
    assert (entry.verb, entry.by, entry.id, entry.status) == ("label", "ana", "9", "ok")


def test_every_command_stands_in_the_audit_log_and_the_oldest_are_forgotten() -> None:
    core = fresh_core(config("alarms:", "commands: {audit: 3}\nalarms:"))
    for number in range(5):
        core.receive([ask("ack", {"id": str(number)})], START + number)
    assert [entry.id for entry in core.asked.audit.entries] == ["2", "3", "4"]
    assert {(entry.status, entry.code) for entry in core.asked.audit.entries} == {
        ("error", "malformed")
    }


def test_the_audit_log_survives_and_refuses_what_is_none() -> None:
    audit = Audit(10)
    command = read_command("ack", ask("ack", {"device": "c-1", "by": "ana"}))
    audit.add(command, START)
    audit.add(Command("ack", ask("ack", b"\xff"), CommandError("malformed", "no")), START + 1)
    again = Audit(10)
    again.restore(audit.snapshot())
    assert again.entries == audit.entries
    for state in ({}, {"entries": 7}, {"entries": [{"ts": 1}]}):
        with pytest.raises(StateError, match="audit log"):
            again.restore(state)
    assert len(again) == 2
