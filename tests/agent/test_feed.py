from pathlib import Path

import msgspec
import pytest
from brokers import Broker, eventually
from peers import peer

from edge_anomaly.cli import main

TABLE = "time,flow,pressure\n1700000000,1.5,\n1700000000.25,2.5,3\n"


def test_a_recording_arrives_reading_by_reading_in_its_order(
    broker: Broker, tmp_path: Path
) -> None:
    table = tmp_path / "c-1.csv"
    table.write_text(TABLE, "utf-8")
    with peer(broker.url, "historian") as historian:
        historian.subscribe("mill/#", 1)
        words = ["feed", "--broker", broker.url, "--topic", "mill/{device}/{signal}", str(table)]
        assert main(words) == 0
        eventually(lambda: len(historian.messages) == 3)
        got = [(m.topic, msgspec.json.decode(m.payload)) for m in historian.messages]
    assert got == [
        ("mill/c-1/flow", {"t": 1700000000.0, "v": 1.5}),
        ("mill/c-1/flow", {"t": 1700000000.25, "v": 2.5}),
        ("mill/c-1/pressure", {"t": 1700000000.25, "v": 3.0}),
    ]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--topic", "mill/{device}", "a.csv"], "must hold {device} and {signal}"),
        (["--speed", "0", "a.csv"], "--speed must be above 0"),
        (["a.csv"], "cannot connect"),
    ],
)
def test_what_cannot_be_fed_is_status_2_and_one_line(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 1 of loopback: nothing listens there.
    assert main(["feed", "--broker", "mqtt://127.0.0.1:1", *words]) == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
