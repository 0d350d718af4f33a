import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_anomaly.adapters.recordings import BLOCK, Block, Layout, read_recording
from edge_anomaly.errors import RecordingError

SECOND = 10**9


def csv(tmp_path: Path, text: str | bytes, name: str = "c-1.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def parquet(tmp_path: Path, columns: dict[str, Any]) -> Path:
    pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    path = tmp_path / "c-1.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def only(path: Path, layout: Layout | None = None) -> Block:
    [block] = read_recording(path, layout or Layout())
    return block


def test_a_csv_names_its_device_by_the_file(tmp_path: Path) -> None:
    block = only(csv(tmp_path, "time,flow,temp\n1,2,3\n2,4,\n"))
    assert block.device == ["c-1", "c-1"]
    assert block.signals == ["flow", "temp"]
    assert block.t_ns.tolist() == [SECOND, 2 * SECOND]
    np.testing.assert_array_equal(block.value, [[2, 3], [4, np.nan]])
    assert block.done == 1.0


def test_columns_may_have_other_names_and_places(tmp_path: Path) -> None:
    path = csv(tmp_path, "flow,asset,at\n2,c-7,1000\n")
    block = only(path, Layout(time="at", device="asset", unit="ms"))
    assert (block.device, block.t_ns.tolist(), block.signals) == (["c-7"], [SECOND], ["flow"])


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert only(csv(tmp_path, b"\xef\xbb\xbftime,flow\r\n1,2\r\n")).t_ns.tolist() == [SECOND]


@pytest.mark.parametrize(
    ("cell", "t_ns"),
    [
        ("1700000000", 1_700_000_000 * SECOND),
        ("1700000000.123456789", 1_700_000_000_123_456_789),
        ("-1.5", -1_500_000_000),
        ("-0.5", -500_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
        ("2023-11-14 22:13:20", 1_700_000_000 * SECOND),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000 * SECOND + SECOND // 2),
        ("1969-12-31T23:59:59Z", -SECOND),
    ],
)
def test_times_are_numbers_or_iso(tmp_path: Path, cell: str, t_ns: int) -> None:
    assert only(csv(tmp_path, f"time,flow\n{cell},1\n")).t_ns.tolist() == [t_ns]


@pytest.mark.parametrize(
    "cell",
    ["", "x", "1.5e3", "1e3", "0x10", "1_0", "1.2.3", ".5", "nan", "99999999999999", "2023-11-14"],
)
def test_what_is_no_time_is_told_with_its_line(tmp_path: Path, cell: str) -> None:
    path = csv(tmp_path, f"time,flow\n1,1\n{cell},1\n")
    with pytest.raises(RecordingError, match=r"c-1\.csv:3: '.*' is neither ISO 8601 nor a number"):
        only(path)


def test_numbers_beyond_single_precision_and_words_for_none_are_no_readings(
    tmp_path: Path,
) -> None:
    block = only(csv(tmp_path, "time,a,b,c\n1,1e300,inf,nan\n"))
    assert not np.isfinite(block.value).any()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a,b\n1,2\n", r"c-1\.csv: no time column 'time'; there are a, b \(name it with"),
        ("", r"c-1\.csv: no time column 'time'; there are none"),
        ("time\n1\n", r"c-1\.csv: no column beside the time"),
        ("time,device\n1,a\n", r"c-1\.csv: no column beside the time"),
        ("time,a,b,a\n", r"c-1\.csv: column 'a' is there twice"),
        ("time,a\n1,2\n2,3,4\n", r"c-1\.csv:3: 3 cells, the header has 2"),
        ("time,a\n1\n", r"c-1\.csv:2: 1 cells, the header has 2"),
        ("time,a\n1,2\n2,off\n", r"c-1\.csv:3: column 'a': 'off' is not a number"),
        ("time,a\n1,2\n\n\n2,off\n", r"c-1\.csv:5: column 'a': 'off' is not a number"),
        ("time,a\n1,off\n\n\n", r"c-1\.csv:2: column 'a': 'off' is not a number"),
        (b"\xff\xfet\x00i\x00", r"c-1\.csv: not UTF-8 text"),
        (b"time,a\n1,\xff\n", r"c-1\.csv: not UTF-8 text"),
        ("time,a\n1," + "9" * 200_000 + "\n", r"c-1\.csv:2: field larger than field limit"),
    ],
    ids=range(13),
)
def test_what_is_no_recording_is_told_with_its_place(
    tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    with pytest.raises(RecordingError, match=complaint):
        list(read_recording(csv(tmp_path, text), Layout()))


def test_a_file_without_rows_has_no_blocks(tmp_path: Path) -> None:
    assert list(read_recording(csv(tmp_path, "time,a\n\n"), Layout())) == []


def test_a_long_file_comes_in_blocks(tmp_path: Path) -> None:
    rows = "".join(f"{t},{t}\n" for t in range(2 * BLOCK + 1))
    blocks = list(read_recording(csv(tmp_path, "time,a\n" + rows), Layout()))
    assert [len(block.device) for block in blocks] == [BLOCK, BLOCK, 1]
    assert blocks[0].done < blocks[1].done <= blocks[2].done == 1.0
    assert np.concatenate([block.value[:, 0] for block in blocks]).tolist() == list(
        range(2 * BLOCK + 1)
    )
    with pytest.raises(RecordingError, match=f":{BLOCK + 3}: column 'a'"):
        list(
            read_recording(
                csv(tmp_path, f"time,a\n{rows[: rows.index(f'{BLOCK},')]}1,1\n1,x\n"), Layout()
            )
        )


@pytest.mark.parametrize("name", ["c-1.txt", "c-1", "c-1.csv.gz"])
def test_another_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=r"a recording is a \.csv or a \.parquet file"):
        list(read_recording(csv(tmp_path, "time,a\n", name), Layout()))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_folders_and_files_that_are_not_there_are_refused(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(RecordingError, match=f"folder{suffix}: "):
        list(read_recording(folder, Layout()))
    with pytest.raises(RecordingError, match=f"gone{suffix}: .*No such file"):
        list(read_recording(tmp_path / f"gone{suffix}", Layout()))


def test_parquet_reads_as_csv_does(tmp_path: Path) -> None:
    when = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    columns = {"time": [when, when], "device": ["a", "b"], "flow": [1.5, None], "n": [1, 2]}
    block = only(parquet(tmp_path, columns))
    assert block.device == ["a", "b"]
    assert block.signals == ["flow", "n"]
    assert block.t_ns.tolist() == [1_700_000_000 * SECOND] * 2
    np.testing.assert_array_equal(block.value, [[1.5, 1], [np.nan, 2]])


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_parquet_times_of_any_resolution(tmp_path: Path, unit: str) -> None:
    times = np.array(["2023-11-14T22:13:20"], f"datetime64[{unit}]")
    assert only(parquet(tmp_path, {"time": times, "a": [1]})).t_ns.tolist() == [
        1_700_000_000 * SECOND
    ]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"a": [1]}, r"no time column 'time'; there are a"),
        ({"time": [1, None], "a": [1, 1]}, r"c-1\.parquet:2: None is neither"),
        ({"time": [1, 2], "a": [[1], [2]]}, r"c-1\.parquet:1: column 'a': \[1\] is not a number"),
        ({"time": [1, 2], "a": ["1", "off"]}, r"c-1\.parquet:2: column 'a': 'off' is not"),
        ({"time": [1], "device": ["a"]}, r"no column beside the time"),
    ],
    ids=range(5),
)
def test_what_is_no_recording_in_parquet_is_told(
    tmp_path: Path, columns: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(RecordingError, match=complaint):
        only(parquet(tmp_path, columns))


@pytest.mark.parametrize("content", [b"", b"PAR1 and nothing else", b"time,a\n1,2\n"])
def test_what_is_no_parquet_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RecordingError, match="not a Parquet file that can be read"):
        only(csv(tmp_path, content, "c-1.parquet"))


def test_parquet_without_its_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path, {"time": [1], "a": [1]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordingError, match=r"pip install 'edge-anomaly-agent\[parquet\]'"):
        only(path)
