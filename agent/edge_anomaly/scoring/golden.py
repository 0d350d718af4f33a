"""A bundle is believed once it has answered as it did when it was made."""

import numpy as np

from edge_anomaly.errors import BundleError
from edge_anomaly.files.bundle import GOLDEN, Bundle
from edge_anomaly.files.manifest import ONNX_INT8
from edge_anomaly.ports import Model
from edge_anomaly.scoring.batch import Floats
from edge_anomaly.scoring.scorer import Scorer

__all__ = ["check_golden", "tolerance"]

TOLERANCE = 1e-3  # relative; runtimes and processors differ by 1e-5 at most
ROUNDED = (
    5e-2  # of weights of 8 bits; their export allows the score a drift of 2e-2 on its own data
)


def tolerance(runtime: str) -> float:
    """How far answers may be off, relative to the largest."""
    return ROUNDED if runtime == ONNX_INT8 else TOLERANCE


def check_golden(bundle: Bundle, model: Model, *, allowed: float = TOLERANCE) -> None:
    """Let the bundle answer its golden inputs; with that, every kernel it needs is compiled.

    Args:
        bundle: What to ask.
        model: Its graphs, loaded.
        allowed: Relative difference; see `tolerance`.

    Raises:
        BundleError: An answer differs from the one recorded at export.
    """
    golden = bundle.golden
    scorer = Scorer(bundle, model)
    batches = scorer.answer(golden.window, golden.device, golden.slot)
    one = len(batches) == 1
    for branch, batch in zip(bundle.manifest.branches, batches, strict=True):
        of = "" if one else f" of {branch.name}"
        _compare(f"observed{of}", batch.observed, golden.observed[branch.name], allowed)
        _compare(f"expected{of}", batch.expected, golden.expected[branch.name], allowed)
    scores = scorer.judge(batches)
    _compare("score", scores.score, golden.score, allowed)
    _compare("threshold", scores.threshold, golden.threshold, allowed)
    scores.where(0)  # asked only of a window that alarms, which must not wait for a compiler


def _compare(name: str, got: Floats, want: Floats, allowed: float) -> None:
    if got.shape != want.shape:
        raise BundleError(f"{GOLDEN}: {name} has shape {got.shape}, recorded {want.shape}")
    error = float(np.abs(got - want).max() / max(1e-6, float(np.abs(want).max())))
    if not error <= allowed:
        raise BundleError(
            f"{GOLDEN}: {name} differs from the recorded answer by {error:.2g} "
            f"(allowed {allowed}): this is not the model that was verified"
        )
