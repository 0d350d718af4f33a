import io
import json
import logging
from collections.abc import Iterator

import msgspec
import pytest
from page_server import BASE, event

from edge_anomaly.event_log import EventLog, JsonLines, begin_logging
from edge_anomaly.values import Publish


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    log = logging.getLogger("edge_anomaly")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield out
    log.removeHandler(handler)
    log.setLevel(before)


def test_a_transition_is_one_line_that_a_machine_can_read(lines: io.StringIO) -> None:
    said = [
        Publish(f"{BASE}/event", msgspec.json.encode(event("m-1"))),
        Publish(
            f"{BASE}/reply/ack", b'{"verb": "ack", "id": "7", "status": "ok", "data": {"a": 1}}'
        ),
        Publish(f"{BASE}/device/m-1/score", b"{}"),
    ]
    assert EventLog(BASE).heard(said, 0) == []
    first, second = map(json.loads, lines.getvalue().splitlines())
    assert first["level"] == "info"
    assert first["event"]["event_id"] == "id-m-1"
    assert first["message"].startswith("alarm new warning: m-1: flow is 11")
    assert (second["verb"], second["status"], second["id"]) == ("ack", "ok", "7")
    assert "data" not in second
    assert first["ts"].endswith("Z")


def test_a_line_break_in_a_message_makes_no_second_line(lines: io.StringIO) -> None:
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("edge_anomaly").exception("it\nbroke")
    [line] = lines.getvalue().splitlines()
    assert "two" in json.loads(line)["trace"]


@pytest.mark.parametrize("style", ["console", "json"])
def test_both_styles_write_to_standard_error(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        begin_logging(style, verbose=False)
        logging.getLogger("edge_anomaly").info("here we are")
        logging.getLogger("edge_anomaly").debug("and in detail")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    said = capsys.readouterr().err
    assert "here we are" in said
    assert "in detail" not in said
    assert (said.startswith("{")) == (style == "json")
