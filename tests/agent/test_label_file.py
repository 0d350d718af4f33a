from pathlib import Path

import pytest

from edge_anomaly.adapters.label_file import FILE, LabelFile
from edge_anomaly.alarms.labels import Labelled, Labels
from edge_export.recalibration.verdicts import read_verdicts


def label(device: str, verdict: str = "true", event_id: str | None = None) -> Labelled:
    return Labelled(
        device=device,
        start="2026-01-01T00:00:00.000Z",
        end="2026-01-01T01:00:00.000Z",
        verdict="true" if verdict == "true" else "false",
        event_id=event_id,
        by="ana",
        ts="2026-01-02T00:00:00.000Z",
    )


def test_the_training_side_reads_what_operators_said(tmp_path: Path) -> None:
    labels = Labels()
    file = LabelFile(tmp_path, labels)
    assert not (tmp_path / FILE).exists()
    labels.add(label("c-1", event_id="a"))
    labels.add(label("c-2", "false"))
    assert file.heard([], 0) == []
    found = read_verdicts(tmp_path / FILE)
    assert [(one.device, one.real) for one in found] == [("c-1", True), ("c-2", False)]
    assert found[0].end_ns - found[0].start_ns == 3600 * 10**9
    labels.add(label("c-1", "false", event_id="a"))  # somebody thought better of it
    file.heard([], 0)
    assert [one.real for one in read_verdicts(tmp_path / FILE)] == [False, False]
    assert list(tmp_path.iterdir()) == [tmp_path / FILE]


def test_a_restart_writes_what_the_state_holds(tmp_path: Path) -> None:
    labels = Labels()
    labels.add(label("c-1"))
    again = Labels()
    again.restore(labels.snapshot())
    LabelFile(tmp_path, again)
    assert len(read_verdicts(tmp_path / FILE)) == 1


def test_a_folder_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    labels = Labels()
    file = LabelFile(tmp_path / "gone", labels)
    labels.add(label("c-1"))
    assert file.heard([], 0) == []
    assert "in the state all the same" in caplog.text
