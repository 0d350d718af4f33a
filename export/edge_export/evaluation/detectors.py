"""The bundle and its references as detectors: windows to scores and thresholds.

The references that give residuals get the bundle's recipe, scaling, threshold rule and
calibration time and go through the agent's scorer; those that score directly get the rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.files.bundle import ONNX, Branch, Bundle, Manifest
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Spec
from edge_export.calibration.calibrate import calibrate
from edge_export.calibration.recipes import default_recipe
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import Windows
from edge_export.data.split import Split
from edge_export.evaluation import baselines
from edge_export.graphs.answers import Draft, answers, in_turns

__all__ = ["REFERENCES", "Scored", "by_bundle", "reference", "references"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

REFERENCES = ("pca", "var1", "const", "iforest", "random", "always")
TOLD = ("deviation", "observed", "expected")  # what only some detectors can tell
BATCH = 2048  # windows scored at once


@dataclass(frozen=True)
class Scored:
    """What a detector makes of N windows."""

    score: Floats  # (N,)
    threshold: Floats  # (N,)
    deviation: Floats | None = None  # (N, C) how far each signal is off, if it can tell
    observed: Floats | None = None  # (N, C) newest values, engineering units, likewise
    expected: Floats | None = None  # (N, C) likewise

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Scored":
        """Some of the windows."""
        told = {name: part[rows] for name in TOLD if (part := getattr(self, name)) is not None}
        return Scored(self.score[rows], self.threshold[rows], **told)

    @property
    def ratio(self) -> Floats:
        """Score by threshold, (N,): above 1 is unusual."""
        return self.score / self.threshold


def by_bundle(bundle: Spec, model: Model, seen: Windows, row: Rows) -> Scored:
    """Scores by the agent's own scorer, from a fresh start.

    Args:
        bundle: Recipe and constants.
        model: Its graph.
        seen: N windows, in time order within each device.
        row: Which row of the bundle's constants belongs to each device of `seen`.
    """
    scorer = Scorer(bundle, model)
    order = in_turns(seen.device)  # a graph with a state sees a window a device at a time
    back = np.argsort(order)
    batches = np.split(order, range(BATCH, len(seen), BATCH))
    parts = [
        scorer.score(seen.window[rows], row[seen.device[rows]], seen.slot[rows]) for rows in batches
    ]
    return Scored(
        *(
            np.concatenate([getattr(part, name) for part in parts])[back]
            for name in ("score", "threshold", *TOLD)
        )
    )


def references(
    bundle: Bundle,
    parts: Split,
    seen: Windows,
    seed: int,
    names: Sequence[str] = REFERENCES,
) -> Mapping[str, Scored]:
    """Scores of every reference but the bundle's own family.

    Args:
        bundle: Gives recipe and threshold rule.
        parts: What to fit on and what to calibrate on; its devices are those of `seen`.
        seen: N windows, in time order within each device.
        seed: Of the forest and of the random score.
        names: Which of REFERENCES.
    """
    rule = Rule.of(bundle.manifest.threshold)
    direct = {
        "iforest": lambda: baselines.forest(parts, seed),
        "random": lambda: baselines.random(seed),
    }
    found = {}
    for name in names:
        if name == bundle.manifest.family:
            continue
        if name in baselines.LINEAR:
            draft, model = reference(bundle, parts, name, rule)
            found[name] = by_bundle(draft, model, seen, np.arange(len(parts.devices)))
        elif name in direct:
            found[name] = _directly(direct[name](), parts, seen, rule)
        else:
            found[name] = Scored(
                np.ones(len(seen), np.float32), np.full(len(seen), 0.5, np.float32)
            )
    return found


def reference(bundle: Bundle, parts: Split, name: str, rule: Rule) -> tuple[Draft, Model]:
    """One of `baselines.LINEAR` as a bundle of its own would be."""
    raw = name not in baselines.WHITENED
    manifest = msgspec.structs.replace(
        bundle.manifest,
        devices=list(parts.devices),
        branches=[
            Branch(
                name="main",
                window=parts.fit.window.shape[1],
                hop=bundle.manifest.branches[0].hop,
                graphs={ONNX: ""},
                heads=True,
            )
        ],
        recipe=default_recipe(len(parts.signals), minutes=_minutes(bundle.manifest), with_raw=raw),
        threshold=rule.said(1),
    )
    model = Model({"main": baselines.fit_linear(name, parts)})
    scaling = {"centre": parts.centre, "scale": parts.scale, "fill": parts.fill}
    held = answers(manifest, scaling, model, parts.held)
    constants, threshold = calibrate(manifest, scaling, held, rule)
    return Draft(msgspec.structs.replace(manifest, threshold=threshold), constants), model


def _minutes(manifest: Manifest) -> float:
    """Time constant of the bundle's own averages, or the usual one."""
    stages = [*manifest.recipe, *(stage for branch in manifest.branches for stage in branch.recipe)]
    return next((stage.minutes for stage in stages if stage.minutes is not None), 12.0)


def _directly(score: baselines.Direct, parts: Split, seen: Windows, rule: Rule) -> Scored:
    healthy = score(parts.held.window, parts.held.device)
    threshold = np.array(
        [rule.threshold(healthy[parts.held.device == d]) for d in range(len(parts.devices))],
        np.float32,
    )
    return Scored(score(seen.window, seen.device), threshold[seen.device])
