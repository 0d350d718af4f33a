"""The core's hot path: bytes to readings, readings to slots, windows to scores."""

import itertools
from pathlib import Path

import msgspec
import numpy as np
import pytest
from gateway_run import BUNDLE, config
from pytest_benchmark.fixture import BenchmarkFixture

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.compose import compose
from edge_anomaly.core import Core
from edge_anomaly.plants import PERIOD_S, Compressors
from edge_anomaly.scoring import Scorer
from edge_anomaly.simulate import START_S
from edge_anomaly.values import Message
from edge_kernels import ACCEPTED, Readings, ingest, new_due, new_grid, samples

DEVICES, SIGNALS = Compressors.devices, Compressors.signals
READINGS = 2000  # of a batch: 50 slots of 4 devices with 10 signals
SLOTS = READINGS // (len(DEVICES) * len(SIGNALS))
NOW_NS = round((START_S + 10**9) * 1e9)


@pytest.fixture
def core(tmp_path: Path) -> Core:
    file = tmp_path / "plant.yaml"
    file.write_text(config("mqtt://127.0.0.1:1"), "utf-8")
    return compose(file)[1]


def batch(first: int, values: list[list[list[float]]]) -> list[Message]:
    """Slots from `first` on, one message a reading."""
    return [
        Message(
            f"plant/{device}/{signal}",
            msgspec.json.encode({"t": START_S + slot * PERIOD_S, "v": value}),
        )
        for slot, machines in enumerate(values, first)
        for device, row in zip(DEVICES, machines, strict=True)
        for signal, value in zip(SIGNALS, row, strict=True)
    ]


def bench_receive(benchmark: BenchmarkFixture, core: Core) -> None:
    """2,000 JSON messages, the 200 windows in them scored, all to be published encoded."""
    values = Compressors(1).step(SLOTS)[1].astype(np.float64).tolist()
    core.receive(batch(0, values), NOW_NS)  # every window from here on is whole
    first = itertools.count(SLOTS, SLOTS)

    def following() -> tuple[tuple[list[Message], int], dict[str, object]]:
        return (batch(next(first), values), NOW_NS), {}

    said = benchmark.pedantic(core.receive, setup=following, rounds=30)  # type: ignore[no-untyped-call] # theirs
    assert sum(item.topic.endswith("/score") for item in said) == SLOTS * len(DEVICES)
    assert not core.rejected
    benchmark.extra_info["readings"] = READINGS


def bench_ingest(benchmark: BenchmarkFixture) -> None:
    """50,000 readings of 100 devices with 10 signals into slots, windows of 30 cut out."""
    devices, signals, period = 100, 10, 10**9
    size = np.full(devices, 0)
    grid = new_grid(
        np.zeros((devices, signals), np.float32),
        window=30, period=period, lateness=size, max_gap=size + 3 * period,
    )  # fmt: skip
    due = new_due(grid, devices * 50)
    n = devices * signals * 50
    first = itertools.count(1, 50)
    index = np.arange(n)
    slot, cell = index // (devices * signals), index % (devices * signals)
    outcome = np.zeros(n, np.uint8)

    def following() -> tuple[tuple[Readings], dict[str, object]]:
        t_ns = (next(first) + slot) * period
        return (Readings(cell // signals, cell % signals, t_ns, np.ones(n, np.float32)),), {}

    def place(readings: Readings) -> tuple[int, int]:
        return ingest(grid, readings, outcome, due, start=0, arrived=2**60, max_future=0)

    place(following()[0][0])
    done, windows = benchmark.pedantic(place, setup=following, rounds=30)  # type: ignore[no-untyped-call] # theirs
    assert done == n
    assert (outcome == ACCEPTED).all()
    assert windows == devices * 50  # the slot that was open before, and all but the newest
    benchmark.extra_info["readings"] = n


@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def bench_blocks(benchmark: BenchmarkFixture, together: bool) -> None:  # noqa: FBT001 - a case
    """A second of 4 channels at 20 kHz, in blocks of 4096, windows of 9216 every 1024 cut out."""
    channels, period, n, rounds = 4, 50_000, 4096, 5
    size = np.full(1, 2 * n * period)  # a lateness of two blocks
    grid = new_grid(
        np.zeros((1, channels), np.float32),
        window=9216, period=period, lateness=size, max_gap=size, hop=1024,
    )  # fmt: skip
    due = new_due(grid, 16)
    wave = np.random.default_rng(0).normal(size=(n, channels)).astype(np.float32)
    parts = [np.arange(channels)] if together else [np.array([c]) for c in range(channels)]
    first = itertools.count(0, n)

    def place() -> int:
        found = 0
        for _ in range(rounds):
            begin = next(first) * period
            for part in parts:
                block = samples(0, part, begin, float(period), wave[:, part])
                outcome, at = np.zeros(block.device.size, np.uint8), 0
                while at < outcome.size:
                    at, count = ingest(
                        grid, block, outcome, due, start=at, arrived=2**60, max_future=0
                    )
                    found += count
                assert (outcome == ACCEPTED).all()
        return found

    place()
    assert benchmark.pedantic(place, rounds=20) == rounds * n // 1024  # type: ignore[no-untyped-call] # theirs
    benchmark.extra_info["samples"] = rounds * n * channels


@pytest.mark.parametrize("size", [1, 32, 128])
def bench_score(benchmark: BenchmarkFixture, size: int) -> None:
    """Windows through the graph and the whole recipe."""
    bundle = read_bundle(BUNDLE)
    scorer = Scorer(bundle, load_model(bundle, BUNDLE))
    values = Compressors(1).step(30 + size)[1]
    device = np.arange(size) % len(DEVICES)
    window = np.stack([values[i : i + 30, d] for i, d in enumerate(device)])
    scores = benchmark(scorer.score, window, device, np.arange(size) // len(DEVICES))
    assert np.isfinite(scores.score).all()
    benchmark.extra_info["windows"] = size
