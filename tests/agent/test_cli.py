import json
import shutil
from pathlib import Path

import pytest
from plants import CONFIG, bundle_files

import edge_anomaly
from edge_anomaly.cli import main
from edge_anomaly.schema_command import SCHEMAS

BUNDLE = Path(edge_anomaly.__file__).parent / "plants" / "bundles" / "compressors"


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A config beside the bundle that ships in the wheel."""
    shutil.copytree(BUNDLE, tmp_path / "small")
    path = tmp_path / "plant.yaml"
    path.write_text(CONFIG, "utf-8")
    return path


def fails(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error of a command that ends with status 2."""
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("edge-agent: ")
    assert told.err.endswith("\n")
    assert told.err.count("\n") == 1
    return told.err


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["replay"],
        ["check"],
        ["bundle"],
        ["bundle", "inspect"],
        ["bundle", "verify"],
        ["schema"],
        ["demo"],
        ["simulate"],
    ],
    ids=" ".join,
)
def test_every_command_has_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    assert "usage: edge-agent" in capsys.readouterr().out


def test_no_command_prints_help_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["dance"], ["--dance"], ["check"], ["schema", "dance"]])
def test_a_command_line_that_is_wrong_ends_with_status_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: edge-agent" in capsys.readouterr().err


def test_a_sound_config_is_all_right(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(plant)]) == 0
    told = capsys.readouterr()
    assert "input    plant/+/+ (QoS 1)\n" in told.out
    assert told.out.endswith("plant.yaml: all right\n")
    assert told.err == ""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("site: north", "site: north\nsite: n", "plant.yaml:2: site: given twice"),
        ("site: north", "colour: red", "plant.yaml:1: colour: Object contains unknown"),
        ("site: north", "site: \x00", "plant.yaml:1: not YAML: unacceptable character"),
        ("site: north", "site: é", "plant.yaml: not UTF-8 text"),
        ("lateness: 0s", "lateness: 0", "plant.yaml:7: inputs[0].lateness: expected a dur"),
        ("bundle: small", "bundle: gone", "gone: no such bundle"),
        ('["c*"]', '["x*"]', ": models[0].devices: ['x*'] names no device of small"),
        (
            'broker: {url: "embedded:"}',
            'broker: {url: "mqtt://h", password: {env: NOT_SET_HERE}}',
            "plant.yaml: broker.password: variable NOT_SET_HERE is not set",
        ),
        (
            'broker: {url: "embedded:"}',
            'broker: {url: "mqtt://h", password: {file: gone}}',
            "gone: [Errno 2]",
        ),
    ],
    ids=range(9),
)
def test_a_config_that_is_wrong_is_one_line(
    plant: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    complaint: str,
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the test run's own stay
    text = plant.read_text("utf-8")
    assert old in text
    plant.write_bytes(text.replace(old, new, 1).encode("latin-1"))
    assert complaint in fails(["check", "--config", str(plant)], capsys)
    assert complaint in fails(["--config", str(plant)], capsys)


def test_a_config_that_is_not_there_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "gone.yaml: No such file" in fails(
        ["check", "--config", str(tmp_path / "gone.yaml")], capsys
    )
    assert "Is a directory" in fails(["check", "--config", str(tmp_path)], capsys)


def test_a_bundle_is_inspected_and_verified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(BUNDLE)]) == 0
    assert "lstm-ae" in capsys.readouterr().out
    assert main(["bundle", "verify", str(BUNDLE)]) == 0
    assert "onnx: golden answers match, on " in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["inspect", "verify"])
@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("golden.npz", None, "golden.npz: missing"),
        ("golden.npz", b"other", "golden.npz: sha256 is"),
        ("manifest.yaml", None, "manifest.yaml: No such file"),
        ("manifest.yaml", b"a: [\n", "manifest.yaml: while parsing"),
    ],
    ids=range(4),
)
def test_a_spoilt_bundle_is_one_line(
    plant: Path,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    name: str,
    content: bytes | None,
    complaint: str,
) -> None:
    file = plant.parent / "small" / name
    file.unlink() if content is None else file.write_bytes(content)
    assert complaint in fails(["bundle", verb, str(file.parent)], capsys)
    assert complaint in fails(["check", "--config", str(plant)], capsys)


def test_a_graph_that_cannot_be_loaded_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content in bundle_files().items():
        (tmp_path / name).write_bytes(content)
    assert "mean.onnx: ONNX Runtime cannot load it" in fails(
        ["bundle", "verify", str(tmp_path)], capsys
    )


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", name]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def test_a_recording_is_replayed(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recording, scores = plant.parent / "c-1.csv", plant.parent / "scores.csv"
    recording.write_text("time,taste\n1,2\n", "utf-8")
    words = ["replay", "--config", str(plant), str(recording), "--scores", str(scores)]
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "No reading fits a model" in told.err
    assert scores.read_text("utf-8") == "time,device,score,threshold,coverage\n"
    recording.write_text("time,filter_dp\n1,x\n", "utf-8")
    assert "c-1.csv:2: column 'filter_dp': 'x' is not a number" in fails(words, capsys)
    words[-1] = str(plant.parent / "gone" / "scores.csv")
    assert "scores.csv: No such file" in fails(words, capsys)
