"""systemd is told that we are ready, alive and about to stop (sd_notify(3), one datagram each)."""

import os
import socket
from collections.abc import Callable, Mapping, Sequence

from edge_anomaly.values import Message, Publish

__all__ = ["Notifier"]


class Notifier:
    """A `Bystander` that pats the watchdog; does nothing where systemd did not start us."""

    def __init__(
        self, steady: Callable[[], float], environment: Mapping[str, str] = os.environ
    ) -> None:
        """Learn where to.

        Args:
            steady: Time in s that never jumps.
            environment: NOTIFY_SOCKET is the address, WATCHDOG_USEC how patient systemd is.
        """
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        patience = environment.get("WATCHDOG_USEC", "")
        self._every_s = int(patience) / 2e6 if patience.isdecimal() else None
        self._steady = steady
        self._patted_at = steady()

    def ready(self, status: str) -> None:
        """We are at work."""
        self._say(f"READY=1\nSTATUS={status}")

    def stopping(self) -> None:
        """We are about to stop."""
        self._say("STOPPING=1")

    def asked(self) -> list[Message]:
        """Nothing is ever asked."""
        return []

    def heard(self, _said: Sequence[Publish], _now_ns: int) -> list[Publish]:
        """The service has made a round: it is alive."""
        now_s = self._steady()
        if self._every_s is not None and now_s - self._patted_at >= self._every_s:
            self._patted_at = now_s
            self._say("WATCHDOG=1")
        return []

    def _say(self, words: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            try:
                out.connect(self._address)
                out.sendall(words.encode())
            except OSError:
                return  # systemd will find out by its own means
