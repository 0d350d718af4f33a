from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from edge_anomaly.errors import RecordingError
from edge_export.data import tables
from edge_export.data.datasets import asd
from edge_export.data.recordings import (
    Cause,
    Recording,
    Slicing,
    cut,
    digest,
    labels_of,
    period_of,
    windows,
)

MINUTE = 60 * 10**9
CSV = "time,device,flow,pressure\n"


def recorded(values: NDArray[np.float32], device: str = "a", start: int = 0) -> Recording:
    t_ns = (start + np.arange(len(values))) * MINUTE
    return Recording(device, t_ns, ("x", "y"), values.astype(np.float32))


def fill(devices: int) -> NDArray[np.float32]:
    return np.full((devices, 2), -1, np.float32)


def naive_windows(values: NDArray[np.float32], window: int, hop: int = 1) -> NDArray[np.float32]:
    """Slices from the first full one on."""
    ends = range(window - 1, len(values), hop)
    return np.array([values[r - window + 1 : r + 1] for r in ends])


@pytest.mark.parametrize("hop", [1, 3])
def test_windows_of_whole_recordings_are_slices(hop: int) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=(n, 2)).astype(np.float32) for n in (40, 23))
    got = windows([recorded(a), recorded(b, "b")], Slicing(5, MINUTE, hop), ["a", "b"], fill(2))
    for row, values in enumerate((a, b)):
        want = naive_windows(values, 5, hop)
        np.testing.assert_array_equal(got.window[got.device == row], want)
    assert (got.coverage == 1).all()


def test_the_second_recording_of_a_device_starts_with_the_context_of_the_first() -> None:
    values = np.arange(40, dtype=np.float32).reshape(20, 2)
    halves = [recorded(values[:12]), recorded(values[12:], start=12)]
    got = windows(halves, Slicing(5, MINUTE), ["a"], fill(1))
    np.testing.assert_array_equal(got.window, naive_windows(values, 5))


def test_a_missing_value_is_held_and_then_missing() -> None:
    values = np.ones((20, 2), np.float32)
    values[5:, 1] = np.nan
    slicing = Slicing(4, MINUTE, max_gap_ns=3 * MINUTE, min_coverage=0)
    got = windows([recorded(values)], slicing, ["a"], fill(1))
    assert (got.window == 1).all()
    assert got.coverage[0] == 1
    assert got.coverage[-1] == 0.5
    kept = windows([recorded(values)], Slicing(4, MINUTE, max_gap_ns=3 * MINUTE), ["a"], fill(1))
    assert (kept.coverage >= 0.8).all()
    assert 0 < len(kept) < len(got)


def test_before_its_first_reading_a_signal_shows_the_fill_value() -> None:
    values = np.ones((8, 2), np.float32)
    values[:3, 1] = np.nan
    got = windows([recorded(values)], Slicing(3, MINUTE, min_coverage=0), ["a"], fill(1))
    np.testing.assert_array_equal(got.window[0], [[1, -1]] * 3)


def test_labels_follow_the_newest_slot() -> None:
    plain = recorded(np.zeros((10, 2), np.float32))
    labels = np.arange(10) == 6
    marked = Recording(plain.device, plain.t_ns, plain.signals, plain.values, labels)
    got = windows([marked], Slicing(3, MINUTE), ["a"], fill(1))
    assert got.slot[labels_of(got, [marked], ["a"], MINUTE)].tolist() == [6]


def test_cut_keeps_rows_and_overlapping_causes() -> None:
    plain = recorded(np.zeros((10, 2), np.float32))
    causes = (Cause(0, MINUTE, ("x",)), Cause(4 * MINUTE, 9 * MINUTE, ("y",)))
    whole = Recording("a", plain.t_ns, plain.signals, plain.values, None, causes)
    part = cut(whole, 3 * MINUTE, 6 * MINUTE)
    assert part.t_ns.tolist() == [3 * MINUTE, 4 * MINUTE, 5 * MINUTE]
    assert part.causes == causes[1:]


def test_digest_does_not_see_labels_and_sees_values() -> None:
    plain = recorded(np.zeros((4, 2), np.float32))
    marked = Recording("a", plain.t_ns, plain.signals, plain.values, np.ones(4, np.bool_))
    other = recorded(np.ones((4, 2), np.float32))
    assert digest([plain]) == digest([marked]) != digest([other])


def test_recordings_that_cannot_be_are_refused() -> None:
    good = recorded(np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match="rise"):
        Recording("a", good.t_ns[::-1], good.signals, good.values)
    with pytest.raises(ValueError, match="named twice"):
        Recording("a", good.t_ns, ("x", "x"), good.values)
    other = Recording("b", good.t_ns, ("x", "z"), good.values)
    with pytest.raises(RecordingError, match="b has the signals x, z; that of a has x, y"):
        windows([good, other], Slicing(2, MINUTE), ["a", "b"], fill(2))
    with pytest.raises(RecordingError, match="period"):
        period_of([cut(good, 0, MINUTE)])


def written(folder: Path, text: str) -> Path:
    path = folder / "pump.csv"
    path.write_text(text, "utf-8")
    return path


def test_csv_and_parquet_give_the_same_recordings(tmp_path: Path) -> None:
    text = CSV + "".join(
        f"2024-01-01T00:0{i}:00Z,{device},{i}.5,{'' if i == 2 else i}\n"
        for i in range(4)
        for device in ("p-1", "p-2")
    )
    path = written(tmp_path, text)
    first, second = tables.read(path)
    assert (first.device, second.device) == ("p-1", "p-2")
    assert first.signals == ("flow", "pressure")
    assert first.t_ns[0] == 1_704_067_200 * 10**9
    np.testing.assert_array_equal(first.values[:, 0], [0.5, 1.5, 2.5, 3.5])
    np.testing.assert_array_equal(np.isnan(first.values[:, 1]), [False, False, True, False])
    columns = {
        "t": first.t_ns // 10**9,
        **{name: first.values[:, c] for c, name in enumerate(first.signals)},
    }
    pq.write_table(pa.table(columns), tmp_path / "p-1.parquet")
    (again,) = tables.read(tmp_path / "p-1.parquet")
    assert again.device == "p-1"
    assert digest([again]) == digest([first])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "pump.csv: Empty CSV file"),
        (CSV, "pump.csv: no rows"),
        ("flow,pressure\n1,2\n", "no time column"),
        ("time\n2024-01-01\n", "no signal"),
        (CSV + "2024-01-01T00:00:00Z,p,1,2\n2024-01-01T00:01:00Z,p,1,bad\n", "'bad' at data row 2"),
        (CSV + "2024-01-01T00:00:00Z,p,1,\n", "'pressure' of p holds no number"),
        (CSV + "noon,p,1,2\n", "'time' is string"),
        (CSV + ",p,1,2\n2024-01-01T00:01:00Z,p,1,2\n", "'time' has empty cells"),
        (CSV + "2,p,1,2\n1,p,1,2\n", "does not rise at data row 2"),
        (CSV + "2024-01-01T00:00:00Z,p,1\n", "pump.csv: .*column"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(RecordingError, match=complaint):
        tables.read(written(tmp_path, text))


def test_a_wanted_column_that_is_missing_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, CSV + "1,p,1,2\n")
    with pytest.raises(RecordingError, match=r"pump.csv: no column 'speed' among"):
        tables.read(path, signals=["flow", "speed"])
    with pytest.raises(RecordingError, match="not there"):
        tables.read(tmp_path / "gone.csv")
    with pytest.raises(RecordingError, match=r"neither \.csv nor \.parquet"):
        tables.read(tmp_path / "pump.xlsx")


def test_infinities_and_nan_in_a_table_count_as_missing(tmp_path: Path) -> None:
    (got,) = tables.read(written(tmp_path, CSV + "1,p,1,inf\n2,p,nan,2\n"))
    np.testing.assert_array_equal(np.isnan(got.values), [[False, True], [True, False]])


def test_a_missing_dataset_says_what_to_download_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    with pytest.raises(RecordingError, match=r"omi-1.*download .*InterFusion.*EDGE_DATA"):
        asd.load()


def public_layout(root: Path, device: str) -> None:
    (root / "processed").mkdir()
    (root / "interpretation_label").mkdir()
    rng = np.random.default_rng(0)
    for name, array in (
        ("train", rng.random((50, 19))),
        ("test", rng.random((20, 19))),
        ("test_label", np.arange(20) == 3),
    ):
        array.dump(root / "processed" / f"{device}_{name}.pkl")
    (root / "interpretation_label" / f"{device}.txt").write_text("3-3:2,19\n", "utf-8")


def test_the_public_layout_is_read(tmp_path: Path) -> None:
    public_layout(tmp_path, "omi-9")
    (train,), (test,) = asd.load(tmp_path, ("omi-9",))
    assert train.labels is None
    assert test.t_ns[0] - train.t_ns[-1] == asd.PERIOD_NS
    assert test.labels is not None
    assert test.causes == (Cause(test.t_ns[3], test.t_ns[4], ("m02", "m19")),)


def test_a_pickle_that_asks_for_more_than_arrays_is_refused(tmp_path: Path) -> None:
    public_layout(tmp_path, "omi-9")
    (tmp_path / "processed" / "omi-9_train.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(RecordingError, match=r"asks for os\.system"):
        asd.load(tmp_path, ("omi-9",))


def test_the_servers_load_with_the_causes_that_their_labels_show() -> None:
    try:
        train, test = asd.load()
    except RecordingError as exc:
        pytest.skip(str(exc))
    assert [recording.device for recording in train] == list(asd.DEVICES)
    for recording in test:
        assert recording.causes
        assert recording.labels is not None
        inside = np.zeros(len(recording.t_ns), np.bool_)
        for cause in recording.causes:
            inside |= (recording.t_ns >= cause.start_ns) & (recording.t_ns < cause.end_ns)
        np.testing.assert_array_equal(inside, recording.labels)
