"""An agent that is killed at random moments, and the same without: what a subscriber sees."""

import os
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.values import Message
from proof import plant
from proof.plant import BASE, DEVICES, PERIOD_S, START_S, Ledger, plain

__all__ = [
    "PATIENCE_S",
    "Compared",
    "Gateway",
    "compare",
    "has_last_scores",
    "killed",
    "pouring",
    "until",
    "watching",
]

PATIENCE_S = 120.0
AGAIN = {"late", "duplicate"}  # what the time grid says of a reading that it has had
AT_WORK = 0.8  # share of the kills
STORE = "store: {path: state, checkpoint: 2s}"


class Gateway:
    """`edge-agent --config` as a process that can be killed and started again."""

    def __init__(self, folder: Path, text: str) -> None:
        self._file = folder / "plant.yaml"
        self._file.write_text(text, "utf-8")
        self._log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self._began = 0  # of the present process, in the log

    @property
    def log(self) -> str:
        """Everything that it said on standard error."""
        return self._log.read_text("utf-8", "replace")

    @property
    def resident_mb(self) -> float:
        """Resident memory of the process, 10^6 bytes; Linux only."""
        if self.process is None:
            return 0.0
        pages = Path(f"/proc/{self.process.pid}/statm").read_text("utf-8").split()[1]
        return int(pages) * resource.getpagesize() / 1e6

    @property
    def at_work(self) -> bool:
        """Whether the present process has connected."""
        return b" connected to " in self._log.read_bytes()[self._began :]

    def start(self) -> None:
        """Begin a process; it is not online yet."""
        variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with self._log.open("ab") as log:
            self._began = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge_anomaly", "--config", str(self._file)],
                stderr=log,
                env=variables,
            )
        self.starts += 1

    def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """End it by SIGTERM; the exit status."""
        if self.process is None:
            raise RuntimeError("it does not run")
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@contextmanager
def watching(url: str) -> Iterator[Ledger]:
    """A subscriber to everything that the agent says."""
    ledger = Ledger()
    with PlainClient(url, [f"{BASE}/#"], ledger.take):
        yield ledger


@contextmanager
def pouring(url: str, many: Sequence[Message], rate: float) -> Iterator[threading.Thread]:
    """A plant that publishes at QoS 1, `rate` messages a second, in a thread."""
    failed: list[Exception] = []

    def pour() -> None:
        try:
            with PlainClient(url) as client:
                began = time.monotonic()
                for number, (topic, payload, *_) in enumerate(many):
                    client.publish(topic, payload)
                    if number % 20 == 0:
                        time.sleep(max(0.0, began + number / rate - time.monotonic()))
                if not client.flush(PATIENCE_S):
                    failed.append(RuntimeError("the broker did not take everything"))
        except Exception as exc:  # noqa: BLE001 - told where the thread is waited for
            failed.append(exc)

    thread = threading.Thread(target=pour, daemon=True)
    thread.start()
    yield thread
    thread.join()
    if failed:
        raise failed[0]


def until(condition: Callable[[], bool], what: str, within_s: float = PATIENCE_S) -> None:
    """Return once `condition` holds.

    Raises:
        RuntimeError: It does not in time.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {within_s} s: {what}")
        time.sleep(0.02)


def has_last_scores(ledger: Ledger, slots: int) -> bool:
    """Whether every machine's last window has been told."""
    end_ms = (START_S + slots * PERIOD_S) * 1000
    return all((device, end_ms) in ledger.scores for device in DEVICES)


def killed(
    url: str, folder: Path, slots: int, *, kills: int, rate: float, seed: int
) -> tuple[Ledger, str]:
    """Run the plant, killing the agent `kills` times; what was seen, and the agent's log."""
    many = [one for slot in plant.messages(slots, seed) for one in slot]
    moments = random.Random(seed)  # noqa: S311 - no secret
    text = plant.config(url, more=STORE)
    with watching(url) as ledger, Gateway(folder, text) as gateway:
        until(ledger.online, "online")
        with pouring(url, many, rate):
            for _ in range(kills):
                # Most of them at work, some before that, wherever a start has come to.
                if moments.random() < AT_WORK:
                    until(lambda: gateway.at_work, "at work")
                    time.sleep(moments.uniform(0.0, 0.6))
                else:
                    time.sleep(moments.uniform(0.0, 1.0))
                gateway.kill()
                gateway.start()
        until(lambda: has_last_scores(ledger, slots), "the last scores")
        until(lambda: gateway.at_work, "at work")  # before it heeds signals, SIGTERM just ends it
        if gateway.stop():
            raise RuntimeError(gateway.log)
        until(lambda: not ledger.online(), "stopped")
        return ledger, gateway.log


@dataclass(frozen=True)
class Compared:
    """A run with faults beside one without."""

    events: int  # of the uninterrupted run
    missing: int
    unexpected: int
    different: int  # same id and number, other content
    contradicted: int  # two deliveries of one that differ
    repeated: int  # deliveries of events beyond the first
    scores: int
    scores_missing: int
    worst: float  # largest relative difference of a score
    twice: int  # readings that came again and were told from the first: late, or duplicates
    unused: int  # readings refused for any other reason

    @property
    def right(self) -> bool:
        """Whether nothing is lost, nothing is new and nothing differs beyond rounding."""
        wrong = (self.missing, self.unexpected, self.different, self.contradicted)
        return not any((*wrong, self.scores_missing, self.unused)) and self.worst < 1e-3


def compare(seen: Ledger, expected: Ledger, *, through_broker: bool = False) -> Compared:
    """What differs once repetitions are dropped.

    Args:
        seen: Of the run with faults.
        expected: Of the run without.
        through_broker: It was the broker that failed: scores, at QoS 0, may be lost in it.
    """
    both = seen.events.keys() & expected.events.keys()
    shared = seen.scores.keys() & expected.scores.keys()
    worst = 0.0
    for key in shared:
        a, b = seen.scores[key], expected.scores[key]
        if (a is None) != (b is None):
            worst = float("inf")
        elif a is not None and b is not None:
            worst = max(worst, abs(a - b) / max(abs(b), 1e-9))
    return Compared(
        events=len(expected.events),
        missing=len(expected.events.keys() - seen.events.keys()),
        unexpected=len(seen.events.keys() - expected.events.keys()),
        different=sum(plain(seen.events[key]) != plain(expected.events[key]) for key in both),
        contradicted=len(seen.contradicted),
        repeated=seen.repeated["event"],
        scores=len(expected.scores),
        scores_missing=0 if through_broker else len(expected.scores) - len(shared),
        worst=worst,
        twice=sum(count for code, count in seen.errors.items() if code in AGAIN),
        unused=sum(count for code, count in seen.errors.items() if code not in AGAIN),
    )
