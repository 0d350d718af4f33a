"""Real brokers for tests: start, stop and restart on one loopback port."""

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from edge_anomaly.adapters.broker import EmbeddedBroker

__all__ = [
    "BROKERS",
    "Broker",
    "Mosquitto",
    "eventually",
    "free_port",
    "make_broker",
    "make_mosquitto",
]

HINT = "mosquitto is not installed: apt-get install mosquitto"
BROKERS = ["embedded", "mosquitto"]
ANYONE = "allow_anonymous true"
PATIENCE_S = 10.0


class Broker(Protocol):
    """What a test may do with a broker."""

    @property
    def url(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Mosquitto:
    """Debian's mosquitto as a child process; like the embedded broker it stores nothing.

    `settings` are lines of mosquitto.conf; a later `start` reads them anew.
    """

    def __init__(self, executable: str, folder: Path, settings: str = ANYONE) -> None:
        self._executable = executable
        self._folder = folder
        self.settings = settings
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._port = self._port or free_port()
        config = self._folder / "mosquitto.conf"
        config.write_text(
            # As root it would become another user, who cannot read a test's files.
            f"user {getpass.getuser()}\nlistener {self._port} 127.0.0.1\n"
            f"max_queued_messages 0\n{self.settings}\n",
            "utf-8",
        )
        log = (self._folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [self._executable, "-c", str(config)], stdout=log, stderr=log
            )
        eventually(self._listens)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait(PATIENCE_S)

    def _listens(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            pytest.fail((self._folder / "mosquitto.log").read_text("utf-8", "replace"))
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=0.2):
                return True
        except OSError:
            return False


def make_broker(kind: str, folder: Path) -> Broker:
    """A broker that is not started yet; skips the test where mosquitto is not installed."""
    if kind == "embedded":
        return EmbeddedBroker()
    return make_mosquitto(folder)


def make_mosquitto(folder: Path, settings: str = ANYONE) -> Mosquitto:
    """A mosquitto that is not started yet; skips the test where it is not installed."""
    executable = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if executable is None:
        pytest.skip(HINT)
    return Mosquitto(executable, folder, settings)


def eventually(condition: Callable[[], bool], *, within: float = PATIENCE_S) -> None:
    """Return once `condition` holds; fail the test when it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {within} s: {condition}")
        time.sleep(0.005)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
