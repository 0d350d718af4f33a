"""A cell's bundle, trained as a user would train it, in a folder that does not last."""

import tempfile
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from accuracy.cells import Cell
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.ports import Model
from edge_export.bundles.train import Plan, train_bundle
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Recording, digest
from edge_export.families import FAMILIES, find
from edge_export.families.ensemble import ensemble
from edge_export.families.family import Family, Material, Trained
from edge_export.families.settings import settings
from edge_export.graphs.verify import load_model

__all__ = ["DRIFT", "known", "trained"]

# Follows the plant: the 0.995 quantile of healthy time, and never below three times the median
# score of the day before.
DRIFT = Rule("drift", 0.995)


_kept: dict[str, tuple[Hashable, Trained]] = {}  # the network of each family trained last


def known(family: str) -> bool:
    """Whether all of the family's members are there to be trained."""
    return all(member in FAMILIES for member in family.split("+"))


@contextmanager
def trained(
    cell: Cell,
    recordings: Sequence[Recording],
    rule: Rule,
    *,
    given: Mapping[str, Any] | None = None,
    plan: Plan | None = None,
) -> Iterator[tuple[Bundle, Model, Any]]:
    """The bundle of `cell` with its graphs and the settings that made it.

    Args:
        cell: Family, preset and seed.
        recordings: Healthy time.
        rule: Of the threshold.
        given: Settings that differ from the preset, for a ground's own split.
        plan: What the bundle is to be beside that.
    """
    members = [_remembering(find(name)) for name in cell.family.split("+")]
    family = ensemble(members) if len(members) > 1 else members[0]
    config = settings(family, cell.preset, given={"seed": cell.seed, **(given or {})})
    plan = replace(plan or Plan(name=cell.ground), rule=rule, torchscript=False)
    with tempfile.TemporaryDirectory(prefix="accuracy-") as folder:
        bundle = train_bundle(family, recordings, config, Path(folder) / "bundle", plan)
        yield bundle, load_model(bundle), config


def _remembering(family: Family) -> Family:
    """The same, except that what was just trained is not trained again.

    For an ensemble, or for another recipe of the same residual, which is no part of a network.
    """

    def train(material: Material, config: Any) -> Trained:
        parts, with_raw = material.parts, getattr(config, "with_raw", True)
        if not with_raw:
            config = replace(config, with_raw=True)
        key = (repr(config), digest(material.recordings), material.slicing, len(parts.fit))
        before = _kept.get(family.name)
        if before is None or before[0] != key:
            before = _kept[family.name] = key, family.train(material, config)
        return _scored(before[1], material.smooth_minutes, with_raw=with_raw)

    return replace(family, train=train)


def _scored(trained: Trained, minutes: float, *, with_raw: bool) -> Trained:
    """The same with averages so long, and with the raw residual or without it."""
    own: dict[str, dict[str, Any]] = {
        "smooth": {"minutes": minutes},
        "whiten": {"with_raw": with_raw},
    }
    recipe = [
        msgspec.structs.replace(stage, **own.get(stage.stage, {})) for stage in trained.recipe
    ]
    return replace(trained, recipe=recipe)
