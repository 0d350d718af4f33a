import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faulty_machines import WHOLE, broken, healthy
from numpy.typing import NDArray

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Model
from edge_export.bundles.package import CURVES, read_bundle
from edge_export.bundles.train import Plan, train_bundle
from edge_export.cli import main
from edge_export.evaluation.results import Setting
from edge_export.families import find
from edge_export.graphs.verify import load_model
from edge_export.report.attach import attach
from edge_export.report.gather import gather, projected, read_curves
from edge_export.report.material import Material
from edge_export.report.page import render
from edge_export.report.words import beware, expect

CURVE = {"learnt": np.array([1.0, 0.5, 0.3]), "held out": np.array([1.1, 0.6, 0.5])}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("bundles") / "pumps"
    train = [healthy(one) for one in WHOLE]
    config = find("pca").presets["default"]
    return train_bundle("pca", train, config, out, Plan(name="pumps", torchscript=False))


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> Model:
    return load_model(bundle)


@pytest.fixture(scope="module")
def labelled(bundle: Bundle, model: Model) -> Material:
    train, test = [healthy(one) for one in WHOLE], [broken(one) for one in WHOLE]
    return gather(bundle, model, train, test, Setting(buffer=20), CURVE)


@pytest.fixture(scope="module")
def unlabelled(bundle: Bundle, model: Model) -> Material:
    train = [healthy(one) for one in WHOLE]
    test = [replace(broken(one), labels=None, causes=None) for one in WHOLE]
    return gather(bundle, model, train, test, Setting(buffer=20))


@pytest.fixture(scope="module")
def alone(bundle: Bundle, model: Model) -> Material:
    return gather(bundle, model, [healthy(one) for one in WHOLE], [], Setting(buffer=20))


class Page(HTMLParser):
    """Collects what a page loads, its anchors and links, and whether its elements close."""

    VOID = ("meta", "link", "br", "img", "use", "path", "stop", "rect", "image")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.loads += [
            value
            for key in ("src", "href", "xlink:href")
            if (value := told.get(key) or "") and not value.startswith(("#", "data:"))
        ]
        if told.get("id"):
            self.ids.append(str(told["id"]))
        if tag == "a":
            self.links.append(str(told.get("href")))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("which", ["labelled", "unlabelled", "alone"])
def test_the_page_needs_nothing_else_and_is_well_formed(
    which: str, request: pytest.FixtureRequest
) -> None:
    text = render(request.getfixturevalue(which))
    page = Page(text)
    assert page.loads == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert "@import" not in text
    assert "<script" not in text


def test_colours_are_the_pages_own_so_that_light_and_dark_both_read(labelled: Material) -> None:
    charts = re.findall(r"<svg.*?</svg>", render(labelled), re.DOTALL)
    assert len(charts) > 8
    for chart in charts:
        assert "#0" not in re.sub(r'="#[^"]*"|url\(#[^)]*\)', "", chart)  # no placeholder is left
    assert "prefers-color-scheme: dark" in render(labelled)


def test_a_report_twice_is_the_same_text(labelled: Material) -> None:
    assert render(labelled) == render(labelled)


def test_with_labels_it_shows_what_was_told_and_the_rivals(labelled: Material) -> None:
    text = render(labelled)
    assert "Beside simple rivals" in text
    assert "labelled by an operator" in text
    assert "Loss by epoch" in text
    said = " ".join(expect(labelled))
    assert "Of 12 labelled events it told" in said
    assert "outside the labelled events" in said


def test_without_labels_it_says_that_nobody_looked(unlabelled: Material) -> None:
    text = render(unlabelled)
    assert "Beside simple rivals" not in text
    assert "nobody looked" in text
    assert "Label a few" in " ".join(beware(unlabelled))
    assert "that nobody labelled" in " ".join(expect(unlabelled))


def test_of_training_time_alone_it_says_that_thresholds_were_set_there(alone: Material) -> None:
    assert all(not story.judged.any() for story in alone.stories)
    said = " ".join(expect(alone))
    assert "That flatters it" in said
    assert "shop floor" not in said
    raised = sum(len(story.alarms) for story in alone.stories)
    assert ("No alarm was raised" in render(alone)) == (raised == 0)


def test_a_short_or_still_past_is_said(labelled: Material) -> None:
    values = labelled.train[0].values.copy()
    values[:, 0] = 7
    still = replace(labelled, train=[replace(labelled.train[0], values=values)])
    said = " ".join(beware(still))
    assert "1 signals hardly moved" in said
    assert "(flow)" in said
    assert "has not seen a whole week" in said


def test_a_usual_score_that_rose_is_said(labelled: Material) -> None:
    story = labelled.stories[0]
    risen = replace(story, score=np.where(story.judged, 5 * story.score, story.score))
    moved = replace(labelled, stories=[risen])
    assert any("What is normal has moved" in line for line in beware(moved))


def test_what_a_recording_is_called_cannot_break_the_page(labelled: Material) -> None:
    name = '<b>"x"</b>'
    renamed = replace(
        labelled,
        evaluation=None,
        stories=[replace(labelled.stories[0], device=name)],
        train=[replace(labelled.train[0], device=name)],
    )
    page = Page(render(renamed))
    assert page.open == []
    assert "b" not in page.links


def test_training_curves_are_read_where_they_were_kept(tmp_path: Path) -> None:
    assert read_curves(tmp_path) == {}
    np.savez(tmp_path / CURVES, allow_pickle=False, **CURVE)
    assert list(read_curves(tmp_path)) == list(CURVE)
    (tmp_path / CURVES).write_bytes(b"no such thing")
    with pytest.raises(BundleError, match=r"training\.npz: not training curves"):
        read_curves(tmp_path)


def test_two_directions_are_those_of_the_greatest_spread() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 4)) * [1, 10, 0.1, 3] + 7
    points, share = projected(x) or (np.empty(0), 0.0)
    assert abs(np.corrcoef(points[:, 0], x[:, 1])[0, 1]) > 0.99
    assert abs(np.corrcoef(points[:, 1], x[:, 3])[0, 1]) > 0.95
    assert share > 0.98
    assert projected(np.ones((5, 4))) is None
    assert projected(x[:, :1]) is None


def test_a_graphs_own_latent_is_shown_where_it_tells_one(bundle: Bundle, model: Model) -> None:
    train = [healthy(one) for one in WHOLE]
    graph = model.graphs["main"]

    class Telling:
        provider, inputs = graph.provider, graph.inputs

        def run(self, feed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
            return {**graph.run(feed), "latent": feed["window"][:, -1, :2]}

    found = gather(bundle, Model({"main": Telling()}), train, [], Setting())
    assert found.latent is not None
    assert "the network gives" in found.latent.title
    values = np.concatenate([story.observed[:, :2] for story in found.stories])
    want, _ = projected(values.astype(np.float64)) or (np.empty(0), 0)
    rows = np.linspace(0, len(want) - 1, len(found.latent.points)).astype(int)
    np.testing.assert_allclose(
        np.abs(found.latent.points - found.latent.points.mean(axis=0)),
        np.abs(want[rows] - want[rows].mean(axis=0)),
        atol=1e-2 * np.abs(want).max(),
    )


def test_a_fresh_bundle_gets_its_report_and_is_still_one(tmp_path: Path) -> None:
    train = [healthy(one) for one in WHOLE]
    config = replace(find("lstm-ae").presets["small"], window=8, epochs=1)
    train_bundle("lstm-ae", train, config, tmp_path / "b", Plan(name="b", torchscript=False))
    attach(tmp_path / "b", train, config.held_out)
    written = read_bundle(tmp_path / "b")
    assert {"report.html", CURVES} <= written.manifest.files.keys()
    text = (tmp_path / "b" / "report.html").read_text("utf-8")
    assert "Loss by epoch" in text
    assert "; bundle" not in text


def test_a_report_that_cannot_be_made_costs_no_bundle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bundle: Bundle
) -> None:
    train = [healthy(one) for one in WHOLE]
    config = find("const").presets["default"]
    train_bundle("const", train, config, tmp_path / "b", Plan(name="b", torchscript=False))
    attach(tmp_path / "b", [replace(one, device="other") for one in train[:1]], 0.2)
    assert "no report" in caplog.text
    assert read_bundle(tmp_path / "b").manifest.devices == bundle.manifest.devices


def test_the_command_writes_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = healthy(WHOLE[0])
    lines = [",".join(("time", *one.signals))]
    for t, values in zip(one.t_ns.tolist(), one.values.tolist(), strict=True):
        lines.append(",".join([str(t // 10**9), *map(str, values)]))
    Path("c-1.csv").write_text("\n".join(lines) + "\n", "utf-8")
    words = ["train", "--family", "pca", "--data", "c-1.csv", "--out", "b", "--no-report"]
    assert main(words) == 0
    assert not Path("b/report.html").exists()
    assert main(["report", "b", "--data", "c-1.csv", "--test", "c-1.csv", "--out", "r.html"]) == 0
    assert "r.html" in capsys.readouterr().err
    assert "; bundle" in Path("r.html").read_text("utf-8")
