"""What a model's window says to the alarms: the score, and which signals explain it."""

from collections.abc import Callable, Sequence

import numpy as np

from edge_anomaly.alarms.evidence import Cause, Detector, Finding, rounded
from edge_anomaly.alarms.sentences import signals_off
from edge_anomaly.files.bundle import Bundle, Manifest, Signal
from edge_anomaly.files.rules import Alarms
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Contributor, ModelRef, Trend, Where, iso

__all__ = ["CONTRIBUTORS", "anomaly", "anomaly_detector", "by_sound", "contributors"]

CONTRIBUTORS = 5
LEAST_SHARE = 0.05  # a smaller part explains nothing


def anomaly_detector(bundle: Bundle, rules: Alarms) -> Detector:
    """The detector that a bundle is."""
    manifest = bundle.manifest
    model = ModelRef(name=manifest.name, version=manifest.version, sha256=bundle.sha256)
    return Detector(manifest.name, model, rules)


def by_sound(manifest: Manifest) -> bool:
    """Whether signals are judged by their spectra, so that their level explains nothing."""
    recipes = [manifest.recipe, *(branch.recipe for branch in manifest.branches)]
    return any(stage.stage == "lines" for recipe in recipes for stage in recipe)


def anomaly(
    window: Judged,
    signals: Sequence[Signal],
    trend: Callable[[], Trend | None] = lambda: None,
    *,
    heard: bool = False,
) -> Finding | None:
    """The finding of a window that was scored; the cause is worked out only if it is told."""
    if window.score is None:
        return None

    def cause() -> Cause:
        blamed = contributors(window, signals)
        units = {signal.name: signal.unit for signal in signals}
        where = None
        if window.where_ns is not None:
            start, end = window.where_ns
            where = Where(start=iso(start), end=iso(end))
        text = signals_off(blamed, units, where, heard=heard)
        return Cause(text, tuple(blamed), where, trend())

    return Finding(
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        score=window.score,
        threshold=window.threshold,
        cause=cause,
        coverage=window.coverage,
        quality="good" if window.coverage == 1.0 else "uncertain",
    )


def contributors(window: Judged, signals: Sequence[Signal]) -> list[Contributor]:
    """The signals by their share of the excess over their own healthy level."""
    excess = np.maximum(window.deviation, 0.0)
    share = excess / max(float(excess.sum()), 1e-12)
    return [
        Contributor(
            signal=signals[c].name,
            share=round(float(share[c]), 3),
            value=rounded(float(window.observed[c])),
            expected=rounded(float(window.expected[c])),
        )
        for c in np.argsort(-share, kind="stable")[:CONTRIBUTORS]
        if share[c] >= LEAST_SHARE
    ]
