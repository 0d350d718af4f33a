"""What the page costs the scoring: bench/results/page.md.

    python bench/page_table.py

The agent as in gateway_table.py, without the page, with it and nobody looking, and with
three pages open that draw a device each. The cases take turns, so that whatever else the
machine does meets all of them alike.
"""

import http.client
import os
import signal
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gateway_run import Agent, Watcher, agent, config, messages, watching
from machine import cpu, made, written

from edge_anomaly.adapters.broker import EmbeddedBroker
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.demo.command import free_page
from edge_anomaly.plants import Compressors
from edge_anomaly.values import Message

SLOTS = 250  # of four machines with ten signals: 10,000 readings a round
WINDOWS, PACE_S = 80, 0.06
ROUNDS = 2
PAGES = 3
FLUSH_S = 60.0
CASES = ("no page", "page, nobody looks", f"page, {PAGES} open")
OUT = Path(__file__).parent / "results" / "page.md"


@contextmanager
def looking(address: str) -> Iterator[list[int]]:
    """Pages that read the stream and ask for a device every two seconds, as the browser does."""
    host, port = address.rsplit(":", 1)
    stop = threading.Event()
    received = [0]

    def stream() -> None:
        with socket.create_connection((host, int(port))) as wire:
            wire.settimeout(0.5)
            wire.sendall(f"GET /events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            while not stop.is_set():
                try:
                    received[0] += len(wire.recv(1 << 16))
                except TimeoutError:
                    continue

    def poll(device: str) -> None:
        while not stop.wait(2.0):
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            connection.request("GET", f"/api/devices/{device}")
            received[0] += len(connection.getresponse().read())
            connection.close()

    threads = [threading.Thread(target=stream) for _ in range(PAGES)]
    threads += [threading.Thread(target=poll, args=(d,)) for d in Compressors.devices[:PAGES]]
    for thread in threads:
        thread.start()
    yield received
    stop.set()
    for thread in threads:
        thread.join()


def once(case: str, url: str, watcher: Watcher) -> tuple[float, float, list[float]]:
    """Readings a second, processor time a reading (us), delays of scores (ms)."""
    address = free_page()
    text = config(url) + ("" if case == CASES[0] else f"web: {address}\n")
    slots = messages(Compressors(5).step(SLOTS + WINDOWS)[1])
    watcher.scores.clear()
    with agent(text, watcher) as one, PlainClient(url) as client:
        if case == CASES[2]:
            with looking(address):
                return measure(one, client, watcher, slots)
        return measure(one, client, watcher, slots)


def measure(
    one: Agent, client: PlainClient, watcher: Watcher, slots: list[list[Message]]
) -> tuple[float, float, list[float]]:
    """The figures of `once`."""
    one.process.send_signal(signal.SIGSTOP)
    for number, readings in enumerate(slots[:SLOTS]):
        for topic, payload, *_ in readings:
            client.publish(topic, payload)
        if number % 10 == 9:
            client.flush(FLUSH_S)
    spent, began = one.cpu_s, time.perf_counter()
    one.process.send_signal(signal.SIGCONT)
    end = max(watcher.wait_for_score(device, SLOTS - 1) for device in Compressors.devices)
    count = SLOTS * len(slots[0])
    rate, cost = count / (end - began), (one.cpu_s - spent) / count * 1e6
    delays = []
    for slot, [*most, last] in enumerate(slots[SLOTS:], SLOTS):
        for topic, payload, *_ in most:
            client.publish(topic, payload)
        client.flush(FLUSH_S)
        time.sleep(PACE_S)
        at = time.perf_counter()
        client.publish(last.topic, last.payload)
        delays.append((watcher.wait_for_score(Compressors.devices[-1], slot) - at) * 1e3)
    return rate, cost, delays


def report() -> str:
    """Measure; the table as Markdown."""
    found: dict[str, list[tuple[float, float, list[float]]]] = {case: [] for case in CASES}
    with EmbeddedBroker() as broker, watching(broker.url) as watcher:
        for _ in range(ROUNDS):
            for case in CASES:
                found[case].append(once(case, broker.url, watcher))
    lines = [
        "# What the page costs the scoring",
        "",
        "Made by `python bench/page_table.py`: the demo's bundle, `edge-agent --config` in its own",
        f"process, the embedded broker in another. A backlog of {SLOTS * 40:,} readings at QoS 1",
        f"drained, then {WINDOWS} windows one by one; {ROUNDS} rounds, the cases in turns; median",
        "of the rounds, delays over all of them. The pages' own work is on the same cores.",
        "",
        f"{cpu()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f} at its end; {made()}",
        "",
        "| | readings/s | us of processor a reading | sample to score p50 ms | p99 ms |",
        "|---|---:|---:|---:|---:|",
    ]
    for case, rounds in found.items():
        delays = np.concatenate([delays for *_, delays in rounds])
        lines.append(
            f"| {case} | {statistics.median(rate for rate, *_ in rounds):,.0f} "
            f"| {statistics.median(cost for _, cost, _ in rounds):.1f} "
            f"| {np.median(delays):.1f} | {np.quantile(delays, 0.99):.1f} |"
        )
    lines += [
        "",
        "Processor time is the agent's own, page included, and the figure to compare: readings a",
        "second and delays also depend on what else the machine does meanwhile.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = report()
    written(text, OUT)


if __name__ == "__main__":
    main()
