"""A bundle and the detectors that it must beat, on recordings with labels.

Everything learns from the first part of the training recordings and is calibrated on
their held-out rest, as the bundle was; labels are read here, for the figures alone. Test
recordings follow training ones, so that every running value is warm when they begin:
windows go through the agent's grid, scorer and alarm rule in one pass.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.bundle import Bundle
from edge_anomaly.config import Alarms
from edge_anomaly.decision import Hysteresis
from edge_anomaly.errors import RecordingError
from edge_anomaly.ports import Model
from edge_export import metrics
from edge_export.detectors import Scored, by_bundle, references
from edge_export.evaluation import Evaluation, Figures, Setting, caveats
from edge_export.recordings import (
    Recording,
    Slicing,
    Windows,
    cut,
    labels_of,
    signals_of,
    windows,
)
from edge_export.rootcause import Hits, chance, hits
from edge_export.split import Split, split
from edge_export.vus import vus_pr

__all__ = ["evaluate"]

Flags = NDArray[np.bool_]


def evaluate(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> Evaluation:
    """Score the test recordings with the bundle and with every reference.

    Args:
        bundle: What to judge.
        model: Its graph, loaded.
        train: Healthy time that the bundle was trained on.
        test: What follows it, labelled.
        setting: The rest.

    Raises:
        RecordingError: Recordings lack the bundle's devices or signals or are too short, or a
            device's labels are all alike, so that no figure means anything.
    """
    manifest = bundle.manifest
    tested = dict.fromkeys(recording.device for recording in test)
    devices = [device for device in manifest.devices if device in tested]
    mine = [
        [recording for recording in recordings if recording.device in devices]
        for recordings in (train, test)
    ]
    for recordings in mine:
        _check(bundle, devices, recordings)
    hop = manifest.branches[0].hop
    slicing = Slicing(
        max(2, bundle.window), manifest.period_ns, hop, min_coverage=manifest.min_coverage
    )
    parts = split(mine[0], slicing, held_out=setting.held_out, known=bundle.calibration["scale"])
    seen, later = _windows(parts, mine[0], mine[1], slicing)
    rows = [manifest.devices.index(device) for device in parts.devices]
    view = replace(seen, window=seen.window[:, -bundle.window :])  # a forecast may need one more
    scored = {
        manifest.family: by_bundle(bundle, model, view, np.array(rows)),
        **references(bundle, parts, seen, setting.seed),
    }
    step_s = manifest.period_ns * hop / 1e9
    label = labels_of(seen, mine[1], parts.devices, manifest.period_ns)
    figures: dict[tuple[str, str], Figures] = {}
    for d, device in enumerate(parts.devices):
        own = seen.device == d
        for name, all_scored in scored.items():
            try:
                figures[device, name] = _figures(
                    all_scored[own], label[own], later[own], step_s, setting
                )
            except ValueError as exc:
                raise RecordingError(f"{device}: {name}: {exc}") from exc
            of_device = [recording for recording in mine[1] if recording.device == device]
            blamed = _blame(name, all_scored[own], seen[own], of_device, manifest.period_ns)
            figures[device, name] |= blamed
    found = Evaluation(manifest.family, parts.devices, figures, setting)
    return replace(found, warnings=tuple(caveats(found, bundle, mine[0], label[later])))


def _check(bundle: Bundle, devices: Sequence[str], recordings: Sequence[Recording]) -> None:
    if not devices:
        raise RecordingError(f"no test recording is of {', '.join(bundle.manifest.devices)}")
    missing = [device for device in devices if device not in {r.device for r in recordings}]
    if missing:
        raise RecordingError(f"no training recording of {', '.join(missing)}")
    if list(signals_of(recordings)) != bundle.signals:
        raise RecordingError(
            f"the recordings have the signals {', '.join(signals_of(recordings))}; "
            f"the bundle's are {', '.join(bundle.signals)}"
        )


def _windows(
    parts: Split, train: Sequence[Recording], test: Sequence[Recording], slicing: Slicing
) -> tuple[Windows, Flags]:
    """Held-out windows and those of the test, in time order, and which are of the test."""
    period = slicing.period_ns
    border = [
        int(parts.held.slot[parts.held.device == d].min()) - slicing.window + 1
        for d in range(len(parts.devices))
    ]
    start = np.array(
        [
            min(int(recording.t_ns[0]) for recording in test if recording.device == device)
            for device in parts.devices
        ]
    )
    warm = [
        cut(recording, border[parts.devices.index(recording.device)] * period, start.max())
        for recording in train
    ]
    seen = windows(
        [recording for recording in (*warm, *test) if recording.t_ns.size],
        slicing,
        parts.devices,
        parts.fill,
    )
    return seen, seen.slot >= start[seen.device] // period


def _figures(
    scored: Scored, label: Flags, later: Flags, step_s: float, setting: Setting
) -> Figures:
    """Every measure of one detector on one device's windows, those of the test being `later`."""
    label, score = label[later], scored.score[later].astype(np.float64)
    deployed = metrics.at_threshold(
        label, _standing(scored, setting.alarms)[later], period_s=step_s, gap=1
    )
    pointwise = metrics.at_threshold(label, scored.ratio[later] > 1, period_s=step_s)
    return {
        "ap": metrics.average_precision(label, score),
        "vus_pr": vus_pr(label, score, setting.buffer),
        **_deployed(deployed),
        **{f"pointwise_{key}": value for key, value in _deployed(pointwise).items()},
        "best_f1": metrics.best_f1(label, score),
        "pa_f1": metrics.point_adjusted_f1(label, score),
    }


def _standing(scored: Scored, rules: Alarms) -> Flags:
    """Whether the agent's alarm stands after each of a device's windows, (N,)."""
    machine = Hysteresis(rules)
    standing = np.zeros(scored.ratio.size, np.bool_)
    for i, ratio in enumerate(scored.ratio.tolist()):
        machine.step(ratio, t_ns=i)
        standing[i] = machine.active
    return standing


def _deployed(found: metrics.Deployed) -> Figures:
    return {
        "events": found.events,
        "detected": found.detected,
        "recall": found.recall,
        "precision": found.precision,
        "event_f1": found.f1,
        "episodes": found.episodes,
        "false_alarms_per_day": found.false_per_day,
        "alarm_rate": found.alarm_rate,
        "detection_rate": found.detection_rate,
        "false_alarm_rate": found.false_alarm_rate,
        "points_f1": found.points_f1,
        "delay_s": found.delay_s,
    }


def _blame(
    name: str, scored: Scored, seen: Windows, test: Sequence[Recording], period_ns: int
) -> Figures:
    """Mean root-cause hits over the events whose causes are known, where a detector can tell."""
    found: list[Hits] = []
    for recording in test:
        for cause in recording.causes or ():
            blamed = np.isin(recording.signals, cause.signals)
            inside = (seen.slot * period_ns < cause.end_ns) & (
                (seen.slot + 1) * period_ns > cause.start_ns
            )
            if name == "random":
                found.append(chance(blamed.size, int(blamed.sum())))
            elif scored.deviation is not None and inside.any():
                found.append(hits(scored.deviation[inside], blamed))
    if not found:
        return {}
    return {key: fmean(asdict(h)[key] for h in found) for key in asdict(found[0])}
