"""The demo while it runs: plant and agent in threads, the screen in ours."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

from rich.console import Console
from rich.live import Live

from edge_anomaly.adapters.mqtt_client import PlainClient
from edge_anomaly.demo.board import Board
from edge_anomaly.demo.gateway import Gateway
from edge_anomaly.demo.screen import STARTING, Counters, line_text, screen, summary_table
from edge_anomaly.demo.summary import Summary, summarise
from edge_anomaly.errors import AgentError
from edge_anomaly.simulate import LABELS, Feed, Pace, drive

__all__ = ["Show"]

ONLINE_S = 240.0  # at most from start to online: the very first start compiles the kernels,
# half a minute on a fast core
REFRESH_S = 0.1
TAIL_S = 3.0  # at the end, for scores that are under way


class Show:
    """One run of the demo, and what was seen of it."""

    def __init__(
        self, console: Console, feed: Feed, *, speed: float, seconds: float | None
    ) -> None:
        """Make ready; `run` runs.

        Args:
            console: Shows a live screen where it is a terminal, lines elsewhere.
            feed: The plant.
            speed: Plant time over real time.
            seconds: How long it will run, None without an end; for the clock on the screen.
        """
        self.board = Board("", feed.plant.devices)
        self._console = console
        self._feed = feed
        self._speed = speed
        self._seconds = seconds
        self._inbox: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._began: float | None = None
        self._ended: float | None = None
        self._printed = 0
        self._live: Live | None = None

    def run(
        self, url: str, base: str, agent: AbstractContextManager[Gateway], until: int | None
    ) -> None:
        """Show the plant and the agent until slot `until`.

        Args:
            url: The broker's.
            base: What the agent's topics begin with.
            agent: Started here, and stopped.
            until: None goes on until Ctrl-C.

        Raises:
            AgentError: The agent or a connection fails.
            KeyboardInterrupt: As it came; everything has been stopped and can be summed up.
        """
        self.board = Board(base, self._feed.plant.devices)
        stop = threading.Event()
        with ExitStack() as stack:
            if self._console.is_terminal:
                self._live = stack.enter_context(
                    Live(console=self._console, auto_refresh=False, transient=True)
                )
            topics = [f"{base}/#", f"{LABELS}/#"]
            stack.enter_context(
                PlainClient(url, topics, lambda topic, payload: self._inbox.put((topic, payload)))
            )
            gateway = stack.enter_context(agent)
            if not self._console.is_terminal:
                self._console.print(STARTING)
            self._watch(lambda: self.board.status == "online", gateway, ONLINE_S)
            if self.board.status != "online":
                raise AgentError(f"the agent is not online after {ONLINE_S:.0f} s")
            wire = stack.enter_context(PlainClient(url))
            each_s = self._feed.plant.period_s / self._speed
            slots = drive(self._feed, wire, Pace(each_s), stop, until=until)
            plant = threading.Thread(target=lambda: [None for _ in slots], name="plant")
            stack.callback(plant.join)
            stack.callback(stop.set)  # first, then joined
            self._began = time.monotonic()
            stack.callback(self._stop_clock)
            plant.start()
            self._watch(lambda: not plant.is_alive(), gateway)
            self._stop_clock()
            if until is not None:
                last = self._feed.time_s(until - 1)
                self._watch(lambda: (self.board.time_s or 0) >= last, gateway, TAIL_S)

    def summary(self) -> Summary:
        """What was found so far."""
        return summarise(self.board.faults, self.board.alarms, grace_s=self._feed.plant.grace_s)

    def print_summary(self) -> None:
        """Print it."""
        self._console.print(summary_table(self.summary(), self._counters()))

    def _watch(
        self, done: Callable[[], bool], gateway: Gateway, timeout_s: float = float("inf")
    ) -> None:
        """Take messages and show what they tell until `done` or the time is up."""
        deadline = time.monotonic() + timeout_s
        while not done() and time.monotonic() < deadline:
            self._take(time.monotonic() + REFRESH_S)
            self._show()
            gateway.check()

    def _take(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            try:
                self.board.take(*self._inbox.get(timeout=left))
            except queue.Empty:
                return

    def _show(self) -> None:
        if self._live is not None:
            self._live.update(screen(self.board, self._counters(), self._feed.plant), refresh=True)
            return
        fresh = self.board.happened - self._printed
        for line in list(self.board.lines)[-fresh:] if fresh else ():
            self._console.print(line_text(line), soft_wrap=True)
        self._printed = self.board.happened

    def _stop_clock(self) -> None:
        self._ended = self._ended or time.monotonic()

    def _counters(self) -> Counters:
        now = self._ended or time.monotonic()
        return Counters(
            readings=self._feed.readings,
            elapsed_s=0.0 if self._began is None else now - self._began,
            speed=self._speed,
            length_s=self._seconds,
        )
