"""What a message costs a subscriber: the tap beside a bare paho. bench/results/ingest.md.

    PYTHONPATH=tests python bench/ingest_table.py

A backlog lies at a real broker in a persistent session; each subscriber in its own process
takes it, and its processor time and wall time are what is compared. "Bare" is a paho client
whose callback only counts. Linux only, since it reads the processor time of a process.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import paho.mqtt.client as paho
from brokers import make_mosquitto
from machine import cpu, made, written
from paho.mqtt import __version__ as paho_version
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_anomaly.adapters.mqtt import MqttLink
from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.adapters.mqtt_dial import Identity
from edge_anomaly.files.config import Broker
from edge_anomaly.values import Publish

MESSAGES = 200_000
TOPICS = 1100
ROUNDS = 3
OUT = Path(__file__).parent / "results" / "ingest.md"


def bare(url: str, qos: int, count: int) -> tuple[float, float]:
    """A paho client whose callback only counts: seconds from first to last, and of processor."""
    host, port = url.removeprefix("mqtt://").split(":")
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=MQTTProtocolVersion.MQTTv5
    )
    seen, began, spent = 0, 0.0, 0.0

    def take(*_: object) -> None:
        nonlocal seen, began, spent
        if not seen:
            began, spent = time.perf_counter(), time.process_time()
        seen += 1

    client.on_message = take

    def ask(*_: object) -> None:
        client.subscribe("plant/#", qos)

    client.on_connect = ask
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
    properties.SessionExpiryInterval = 3600
    client.connect(host, int(port), clean_start=False, properties=properties)
    while seen < count:
        client.loop(1.0)
    return time.perf_counter() - began, time.process_time() - spent


def linked(url: str, qos: int, count: int, reader: str) -> tuple[float, float]:
    """The agent's link, each poll acknowledged."""
    link = MqttLink(
        Broker(url=url, reader=reader),  # type: ignore[arg-type] # one of two words
        Identity("subscriber", Publish("status", b"offline")),
        [("plant/#", qos)],
        watched=["plant/#"],
    )
    seen, began, spent = 0, 0.0, 0.0
    while seen < count:
        got = len(link.poll(1.0))
        if got and not seen:
            began, spent = time.perf_counter(), time.process_time()
        seen += got
        link.acknowledge()
    took = time.perf_counter() - began, time.process_time() - spent
    link.close([])
    return took


def subscribe(url: str, kind: str, qos: int, count: int) -> None:
    """What a child process does: print what it took."""
    taken = bare(url, qos, count) if kind == "bare" else linked(url, qos, count, kind)
    sys.stdout.write(json.dumps(taken) + "\n")


def measure(url: str, kind: str, qos: int, count: int) -> tuple[float, float]:
    """Leave `count` messages at the broker, then let a new process have them."""
    child = [sys.executable, __file__, url, kind, str(qos)]
    # Once with a single message, so that the session and its subscription are there.
    with PlainClient(url) as plant:
        first = subprocess.Popen([*child, "1"], stdout=subprocess.PIPE, env=environment())
        while first.poll() is None:
            plant.publish("plant/c-0", b"hello")
            time.sleep(0.1)
        first.communicate()
        for number in range(count):
            body = b'{"t":1700000000.123,"v":%.6f,"q":0}' % (number * 0.001)
            plant.publish(f"plant/machine-{number % TOPICS}/flow", body)
            if number % 10_000 == 0 and not plant.flush(60.0):
                raise RuntimeError("the broker does not take it")
        plant.flush(60.0)
    found = subprocess.run([*child, str(count)], capture_output=True, check=True, env=environment())
    wall, spent = json.loads(found.stdout)
    return count / wall, spent / count * 1e6


def environment() -> dict[str, str]:
    """Where we were found, our children find the rest."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def report(messages: int = MESSAGES, rounds: int = ROUNDS) -> str:
    """Measure; the table as Markdown."""
    kinds = {
        "bare": "bare paho, a callback that counts",
        "callback": "the agent's link, `reader: callback`",
        "tap": "the agent's link, `reader: tap`",
    }
    lines = [
        "# What a message costs a subscriber",
        "",
        "Made by `python bench/ingest_table.py`. A backlog of JSON messages of 40 bytes, taken",
        "from mosquitto's persistent session by a new process; every one counted, and at QoS 1",
        f"acknowledged. {messages:,} messages on {TOPICS:,} topics, median of {rounds} rounds in",
        "turn. Subscriber and broker share two cores.",
        "",
        f"{cpu()}, {os.cpu_count()} cores; {made()}, paho-mqtt {paho_version}",
        "",
        "| subscriber | QoS | messages/s | us of processor a message | messages/s to bare paho |",
        "|---|---:|---:|---:|---:|",
    ]
    for qos in (0, 1):
        found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, runs in found.items():
                with tempfile.TemporaryDirectory(prefix="edge-agent-bench-") as folder:
                    broker = make_mosquitto(
                        Path(folder), "allow_anonymous true\nqueue_qos0_messages true"
                    )
                    broker.start()
                    try:
                        runs.append(measure(broker.url, kind, qos, messages))
                    finally:
                        broker.stop()
        rate = {kind: statistics.median(run[0] for run in runs) for kind, runs in found.items()}
        for kind, runs in found.items():
            cost = statistics.median(run[1] for run in runs)
            lines.append(
                f"| {kinds[kind]} | {qos} | {rate[kind]:,.0f} | {cost:.1f} "
                f"| {rate[kind] / rate['bare']:.1f} x |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write; with arguments, be a subscriber."""
    if len(sys.argv) > 1:
        url, kind, qos, count = sys.argv[1:]
        subscribe(url, kind, int(qos), int(count))
        return
    text = report()
    written(text, OUT)


if __name__ == "__main__":
    main()
