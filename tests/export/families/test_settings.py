from pathlib import Path

import pytest

from edge_anomaly.errors import ConfigError
from edge_export.families import find
from edge_export.families.ensemble import Mixed
from edge_export.families.settings import settings


def test_a_file_changes_the_preset_options_the_file_and_words_both(tmp_path: Path) -> None:
    file = tmp_path / "train.yaml"
    file.write_text("outer: 48\nepochs: 3\nseed: 5\n", "utf-8")
    config = settings(find("lstm-ae"), "small", file, {"epochs": 4, "seed": 6}, ["seed=7"])
    assert (config.outer, config.inner, config.epochs, config.seed) == (48, 16, 4, 7)


def test_a_setting_of_an_ensemble_names_its_member_or_goes_to_all_that_have_it() -> None:
    family = find("var1+pca")
    config = settings(family, "default", words=["pca.explained=0.8", "clip=5", "how=votes"])
    assert isinstance(config, Mixed)
    assert config.members["pca"].explained == 0.8
    assert config.members["var1"].explained == 0.9
    assert {member.clip for member in config.members.values()} == {5}
    assert config.how == "votes"
    assert not config.members["pca"].with_raw  # beside another, whitened alone


def test_small_numbers_may_be_written_as_people_write_them() -> None:
    assert settings(find("gevae"), "default", words=["beta=1e-4"]).beta == 1e-4


@pytest.mark.parametrize(
    ("family", "preset", "words", "complaint"),
    [
        ("pca", "tiny", [], "--preset: pca has no 'tiny'; there are both, default"),
        ("pca", "default", ["epochs=3"], "--set: pca has no setting 'epochs'; there are window"),
        ("pca", "default", ["explained"], "--set: expected key=value, got 'explained'"),
        ("pca", "default", ["explained=much"], "--set: Expected `float`"),
        ("pca", "default", ["statistic=best"], "statistic: no 'best'; there are residual"),
        ("pca+var1", "default", ["gevae.beta=1"], "has no setting 'gevae.beta'; there are how"),
        ("pca+var1", "default", ["beta=1"], "has no setting 'beta'"),
        ("pca+var1", "default", ["how=best"], "how: no 'best'"),
        ("pca+var1", "default", ["votes=3"], "votes: 3 of 2 members"),
    ],
)
def test_what_cannot_be_set_is_refused(
    family: str, preset: str, words: list[str], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        settings(find(family), preset, words=words)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n", "utf-8")
    for name, complaint in (("nowhere.yaml", "No such file"), ("list.yaml", "expected settings")):
        with pytest.raises(ConfigError, match=complaint):
            settings(find("pca"), "default", tmp_path / name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("magic", "no family 'magic'; there are const, gevae, lstm-ae, pca"),
        ("pca+magic", "no family 'magic'"),
        ("pca+pca", "a family is there twice"),
    ],
)
def test_a_family_that_is_none_is_refused(name: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        find(name)


def test_pca_is_whitened_alone_and_what_networks_are_held_against_has_their_recipe() -> None:
    raw = {
        name: {preset for preset, config in find(name).presets.items() if config.with_raw}
        for name in ("pca", "const", "var1")
    }
    assert "default" not in raw["pca"]
    assert "both" in raw["pca"]
    for name in ("const", "var1"):
        assert "default" in raw[name]
        assert "whitened" not in raw[name]
        assert "t2" not in find(name).presets  # of components, which it has none of
    for name in ("gevae", "lstm-ae"):
        presets = find(name).presets
        assert {preset for preset, config in presets.items() if not config.with_raw} == {"whitened"}


def test_an_ensemble_of_a_network_may_be_whitened_as_its_linear_member_is_anyway() -> None:
    for family in ("gevae+pca", "pca+gevae"):
        presets = find(family).presets
        for preset, raw in (("default", True), ("whitened", False)):
            members = presets[preset].members
            assert (members["gevae"].with_raw, members["pca"].with_raw) == (raw, False)
        assert "both" not in presets
