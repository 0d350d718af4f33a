"""What every bundle of every family must do; a family is added in conformance.py."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conformance import CASES, Case
from numpy.typing import NDArray

from edge_anomaly.files.bundle import MANIFEST, ONNX, ONNX_INT8, TORCHSCRIPT, Bundle
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer, Scores, check_golden, tolerance
from edge_export.bundles.package import read_bundle
from edge_export.bundles.train import Plan, train_bundle
from edge_export.data.recordings import Recording, Slicing, Windows, windows
from edge_export.graphs.verify import load_model

Floats = NDArray[np.float32]


class Trained(NamedTuple):
    folder: Path
    bundle: Bundle
    model: Model
    run: Windows  # of all devices in turns, as the agent would meet them


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def trained(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    recordings: list[Recording],
) -> Trained:
    case: Case = request.param
    some = recordings if case.recordings is None else list(case.recordings())
    out = tmp_path_factory.mktemp("conformance") / "bundle"
    plan = Plan(name="one", torchscript=case.torchscript, rule=case.rule)
    bundle = train_bundle(case.family, some, case.config, out, plan)
    manifest = bundle.manifest
    slicing = Slicing(bundle.window, manifest.period_ns, manifest.branches[0].hop)
    seen = windows(some, slicing, manifest.devices, bundle.calibration["fill"])
    turns = [np.flatnonzero(seen.device == d)[:60] for d in range(len(manifest.devices))]
    order = np.stack([rows[: min(map(len, turns))] for rows in turns], axis=1).ravel()
    return Trained(out, bundle, load_model(bundle), seen[order])


def score(scorer: Scorer, some: Windows, fresh: NDArray[np.bool_] | None = None) -> Scores:
    return scorer.score(some.window, some.device, some.slot, fresh)


def streamed(scorer: Scorer, some: Windows, size: int = 1) -> tuple[Floats, Floats]:
    """Scores and thresholds, a batch at a time, with all that can be done ahead done."""
    parts = []
    for start in range(0, len(some), size):
        parts.append(score(scorer, some[start : start + size]))
        scorer.prepare()
    return (
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.threshold for part in parts]),
    )


def jump(trained: Trained, signal: int) -> tuple[Windows, NDArray[np.intp]]:
    """The run with a signal of the last device moved in its last slots; which windows show it."""
    run, device = trained.run, trained.run.device[-1]
    onset = run.slot[run.device == device][-3]
    slot = run.slot[:, np.newaxis] - np.arange(run.window.shape[1] - 1, -1, -1)  # (N, W)
    broken = (run.device == device)[:, np.newaxis] & (slot >= onset)
    window = run.window.copy()
    window[..., signal] += broken * 2 * trained.bundle.calibration["scale"][device, signal]
    faulty = Windows(window, run.device, run.slot, run.coverage)
    return faulty, np.flatnonzero(broken.any(axis=1))


def close(got: Floats, want: Floats, *, relative: float = 1e-4) -> None:
    np.testing.assert_allclose(got, want, rtol=relative, atol=relative * np.abs(want).max())


def test_it_answers_its_golden_run_in_every_runtime(trained: Trained) -> None:
    bundle = trained.bundle
    graphs = [branch.graphs for branch in bundle.manifest.branches if branch.graphs]
    for runtime in (ONNX, TORCHSCRIPT, ONNX_INT8):
        if all(runtime in named for named in graphs):
            check_golden(bundle, load_model(bundle, runtime), allowed=tolerance(runtime))


def test_the_golden_run_is_in_time_order_and_long_enough_for_what_remembers(
    trained: Trained,
) -> None:
    golden = trained.bundle.golden
    for d in np.unique(golden.device):
        slots = golden.slot[golden.device == d]
        assert slots.size >= 4
        assert (np.diff(slots) > 0).all()


def test_one_window_at_a_time_scores_as_any_batch(trained: Trained) -> None:
    whole = score(Scorer(trained.bundle, trained.model), trained.run)
    assert np.isfinite(whole.score).all()
    for size in (1, 7):
        got, threshold = streamed(Scorer(trained.bundle, trained.model), trained.run, size)
        close(got, whole.score)
        close(threshold, whole.threshold)


def test_the_order_of_devices_does_not_matter(trained: Trained) -> None:
    run = trained.run
    grouped = np.argsort(run.device, kind="stable")
    want = score(Scorer(trained.bundle, trained.model), run).score
    got = score(Scorer(trained.bundle, trained.model), run[grouped]).score
    close(got, want[grouped])


def test_restored_in_the_middle_it_goes_on_as_if_nothing_had_happened(trained: Trained) -> None:
    half = len(trained.run) // 2
    first = Scorer(trained.bundle, trained.model)
    streamed(first, trained.run[:half], 5)
    second = Scorer(trained.bundle, trained.model)
    second.restore(first.snapshot())
    want, want_threshold = streamed(first, trained.run[half:], 5)
    got, got_threshold = streamed(second, trained.run[half:], 5)
    close(got, want, relative=1e-6)
    close(got_threshold, want_threshold, relative=1e-6)


def test_a_snapshot_is_a_copy_of_plain_arrays(trained: Trained) -> None:
    scorer = Scorer(trained.bundle, trained.model)
    before = scorer.snapshot()
    kept = {name: array.copy() for name, array in before.items()}
    score(scorer, trained.run[:10])
    for name, array in before.items():
        assert type(array) is np.ndarray
        np.testing.assert_array_equal(array, kept[name])


def test_behind_a_gap_a_device_scores_as_one_that_begins(trained: Trained) -> None:
    if trained.bundle.manifest.threshold.rule == "drift":
        pytest.skip("thresholds outlast a gap on purpose; scores are asked below")
    streaming = Scorer(trained.bundle, trained.model)
    half = len(trained.run) // 2
    streamed(streaming, trained.run[:half])
    for d in range(len(trained.bundle.manifest.devices)):
        streaming.forget(d)
    got, _ = streamed(streaming, trained.run[half:])
    want, _ = streamed(Scorer(trained.bundle, trained.model), trained.run[half:])
    close(got, want, relative=1e-6)


def test_fresh_inside_a_batch_is_a_gap(trained: Trained) -> None:
    run, half = trained.run, len(trained.run) // 2
    half -= half % len(trained.bundle.manifest.devices)
    fresh = np.zeros(len(run), np.bool_)
    fresh[half : half + len(trained.bundle.manifest.devices)] = True
    got = score(Scorer(trained.bundle, trained.model), run, fresh).score[half:]
    want = score(Scorer(trained.bundle, trained.model), run[half:]).score
    close(got, want)


@pytest.mark.parametrize("absurd", [np.nan, 3e38, -3e38])
def test_it_survives_readings_that_cannot_be(trained: Trained, absurd: float) -> None:
    run = trained.run
    window = run.window.copy()
    at = 2 * len(trained.bundle.manifest.devices)
    window[at, -1, 0] = absurd
    scorer = Scorer(trained.bundle, trained.model)
    spoilt = Windows(window, run.device, run.slot, run.coverage)
    streamed(scorer, spoilt[: at + 1])
    after, threshold = streamed(scorer, run[at + 1 :])
    settled = 8 * len(trained.bundle.manifest.devices)
    assert np.isfinite(after[settled:]).all()
    assert np.isfinite(threshold).all()
    others = run.device[at + 1 :] != run.device[at]
    want, _ = streamed(Scorer(trained.bundle, trained.model), run)
    if others.any():
        close(after[others], want[at + 1 :][others])


def test_a_jump_of_a_signal_scores_above_healthy_time_and_is_blamed(trained: Trained) -> None:
    """Of some signal: what a projection keeps, its residual cannot show."""
    run, device = trained.run, trained.run.device[-1]
    healthy = score(Scorer(trained.bundle, trained.model), run)
    before = healthy.score[run.device == device][20:].max()  # running values have settled
    told = []
    for signal in range(len(trained.bundle.signals)):
        faulty, hit = jump(trained, signal)
        found = score(Scorer(trained.bundle, trained.model), faulty)
        assert np.isfinite(found.observed).all()
        assert np.isfinite(found.expected).all()
        worst = hit[found.score[hit].argmax()]
        blamed = signal in np.argsort(-found.deviation[worst])[:2]
        told.append(found.score[worst] > before and blamed)
    assert any(told)


def test_it_names_nothing_of_the_machine_that_made_it(trained: Trained) -> None:
    here = str(Path(__file__).parents[2]).encode()
    for file in trained.folder.iterdir():
        assert here not in file.read_bytes()


def test_it_is_read_back_as_it_was_written(trained: Trained) -> None:
    again = read_bundle(trained.folder)
    assert again.sha256 == trained.bundle.sha256
    assert again.manifest == trained.bundle.manifest
    assert (trained.folder / MANIFEST).stat().st_size < 20_000
