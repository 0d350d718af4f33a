"""A bundle and the detectors that it must beat, on recordings with labels or without.

Everything learns from the first part of the training recordings and is calibrated on
their held-out rest, as the bundle was; labels are read here, for the figures alone. Test
recordings follow training ones, so that every running value is warm when they begin:
windows go through the agent's grid, scorer and alarm rule in one pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_anomaly.files.bundle import Bundle, Manifest
from edge_anomaly.ports import Model
from edge_export.data.recordings import (
    Recording,
    Slicing,
    Windows,
    cut,
    labels_of,
    signals_of,
    windows,
)
from edge_export.data.split import Split, split
from edge_export.evaluation.detectors import REFERENCES, Scored, by_bundle, references
from edge_export.evaluation.figures import blame, figures, standing
from edge_export.evaluation.results import Evaluation, Figures, Setting, caveats

__all__ = ["Judged", "evaluate", "judge", "judge_alone", "judge_unlabelled"]

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """What a bundle made of recordings, window by window, and the figures of that."""

    devices: tuple[str, ...]
    period_ns: int
    seen: Windows  # N of them; `device` is an index into `devices`
    later: Flags  # (N,) False: held-out healthy time, which calibrated
    scored: Scored  # by the bundle
    standing: Flags  # (N,) the agent's alarm stands
    label: Flags | None = None  # (N,)
    evaluation: Evaluation | None = None


def evaluate(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> Evaluation:
    """Score the test recordings with the bundle and with every reference; see `judge`."""
    found = judge(bundle, model, train, test, setting).evaluation
    assert found is not None  # noqa: S101 - `judge` gives one or raises
    return found


def judge(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
    *,
    rivals: Sequence[str] = REFERENCES,
) -> Judged:
    """Score the test recordings with the bundle and with every reference.

    Args:
        bundle: What to judge.
        model: Its graphs, loaded.
        train: Healthy time that the bundle was trained on.
        test: What follows it, labelled.
        setting: The rest.
        rivals: Which references.

    Raises:
        RecordingError: Recordings lack the bundle's devices or signals or are too short, or a
            device's labels are all alike, so that no figure means anything.
    """
    parts, judged = _judged(bundle, model, train, test, setting)
    others = references(bundle, parts, judged.seen, setting.seed, rivals)
    judged = _labelled(judged, bundle.manifest, test, others, setting)
    whole, label = judged.evaluation, judged.label
    assert whole is not None  # noqa: S101 - `_labelled` put them there
    assert label is not None  # noqa: S101 - likewise
    of_train = [recording for recording in train if recording.device in judged.devices]
    if set(rivals) != set(REFERENCES):
        return judged
    warnings = tuple(caveats(whole, bundle, of_train, label[judged.later]))
    return replace(judged, evaluation=replace(whole, warnings=warnings))


def judge_alone(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> Judged:
    """The same without the references and without a word on what to be wary of."""
    judged = _judged(bundle, model, train, test, setting)[1]
    return _labelled(judged, bundle.manifest, test, {}, setting)


def judge_unlabelled(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> Judged:
    """Score held-out healthy time and what follows it, if anything does; see `judge`."""
    return _judged(bundle, model, train, test, setting)[1]


def _labelled(
    judged: Judged,
    manifest: Manifest,
    test: Sequence[Recording],
    rivals: Mapping[str, Scored],
    setting: Setting,
) -> Judged:
    """With labels, and the figures of the bundle and its rivals."""
    step_s = manifest.period_ns * manifest.branches[0].hop / 1e9
    of_test = [recording for recording in test if recording.device in judged.devices]
    seen = judged.seen
    label = labels_of(seen, of_test, judged.devices, manifest.period_ns)
    found: dict[tuple[str, str], Figures] = {}
    for d, device in enumerate(judged.devices):
        own = seen.device == d
        mine = [recording for recording in of_test if recording.device == device]
        for name, scored in {manifest.family: judged.scored, **rivals}.items():
            try:
                measured = figures(scored[own], label[own], judged.later[own], step_s, setting)
            except ValueError as exc:
                raise RecordingError(f"{device}: {name}: {exc}") from exc
            blamed = blame(name, scored[own], seen[own], mine, manifest.period_ns)
            found[device, name] = measured | blamed
    whole = Evaluation(manifest.family, judged.devices, found, setting)
    return replace(judged, label=label, evaluation=whole)


def _judged(
    bundle: Bundle,
    model: Model,
    train: Sequence[Recording],
    test: Sequence[Recording],
    setting: Setting,
) -> tuple[Split, Judged]:
    """The bundle's scores, and the windows that the references may learn from."""
    manifest = bundle.manifest
    there = dict.fromkeys(recording.device for recording in (test or train))
    devices = [device for device in manifest.devices if device in there]
    mine = [
        [recording for recording in recordings if recording.device in devices]
        for recordings in (train, test)
    ]
    for recordings in mine if test else mine[:1]:
        _check(bundle, devices, recordings)
    hop = manifest.branches[0].hop
    slicing = Slicing(
        max(2, bundle.window), manifest.period_ns, hop, min_coverage=manifest.min_coverage
    )
    parts = split(mine[0], slicing, held_out=setting.held_out, known=bundle.calibration["scale"])
    seen, later = _windows(parts, mine[0], mine[1], slicing)
    rows = np.array([manifest.devices.index(device) for device in parts.devices])
    view = replace(seen, window=seen.window[:, -bundle.window :])  # a forecast may need one more
    scored = by_bundle(bundle, model, view, rows)
    stands = np.zeros(len(seen), np.bool_)
    for d in range(len(parts.devices)):
        own = seen.device == d
        stands[own] = standing(scored[own], setting.alarms)
    return parts, Judged(parts.devices, manifest.period_ns, seen, later, scored, stands)


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
    never = 2**62  # without a test all is healthy time
    start = np.array(
        [
            min((int(r.t_ns[0]) for r in test if r.device == device), default=never)
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
