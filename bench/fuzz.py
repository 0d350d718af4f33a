"""Mutated payloads of every format through the whole core: no crash, no growth, all counted.

PYTHONPATH=tests python bench/fuzz.py [COUNT] [SEED] writes bench/results/fuzz.md; `fuzz` is for
the proof.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import psutil
from machine import cpu, made, written
from payloads import CASES, LIFE, SPARKPLUG, golden, mutated
from plants import CONFIG, SECOND, START, agent

from edge_anomaly.files.config import parse
from edge_anomaly.values import Message

__all__ = ["Fuzzed", "fuzz", "main"]

BATCH = 250  # messages
YOUTH = 200  # likewise
RESULT = Path(__file__).parent / "results" / "fuzz.md"
HOSTILE = (b"", b"\0", b"[" * 5000, b"\x81" * 5000, b"{" * 5000, b"\xff" * 64, b" " * (1 << 15))


@dataclass
class Fuzzed:
    """What came of the payloads."""

    sent: Counter[str] = field(default_factory=Counter)  # by format
    used: Counter[str] = field(default_factory=Counter)  # gave readings, and nothing was refused
    told: Counter[str] = field(default_factory=Counter)  # something was refused and counted
    empty: Counter[str] = field(default_factory=Counter)  # sound, and say nothing: `[]`, a comment
    codes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    grown_bytes: int = 0  # memory since a tenth of the way

    @property
    def counted(self) -> bool:
        """Whether every payload is accounted for."""
        return (self.used + self.told + self.empty) == self.sent


def fuzz(count: int, seed: int = 0) -> Fuzzed:
    """Send `count` mutated payloads, those of all formats in turn.

    Raises:
        Exception: Whatever the core raised; it must not.
    """
    rules = parse(_config())
    # One lives all the time and shows what grows. In it the first good clock that is ahead makes
    # the golden times late, so every other payload goes to one that is young.
    living = [agent(rules), agent(rules)]
    refused: Counter[str] = Counter()
    rng = random.Random(seed)  # noqa: S311 - no secret
    payloads = _mutated(rng)
    found, process = Fuzzed(), psutil.Process()
    began, before, now = time.perf_counter(), 0, START
    for number in range(count):
        if number == count // 10:
            before = process.memory_info().rss
        name, message = next(payloads)
        if number % YOUTH == 1:
            refused.update(living[1][0].rejected)
            living[1] = agent(rules)
        core, monitor = living[number % 2]
        told, read = sum(core.rejected.values()), _readings(monitor)
        core.receive([message], now)
        found.sent[name] += 1
        if sum(core.rejected.values()) > told:
            found.told[name] += 1
        elif _readings(monitor) > read:
            found.used[name] += 1
        else:
            found.empty[name] += 1
        if number % BATCH < len(living):
            now += SECOND // 10
            core.tick(now)
    found.seconds = time.perf_counter() - began
    found.grown_bytes = process.memory_info().rss - before
    for core, _ in living:
        refused.update(core.rejected)
    found.codes = dict(sorted(refused.items()))
    return found


def _readings(monitor: Any) -> int:
    return int(monitor.timeline.readings)


def _config() -> str:
    """An input for every golden payload, each below a topic of its own."""
    inputs = []
    for name, (_, options, *_) in CASES.items():
        if options["topic"].startswith("x/{device}"):
            topic = options["topic"].replace("x/", f"{name}/", 1)
        else:
            topic = name
        inputs.append(options | {"topic": topic, "lateness": "1s"})
    inputs.append(SPARKPLUG | {"rebirth_every": "1s"})
    head = CONFIG[: CONFIG.index("inputs:")]
    tail = CONFIG[CONFIG.index("models:") :]
    return f"{head}inputs: {msgspec.json.encode(inputs).decode()}\n{tail}"


def _mutated(rng: random.Random) -> Iterator[tuple[str, Message]]:
    """Format and message, for ever; every hundredth is hostile, every tenth as it should be."""
    life = [(topic.replace("/n", "/c-1"), golden(file)) for topic, file in LIFE]
    single = [
        (options["format"], _topic(name, options["topic"]), golden(file))
        for name, (file, options, *_) in CASES.items()
    ]
    while True:
        for name, topic, payload in [
            *single,
            *(("sparkplug", topic, payload) for topic, payload in life),
        ]:
            chance = rng.random()
            if chance < 0.01:
                yield name, Message(topic, rng.choice(HOSTILE))
            elif chance < 0.1:
                yield name, Message(topic, payload)
            else:
                yield name, Message(topic, mutated(payload, rng))


def _topic(name: str, topic: str) -> str:
    rest = topic.removeprefix("x").replace("{device}", "c-1").replace("{signal}", "flow")
    return f"{name}{rest}"


def _head(count: int, seed: int) -> str:
    """The command, and what it ran on."""
    libraries = ("msgspec", "cbor2", "protobuf", "line-protocol-parser")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return (
        f"`PYTHONPATH=tests python bench/fuzz.py {count} {seed}`; {cpu()}; seed {seed}; {made()}, "
        f"{versions}."
    )


def main() -> None:
    """Fuzz, and write the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    found = fuzz(count, seed)
    rows = [
        f"| {name} | {found.sent[name]:,} | {found.used[name]:,} | {found.told[name]:,} "
        f"| {found.empty[name]:,} |"
        for name in sorted(found.sent)
    ]
    codes = ", ".join(f"{code} {times:,}" for code, times in found.codes.items())
    text = "\n".join(
        [
            "# Fuzz: mutated payloads of every format through the core",
            "",
            _head(count, seed),
            "",
            "| format | payloads | used | refused, wholly or in part | sound and empty |",
            "|---|---:|---:|---:|---:|",
            *rows,
            "",
            (
                f"Crashes: 0. Not accounted for: {0 if found.counted else 'some'}. "
                f"Memory since a tenth of the way: {found.grown_bytes / 1e6:+.1f} MB. "
                f"{found.seconds:.0f} s, {found.seconds / count * 1e6:.0f} us a payload."
            ),
            "",
            f"Reasons, counted by part: {codes}.",
            "",
        ]
    )
    written(text, RESULT)


if __name__ == "__main__":
    main()
