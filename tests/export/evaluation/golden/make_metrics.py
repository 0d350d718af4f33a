"""Write metrics.json: what two published evaluation packages make of seeded scores and alarms.

Neither can be installed beside this project (TSB-AD pins numpy < 2, dtaianomaly brings sktime and
torch), so they run once, in an environment of their own, and their answers are kept:

    python -m venv peers
    peers/bin/pip install 'numpy<2.4' scikit-learn numba toml pandas statsmodels tqdm
    peers/bin/pip install --no-deps dtaianomaly
    peers/bin/pip download --no-deps TSB-AD && unzip TSB_AD-*.whl -d tsb
    PYTHONPATH=tsb peers/bin/python make_metrics.py > metrics.json   # in this folder

Made with TSB-AD 1.5 (Apache-2.0) and dtaianomaly 0.5.1 (MIT). Labels and alarms are kept as [start,
stop) runs and scores rounded to 4 places, so that what is read back is exactly what was judged.
"""

import importlib.metadata
import json
import sys
from typing import Any

import numpy as np
from dtaianomaly import evaluation
from TSB_AD.evaluation.basic_metrics import basic_metricor

# name: samples, events, how far events lift the score, quantile of the score that alarms
CASES = {
    "typical": (600, [(100, 130), (300, 304), (420, 421), (500, 550)], 1.5, 0.9),
    "first and last sample": (400, [(0, 12), (200, 215), (390, 400)], 1.0, 0.95),
    "neighbours": (500, [(100, 103), (106, 107), (109, 120), (160, 170)], 1.2, 0.9),
    "one event": (300, [(150, 170)], 2.0, 0.97),
    "score without meaning": (800, [(100, 130), (500, 550)], 0.0, 0.98),
    "score against the labels": (800, [(100, 130), (500, 550)], -1.0, 0.9),
    "all in alarm": (200, [(50, 60)], 1.0, 0.0),
}


def runs(flags: Any) -> list[list[int]]:
    edge = np.flatnonzero(np.diff(flags.astype(int), prepend=0, append=0))
    return edge.reshape(-1, 2).tolist()


def main() -> None:
    cases = []
    for seed, (name, (n, events, lift, level)) in enumerate(CASES.items()):
        rng = np.random.default_rng(seed)
        label = np.zeros(n, int)
        for start, stop in events:
            label[start:stop] = 1
        score = np.round(np.abs(rng.normal(size=n)) + lift * label + 0.01, 4)
        if name == "typical":
            score = np.round(score, 1)  # many ties
        alarm = (score >= np.quantile(score, level)).astype(int)
        tsb = basic_metricor()
        best = evaluation.BestThresholdMetric(evaluation.FBeta(1.0), max_nb_thresholds=None)
        adjusted = evaluation.BestThresholdMetric(
            evaluation.PointAdjustedFBeta(1.0), max_nb_thresholds=None
        )
        cases.append(
            {
                "name": name,
                "samples": n,
                "events": events,
                "alarms": runs(alarm),
                "score": score.tolist(),
                "tsb_event_f1": float(tsb.metric_EventF1PA(label, score, alarm)),
                "tsb_point_f1": float(tsb.metric_PointF1(label, score, alarm)),
                "tsb_point_f1_adjusted": float(tsb.metric_PointF1PA(label, score, alarm)),
                "dtai_best_f1": float(best.compute(label, score)),
                "dtai_best_f1_adjusted": float(adjusted.compute(label, score)),
                "dtai_event_recall": float(evaluation.EventWiseRecall().compute(label, alarm)),
                "dtai_precision": float(evaluation.Precision().compute(label, alarm)),
                "dtai_recall": float(evaluation.Recall().compute(label, alarm)),
            }
        )
    origin = {name: importlib.metadata.version(name) for name in ("dtaianomaly", "numpy")}
    json.dump({"made_with": origin | {"TSB-AD": "1.5"}, "cases": cases}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
