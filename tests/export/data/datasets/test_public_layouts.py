"""Every dataset in the layout that its users can download, made up in a few rows."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from edge_anomaly.errors import RecordingError
from edge_export.data.datasets import (
    compressor8,
    cwru,
    ims,
    nab,
    pjm,
    power_demand,
    pronostia,
    skab,
    smd,
    steel,
    tep,
)
from edge_export.data.datasets.catalogue import DATASETS
from edge_export.data.recordings import Cause

QUARTER_NS = 900 * 10**9


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def table(path: Path, columns: dict[str, Any], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = zip(*columns.values(), strict=True)
    lines = [delimiter.join(columns), *(delimiter.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def stamps(n: int, step: str, start: str = "2020-03-01T10:00:00") -> list[str]:
    seconds = {"1s": 1, "5m": 300, "10m": 600, "1h": 3600}[step]
    return [str(np.datetime64(start) + i * seconds).replace("T", " ") for i in range(n)]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_missing_dataset_says_what_to_download_and_where_to_put_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))
    with pytest.raises(RecordingError, match=rf"download .*named `{name}`.*EDGE_DATA"):
        DATASETS[name].load()


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_stranger_among_the_entities_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no 'nobody'|nothing there"):
        DATASETS[name].load(tmp_path, ["nobody"])


def smd_layout(root: Path) -> None:
    for half, rows in (("train", 30), ("test", 20)):
        (root / half).mkdir(parents=True)
        np.savetxt(root / half / "machine-1-1.txt", rng().random((rows, 38)), delimiter=",")
    for half, text in (
        ("test_label", "0\n" * 5 + "1\n" + "0\n" * 14),
        ("interpretation_label", "5-5:1,38\n"),
    ):
        (root / half).mkdir()
        (root / half / "machine-1-1.txt").write_text(text, "utf-8")


def test_server_machines_are_read_from_the_original_text(tmp_path: Path) -> None:
    smd_layout(tmp_path)
    (train,), (test,) = smd.load(tmp_path)
    assert train.device == "machine-1-1"
    assert train.labels is None
    assert test.labels is not None
    np.testing.assert_array_equal(np.flatnonzero(test.labels), [5])
    assert test.causes == (Cause(test.t_ns[5], test.t_ns[6], ("m01", "m38")),)


@pytest.mark.parametrize(
    ("file", "text", "error"),
    [
        ("train/machine-1-1.txt", "1,2\n3,4\n", r"shape \(2, 2\), not \(n, 38\)"),
        ("test/machine-1-1.txt", "1,x\n", "machine-1-1.txt: cannot be read"),
        ("interpretation_label/machine-1-1.txt", "5:1\n", "not a list of root causes"),
        ("interpretation_label/machine-1-1.txt", "5-5:0\n", "counted from 1"),
        ("interpretation_label/machine-1-1.txt", "5-5:39\n", "not a list of root causes"),
        ("test_label/machine-1-1.txt", "1\n", "labels must be"),
    ],
)
def test_what_is_wrong_with_a_machine_names_the_file(
    file: str, text: str, error: str, tmp_path: Path
) -> None:
    smd_layout(tmp_path)
    (tmp_path / file).write_text(text, "utf-8")
    with pytest.raises(RecordingError, match=error):
        smd.load(tmp_path)


def skab_layout(root: Path, rows: int = 420) -> None:
    columns = {name: rng().random(rows).tolist() for name in skab.SIGNALS}
    label = {"anomaly": [0.0] * (rows - 10) + [1.0] * 10, "changepoint": [0.0] * rows}
    for path in ("valve1/0.csv", "valve1/10.csv", "valve1/2.csv", "other/1.csv"):
        table(root / path, {"datetime": stamps(rows, "1s")} | columns | label, ";")


def test_the_test_bench_learns_from_the_first_400_rows_of_each_experiment(tmp_path: Path) -> None:
    skab_layout(tmp_path)
    train, test = skab.load(tmp_path)
    assert [r.device for r in train] == ["valve1-0", "valve1-2", "valve1-10", "other-1"]
    assert {r.t_ns.size for r in train} == {400}
    assert all(r.labels is None for r in train)
    assert {int(r.labels.sum()) for r in test if r.labels is not None} == {10}


def test_an_experiment_too_short_to_judge_is_refused(tmp_path: Path) -> None:
    skab_layout(tmp_path, rows=300)
    with pytest.raises(RecordingError, match="300 rows, more than 400"):
        skab.load(tmp_path)


def tep_layout(root: Path) -> None:
    for name, shape in (("d00", (52, 50)), ("d00_te", (96, 52)), ("d04_te", (200, 52))):
        np.savetxt(root / f"{name}.dat", rng().random(shape))
    plain = root / "d04_te.dat"
    with gzip.open(root / "d04_te.dat.gz", "wb") as file:
        file.write(plain.read_bytes())
    plain.unlink()


def test_the_chemical_process_is_one_plant_whose_runs_lie_apart(tmp_path: Path) -> None:
    tep_layout(tmp_path)
    train, (fault,) = tep.load(tmp_path)
    assert [r.values.shape for r in train] == [(50, 52), (96, 52)]  # d00 lies on its side
    assert {r.device for r in (*train, fault)} == {"tep"}
    assert fault.labels is not None
    assert int(fault.labels.argmax()) == tep.FAULT_ROW
    assert (fault.t_ns[0] - train[1].t_ns[-1]) // tep.PERIOD_NS > 200


def test_a_process_file_with_other_columns_is_refused(tmp_path: Path) -> None:
    tep_layout(tmp_path)
    np.savetxt(tmp_path / "d00_te.dat", np.ones((9, 3)))
    with pytest.raises(RecordingError, match=r"d00_te\.dat: 3 columns, not 52"):
        tep.load(tmp_path)


def cwru_layout(root: Path) -> None:
    (root / "Data" / "Normal").mkdir(parents=True)
    (root / "Data" / "12k_DE").mkdir()
    t = np.arange(96_000) / 48_000
    healthy = np.sin(2 * np.pi * 100 * t)[:, np.newaxis]
    savemat(root / "Data" / "Normal" / "Normal_0.mat", {"X097_DE_time": healthy})
    fault = rng().normal(size=(24_000, 1))
    savemat(root / "Data" / "12k_DE" / "OR007@6_0.mat", {"X130_DE_time": fault})


def test_healthy_bearing_samples_are_brought_to_the_rate_of_the_faults(tmp_path: Path) -> None:
    cwru_layout(tmp_path)
    (train,), (healthy, fault) = cwru.load(tmp_path)
    assert train.t_ns.size + healthy.t_ns.size == 24_000
    spectrum = np.abs(np.fft.rfft(train.values[:12_000, 0]))
    assert int(spectrum.argmax()) == 100  # Hz, for a second of 12,000 samples
    assert fault.device == "OR007at6_0"
    assert fault.labels is not None
    assert fault.labels.all()


def test_a_diluted_fault_has_the_energy_asked_for() -> None:
    healthy, fault = (rng().normal(size=50_000).astype(np.float32) for _ in range(2))
    mixed = cwru.diluted(healthy, 7 * fault, -10.0)
    added = float(np.mean((mixed - healthy) ** 2) / np.mean(healthy**2))
    assert 10 * np.log10(added) == pytest.approx(-10, abs=0.01)


@pytest.mark.parametrize(
    ("variables", "error"),
    [({"other": np.ones(20_000)}, "no variable"), ({"X1_DE_time": np.ones(9)}, "a second")],
)
def test_a_bearing_file_without_its_samples_is_refused(
    variables: dict[str, Any], error: str, tmp_path: Path
) -> None:
    cwru_layout(tmp_path)
    savemat(tmp_path / "Data" / "12k_DE" / "OR007@6_0.mat", variables)
    with pytest.raises(RecordingError, match=error):
        cwru.load(tmp_path)


def test_a_bearing_file_that_is_no_matlab_file_is_refused(tmp_path: Path) -> None:
    cwru_layout(tmp_path)
    (tmp_path / "Data" / "12k_DE" / "OR007@6_0.mat").write_bytes(b"no such thing")
    with pytest.raises(RecordingError, match="cannot be read"):
        cwru.load(tmp_path)


def pronostia_layout(root: Path, delimiter: str = ",") -> Path:
    place = root / "Bearing1_1"
    place.mkdir(parents=True)
    for i in range(4):
        clock = np.tile([9.0, 39.0, 39.0 + 10 * i, 0.0], (pronostia.SAMPLES, 1))
        rows = np.hstack([clock, rng().random((pronostia.SAMPLES, 2))])
        np.savetxt(place / f"acc_{i + 1:05d}.csv", rows, delimiter=delimiter)
    return place


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_bearing_that_runs_to_failure_is_laid_end_to_end(tmp_path: Path, delimiter: str) -> None:
    pronostia_layout(tmp_path, delimiter)
    life = pronostia.snapshots("Bearing1_1", tmp_path)
    np.testing.assert_allclose(life.t_s, [0, 10, 20, 30])
    (train,), (test,) = pronostia.load(tmp_path)
    assert train.t_ns.size == pronostia.SAMPLES
    assert test.t_ns[0] - train.t_ns[-1] == pronostia.PERIOD_NS


def test_a_snapshot_of_another_length_is_refused(tmp_path: Path) -> None:
    place = pronostia_layout(tmp_path)
    np.savetxt(place / "acc_00002.csv", np.ones((7, 6)), delimiter=",")
    with pytest.raises(RecordingError, match=r"acc_00002\.csv: shape \(7, 6\)"):
        pronostia.load(tmp_path)


def test_bearing_features_leave_the_run_in_out(tmp_path: Path) -> None:
    columns = {"file_index": range(200), "timestamp": stamps(200, "10m"), "filename": ["f"] * 200}
    channels = {
        f"Bearing{b}_ch1_{f}": rng().random(200).tolist() for b in (1, 2) for f in ("rms", "mean")
    }
    table(tmp_path / "test2_raw.csv", columns | channels)
    (train,), (test,) = ims.load(tmp_path, features=("rms",))
    assert train.signals == ("Bearing1_ch1_rms", "Bearing2_ch1_rms")
    assert (train.t_ns.size, test.t_ns.size) == (56, 140)
    with pytest.raises(RecordingError, match="no features"):
        ims.load(tmp_path, features=("mode",))


def steel_layout(root: Path, shift: int = 0) -> None:
    times = [np.datetime64("2018-01-01T00:15") + 15 * (i + shift) for i in range(96 * 205)]
    dates = [
        f"{str(t - 1)[8:10]}-{str(t - 1)[5:7]}-2018 {str(t)[11:16]}" for t in times
    ]  # midnight still carries the old date
    table(root / "Steel_industry_data.csv", {"date": dates, "Usage_kWh": range(96 * 205)})


def test_a_quarter_of_an_hour_begins_where_its_stamp_ends(tmp_path: Path) -> None:
    steel_layout(tmp_path)
    (train,), (test,) = steel.load(tmp_path)
    assert str(np.datetime64(int(train.t_ns[0]), "ns"))[:16] == "2018-01-01T00:00"
    assert train.t_ns.size == 203 * 96
    assert test.values[0, 0] == 203 * 96
    assert test.labels is None


def test_stamps_that_are_not_those_of_the_steel_plant_are_refused(tmp_path: Path) -> None:
    steel_layout(tmp_path, shift=1)
    with pytest.raises(RecordingError, match=r"not every 15 min from 00:15"):
        steel.load(tmp_path)


def test_the_research_facility_begins_on_a_wednesday(tmp_path: Path) -> None:
    (tmp_path / "power_data.txt").write_text("\n".join(map(str, range(96 * 204))), "utf-8")
    (train,), (test,) = power_demand.load(tmp_path)
    assert str(np.datetime64(int(train.t_ns[0]), "ns"))[:10] == "1997-01-01"
    assert (train.t_ns.size, test.t_ns.size) == (203 * 96, 96)
    (tmp_path / "power_data.txt").write_text("1 2\n", "utf-8")
    with pytest.raises(RecordingError, match="2 values a line"):
        power_demand.load(tmp_path)


def test_an_hour_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    times = stamps(40, "1h")
    times[20] = times[19]
    empty = {name: [""] * 40 for name in pjm.REGIONS}
    table(tmp_path / "est_hourly.csv", {"Datetime": times} | empty | {"PJME": range(40)})
    (train,), (test,) = pjm.load(tmp_path, ["PJME"])
    assert (train.t_ns.size, test.t_ns.size) == (23, 16)
    with pytest.raises(RecordingError, match="'FE' holds no number"):
        pjm.load(tmp_path, ["FE"])


def test_series_with_known_causes_are_marked_by_their_windows(tmp_path: Path) -> None:
    name = "realKnownCause/pump.csv"
    table(tmp_path / "data" / name, {"timestamp": stamps(100, "5m"), "value": range(100)})
    (tmp_path / "labels").mkdir()
    windows = tmp_path / "labels" / "combined_windows.json"
    windows.write_text(
        json.dumps({name: [["2020-03-01 14:10:00.000000", "2020-03-01 14:20:00"]]}), "utf-8"
    )
    (train,), (test,) = nab.load(tmp_path)
    assert train.labels is None
    assert test.labels is not None
    assert int(test.labels.sum()) == 3
    windows.write_text("{}", "utf-8")
    with pytest.raises(RecordingError, match=r"no windows of realKnownCause/pump\.csv"):
        nab.load(tmp_path)
    windows.unlink()
    with pytest.raises(RecordingError, match="download"):
        nab.load(tmp_path)


def test_each_type_of_compressor_is_a_device(tmp_path: Path) -> None:
    for name in ("train_data.csv", "test_data.csv"):
        columns = {signal: rng().random(16).tolist() for signal in compressor8.SIGNALS}
        table(tmp_path / name, columns | {"type": [i % 8 for i in range(16)]})
    train, test = compressor8.load(tmp_path)
    assert [r.device for r in train] == list(compressor8.DEVICES)
    assert test[3].t_ns[0] - train[3].t_ns[-1] == compressor8.PERIOD_NS
    columns = {signal: [1.0] for signal in compressor8.SIGNALS}
    table(tmp_path / "train_data.csv", columns | {"type": [0]})
    with pytest.raises(RecordingError, match="no rows of type 1"):
        compressor8.load(tmp_path)
    shutil.copy(tmp_path / "test_data.csv", tmp_path / "train_data.csv")
    table(tmp_path / "test_data.csv", {"type": [0]})
    with pytest.raises(RecordingError, match=r"test_data\.csv: no column 'air_inflow'"):
        compressor8.load(tmp_path)


def test_what_is_no_archive_of_arrays_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Bearing1_1.npz").write_bytes(b"PK no such thing")
    with pytest.raises(RecordingError, match=r"Bearing1_1\.npz: cannot be read"):
        pronostia.load(tmp_path)
