from pathlib import Path

import numpy as np
import pytest

from edge_export.bundles.package import read_bundle
from edge_export.cli import main
from edge_export.data.recordings import Recording

SIZES = ["--window", "8", "--epochs", "1", "--preset", "small"]


def as_csv(path: Path, recordings: list[Recording]) -> str:
    lines = ["time,device," + ",".join(recordings[0].signals)]
    for recording in recordings:
        for t, row in zip(recording.t_ns // 10**9, recording.values, strict=True):
            lines.append(f"{t},{recording.device}," + ",".join(map(str, row)))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return str(path)


def test_train_then_add_a_device(
    tmp_path: Path, recordings: list[Recording], newcomer: Recording
) -> None:
    data = as_csv(tmp_path / "healthy.csv", recordings[:2])
    out, more = tmp_path / "two", tmp_path / "three"
    assert main(["train", "--data", data, "--out", str(out), *SIZES]) == 0
    bundle = read_bundle(out)
    assert bundle.manifest.name == "two"
    assert bundle.manifest.provenance.command.startswith("edge-export train --data ")
    data = as_csv(tmp_path / "new.csv", [newcomer])
    words = ["add-device", str(out), "--data", data, "--device", "c-9", "--out", str(more)]
    assert main([*words, "--epochs", "1"]) == 0
    assert read_bundle(more).manifest.devices == ["c-1", "c-2", "c-9"]


def test_a_family_has_a_rule_of_its_own_for_thresholds(
    tmp_path: Path, recordings: list[Recording]
) -> None:
    data = as_csv(tmp_path / "healthy.csv", recordings[:1])
    words = ["train", "--family", "usad", "--no-network", "--data", data, "--window", "16"]
    words += ["--set", "hours=[0.05, 0.1]", "--set", "trees=10"]
    assert main([*words, "--out", str(tmp_path / "usual")]) == 0
    assert read_bundle(tmp_path / "usual").manifest.threshold.rule == "budget"
    assert main([*words, "--out", str(tmp_path / "other"), "--threshold", "tail"]) == 0
    assert read_bundle(tmp_path / "other").manifest.threshold.rule == "tail"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train", "--data", "{tmp}/gone.csv", "--out", "{tmp}/b"], "gone.csv: not there"),
        (["train", "--data", "{tmp}/short.csv", "--out", "{tmp}/b"], "too short"),
        (["train", "--data", "asd", "--out", "{tmp}/b"], "download the folder"),
        (["train", "--data", "x.csv", "--out", "{tmp}/b", "--parameter", "2"], "--parameter: a"),
        (["train", "--data", "x.csv", "--out", "{tmp}/b", "--network"], "no setting 'network'"),
        (
            [
                "add-device",
                "{tmp}/none",
                "--data",
                "{tmp}/short.csv",
                "--device",
                "x",
                "--out",
                "{tmp}/b",
            ],
            "no recording of x; there are c-1",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    tmp_path: Path,
    recordings: list[Recording],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    complaint: str,
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    first = recordings[0]
    short = Recording(first.device, first.t_ns[:20], first.signals, first.values[:20])
    as_csv(tmp_path / "short.csv", [short])
    assert main([word.format(tmp=tmp_path) for word in words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge-export: ")
    assert complaint in line


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"], ["add-device", "--help"]])
def test_help_is_complete(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "usage: edge-export" in out
    if len(words) > 1:
        assert "examples:" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", shell])
    assert end.value.code == 0
    assert "edge-export" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--dta", "asd"], ["--window", "0"], ["--period", "-1"], ["--smooth", "nan"]]
)
def test_an_option_that_cannot_be_is_status_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--data", "asd", "--out", "b", *words])
    assert end.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_an_interrupted_training_leaves_nothing_behind(
    tmp_path: Path, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_export.families.lstm_ae_bundle.train", interrupt)
    data = as_csv(tmp_path / "healthy.csv", recordings)
    assert main(["train", "--data", data, "--out", str(tmp_path / "b"), *SIZES]) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["healthy.csv"]


def test_the_same_words_give_the_same_bytes(
    tmp_path: Path, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.chdir(tmp_path)
    as_csv(tmp_path / "healthy.csv", recordings)
    words = ["train", "--data", "healthy.csv", "--out", "b", "--no-torchscript", *SIZES]
    bundles = []
    for _ in range(2):
        assert main(words) == 0
        bundles.append(read_bundle(tmp_path / "b"))
    assert bundles[0].sha256 == bundles[1].sha256
    np.testing.assert_array_equal(bundles[0].golden.score, bundles[1].golden.score)
