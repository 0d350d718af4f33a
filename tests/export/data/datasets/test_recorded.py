"""The datasets as they lie in EDGE_DATA; each test is skipped, with what to do, without them."""

import numpy as np
import pytest

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import cwru, pronostia, smd, tep
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.data.datasets.files import Halves


def halves(name: str) -> Halves:
    try:
        return DATASETS[name].load()
    except RecordingError as exc:
        pytest.skip(str(exc))


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_what_to_learn_from_comes_first_and_holds_no_labels(name: str) -> None:
    train, test = halves(name)
    assert all(recording.labels is None for recording in train)
    latest = {recording.device: recording.t_ns[-1] for recording in train}
    for recording in test:
        if recording.device in latest:
            assert recording.t_ns[0] > latest[recording.device]
        assert recording.values.dtype == np.float32
        assert np.isfinite(recording.values).any(axis=0).all()


def test_the_labels_of_server_machines_are_where_their_causes_are() -> None:
    _, test = halves("smd")
    for recording in test:
        assert recording.labels is not None
        for cause in recording.causes or ():
            first, last = np.searchsorted(recording.t_ns, [cause.start_ns, cause.end_ns])
            assert recording.labels[first : last - 1].mean() > 0.9
    assert {recording.device for recording in test} <= set(smd.MACHINES)


def test_the_healthy_bearing_has_the_lines_of_the_faulty_ones() -> None:
    """161.8 Hz: measured on IR007_0 at 12 kHz and on Normal_0 only after decimation."""
    halves("cwru")
    for name in ("Normal_0", "IR007_0"):
        x = cwru.samples(name)[: 5 * cwru.RATE_HZ]
        power = np.abs(np.fft.rfft(x * np.hanning(x.size))) ** 2
        near = power[155 * 5 : 170 * 5]
        assert 155 + int(near.argmax()) / 5 == pytest.approx(161.7, abs=0.5)


def test_a_bearing_lives_two_hours_and_a_half() -> None:
    halves("pronostia")
    life = pronostia.snapshots("Bearing1_2")
    assert life.t_s[-1] / 3600 == pytest.approx(2.42, abs=0.01)
    assert np.sqrt(np.mean(life.values[-1] ** 2)) > 3 * np.sqrt(np.mean(life.values[0] ** 2))


def test_the_process_leaves_its_healthy_range_once_a_strong_fault_is_in() -> None:
    train, _ = halves("tep")
    fault = tep.run("d06_te")
    lowest, highest = train[0].values.min(axis=0), train[0].values.max(axis=0)
    beyond = ((fault.values < lowest) | (fault.values > highest)).sum(axis=1)
    assert np.median(beyond[: tep.FAULT_ROW]) < 5 < np.median(beyond[-100:])
