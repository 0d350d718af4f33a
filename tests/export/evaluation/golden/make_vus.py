"""Write vus.json: what two published implementations of VUS-PR make of seeded inputs.

Neither can be installed beside this project (`vus` pins tensorflow and numpy < 2, `aeon` pins
numba < 0.64), so they run once, in an environment of their own, and their answers are kept:

    python -m venv peers
    peers/bin/pip install aeon tqdm
    peers/bin/pip download --no-deps --no-binary :all: vus==0.0.6
    tar xzf vus-0.0.6.tar.gz
    PYTHONPATH=vus-0.0.6 peers/bin/python make_vus.py > vus.json   # in this folder

`vus` is the code of the paper's authors (Apache-2.0); TSB-AD's `RangeAUC_volume_opt` is the same
text. Made with vus 0.0.6, aeon 1.6.0, numpy 2.3.5. Labels are kept as [start, stop) events and
scores rounded to 4 places, so that what is read back is exactly what was scored.
"""

import importlib.metadata
import json
import sys

import numpy as np
from aeon.benchmarking.metrics.anomaly_detection import range_pr_vus_score
from vus.utils.metrics import metricor

# name: samples, events, buffer, how far events lift the score
CASES = {
    "typical": (600, [(100, 130), (300, 304), (420, 421), (500, 550)], 30, 1.5),
    "first and last sample": (400, [(0, 12), (200, 215), (390, 400)], 20, 1.0),
    "slopes that overlap": (500, [(100, 103), (106, 107), (109, 120), (160, 170)], 40, 1.2),
    "slopes that just touch": (300, [(100, 110), (121, 130)], 10, 1.0),
    "fewer samples than thresholds": (120, [(30, 40), (80, 81)], 16, 1.0),
    "no buffer": (500, [(50, 60), (300, 340)], 0, 1.0),
    "buffer of one": (500, [(50, 60), (300, 340)], 1, 1.0),
    "odd buffer": (500, [(50, 60), (300, 340)], 7, 1.0),
    "buffer beyond both ends": (300, [(20, 25), (150, 160), (290, 295)], 100, 1.0),
    "score without meaning": (800, [(100, 130), (500, 550)], 50, 0.0),
    "score against the labels": (800, [(100, 130), (500, 550)], 50, -1.0),
}


def main() -> None:
    cases = []
    for seed, (name, (n, events, buffer, lift)) in enumerate(CASES.items()):
        rng = np.random.default_rng(seed)
        label = np.zeros(n, int)
        for start, stop in events:
            label[start:stop] = 1
        score = np.round(np.abs(rng.normal(size=n)) + lift * label + 0.01, 4)
        if name == "typical":
            score = np.round(score, 1)  # many ties
        volume = metricor().RangeAUC_volume_opt(label, score, buffer, 250)[-1]
        cases.append(
            {
                "name": name,
                "buffer": buffer,
                "events": events,
                "score": score.tolist(),
                "vus": float(volume),
                "aeon": float(range_pr_vus_score(label, score, max_buffer_size=buffer)),
            }
        )
    origin = {
        "vus": "0.0.6",
        "aeon": importlib.metadata.version("aeon"),
        "numpy": np.__version__,
    }
    json.dump({"made_with": origin, "cases": cases}, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
