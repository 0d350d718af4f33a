"""Many alarms at once are told as one event, which names the first out."""

from edge_anomaly.alarms.opened import event_id
from edge_anomaly.alarms.rates import Turn
from edge_anomaly.files.rules import Flood
from edge_anomaly.values import Event, ModelRef, WindowSpan, iso

__all__ = ["FLOOD", "flood_event"]

FLOOD = "flood"  # the detector of a flood's events
PLANT = "*"  # their device


def flood_event(owner: str, rules: Flood, turn: Turn, t_ns: int, now_ns: int) -> Event:
    """A flood begins or is over.

    Args:
        owner: Site and agent.
        rules: When it is one.
        turn: Which alarms made it.
        t_ns: When the last of them came, or the calm.
        now_ns: Time of the gateway.
    """
    first, count = turn.alarms[0], len(turn.alarms)
    devices = len({one.device for one in turn.alarms})
    if turn.begins:
        text = f"{count} new alarms on {devices} devices within {rules.within / 60e9:g} min"
    else:
        text = f"the flood is over: {count} alarms on {devices} devices"
    return Event(
        type="new" if turn.begins else "end",
        event_id=event_id(owner, FLOOD, first.event_id),
        seq=1 if turn.begins else 2,
        agent=owner,
        device=PLANT,
        detector=FLOOD,
        severity="warning",
        state="ACTIVE_UNACK" if turn.begins else "CLEARED_UNACK",
        change="raised" if turn.begins else "cleared",
        active=turn.begins,
        acknowledged=False,
        first_out=first.event_id,
        ts=iso(t_ns),
        ts_ms=t_ns // 1_000_000,
        start_ts=iso(first.t_ns),
        end_ts=None if turn.begins else iso(t_ns),
        detect_ts=iso(turn.alarms[min(count - 1, rules.alarms)].t_ns),
        publish_ts=iso(now_ns),
        score=float(count),
        threshold=float(rules.alarms),
        peak_score=float(count),
        contributors=[],
        window=WindowSpan(start=iso(first.t_ns), end=iso(t_ns), coverage=1.0),
        quality="good",
        replayed=False,
        model=ModelRef(name=FLOOD, version="", sha256=""),
        message=f"{text}; first out {first.message}",
    )
