"""Several families in one bundle, a branch each; their scores are combined.

By the mean of log1p(score / its healthy level), which was best on servers (larger of the two
loses, and more than four members add nothing), or by votes: n of M above their level. `geometric`
takes the mean's logarithm off again: the order is the same, and a threshold of three times the
usual score, which is how one follows drift, keeps its meaning. On the logarithm itself it asks
for ten times and more: of SMD's events var1+pca then misses 63 % and not 36 %.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.bundle import Stage
from edge_anomaly.scoring import constant_key
from edge_export.calibration.rules import DRIFT, Rule
from edge_export.data.recordings import Recording, Windows
from edge_export.families.family import Family, Grown, Material, Trained
from edge_export.families.linear import Config as Linear

__all__ = ["Mixed", "ensemble"]


HOWS = ("geometric", "log1p", "votes")
WHITENED = "whitened"  # a preset of networks; linear members are that in every preset


@dataclass(frozen=True)
class Mixed:
    """Settings of an ensemble."""

    members: Mapping[str, Any]  # settings of each family
    how: str = "geometric"  # or log1p, votes
    votes: int = 2  # how many must agree

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise ConfigError(f"how: no {self.how!r}; there are {', '.join(HOWS)}")
        if not 1 <= self.votes <= len(self.members):
            raise ConfigError(f"votes: {self.votes} of {len(self.members)} members")

    @property
    def window(self) -> int:
        """Of the member that looks back furthest."""
        return max(int(config.window) for config in self.members.values())

    @property
    def stride(self) -> int:
        """Of the member that wants the most windows."""
        return min(int(config.stride) for config in self.members.values())

    @property
    def held_out(self) -> float:
        """The largest share that a member wants."""
        return max(float(config.held_out) for config in self.members.values())

    @property
    def seed(self) -> int:
        """Of the first member."""
        return int(next(iter(self.members.values())).seed)


def ensemble(members: Sequence[Family]) -> Family:
    """A family of several.

    Raises:
        ConfigError: One is there twice.
    """
    names = [member.name for member in members]
    if len(set(names)) < len(names):
        raise ConfigError(f"{'+'.join(names)}: a family is there twice")
    keys = dict.fromkeys(key for member in members for key in member.presets)
    presets = {
        key: Mixed({member.name: _beside(member, key) for member in members})
        for key in keys
        if key == WHITENED or all(key in member.presets for member in members)
    }

    def train(material: Material, config: Mixed) -> Trained:
        trained = [
            member.train(
                _own(material, member.name, config.members[member.name]),
                config.members[member.name],
            )
            for member in members
        ]
        return _combined(names, trained, config)

    def settle(recordings: Sequence[Recording], config: Mixed, period_ns: int) -> Mixed:
        return replace(
            config,
            members={
                member.name: member.settle(recordings, config.members[member.name], period_ns)
                for member in members
            },
        )

    return Family("+".join(names), presets, train, settle, Rule(DRIFT))


def _beside(member: Family, key: str) -> Any:  # noqa: ANN401 - settings of any family
    """A preset of a member; a linear one is best whitened alone (research: SMD, pca `w`)."""
    config = member.presets.get(key, member.presets["default"])
    return replace(config, with_raw=False) if isinstance(config, Linear) else config


def _own(material: Material, name: str, config: Any) -> Material:  # noqa: ANN401 - likewise
    """The material with windows as long and as far apart as this member's, and its checkpoints."""

    def shorter(windows: Windows) -> Windows:
        return replace(windows, window=windows.window[:, -config.window :])

    parts, path = material.parts, material.checkpoint
    fit, hop = parts.fit, material.slicing.hop * int(config.stride)
    first = np.array([fit.slot[fit.device == d].min() for d in range(len(parts.devices))])
    fit = fit[(fit.slot - first[fit.device]) % hop == 0]
    return replace(
        material,
        parts=replace(parts, fit=shorter(fit), held=shorter(parts.held)),
        slicing=replace(material.slicing, window=config.window),
        checkpoint=path and path.with_name(f"{path.name}.{name}"),
    )


def _combined(names: Sequence[str], trained: Sequence[Trained], config: Mixed) -> Trained:
    branches: list[Grown] = []
    constants: dict[str, NDArray[Any]] = {}
    for name, member in zip(names, trained, strict=True):
        if len(member.branches) > 1:
            raise ConfigError(f"{name} has several branches of its own, and cannot be a member")
        (grown,) = member.branches
        recipe = [*grown.branch.recipe, *member.recipe]
        branch = msgspec.structs.replace(grown.branch, name=name, recipe=recipe)
        branches.append(replace(grown, branch=branch))
        constants |= _moved(grown, member, name)
    votes = config.how == "votes"
    combine = Stage(
        stage="combine", scaled=True, how=config.how, votes=config.votes if votes else None
    )
    metrics = {
        f"{name}.{key}": value
        for name, member in zip(names, trained, strict=True)
        for key, value in member.metrics.items()
    }
    curves = {
        f"{name}: {key}": losses
        for name, member in zip(names, trained, strict=True)
        for key, losses in member.curves.items()
    }
    return Trained(branches, [combine], constants, metrics, curves)


def _moved(grown: Grown, member: Trained, name: str) -> dict[str, NDArray[Any]]:
    """The member's constants by the keys of its place in the ensemble."""
    found = {}
    own, first = f"{grown.branch.name}.", len(grown.branch.recipe)
    for key, value in member.constants.items():
        inside = key.startswith(own)
        position, stage, constant = key.removeprefix(own).split(".", 2)
        at = int(position) + (0 if inside else first)
        found[constant_key(at, stage, constant, name)] = value
    return found
