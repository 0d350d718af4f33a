"""Stages for series with a rhythm: against the week, over several spans, and elastically."""

import numpy as np

from edge_anomaly.scoring.batch import Batch, Floats, Part, Rows, Span, Step
from edge_anomaly.scoring.clock import MINUTE, MONDAY, WEEK
from edge_kernels import against_profile, blamed_span, elastic_errors, span_features

__all__ = ["FLOOR", "elastic", "features", "place_of_week", "profile"]

FLOOR = 1e-4  # added before each logarithm: a hundredth of a healthy deviation, squared


def place_of_week(
    end_ns: Rows, steps: int, period_ns: int, places: int, offset_minutes: int
) -> Rows:
    """Where in the week each of the newest slots begins, (B, steps), in 0..places-1.

    Args:
        end_ns: End of each window's newest slot, (B,).
        steps: How many slots, the newest last.
        period_ns: Length of a slot.
        places: Equal parts of a week, the first from Monday 00:00 local time on.
        offset_minutes: Local time minus UTC.
    """
    back = np.arange(steps, 0, -1, dtype=np.int64) * period_ns
    local = (end_ns[:, np.newaxis] - back + offset_minutes * MINUTE + MONDAY) % WEEK
    place: Rows = local // (WEEK // places)
    return np.minimum(place, places - 1)  # where the week is no multiple of a place


def profile(part: Part) -> Step:
    """The series against what is usual at its time of the week, in its usual spreads.

    Constants: `median` and `spread`, (D, H, C), scaled units, for H places of a week.
    """
    shape = (part.devices, None, part.signals)
    median, spread = part.constant("median", shape), part.constant("spread", shape)
    if median.shape != spread.shape or not (spread > 0).all():
        raise part.refuse("has a spread that is not positive, or not one for each median")
    scale, centre = (part.constants[name].astype(np.float32) for name in ("scale", "centre"))
    manifest, places = part.manifest, median.shape[1]

    def step(tracks: Floats, batch: Batch) -> Floats:
        place = place_of_week(
            batch.end_ns, tracks.shape[1], manifest.period_ns, places, manifest.utc_offset_minutes
        )
        d, newest = batch.device, place[:, -1]
        off = against_profile(tracks, d, place, median, spread)
        batch.deviation = np.abs(off[:, -1])
        with np.errstate(over="ignore", invalid="ignore"):
            batch.usual = median[d, newest] * scale[d] + centre[d]
        return off

    return step


def features(part: Part) -> Step:
    """Statistics of the newest steps over several spans, (B, S, C) -> (B, spans, F).

    With a `radius`, each span also gets the logarithms of the whole window's mean square error
    and of what elastic matching takes off it. Constant: `unit`, (D, C), the healthy size of a
    residual: the logarithms' floor is measured in it.
    """
    spans = np.array(part.parameter("spans"), np.int64)
    unit = part.constant("unit", (part.devices, part.signals))
    if not (unit > 0).all():
        raise part.refuse("has a unit that is not positive")
    radius = part.stage.radius

    def step(tracks: Floats, batch: Batch) -> Floats:
        own = unit[batch.device]
        with np.errstate(over="ignore", invalid="ignore"):  # readings up to 3e38 may come
            sizes = tracks / own[:, np.newaxis]
        found = span_features(sizes, batch.observed[:, -tracks.shape[1] :], spans, FLOOR)
        if batch.deviation is None:
            batch.deviation = np.abs(sizes[:, -1])
        if radius is None:
            return found
        timing = _timing(batch, own, radius)[:, np.newaxis]
        return np.concatenate([found, np.repeat(timing, spans.size, axis=1)], axis=2)

    return step


def elastic(part: Part) -> Step:
    """Mean square error and banded DTW of each signal, mixed, (B, S, C) -> (B, 1, C).

    `share` is the weight of the DTW distance, `radius` the half-width of its band in slots.
    """
    radius, share = int(part.parameter("radius")), np.float32(part.parameter("share"))

    def step(_tracks: Floats, batch: Batch) -> Floats:
        straight, warped = elastic_errors(batch.observed, batch.expected, radius)
        batch.deviation = straight
        batch.where = _Blame(batch, radius)
        mixed: Floats = (1 - share) * straight + share * warped
        return mixed[:, np.newaxis]

    return step


def _timing(batch: Batch, unit: Floats, radius: int) -> Floats:
    """Logarithms of mean square error and of its part that better timing removes, (B, 2 C)."""
    straight, warped = elastic_errors(batch.observed, batch.expected, radius)
    batch.where = _Blame(batch, radius)
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.maximum(straight - warped, 0)
        size = np.square(unit)
        both = np.concatenate([straight / size, gap / size], axis=1)
        logs: Floats = np.log(both + np.float32(FLOOR))
    return logs


class _Blame:
    """Which slots an alarm is about; asked only for windows that alarm, since a path is dear."""

    def __init__(self, batch: Batch, radius: int) -> None:
        self._observed, self._expected, self._radius = batch.observed, batch.expected, radius

    def __call__(self, row: int) -> Span | None:
        return blamed_span(self._observed[row], self._expected[row], self._radius)
