"""A bundle's thresholds set anew: by another rule, on newer healthy time, by operators' verdicts.

The model and its recipe stay. Expected false alarms are counted out of sample: the thresholds of
one half of the healthy time are tried on the other, and the other way round. Of the time that the
bundle held out in its own training each window is scored by constants that it had no part in: by
the bundle's own it would lie too low, and so would a threshold on a distance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_anomaly.files.bundle import Bundle, Manifest
from edge_anomaly.files.config import Alarms
from edge_anomaly.ports import Model
from edge_anomaly.scoring import HOURLY
from edge_export.bundles.package import REPORT, pack, record_golden, rest_of, write_bundle
from edge_export.bundles.provenance import HELD_OUT
from edge_export.calibration.calibrate import without_themselves
from edge_export.calibration.rates import Rate, rate
from edge_export.calibration.rules import Rule
from edge_export.data.recordings import (
    Recording,
    Slicing,
    Windows,
    cut,
    digest,
    signals_of,
    windows,
)
from edge_export.evaluation.detectors import by_bundle
from edge_export.graphs.answers import Draft, answers
from edge_export.recalibration.healthy_time import HealthyTime
from edge_export.recalibration.verdicts import Verdict

__all__ = ["Finding", "Recalibrated", "held_out", "overlap", "recalibrate", "save"]


@dataclass(frozen=True)
class Finding:
    """What became of one device's threshold."""

    device: str
    before: float
    after: float
    factor: float  # by which verdicts moved the rule's own
    expected: Rate  # false alarms, counted out of sample
    told: int  # confirmed events that the new threshold tells
    confirmed: int
    repeated: int  # false alarms that it would raise again
    false: int


@dataclass(frozen=True)
class Recalibrated:
    """New thresholds, and what to expect of them."""

    manifest: Manifest
    constants: dict[str, NDArray[Any]]  # all of calibration.npz
    findings: tuple[Finding, ...]

    @property
    def expected(self) -> Rate:
        """False alarms of all devices in all their days."""
        alarms = sum(finding.expected.alarms for finding in self.findings)
        return rate(alarms, sum(finding.expected.days for finding in self.findings))


def held_out(
    bundle: Bundle, recordings: Sequence[Recording], share: float | None = None
) -> tuple[list[Recording], bool]:
    """The time that the model did not learn from, and whether it is a part of what it learnt.

    Args:
        bundle: What is to be calibrated.
        recordings: All of them; or their last share if they are what it was trained on.
        share: That was held out, where the bundle does not say.

    Raises:
        RecordingError: It says another one, or neither says any.
    """
    said = bundle.manifest.provenance
    if digest(recordings) != said.data_sha256:
        return list(recordings), False
    own = said.metrics.get(HELD_OUT, share)
    if own is None:
        raise RecordingError(
            "the bundle was trained on these recordings and does not say what share was held out: "
            "tell it by --held-out, or bring newer time"
        )
    if share not in {None, own}:
        raise RecordingError(
            f"training held out the last {own:g} of these recordings, not {share:g}: thresholds "
            "come of that time, or of newer one"
        )
    total = {
        r.device: sum(o.t_ns.size for o in recordings if o.device == r.device) for r in recordings
    }
    passed, kept = dict.fromkeys(total, 0), []
    for recording in recordings:
        rows = recording.t_ns.size
        first = max(0, int(total[recording.device] * (1 - own)) - passed[recording.device])
        passed[recording.device] += rows
        if first < rows:
            kept.append(cut(recording, int(recording.t_ns[first]), int(recording.t_ns[-1]) + 1))
    return kept, True


def overlap(bundle: Bundle, recordings: Sequence[Recording]) -> list[str]:
    """Devices whose recordings reach into the time that the bundle's constants come of.

    Its golden windows are of that time. What was trained on would be taken for new.
    """
    golden, manifest = bundle.golden, bundle.manifest
    newest = (golden.slot + 1) * manifest.period_ns - 1
    return sorted(
        {
            r.device
            for r in recordings
            if r.t_ns.size and r.device in manifest.devices
            for t in newest[golden.device == manifest.devices.index(r.device)].tolist()
            if r.t_ns[0] <= t <= r.t_ns[-1]
        }
    )


def recalibrate(  # noqa: PLR0913 - each is its caller's to say
    bundle: Bundle,
    model: Model,
    recordings: Sequence[Recording],
    rule: Rule,
    verdicts: Sequence[Verdict] = (),
    alarms: Alarms | None = None,
    *,
    own: bool = False,
) -> Recalibrated:
    """New thresholds for the devices in `recordings`; the others keep theirs.

    With verdicts, confirmed events are no healthy time, and where the rule's threshold misses
    one or repeats a false alarm it is moved to where fewest go wrong, no further than it must.

    Args:
        bundle: What to calibrate.
        model: Its graphs.
        recordings: Time that it was not trained on, healthy but for confirmed events.
        rule: Of the new thresholds.
        verdicts: What operators said about alarms.
        alarms: When the agent raises and clears; its defaults by default.
        own: Whether this is the time that the bundle's training held out: see `held_out`.

    Raises:
        RecordingError: Devices or signals are not the bundle's, a verdict is about another
            device or time, or there is too little healthy time to say; says how much is needed.
    """
    manifest, before = bundle.manifest, bundle.calibration["threshold"]
    _check(bundle, recordings, rule, verdicts)
    slicing = Slicing(
        bundle.window,
        manifest.period_ns,
        manifest.branches[0].hop,
        min_coverage=manifest.min_coverage,
    )
    seen = windows(recordings, slicing, manifest.devices, bundle.calibration["fill"])
    if own:
        held = answers(manifest, bundle.calibration, model, seen)
        score = without_themselves(manifest, bundle.calibration, held)
    else:
        score = by_bundle(bundle, model, seen, np.arange(len(manifest.devices))).score
    constants = {key: np.array(value) for key, value in bundle.calibration.items() if key != HOURLY}
    if rule == Rule.of(manifest.threshold) and HOURLY in bundle.calibration:
        constants[HOURLY] = np.array(bundle.calibration[HOURLY])
    findings, fewest = [], []
    for device in dict.fromkeys(recording.device for recording in recordings):
        d = manifest.devices.index(device)
        own = seen.device == d
        mine = [verdict for verdict in verdicts if verdict.device == device]
        time = HealthyTime(
            manifest,
            device,
            score[own],
            seen.slot[own],
            _bad(seen.slot[own], mine, manifest.period_ns, bundle.window),
            alarms or Alarms(),
        )
        time.check(rule)
        fitted = time.fit(rule)
        factor = time.factor(rule, fitted, mine)
        for key, value in fitted.items():
            constants.setdefault(key, np.repeat(value, len(manifest.devices), axis=0))
            constants[key][d] = value[0] * factor
        real, false = time.levels(time.ratio(rule, fitted, factor), mine)
        findings.append(
            Finding(
                device,
                before=float(before[d]),
                after=float(constants["threshold"][d]),
                factor=factor,
                expected=time.false_alarms(rule, factor),
                told=int((real > 1).sum()),
                confirmed=real.size,
                repeated=int((false > 1).sum()),
                false=false.size,
            )
        )
        fewest.append(int(np.count_nonzero(~time.bad)))
    return Recalibrated(
        _said(manifest, rule, min(fewest), findings, len(verdicts)), constants, tuple(findings)
    )


def save(bundle: Bundle, model: Model, found: Recalibrated, source: Path, out: Path) -> Bundle:
    """Write the bundle with its new thresholds; what else is in it stays, but for the report.

    Args:
        bundle: As it was read from `source`.
        model: Its graphs.
        found: New thresholds.
        source: The bundle's folder.
        out: Where to write; may be `source`.

    Raises:
        BundleError: `out` is no place for a bundle or cannot be written.
    """
    golden = bundle.golden
    whole = np.ones(golden.device.size, np.float32)
    asked = Windows(golden.window, golden.device, golden.slot, whole)
    answered = record_golden(Draft(found.manifest, found.constants), model, asked)
    kept = {
        name: content for name, content in rest_of(source, bundle).items() if name != REPORT
    }  # it is of the old ones
    return write_bundle(
        out, pack(found.manifest, {**bundle.graphs, **kept}, found.constants, answered)
    )


def _check(
    bundle: Bundle, recordings: Sequence[Recording], rule: Rule, verdicts: Sequence[Verdict]
) -> None:
    manifest = bundle.manifest
    if list(signals_of(recordings)) != bundle.signals:
        raise RecordingError(
            f"the recordings have the signals {', '.join(signals_of(recordings))}; "
            f"the bundle's are {', '.join(bundle.signals)}"
        )
    there = {recording.device for recording in recordings}
    strange = sorted(there - set(manifest.devices))
    if strange:
        raise RecordingError(f"the bundle does not know {', '.join(strange)}")
    absent = [device for device in manifest.devices if device not in there]
    if absent and rule != Rule.of(manifest.threshold):
        raise RecordingError(
            f"no recording of {', '.join(absent)}: one rule holds for the whole bundle, and its "
            f"present one is {manifest.threshold.rule} {manifest.threshold.parameter:g}"
        )
    unknown = sorted({verdict.device for verdict in verdicts} - there)
    if unknown:
        raise RecordingError(f"verdicts on {', '.join(unknown)}, of which there is no recording")


def _bad(
    slot: NDArray[np.int64], verdicts: Sequence[Verdict], period_ns: int, window: int
) -> NDArray[np.bool_]:
    """Windows that hold a part of a confirmed event, (N,)."""
    start, end = (slot - window + 1) * period_ns, (slot + 1) * period_ns
    bad = np.zeros(slot.size, np.bool_)
    for verdict in verdicts:
        if verdict.real:
            bad |= (start < verdict.end_ns) & (end > verdict.start_ns)
    return bad


def _said(
    manifest: Manifest, rule: Rule, windows: int, findings: Sequence[Finding], verdicts: int
) -> Manifest:
    """The manifest with the rule and, beside what was measured at training, what to expect."""
    said = manifest.provenance
    days = sum(f.expected.days for f in findings)
    counted = {
        "false_alarms_per_day": sum(f.expected.alarms for f in findings) / days,
        "healthy_days": days,
        "verdicts": float(verdicts),
    }
    return msgspec.structs.replace(
        manifest,
        threshold=rule.said(windows),
        provenance=msgspec.structs.replace(said, metrics=said.metrics | counted),
    )
