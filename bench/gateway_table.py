"""The agent on a gateway: delay, readings a second, memory, start. bench/results/gateway.md.

    python bench/gateway_table.py

Everything is measured from outside: the real command in its own process, a real broker in
another, the readings and the stopwatch in this one. Linux only, since it reads /proc.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from gateway_run import Agent, Watcher, agent, config, faulty, messages, watching
from machine import cpu, made, written
from numpy.typing import NDArray

from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.plants import PERIOD_S, Compressors
from edge_anomaly.simulate import START_S

WINDOWS = 500  # timed one by one, lateness 0 s
# Between them. Closer than 40 ms the broker's kernel holds a message back until ours has
# confirmed the one before (Nagle's algorithm, which rumqttd leaves on).
PACE_S = 0.06
PATIENT_WINDOWS, TURN_S = 48, 0.6  # with 2 s; each device's turn comes after four of these
SLOTS, ROUNDS = 750, 3  # of four machines with ten signals: 30,000 readings a round
COLD, WARM = 3, 7  # starts
FLUSH_S = 60.0
OUT = Path(__file__).parent / "results" / "gateway.md"
TORCHLESS = """\
import sys, edge_anomaly.cli
print(sum(name.partition(".")[0].startswith("torch") for name in sys.modules))"""


def starts(url: str, watcher: Watcher) -> tuple[list[float], list[float], float]:
    """Seconds to `online`, cold and warm, and memory then."""
    cold, warm, memory = [], [], []
    for _ in range(COLD):
        with (
            tempfile.TemporaryDirectory(prefix="edge-agent-bench-") as folder,
            agent(config(url), watcher, kernels=Path(folder)) as one,
        ):
            cold.append(one.start_s)
    for _ in range(WARM):
        with agent(config(url), watcher) as one:
            warm.append(one.start_s)
            memory.append(one.rss_mb)
    return cold, warm, statistics.median(memory)


def delays(url: str, watcher: Watcher) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds from a window's last sample to its score, and to its alarm event if any."""
    watcher.events.clear()
    scores, sent = [], {}
    with agent(config(url), watcher), PlainClient(url) as client:
        for slot, [*most, last] in enumerate(messages(faulty(WINDOWS + 30), ("c-1",))):
            for topic, payload, *_ in most:
                client.publish(topic, payload)
            client.flush(FLUSH_S)
            time.sleep(PACE_S)
            began = time.perf_counter()
            client.publish(last.topic, last.payload)
            arrived = watcher.wait_for_score("c-1", slot)
            if slot >= 30:  # before it there is no whole window
                scores.append(arrived - began)
            sent["c-1", round((START_S + (slot + 1) * PERIOD_S) * 1000)] = began
    alarms = [when - sent[key] for key, when in watcher.events.items()]
    return np.array(scores) * 1e3, np.array(alarms) * 1e3


def patient_delays(url: str, watcher: Watcher) -> NDArray[np.float64]:
    """The same to the score with a lateness of 2 s; four machines take turns."""
    devices = Compressors.devices
    turns = PATIENT_WINDOWS // len(devices)
    slots = messages(Compressors(3).step(30 + turns)[1])
    sent: dict[tuple[str, int], float] = {}
    watcher.scores.clear()
    with agent(config(url, lateness="2s"), watcher), PlainClient(url) as client:
        for slot, readings in enumerate(slots):
            for number, device in enumerate(devices):
                for topic, payload, *_ in readings[number * 10 : number * 10 + 10]:
                    sent[device, slot] = time.perf_counter()
                    client.publish(topic, payload)
                client.flush(FLUSH_S)
                if slot >= 30:
                    time.sleep(TURN_S)
        last = {
            key: watcher.wait_for_score(*key) - when for key, when in sent.items() if key[1] >= 30
        }
    return np.array(list(last.values())) * 1e3


def drain(
    url: str, watcher: Watcher, qos: int, store: str = ""
) -> tuple[list[float], list[float], float]:
    """Readings a second, processor time a reading (us), and memory afterwards.

    The agent is halted while the broker takes a backlog, so that nobody competes with it
    when it goes on.
    """
    rates, costs = [], []
    slots = messages(Compressors(5).step(SLOTS * ROUNDS)[1])
    with agent(config(url, qos=qos, store=store), watcher) as one, PlainClient(url) as client:
        for start in range(0, SLOTS * ROUNDS, SLOTS):
            watcher.scores.clear()
            one.process.send_signal(signal.SIGSTOP)
            for number, readings in enumerate(slots[start : start + SLOTS]):
                for topic, payload, *_ in readings:
                    client.publish(topic, payload)
                if number % 10 == 9:
                    client.flush(FLUSH_S)
            spent, began = one.cpu_s, time.perf_counter()
            one.process.send_signal(signal.SIGCONT)
            end = max(watcher.wait_for_score(d, start + SLOTS - 1) for d in Compressors.devices)
            count = SLOTS * len(slots[0])
            expected = SLOTS * len(Compressors.devices)
            if len(watcher.scores) != expected:
                raise RuntimeError(f"{len(watcher.scores)} scores of {expected}: some were lost")
            rates.append(count / (end - began))
            costs.append((one.cpu_s - spent) / count * 1e6)
        memory = one.rss_mb
    return rates, costs, memory


def torch_files(one: Agent) -> list[str]:
    """Mapped files that belong to torch."""
    return sorted(name for name in one.mapped if "torch" in name.lower())


def torch_modules() -> int:
    """Modules of torch that importing the whole command line loads."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    found = subprocess.run(
        [sys.executable, "-c", TORCHLESS], capture_output=True, check=True, env=variables
    )
    return int(found.stdout)


def milliseconds(values: NDArray[np.float64]) -> str:
    """Cells of a row: number, median, p99."""
    return f"{values.size} | {np.median(values):,.1f} | {np.quantile(values, 0.99):,.1f}"


def report() -> str:
    """Measure; the tables as Markdown."""
    with EmbeddedBroker() as broker, watching(broker.url) as watcher:
        cold, warm, memory = starts(broker.url, watcher)
        with agent(config(broker.url), watcher) as one:
            files, mapped = torch_files(one), len(one.mapped)
        scores, alarms = delays(broker.url, watcher)
        patient = patient_delays(broker.url, watcher)
        at = {
            (qos, store): drain(broker.url, watcher, qos, store)
            for qos, store in ((0, ""), (1, ""), (1, "normal"), (1, "full"))
        }
    lines = [
        "# The agent on a gateway",
        "",
        "Made by `python bench/gateway_table.py`: the demo's bundle (4 compressors, 10 signals,",
        "windows of 30 slots), `edge-agent --config` in its own process, the embedded broker in",
        "another, both on this machine. JSON, one reading a message.",
        "",
        f"{cpu()}, {os.cpu_count()} cores; {made()}",
        "",
        "## From the last sample of a window to its verdict at a subscriber",
        "",
        "From just before the sample is sent to the broker until the subscriber has the message;",
        f"a window every {PACE_S * 1e3:.0f} ms and more.",
        "With a lateness, a window waits that long for samples that may still come: there the",
        "configured 2 s dominate, and what is beyond them is the agent.",
        "",
        "| what | lateness | windows | p50 ms | p99 ms |",
        "|---|---:|---:|---:|---:|",
        f"| score, one device | 0 s | {milliseconds(scores)} |",
        f"| alarm event (QoS 1), one device | 0 s | {milliseconds(alarms)} |",
        f"| score, four devices in turn | 2 s (default) | {milliseconds(patient)} |",
        "",
        "## Readings a second",
        "",
        f"A backlog of {SLOTS * 40:,} readings drained, every window scored and published;",
        f"median of {ROUNDS} rounds. Processor time of all the agent's threads.",
        "",
        "With a store, a reading is acknowledged once it is on disk, in groups; `full` waits for",
        "the disk itself at each commit (fsync), `normal` only for the system.",
        "",
        "| QoS | store | readings/s | lowest | us of processor a reading | RSS afterwards MB |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for (qos, store), (rates, costs, after) in at.items():
        lines.append(
            f"| {qos} | {store or '-'} | {statistics.median(rates):,.0f} | {min(rates):,.0f} "
            f"| {statistics.median(costs):.1f} | {after:.0f} |"
        )
    lines += [
        "",
        "## Memory and start",
        "",
        "From the start of the process until `online` is retained at the broker. Without compiled",
        "kernels those that the config's bundle uses are compiled first: the first start of an",
        "installation whose image was built without `edge-agent warm`.",
        "",
        "| | median | starts |",
        "|---|---:|---:|",
        f"| start, kernels in the cache | {statistics.median(warm):.2f} s | {len(warm)} |",
        f"| start, cache empty | {statistics.median(cold):.1f} s | {len(cold)} |",
        f"| RSS when online | {memory:.0f} MB | {len(warm)} |",
        "",
        "## No torch",
        "",
        (
            f"Of {mapped} files that the running agent has mapped (/proc/PID/maps), "
            f"{len(files)} belong to torch{': ' + ', '.join(files) if files else ''}; "
            f"`import edge_anomaly.cli` loads {torch_modules()} modules of it. "
            "torch is installed in this environment."
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = report()
    written(text, OUT)


if __name__ == "__main__":
    main()
