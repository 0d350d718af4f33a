"""What the members of an ensemble are trained on, and how their scores are put together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_export.bundles.train import Plan, train_bundle
from edge_export.data.recordings import Recording
from edge_export.families import find
from edge_export.families.ensemble import HOWS, Mixed, ensemble
from edge_export.families.family import Material, Trained
from edge_export.report.gather import read_curves


def test_a_member_learns_from_the_windows_that_it_learns_from_alone(
    recordings: list[Recording], tmp_path: Path
) -> None:
    plain, shown = find("var1"), []

    def watched(material: Material, config: Any) -> Trained:
        shown.append(material.parts.fit)
        return plain.train(material, config)

    member = replace(plain, train=watched)
    config = replace(plain.presets["default"], stride=3, with_raw=False)
    plan = Plan(name="one", torchscript=False)
    train_bundle(member, recordings, config, tmp_path / "alone", plan)
    mixed = Mixed({"var1": config, "pca": find("pca").presets["default"]})
    assert mixed.stride == 1
    train_bundle(ensemble([member, find("pca")]), recordings, mixed, tmp_path / "both", plan)
    alone, beside = shown
    np.testing.assert_array_equal(np.diff(alone.slot), np.diff(beside.slot))
    np.testing.assert_array_equal(alone.window, beside.window)


@pytest.mark.parametrize("how", HOWS)
def test_an_ensemble_ends_in_the_way_that_is_asked_for(
    how: str, recordings: list[Recording], tmp_path: Path
) -> None:
    family = find("var1+pca")
    config = replace(family.presets["default"], how=how)
    made = train_bundle(
        family, recordings, config, tmp_path / "out", Plan(name=how, torchscript=False)
    )
    [combine] = made.manifest.recipe
    assert (combine.stage, combine.how, combine.scaled) == ("combine", how, True)
    assert [branch.name for branch in made.manifest.branches] == ["var1", "pca"]


def test_a_report_shows_how_each_member_learnt(recordings: list[Recording], tmp_path: Path) -> None:
    small = replace(find("lstm-ae").presets["default"], outer=4, inner=4, latent=2, epochs=2)
    mixed = Mixed({"lstm-ae": small, "pca": find("pca").presets["default"]})
    family, plan = find("lstm-ae+pca"), Plan(name="two", torchscript=False)
    train_bundle(family, recordings, mixed, tmp_path / "two", plan)
    assert {name: loss.size for name, loss in read_curves(tmp_path / "two").items()} == {
        "lstm-ae: held out": 3
    }


def test_an_ensemble_ends_on_the_scale_of_its_scores_unless_told_otherwise() -> None:
    assert find("gevae+pca").presets["default"].how == "geometric"
