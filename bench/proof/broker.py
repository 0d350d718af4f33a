"""A broker that is killed again and again, and one that is out of reach for long."""

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from brokers import make_mosquitto
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from proof import plant
from proof.plant import BASE, Ledger
from proof.run import STORE, Gateway, has_last_scores, pouring, until, watching

__all__ = ["Cable", "broker_killed", "out_of_reach"]

# What a broker must do itself, so that the agent's part can be seen: keep every change on disk.
KEEPING = "allow_anonymous true\npersistence true\nautosave_interval 1\nautosave_on_changes true"


@contextmanager
def persistent(url: str, ledger: Ledger) -> Iterator[None]:
    """A subscriber whose session outlives the broker."""
    parts = urlsplit(url)
    client = paho.Client(
        CallbackAPIVersion.VERSION2, client_id="ledger", protocol=MQTTProtocolVersion.MQTTv5
    )
    client.on_message = lambda _client, _data, one: ledger.take(one.topic, bytes(one.payload))
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()

    def ask(*_: object) -> None:
        client.subscribe(f"{BASE}/#", 1)

    client.on_connect = ask
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
    properties.SessionExpiryInterval = 3600
    client.reconnect_delay_set(0.1, 0.2)  # type: ignore[arg-type] # seconds, as it uses them
    host, port = parts.hostname or "", parts.port or 0
    client.connect(host, port, clean_start=False, properties=properties)
    client.loop_start()
    subscribed.wait(10.0)
    try:
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def broker_killed(
    folder: Path, slots: int, *, times: int, rate: float, seed: int, events: int
) -> tuple[Ledger, Ledger]:
    """Run the plant while its broker is killed; what a lasting subscriber saw, and a late one.

    It ends when as many as `events` have come, or no more come: a broker that writes every
    change to disk is slow.
    """
    many = [one for slot in plant.messages(slots, seed) for one in slot]
    folder.mkdir(exist_ok=True)
    place = f"persistence_location {folder}/\n"
    broker = make_mosquitto(folder, f"{KEEPING}\n{place}")
    broker.start()
    ledger = Ledger()
    try:
        with (
            Gateway(folder, plant.config(broker.url, more=STORE)) as gateway,
            persistent(broker.url, ledger),
        ):
            until(ledger.online, "online")
            with pouring(broker.url, many, rate):
                for _ in range(times):
                    before = gateway.log.count(" connected to ")
                    time.sleep(0.5)
                    if broker._process is not None:
                        broker._process.kill()
                    time.sleep(0.2)
                    broker.stop()
                    broker.start()
                    until(lambda n=before: gateway.log.count(" connected to ") > n, "back")  # type: ignore[misc] # bound at once
            until(lambda: len(ledger.events) >= events or _quiet(ledger), "all events", 600.0)
            with watching(broker.url) as late:
                until(lambda: len(late.states) == len(plant.DEVICES), "retained states")
                until(late.online, "retained status")
            if gateway.stop():
                raise RuntimeError(gateway.log)
            until(lambda: not ledger.online(), "stopped")
        return ledger, late
    finally:
        broker.stop()


def _quiet(ledger: Ledger, seconds: float = 30.0) -> bool:
    """Whether nothing has come for a while."""
    before = len(ledger.scores) + len(ledger.order)
    time.sleep(seconds)
    return len(ledger.scores) + len(ledger.order) == before and before > 0


class Cable:
    """A TCP relay to the broker that can be pulled out."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.plugged = threading.Event()
        self.plugged.set()
        self._done = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Where the near end is."""
        return f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def close(self) -> None:
        """End it."""
        self._done.set()
        self._server.close()

    def _accept(self) -> None:
        while not self._done.is_set():
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            if not self.plugged.is_set():
                near.close()
                continue
            try:
                far = socket.create_connection(self._target)
            except OSError:
                near.close()
                continue
            threading.Thread(target=self._relay, args=(near, far), daemon=True).start()

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        other = {near: far, far: near}
        try:
            while self.plugged.is_set() and not self._done.is_set():
                ready, _, _ = select.select([near, far], [], [], 0.05)
                for one in ready:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    other[one].sendall(data)
        except OSError:
            pass
        finally:
            near.close()
            far.close()


def out_of_reach(
    url: str, folder: Path, slots: int, *, rate: float, seed: int
) -> tuple[Ledger, int, float]:
    """Pull the cable while the plant goes on; what was seen, the backlog, seconds to drain it."""
    many = [one for slot in plant.messages(slots, seed) for one in slot]
    first = len(many) // 10
    folder.mkdir(exist_ok=True)
    cable = Cable(url)
    try:
        with (
            watching(url) as ledger,
            Gateway(folder, plant.config(cable.url, more=STORE)) as gateway,
        ):
            until(ledger.online, "online")
            with pouring(url, many[:first], rate):
                pass
            until(lambda: len(ledger.scores) >= first * 0.9, "the first scores")
            cable.plugged.clear()
            until(lambda: not ledger.online(), "its will")
            with pouring(url, many[first:], rate):
                pass
            cable.plugged.set()
            began = time.monotonic()
            until(lambda: has_last_scores(ledger, slots), "the last scores", 600.0)
            took = time.monotonic() - began
            if gateway.stop():
                raise RuntimeError(gateway.log)
            until(lambda: not ledger.online(), "stopped")
            return ledger, len(many) - first, took
    finally:
        cable.close()
