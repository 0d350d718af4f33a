import math
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from faulty_machines import WHOLE, broken, healthy
from rich.console import Console

from edge_anomaly.errors import RecordingError
from edge_export.bundles.package import read_bundle
from edge_export.bundles.train import Plan, train_bundle
from edge_export.cli import main
from edge_export.commands.compare import show
from edge_export.data.recordings import Recording
from edge_export.evaluation.compare import Comparison, compare
from edge_export.evaluation.results import Setting
from edge_export.families import find
from edge_export.graphs.verify import load_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    place = tmp_path_factory.mktemp("bundles")
    train = [healthy(one) for one in WHOLE]
    for name in ("const", "pca"):
        config = find(name).presets["default"]
        train_bundle(name, train, config, place / name, Plan(name=name, torchscript=False))
    return [place / "const", place / "pca"]


@pytest.fixture(scope="module")
def found(folders: list[Path]) -> Comparison:
    bundles = {folder.name: read_bundle(folder) for folder in folders}
    pairs = {name: (bundle, load_model(bundle)) for name, bundle in bundles.items()}
    train, test = [healthy(one) for one in WHOLE], [broken(one) for one in WHOLE]
    return compare(pairs, train, test, Setting(buffer=20))


def test_a_difference_is_the_mean_over_devices_of_paired_differences(found: Comparison) -> None:
    gap = found.difference("pca", "const", "ap")
    each = [found.figures[d, "pca"]["ap"] - found.figures[d, "const"]["ap"] for d in found.devices]
    assert gap.mean == pytest.approx(np.mean(each))
    assert gap.error == pytest.approx(np.std(each, ddof=1) / math.sqrt(len(each)))
    assert (gap.devices, gap.wins) == (3, sum(value > 0 for value in each))
    assert gap.mean == pytest.approx(found.mean("pca", "ap") - found.mean("const", "ap"))


def test_a_bundle_beside_itself_is_no_further(found: Comparison) -> None:
    gap = found.difference("pca", "pca", "vus_pr")
    assert (gap.mean, gap.error, gap.wins) == (0, 0, 0)
    assert not gap.certain


def test_a_figure_that_nobody_has_is_no_number(found: Comparison) -> None:
    gap = found.difference("pca", "const", "no such figure")
    assert math.isnan(gap.mean)
    assert gap.devices == 0


def test_the_table_says_by_how_much_and_how_sure(found: Comparison) -> None:
    out = StringIO()
    show(found, 20, Console(file=out))
    text = out.getvalue()
    assert "mean of 3 devices" in text
    assert "const - pca" in text
    assert "VUS-PR(20)" in text
    gap = found.difference("const", "pca", "ap")
    assert f"{gap.mean:+.3f} ± {gap.error:.3f}, {gap.wins}/3" in text


def table(path: Path, parts: list[Recording]) -> Path:
    names = parts[0].signals
    lines = [",".join(("time", "device", *names, "label"))]
    for part in parts:
        labels = part.labels if part.labels is not None else np.zeros(part.t_ns.size, np.bool_)
        for t, values, label in zip(part.t_ns, part.values, labels, strict=True):
            cells = [str(t // 10**9), part.device, *map(str, values), str(int(label))]
            lines.append(",".join(cells))
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_the_command_compares_bundles_on_tables(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = table(tmp_path / "healthy.csv", [healthy(one) for one in WHOLE])
    test = table(tmp_path / "test.csv", [broken(one) for one in WHOLE])
    words = ["compare", *map(str, folders), "--data", str(data), "--test", str(test)]
    assert main(words) == 0
    assert "const - pca" in capsys.readouterr().out


def test_one_bundle_is_nothing_to_compare(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(folders[0]), str(folders[0]), "--data", "asd"]) == 2
    assert "at least two different bundles" in capsys.readouterr().err


def test_bundles_of_other_devices_are_refused(folders: list[Path]) -> None:
    bundle = read_bundle(folders[0])
    pairs = {name: (bundle, load_model(bundle)) for name in ("one", "two")}
    test = [broken(one) for one in WHOLE]
    strange = [Recording("other", r.t_ns, r.signals, r.values, r.labels) for r in test]
    with pytest.raises(RecordingError, match="no device that one, two and the recordings all know"):
        compare(pairs, [], strange, Setting())
