"""An MQTT broker that pip installs: iotcore's rumqttd, in a child process, on loopback only."""

import importlib.util
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_anomaly.errors import BrokerError

__all__ = ["EmbeddedBroker"]

HOST = "127.0.0.1"
START_S = 10.0
STOP_S = 5.0
ATTEMPTS = 5  # between choosing a free port and listening on it, another may take it

_MIB = 1 << 20
# A commit log a topic filter: 16 MiB of it hold some 400,000 small messages for a session
# that is away, and bound the process at about 170 MB (measured with 900,000 messages of
# 35 bytes). A segment may be exceeded by a larger message, so payloads of 10 MB pass.
_ROUTER = f"""\
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = {_MIB}
max_segment_count = 16
"""
# rumqttd speaks one version of MQTT on a port.
_LISTENER = """\
[{version}.1]
name = "{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {payload}
max_inflight_count = 200
dynamic_filters = true
"""


class EmbeddedBroker:
    """A broker with an MQTT 5 port and an MQTT 3.1.1 port.

    The ports are chosen by the operating system at the first start and kept for later
    ones. Nothing is stored: sessions and retained messages end with the process.
    """

    def __init__(self) -> None:
        self._ports: tuple[int, int] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where MQTT 5 is spoken."""
        return f"mqtt://{HOST}:{self._listening()[0]}"

    @property
    def url_v4(self) -> str:
        """Where MQTT 3.1.1 is spoken."""
        return f"mqtt://{HOST}:{self._listening()[1]}"

    @property
    def pid(self) -> int | None:
        """The broker's process, None when it does not run."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it and return when both ports accept connections.

        Raises:
            BrokerError: iotcore is not installed, or the broker does not come up.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        if importlib.util.find_spec("iotcore") is None:
            raise BrokerError(
                "the embedded broker is not installed: pip install 'edge-anomaly-agent[demo]'"
            )
        why = ""
        for _ in range(ATTEMPTS):
            ports = self._ports or _free_ports()
            process, why = _spawn(ports)
            if process is not None:
                self._ports, self._process = ports, process
                return
        raise BrokerError(f"the embedded broker does not start: {why}")

    def stop(self) -> None:
        """End its process; does nothing when there is none."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listening(self) -> tuple[int, int]:
        if self._ports is None:
            raise BrokerError("the embedded broker has not been started")
        return self._ports


def _spawn(ports: tuple[int, int]) -> tuple[subprocess.Popen[bytes] | None, str]:
    """The process once it listens, or None and the reason."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-broker-") as folder:
        config, log = Path(folder, "rumqttd.toml"), Path(folder, "stderr")
        config.write_text(_config(*ports), "utf-8")
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: S603 - our own file under our own interpreter
                [sys.executable, "-P", str(Path(__file__).with_name("broker_process.py")), config],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C is for the agent, which then stops the broker
            )
        if _comes_up(process, ports):
            return process, ""
        _end(process)
        lines = log.read_text("utf-8", "replace").strip().splitlines()
        return None, lines[-1] if lines else f"not listening after {START_S:.0f} s"


def _comes_up(process: subprocess.Popen[bytes], ports: tuple[int, int]) -> bool:
    # Only after the child found the ports free is an open port a sign of the child.
    if process.stdout is None or process.stdout.readline() != b"free\n":
        return False
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if all(_accepts(port) for port in ports):
            return process.poll() is None
        time.sleep(0.01)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _config(*ports: int) -> str:
    listeners = [
        _LISTENER.format(version=version, host=HOST, port=port, payload=16 * _MIB)
        for version, port in zip(("v5", "v4"), ports, strict=True)
    ]
    return "".join([_ROUTER, *listeners])


def _free_ports() -> tuple[int, int]:
    with closing(socket.socket()) as first, closing(socket.socket()) as second:
        first.bind((HOST, 0))
        second.bind((HOST, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.2):
            return True
    except OSError:
        return False
