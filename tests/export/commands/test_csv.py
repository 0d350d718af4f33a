import os
from pathlib import Path

import numpy as np
import pytest

from edge_export.cli import main
from edge_export.data.datasets import asd
from edge_export.data.datasets.files import Halves
from edge_export.data.recordings import Recording
from edge_export.data.tables import read

MINUTE = 60 * 10**9


def test_a_dataset_reads_back_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: list[Recording]
) -> None:
    monkeypatch.setattr(asd, "load", lambda _root, _entities: Halves([], recordings))
    assert main(["csv", "--data", "asd", "--out", str(tmp_path)]) == 0
    [again] = read(tmp_path / f"{recordings[0].device}.csv")
    assert again.signals == recordings[0].signals
    np.testing.assert_array_equal(again.t_ns, recordings[0].t_ns)
    np.testing.assert_array_equal(again.values, recordings[0].values)


def test_a_missing_dataset_is_said_with_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "EDGE_DATA", str(tmp_path / "nowhere"))
    assert main(["csv", "--data", "asd", "--out", str(tmp_path)]) == 2
    assert "EDGE_DATA" in capsys.readouterr().err


def test_a_name_that_is_no_dataset_is_refused_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["csv", "--data", "pumps.csv", "--out", str(tmp_path)]) == 2
    assert "no dataset 'pumps.csv'; there are asd" in capsys.readouterr().err
