"""Differences by entity between a model and those that it must beat.

What entities have in common (some machines are hopeless for everybody) falls out of the
difference, whose standard error is therefore far smaller than that of either mean.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from accuracy.cells import REFERENCES
from accuracy.store import Row

__all__ = ["paired"]

METRICS = {"ap": "AP", "vus_pr": "VUS-PR"}
# By family and preset. Whitened or not is part of what makes a rival strong: both are here.
RIVALS = {
    ("pca", "default"): "pca",
    ("var1", "default"): "var1",
    ("const", "default"): "const",
    ("const", "whitened"): "const, whitened",
}
FEWEST = 3  # entities: two make no error worth the name
Model = tuple[str, str]


def paired(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of a table, a model a line: mean difference, its standard error, entities won."""
    models = [
        model
        for model in dict.fromkeys((row.family, row.preset) for row in rows)
        if model[0] not in REFERENCES
    ]
    rivals = [rival for rival in RIVALS if rival in models]
    if not rivals or len(models) <= len(rivals):
        return
    columns = [(metric, rival) for metric in METRICS for rival in rivals]
    heads = [f"{METRICS[metric]} - {RIVALS[rival]}'s" for metric, rival in columns]
    yield "| model | " + " | ".join(heads) + " |"
    yield "|---" + "|---:" * len(heads) + "|"
    for model in models:
        cells = [_difference(rows, metric, model, rival) for metric, rival in columns]
        name = model[0] if model[1] == "default" else ", ".join(model)
        yield f"| {name} | " + " | ".join(cells) + " |"


def _difference(rows: Sequence[Row], metric: str, model: Model, rival: Model) -> str:
    ours, theirs = (_by_entity(rows, metric, one) for one in (model, rival))
    both = sorted(ours.keys() & theirs.keys())
    if model == rival or len(both) < FEWEST:
        return "-"
    gaps = np.array([ours[entity] - theirs[entity] for entity in both])
    error = gaps.std(ddof=1) / len(gaps) ** 0.5
    text = f"{gaps.mean():+.3f} ± {error:.3f} ({(gaps > 0).sum()}/{len(gaps)})"
    return f"**{text}**" if abs(gaps.mean()) > 2 * error else text


def _by_entity(rows: Sequence[Row], metric: str, model: Model) -> dict[str, float]:
    """Mean over seeds."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if (row.family, row.preset) == model and row.metric == metric and row.value is not None:
            found.setdefault(row.entity, []).append(row.value)
    return {entity: float(np.mean(values)) for entity, values in found.items()}
