"""Snapshots of a logger, which start whenever it likes, through the whole core."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from plants import of

from edge_anomaly.adapters.bundles import load_model, read_bundle
from edge_anomaly.core import Core
from edge_anomaly.demo.command import bundle_of, configuration
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import parse
from edge_anomaly.monitor import Monitor
from edge_anomaly.plants.bearings import DEVICES, PLANT, SCALE, Bearings
from edge_anomaly.plants.vibration import RATE, SNAPSHOT
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer
from edge_anomaly.values import Message, Publish

FOLDER: Path = bundle_of(PLANT)
STEP_NS = round(1e9 / RATE)
LENGTH_NS = SNAPSHOT * STEP_NS  # 0.46 s
START_NS = 1_704_067_203_141_592_653  # on no multiple of anything
MINUTE_NS = 60 * 10**9
# From the end of one to the start of the next; 2 ms is twice as long as a value is held.
PAUSES_NS = [10 * MINUTE_NS, 10**9, 10**9 + 12_345, 300_000_007, 2_000_000, 7 * MINUTE_NS + 1]


@pytest.fixture(scope="module")
def shipped() -> tuple[Bundle, Model]:
    bundle = read_bundle(FOLDER)
    return bundle, load_model(bundle, FOLDER)


@pytest.fixture(scope="module")
def heard() -> NDArray[np.int16]:
    """What one shaft sends, (snapshots, samples, bearings)."""
    _, whole = Bearings(7).step(len(PAUSES_NS) + 1)
    counts: NDArray[np.int16] = np.rint(whole[:, 0].transpose(0, 2, 1) / SCALE).astype(np.int16)
    return counts


def starts(pauses_ns: Sequence[int]) -> list[int]:
    return [START_NS + i * LENGTH_NS + sum(pauses_ns[:i]) for i in range(len(pauses_ns) + 1)]


def core(shipped: tuple[Bundle, Model]) -> Core:
    rules = parse(configuration(PLANT, "embedded:"))
    monitor = Monitor(*shipped, rules.models[0], rules.inputs)
    return Core(rules, [monitor], version="1.2.3", config_sha256="c0ffee")


def message(start_ns: int, samples: NDArray[np.int16]) -> Message:
    topic = f"plant/{DEVICES[0]}/vibration"
    return Message(topic, np.int64(start_ns).tobytes() + samples.tobytes())


def test_each_is_scored_once_and_whole_whenever_it_starts(
    shipped: tuple[Bundle, Model], heard: NDArray[np.int16]
) -> None:
    agent, sent = core(shipped), list[Publish]()
    for start_ns, samples in zip(starts(PAUSES_NS), heard, strict=True):
        sent += agent.receive([message(start_ns, samples)], start_ns + LENGTH_NS)
        sent += agent.tick(start_ns + LENGTH_NS + 1_000_000)
        after = core(shipped)
        after.restore(agent.snapshot())
        agent = after
    found = of(sent, "score")
    assert [one["coverage"] for one in found] == [1] * len(heard)
    assert [one["ts_ms"] for one in found] == [
        (start // STEP_NS + SNAPSHOT) * STEP_NS // 10**6 for start in starts(PAUSES_NS)
    ]
    # The score is that of the samples alone: nothing held is among them. One at a time,
    # as a graph of 8 bits takes its scales from the whole batch.
    scorer, zero = Scorer(*shipped), np.zeros(1, np.int64)
    blocks = heard[:, np.newaxis].astype(np.float32) * np.float32(SCALE)
    alone = [scorer.score(block, zero, zero + i).score[0] for i, block in enumerate(blocks)]
    np.testing.assert_allclose([one["score"] for one in found], alone, rtol=1e-4)


def test_a_backlog_in_one_go_gives_the_scores_of_the_live_run(
    shipped: tuple[Bundle, Model], heard: NDArray[np.int16]
) -> None:
    live, later = core(shipped), core(shipped)
    messages = [message(*one) for one in zip(starts(PAUSES_NS), heard, strict=True)]
    now_ns = starts(PAUSES_NS)[-1] + LENGTH_NS
    one_by_one = [out for one in messages for out in live.receive([one], now_ns)]
    one_by_one += live.tick(now_ns + 10**9)
    at_once = [*later.receive(messages, now_ns), *later.tick(now_ns + 10**9)]
    assert len(of(at_once, "score")) == len(messages)
    assert msgspec.json.encode(of(at_once, "score")) == msgspec.json.encode(of(one_by_one, "score"))
