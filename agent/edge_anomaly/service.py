"""Drives the core: the one loop in which the broker's bytes, the clock, the disk and it meet."""

from collections.abc import Callable, Sequence

from edge_anomaly.memory.keeper import Keeper
from edge_anomaly.memory.outbox import Outbox
from edge_anomaly.memory.turns import Turn, take
from edge_anomaly.ports import Bystander, Link
from edge_anomaly.values import Publish

__all__ = ["serve"]

POLL_S = 0.05  # longest wait for a message: how late a slot may close and a signal be heard
STALL_S = 0.002  # the same while messages wait for their acknowledgement
AGAIN = 500  # scores a round that are said again after a crash
CLOCK_SET_NS = 500_000_000  # the clock is further than this from where it should be: it was set
PARTING_S = 5.0  # for the broker to confirm what is still to be said at the end


def serve(
    keeper: Keeper,
    link: Link,
    clock: Callable[[], int],
    steady: Callable[[], float],
    stopping: Callable[[], bool],
    bystanders: Sequence[Bystander] = (),
) -> None:
    """Run until `stopping`, then say so and disconnect.

    Args:
        keeper: The agent, and its memory.
        link: The broker.
        clock: Unix time in ns.
        steady: Time in s that never jumps.
        stopping: Whether somebody asked to stop; looked at once a round.
        bystanders: Hear all that is said, each also what those before it add.

    Raises:
        BrokerError: The broker refuses us.
        StoreError: The disk does, and the config says to stop then.
    """
    outbox = keeper.outbox
    greeted = 0
    ahead_ns = _ahead(clock, steady)
    while not stopping():
        messages = link.poll(STALL_S if keeper.waiting else POLL_S)
        greeting, greeted = link.connections != greeted, link.connections
        fresh = keeper.fresh(messages, session=not greeting or link.resumed)
        for bystander in bystanders:
            fresh += bystander.asked()
        ahead_ns, before_ns = _ahead(clock, steady), ahead_ns
        clock_set_ns = ahead_ns - before_ns if abs(ahead_ns - before_ns) > CLOCK_SET_NS else 0
        turn = Turn(clock(), greeting, link.connected, fresh, clock_set_ns)
        retained, said = take(keeper.core, turn)
        keeper.record(turn, steady())
        for bystander in bystanders:
            said += bystander.heard([*retained, *said], turn.now_ns)
        if greeting:
            outbox.greet(retained, link.under_way)
        outbox.put(item for item in said if item.qos)
        _tell_scores(keeper, link, [item for item in said if not item.qos])
        keeper.note_filters(link.filters)
        if keeper.due(steady()) and keeper.commit(steady()):
            link.acknowledge()
        _tell(outbox, link, steady())
        keeper.core.prepare()  # all is said: what is left of the time goes to what comes next
    if keeper.commit(steady()):
        link.acknowledge()
    deadline = steady() + PARTING_S
    while len(outbox) and link.connected and steady() < deadline:
        link.poll(STALL_S)  # what comes now is not acknowledged, and will come again
        _tell(outbox, link, steady())
    link.close(keeper.core.stopped(clock()))
    outbox.confirm(link.confirmed())
    keeper.close(steady())


def _ahead(clock: Callable[[], int], steady: Callable[[], float]) -> int:
    """How far the clock is ahead of the time that never jumps, ns."""
    return clock() - round(steady() * 1e9)


def _tell(outbox: Outbox, link: Link, now_s: float) -> None:
    """Send what the link takes, and forget what the broker has."""
    outbox.confirm(link.confirmed())
    for number, item in outbox.due(link.room, now_s):
        link.send(number, item)


def _tell_scores(keeper: Keeper, link: Link, fresh: list[Publish]) -> None:
    """Send at QoS 0, while the broker keeps up."""
    if not link.connected:
        keeper.outbox.dropped["offline"] += len(fresh)
    elif link.slow:
        keeper.outbox.dropped["slow"] += len(fresh)
    else:
        again = min(len(keeper.scores), AGAIN)
        link.publish([*(keeper.scores.popleft() for _ in range(again)), *fresh])
