import socket
from pathlib import Path

from edge_anomaly.adapters.systemd import Notifier


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_systemd_hears_that_we_are_ready_alive_and_stopping(tmp_path: Path) -> None:
    address, clock = str(tmp_path / "notify"), Clock()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(5)
        one = Notifier(clock, {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
        one.ready("watching 4 devices")
        assert systemd.recv(100) == b"READY=1\nSTATUS=watching 4 devices"
        for clock.now_s in (1.0, 14.9, 15.0, 16.0, 31.0):
            assert one.heard([], 0) == []
        one.stopping()
        assert [systemd.recv(100) for _ in range(3)] == [
            b"WATCHDOG=1",
            b"WATCHDOG=1",
            b"STOPPING=1",
        ]


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    clock = Clock()
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "2"}):
        one = Notifier(clock, environment)
        one.ready("here")
        clock.now_s += 10
        assert one.heard([], 0) == []
        assert one.asked() == []
        one.stopping()
