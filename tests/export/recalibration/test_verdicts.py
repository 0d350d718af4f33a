from pathlib import Path

import pytest

from edge_anomaly.errors import RecordingError
from edge_export.recalibration.verdicts import Verdict, read_verdicts

HEAD = "device,start,end,verdict\n"
HOUR = 3600 * 10**9


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "verdicts"
    path.write_text(text, "utf-8")
    return path


def test_a_table_and_lines_of_json_say_the_same(tmp_path: Path) -> None:
    table = HEAD + "c-1,1970-01-01T01:00:00Z,1970-01-01T02:00:00,confirmed\nc-2,0,3600000,false\n"
    lines = (
        '{"device": "c-1", "start": "1970-01-01T02:00:00+01:00", "end": 7200000, "verdict": "true"}'
        '\n\n{"device": "c-2", "start": 0, "end": "1970-01-01T01:00", "verdict": "false"}\n'
    )
    want = [Verdict("c-1", HOUR, 2 * HOUR, real=True), Verdict("c-2", 0, HOUR, real=False)]
    assert read_verdicts(written(tmp_path, table)) == want
    assert read_verdicts(written(tmp_path, lines)) == want


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("device,start,end\n", "no column 'verdict'"),
        (HEAD + "c,0,1,perhaps\n", r"verdicts:2: not a verdict: .*'perhaps'"),
        (HEAD + "c,0,1,true\nc,5,5,true\n", r"verdicts:3: .*not after its start"),
        (HEAD + "c,noon,1,true\n", r"verdicts:2: not a verdict"),
        ('{"device": "c"}\n', r"verdicts:1: not a verdict: 'start'"),
        ("{}\n{\n", "not a verdict"),
        ('{"device": "c", "start": 0, "end": 1, "verdict": "true"}\n{\n', "verdicts:2: not JSON"),
    ],
)
def test_refuses_what_is_no_verdict_and_names_the_line(
    tmp_path: Path, text: str, error: str
) -> None:
    with pytest.raises(RecordingError, match=error):
        read_verdicts(written(tmp_path, text))


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="cannot be read"):
        read_verdicts(tmp_path / "nowhere")
