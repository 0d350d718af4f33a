"""Windows to scores: one scorer for every family.

What follows a graph is the recipe that the bundle names: stages applied in order to
*tracks*, (B, T, C) until `reduce` and (B, T) after it. A stage's learnt constants are
arrays `<position>.<stage>.<constant>` of calibration.npz (of a branch's own recipe
`<branch>.<position>. ...`) and its running values are kept per device, so that batches of
any size give the same scores. `stages.STAGES` is the table that names them all.
"""

from edge_anomaly.scoring.answering import Answering
from edge_anomaly.scoring.batch import Batch, Part, Step, constant_key
from edge_anomaly.scoring.clock import clock, hour_of_week
from edge_anomaly.scoring.golden import check_golden, tolerance
from edge_anomaly.scoring.memory import Memory
from edge_anomaly.scoring.recipe import Recipe, before, side_by_side
from edge_anomaly.scoring.scorer import Scorer, Scores, Spec
from edge_anomaly.scoring.stages import BEFORE, STAGES, smoothing_weight
from edge_anomaly.scoring.thresholds import HOURLY, Thresholds
from edge_anomaly.scoring.vibration import loudness

__all__ = [
    "BEFORE",
    "HOURLY",
    "STAGES",
    "Answering",
    "Batch",
    "Memory",
    "Part",
    "Recipe",
    "Scorer",
    "Scores",
    "Spec",
    "Step",
    "Thresholds",
    "before",
    "check_golden",
    "clock",
    "constant_key",
    "hour_of_week",
    "loudness",
    "side_by_side",
    "smoothing_weight",
    "tolerance",
]
