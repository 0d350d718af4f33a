"""Server machines, judged as `edge-export evaluate` judges them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from accuracy.bundles import DRIFT, trained
from accuracy.cells import REFERENCES, Cell
from accuracy.store import Row
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.evaluation.evaluate import Judged, judge, judge_alone
from edge_export.evaluation.figures import figures
from edge_export.evaluation.results import Evaluation, Setting

__all__ = ["run"]


def run(cell: Cell) -> Iterator[Row]:
    """Figures of each server, at the threshold that follows drift and at the fixed one."""
    entities = None if cell.entity == "all" else [cell.entity]
    train, test = DATASETS[cell.ground].load(None, entities)
    rival = cell.family in REFERENCES
    fitted = replace(cell, family="const", preset="default") if rival else cell
    with trained(fitted, train, DRIFT) as (bundle, model, config):
        setting = Setting(seed=cell.seed, held_out=config.held_out)
        if rival:
            found = judge(bundle, model, train, test, setting, rivals=(cell.family,)).evaluation
        else:
            judged = judge_alone(bundle, model, train, test, setting)
            found = judged.evaluation
            usual = bundle.calibration["threshold"]
            yield from _fixed(cell, judged, np.asarray(usual), bundle.manifest.period_ns, setting)
            for key, value in bundle.manifest.provenance.metrics.items():
                yield Row.of(cell, key, value)
    assert found is not None
    yield from _figures(cell, found, cell.family if rival else bundle.manifest.family)


def _figures(cell: Cell, found: Evaluation, detector: str) -> Iterator[Row]:
    for device in found.devices:
        for metric, value in found.figures[device, detector].items():
            yield Row.of(replace(cell, entity=device), metric, value)


def _fixed(
    cell: Cell, judged: Judged, usual: np.ndarray, period_ns: int, setting: Setting
) -> Iterator[Row]:
    """Alarms at the quantile of healthy time alone, as if nothing drifted."""
    assert judged.label is not None
    for d, device in enumerate(judged.devices):
        own = judged.seen.device == d
        scored = replace(judged.scored, threshold=usual[judged.seen.device].astype(np.float32))
        fixed = figures(scored[own], judged.label[own], judged.later[own], period_ns / 1e9, setting)
        for metric in (
            "event_f1", "pointwise_event_f1", "false_alarms_per_day",
            "pointwise_false_alarms_per_day", "pointwise_alarm_rate",
        ):  # fmt: skip
            yield Row.of(replace(cell, entity=device), f"fixed_{metric}", fixed[metric])
