"""What of the power table is beyond chance: paired differences, and how well alarms are counted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from edge_export.grounds.power import TEST
from edge_export.grounds.power_faults import CHOICE, CONFIRMATION

__all__ = ["counts", "differences"]

Rows = Sequence[Mapping[str, Any]]  # lines of bench/results/power.ndjson
SETS = {"fresh": (CONFIRMATION,), "all": (CHOICE, CONFIRMATION)}
METRICS = ("ap", "vus_pr", "event_f1")


def differences(rows: Rows, budget: float) -> Iterator[str]:
    """Markdown of what the network adds to no network on the same faults."""
    yield f"Network less no network on the same faults, budget {budget:g}. ± over faults: standard"
    yield "error over seeds of faults, of the networks' mean; over networks: the reverse."
    yield ""
    heads = ["", "faults", "seeds of faults", "networks", "AP", "± over faults", "± over networks"]
    yield "| " + " | ".join([*heads, "VUS-PR", "±", "event F1", "±"]) + " |"
    yield "|---|---|" + "---:|" * 9
    for ground in dict.fromkeys(row["ground"] for row in rows):
        for name, bases in SETS.items():
            mine = [
                row
                for row in rows
                if row["ground"] == ground and row["budget"] == budget and row["base"] in bases
            ]
            found = [_paired(mine, metric) for metric in METRICS]
            ap = found[0]
            if not ap.size:
                continue
            cells = [ground, name, str(ap.shape[1]), str(ap.shape[0]), f"{ap.mean():+.3f}"]
            cells += [f"{_error(ap.mean(axis=axis)):.3f}" for axis in (0, 1)]
            for one in found[1:]:
                cells += [f"{one.mean():+.3f}", f"{_error(one.mean(axis=0)):.3f}"]
            yield "| " + " | ".join(cells) + " |"


def _paired(rows: Rows, metric: str) -> NDArray[np.float64]:
    """Shape (networks, seeds of faults)."""
    plain = {row["seed"]: row[metric] for row in rows if row["preset"] == "no-network"}
    value = {
        (row["model_seed"], row["seed"]): row[metric] for row in rows if row["preset"] == "network"
    }
    networks = sorted({network for network, _ in value})
    return np.array([[value[n, seed] - plain[seed] for seed in sorted(plain)] for n in networks])


def _error(values: NDArray[np.float64]) -> float:
    """Standard error of the mean."""
    return float(values.std(ddof=1) / values.size**0.5) if values.size > 1 else float("nan")


def counts(rows: Rows, budget: float) -> Iterator[str]:
    """Markdown of how well a count of false alarms is known."""
    yield f"False alarms of `no-network` at a budget of {budget:g}, and what a Poisson count of so"
    yield "many may come of (95 %, exact); all seeds of faults share the healthy days."
    yield ""
    yield f"| | alarms in {len(TEST)} days | a day | interval |"
    yield "|---|---:|---:|---:|"
    for ground in dict.fromkeys(row["ground"] for row in rows):
        wanted = (ground, "no-network", budget)
        rates = [
            row["false_alarms_per_day"]
            for row in rows
            if (row["ground"], row["preset"], row["budget"]) == wanted
        ]
        if rates:
            count = float(np.mean(rates)) * len(TEST)
            low = stats.gamma.ppf(0.025, count) / len(TEST)
            high = stats.gamma.ppf(0.975, count + 1) / len(TEST)
            yield f"| {ground} | {count:.1f} | {count / len(TEST):.3f} | {low:.3f} to {high:.3f} |"
