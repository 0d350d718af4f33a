from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from years import year

from edge_export.bundles.train import Plan, train_bundle
from edge_export.cli import main
from edge_export.data.recordings import Recording, cut
from edge_export.families.usad import FAMILY, Config
from edge_export.grounds.power import DAY, PERIOD_NS

WEEKS = cut(year(), 0, int(year().t_ns[8 * 7 * DAY]))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rhythm") / "mill"
    train_bundle(FAMILY, [WEEKS], Config(trees=10), out, Plan(name="mill"))
    return out


def table(path: Path, recording: Recording) -> str:
    rows = zip(recording.t_ns // 10**9, recording.values[:, 0], strict=True)
    path.write_text("time,power\n" + "".join(f"{t},{v}\n" for t, v in rows), "utf-8")
    return str(path)


def test_tells_the_day_and_that_the_bundle_still_fits(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "same.csv", WEEKS)
    assert main(["rhythm", "--data", data, "--bundle", str(bundle)]) == 0
    out = capsys.readouterr().out
    assert "96.0 slots     24.00 h" in out
    assert "the same rhythm" in out


def test_tells_that_a_rhythm_has_gone(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = np.arange(4000)
    other = np.sin(2 * np.pi * slot / 60)[:, None].astype(np.float32)
    data = table(tmp_path / "other.csv", Recording("mill", slot * PERIOD_NS, ("power",), other))
    assert main(["rhythm", "--data", data, "--bundle", str(bundle)]) == 0
    assert "no longer stand out: train again" in capsys.readouterr().out


def test_a_flat_recording_has_no_period(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slot = np.arange(100)
    flat = np.ones((100, 1), np.float32)
    data = table(tmp_path / "flat.csv", Recording("mill", slot * PERIOD_NS, ("power",), flat))
    assert main(["rhythm", "--data", data]) == 0
    assert capsys.readouterr().out == "no period stands out\n"


def test_forests_are_written_for_other_runtimes(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forests", str(bundle), "--out", str(tmp_path / "forests")]) == 0
    assert capsys.readouterr().out.count("10 trees, 5 features") == 3
    session = ort.InferenceSession(
        (tmp_path / "forests" / "week-1.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    (score,) = session.run(["score"], {"rows": np.zeros((4, 5), np.float32)})
    assert score.shape == (4,)


def test_a_bundle_without_a_forest_or_a_place_that_is_none_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    assert main(["forests", str(bundle), "--out", str(tmp_path / "file")]) == 2
    assert "cannot be written" in capsys.readouterr().err
    out = tmp_path / "const"
    data = table(tmp_path / "same.csv", WEEKS)
    words = ["train", "--family", "const", "--data", data, "--out", str(out), "--period", "900"]
    assert main(words) == 0
    assert main(["forests", str(out), "--out", str(tmp_path / "forests")]) == 2
    assert "no stage `forest`" in capsys.readouterr().err
