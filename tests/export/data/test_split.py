from dataclasses import replace

import numpy as np
import pytest

from edge_anomaly.errors import RecordingError
from edge_export.data.recordings import Recording, Slicing, cut
from edge_export.data.split import split

MINUTE = 60 * 10**9
SLICING = Slicing(8, MINUTE)


def test_no_window_lies_on_both_sides(recordings: list[Recording]) -> None:
    parts = split(recordings, SLICING, held_out=0.25, stride=3)
    assert parts.devices == ("c-1", "c-2", "c-3")
    for d, recording in enumerate(recordings):
        border = recording.t_ns[450] // MINUTE
        fit, held = parts.fit[parts.fit.device == d], parts.held[parts.held.device == d]
        assert fit.slot.max() < border
        assert held.slot.min() == border + SLICING.window - 1
        assert set(np.diff(fit.slot)) == {3}
        assert set(np.diff(held.slot)) == {1}


def test_scalers_and_fill_come_from_the_first_part_alone(recordings: list[Recording]) -> None:
    wild = recordings[0].values.copy()
    wild[450:] *= 1e6
    parts = split([replace(recordings[0], values=wild), *recordings[1:]], SLICING, held_out=0.25)
    first = recordings[0].values[:450]
    np.testing.assert_allclose(parts.centre[0], (first.min(0) + first.max(0)) / 2, rtol=1e-5)
    np.testing.assert_allclose(parts.scale[0], first.max(0) - first.min(0), rtol=1e-4)
    np.testing.assert_allclose(parts.fill[0], np.median(first, axis=0), rtol=1e-5)


def test_a_device_recorded_in_pieces_is_one_device(recordings: list[Recording]) -> None:
    whole = recordings[0]
    middle = int(whole.t_ns[200])
    pieces = [cut(whole, 0, middle), cut(whole, middle, 2**62)]
    one, two = (split(some, SLICING, held_out=0.25) for some in ([whole], pieces))
    np.testing.assert_array_equal(one.fit.window, two.fit.window)
    np.testing.assert_array_equal(one.held.window, two.held.window)
    with pytest.raises(RecordingError, match="c-1: its recordings are not in time order"):
        split(pieces[::-1], SLICING, held_out=0.25)


def test_a_signal_that_was_never_heard_is_named(recordings: list[Recording]) -> None:
    deaf = recordings[1].values.copy()
    deaf[:450, 3] = np.nan
    with pytest.raises(RecordingError, match="c-2: no reading of 'level'"):
        split([recordings[0], replace(recordings[1], values=deaf)], SLICING, held_out=0.25)


def test_too_short_a_recording_is_named(recordings: list[Recording]) -> None:
    short = cut(recordings[2], 0, int(recordings[2].t_ns[20]))
    with pytest.raises(RecordingError, match="c-3: its time is too short"):
        split([recordings[0], short], SLICING, held_out=0.25)
