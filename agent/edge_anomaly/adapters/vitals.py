"""How the agent is: rates, lag, memory and what waits, for the `health` topic."""

import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edge_anomaly.adapters.timed import TimedGraph
from edge_anomaly.memory.keeper import Keeper
from edge_anomaly.outgoing import Outgoing
from edge_anomaly.ports import Link
from edge_anomaly.values import Health, Message, Publish, iso

__all__ = ["EVERY_S", "Vitals", "resident_bytes"]

EVERY_S = 5.0
STATM = Path("/proc/self/statm")


class Vitals:
    """A `Bystander` that says every few seconds how the agent is."""

    def __init__(self, keeper: Keeper, link: Link, base: str, steady: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            keeper: The agent.
            link: The broker.
            base: What its topics begin with.
            steady: Time in s that never jumps.
        """
        self._keeper = keeper
        self._link = link
        self._outgoing = Outgoing(base)
        self._steady = steady
        self._began = self._told_at = steady()
        self._readings = self._windows = 0
        self._first = True

    def asked(self) -> list[Message]:
        """Nothing is ever asked."""
        return []

    def heard(self, _said: Sequence[Publish], now_ns: int) -> list[Publish]:
        """The health, when it is time."""
        now_s = self._steady()
        since = now_s - self._told_at
        if since < EVERY_S and not (self._first and self._link.connected):
            return []
        self._first = False
        self._told_at = now_s
        return [self._outgoing.health(self._measure(now_ns, now_s, max(since, 1e-3)))]

    def _measure(self, now_ns: int, now_s: float, since: float) -> Health:
        core = self._keeper.core
        readings, windows = core.counted
        before, self._readings = self._readings, readings
        earlier, self._windows = self._windows, windows
        newest = core.newest_ns
        return Health(
            ts=iso(now_ns),
            uptime_s=round(now_s - self._began, 1),
            connected=self._link.connected,
            readings=readings,
            readings_per_s=round((readings - before) / since, 2),
            windows=windows,
            windows_per_s=round((windows - earlier) / since, 2),
            rejected=core.rejected,
            lag_s=None if newest is None else round((now_ns - newest) / 1e9, 3),
            skew_s={d: round(skew / 1e9, 3) for d, skew in core.skews_ns.items()},
            inference_s=self._inference(),
            memory_bytes=resident_bytes(),
            cpu_s=round(sum(os.times()[:2]), 2),
            outbox=len(self._keeper.outbox),
            store=self._keeper.failing or "ok",
            alarms=core.annunciator.counts(),
            devices=core.availabilities,
            forgotten=core.forgotten,
            rates=core.annunciator.rates(now_ns if newest is None else newest),
        )

    def _inference(self) -> dict[str, float]:
        seconds = [
            second
            for model in self._keeper.core.models
            for graph in model.graphs.values()
            if isinstance(graph, TimedGraph)
            for second in list(graph.seconds)
        ]
        if not seconds:
            return {}
        p50, p99 = np.quantile(seconds, [0.5, 0.99])
        return {"p50": round(float(p50), 6), "p99": round(float(p99), 6)}


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    try:
        return int(STATM.read_text("ascii").split()[1]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):  # no /proc: the peak is the nearest there is
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
