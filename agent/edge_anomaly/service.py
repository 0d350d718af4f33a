"""Drives the core: the one loop in which the broker's bytes, the clock and it meet."""

from collections.abc import Callable

from edge_anomaly.core import Core
from edge_anomaly.ports import Link

__all__ = ["serve"]

POLL_S = 0.05  # longest wait for a message: how late a slot may close and a signal be heard


def serve(core: Core, link: Link, clock: Callable[[], int], stopping: Callable[[], bool]) -> None:
    """Run until `stopping`, then say so and disconnect.

    Args:
        core: The agent.
        link: The broker.
        clock: Unix time in ns.
        stopping: Whether somebody asked to stop; looked at once a round.

    Raises:
        BrokerError: The broker refuses us.
    """
    greeted = 0
    while not stopping():
        messages = link.poll(POLL_S)
        now_ns = clock()
        if link.connections != greeted:
            greeted = link.connections
            link.publish(core.connected(now_ns))
        if messages:
            link.publish(core.receive(messages, now_ns))
        if link.connected:
            # While we are away nobody is silent: what waits at the broker is not late.
            link.publish(core.tick(now_ns))
        link.acknowledge()
    link.close(core.stopped(clock()))
