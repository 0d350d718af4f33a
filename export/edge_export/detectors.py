"""The bundle and its references as detectors: windows to scores and thresholds.

The references that give residuals get the bundle's recipe, scaling, threshold rule and
calibration time and go through the agent's scorer; those that score directly get the rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Bundle
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer
from edge_export import baselines
from edge_export.calibrate import Rule, calibrate
from edge_export.recordings import Windows
from edge_export.split import Split

__all__ = ["REFERENCES", "Scored", "by_bundle", "references"]

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

REFERENCES = ("pca", "var1", "const", "iforest", "random", "always")
BATCH = 2048  # windows scored at once


@dataclass(frozen=True)
class Scored:
    """What a detector makes of N windows."""

    score: Floats  # (N,)
    threshold: Floats  # (N,)
    deviation: Floats | None = None  # (N, C) how far each signal is off, if it can tell

    def __getitem__(self, rows: NDArray[np.bool_]) -> "Scored":
        """Some of the windows."""
        deviation = None if self.deviation is None else self.deviation[rows]
        return Scored(self.score[rows], self.threshold[rows], deviation)

    @property
    def ratio(self) -> Floats:
        """Score by threshold, (N,): above 1 is unusual."""
        return self.score / self.threshold


def by_bundle(bundle: Bundle, model: Model, seen: Windows, row: Rows) -> Scored:
    """Scores by the agent's own scorer, from a fresh start.

    Args:
        bundle: Recipe and constants.
        model: Its graph.
        seen: N windows, in time order within each device.
        row: Which row of the bundle's constants belongs to each device of `seen`.
    """
    scorer = Scorer(bundle, model)
    batches = np.split(np.arange(len(seen)), range(BATCH, len(seen), BATCH))
    parts = [scorer.score(seen.window[rows], row[seen.device[rows]]) for rows in batches]
    return Scored(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.threshold for part in parts]),
        np.concatenate([part.deviation for part in parts]),
    )


def references(bundle: Bundle, parts: Split, seen: Windows, seed: int) -> Mapping[str, Scored]:
    """Scores of every reference but the bundle's own family.

    Args:
        bundle: Gives recipe and threshold rule.
        parts: What to fit on and what to calibrate on; its devices are those of `seen`.
        seen: N windows, in time order within each device.
        seed: Of the forest and of the random score.
    """
    rule = Rule(bundle.manifest.threshold.rule, bundle.manifest.threshold.parameter)
    direct = {
        "iforest": lambda: baselines.forest(parts, seed),
        "random": lambda: baselines.random(seed),
    }
    found = {}
    for name in REFERENCES:
        if name == bundle.manifest.family:
            continue
        if name in baselines.LINEAR:
            model = baselines.fit_linear(name, parts)
            devices = np.arange(len(parts.devices))
            found[name] = by_bundle(_calibrated(bundle, parts, model, rule), model, seen, devices)
        elif name in direct:
            found[name] = _directly(direct[name](), parts, seen, rule)
        else:
            found[name] = Scored(
                np.ones(len(seen), np.float32), np.full(len(seen), 0.5, np.float32)
            )
    return found


def _calibrated(bundle: Bundle, parts: Split, model: Model, rule: Rule) -> Bundle:
    """The bundle with a reference's constants in the place of its own."""
    manifest = msgspec.structs.replace(bundle.manifest, devices=list(parts.devices))
    observed, expected = model.run(parts.held.window, parts.held.device)
    constants, _ = calibrate(manifest, observed - expected, parts.held.device, rule)
    scaling = {"centre": parts.centre, "scale": parts.scale, "fill": parts.fill}
    return replace(bundle, manifest=manifest, calibration=constants | scaling)


def _directly(score: baselines.Direct, parts: Split, seen: Windows, rule: Rule) -> Scored:
    healthy = score(parts.held.window, parts.held.device)
    threshold = np.array(
        [rule.threshold(healthy[parts.held.device == d]) for d in range(len(parts.devices))],
        np.float32,
    )
    return Scored(score(seen.window, seen.device), threshold[seen.device])
