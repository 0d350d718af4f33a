from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from plants import SECOND, START, agent, config, fresh_core, message, of

from edge_anomaly.adapters.recordings import Block
from edge_anomaly.replay import replay

HEALTHY = [10.0] * 8
FLOW = [*HEALTHY, 11.5, 12.5, 13.5, 14.0, 14.5, 19.0, *[19.0] * 8, *HEALTHY]


def rows(devices: tuple[str, ...] = ("c-1", "c/2")) -> list[tuple[str, int, float, float]]:
    """Device, second, flow and temperature; the second device is a little less far off."""
    return [
        (device, second, 10.0 + (flow - 10.0) / (1 + devices.index(device) / 8), 10.0)
        for second, flow in enumerate(FLOW)
        for device in devices
    ]


def blocks(
    found: list[tuple[str, int, float, float]], size: int, signals: list[str] | None = None
) -> Iterator[Block]:
    for start in range(0, len(found), size):
        part = found[start : start + size]
        yield Block(
            device=[device for device, *_ in part],
            t_ns=np.array([START + second * SECOND for _, second, *_ in part]),
            signals=signals or ["flow", "temp"],
            value=np.array([[flow, temp] for _, _, flow, temp in part], np.float32),
            done=1.0,
        )


def events_of(found: Any) -> list[dict[str, Any]]:
    """Events without the moment at which they were told."""
    events = [
        msgspec.to_builtins(event) | {"publish_ts": ""} for _, told in found for event in told
    ]
    return sorted(events, key=lambda event: (event["device"], event["ts"]))


@pytest.mark.parametrize("size", [2, 3, 7, 1000])
def test_readings_in_blocks_of_any_size_give_the_same_events(size: int) -> None:
    core, monitor = agent(smoothed=True)
    want = events_of(replay(core, [monitor], blocks(rows(), 1)))
    assert {event["device"] for event in want} == {"c-1", "c/2"}
    core, monitor = agent(smoothed=True)
    assert events_of(replay(core, [monitor], blocks(rows(), size))) == want


def test_a_replay_gives_the_events_of_the_live_run() -> None:
    core, monitor = agent()
    replayed = events_of(replay(core, [monitor], blocks(rows(), 5)))
    live, sent = fresh_core(), []
    for device, second, flow, temp in rows():
        one = message(second, {"flow": flow, "temp": temp}, device=device)
        sent += live.receive([one], START + second * SECOND)
    sent += live.tick(START + 10**6 * SECOND)
    # But for the last, long silence, of which only a clock can tell.
    told = [
        event | {"publish_ts": ""} for event in of(sent, "event") if event["detector"] != "no-data"
    ]
    assert sorted(told, key=lambda event: (event["device"], event["ts"])) == replayed
    assert replayed


def test_the_last_windows_are_judged_though_nothing_follows() -> None:
    core, monitor = agent(config("lateness: 0s", "lateness: 5s"))
    windows = [window for window, _ in replay(core, [monitor], blocks(rows(("c-1",)), 4))]
    assert len(windows) == len(FLOW)
    assert windows[-1].end_ns == START + len(FLOW) * SECOND


def test_what_no_model_watches_is_left_out() -> None:
    core, monitor = agent()
    strangers = [("x-9", second, 99.0, 99.0) for second in range(20)]
    assert list(replay(core, [monitor], blocks(strangers, 5))) == []
    assert monitor.readings == 0
    core, monitor = agent()
    assert list(replay(core, [monitor], blocks(rows(), 5, ["colour", "taste"]))) == []
    assert monitor.readings == 0


def test_cells_without_a_number_are_no_readings() -> None:
    core, monitor = agent()
    some = [("c-1", s, float("nan") if s % 2 else 10.0, float("inf")) for s in range(10)]
    windows = [window for window, _ in replay(core, [monitor], blocks(some, 3))]
    assert monitor.readings == 5
    assert {window.score for window in windows} == {None}


def test_readings_that_the_grid_refuses_are_counted() -> None:
    core, monitor = agent()
    list(replay(core, [monitor], blocks([*rows(("c-1",)), ("c-1", 0, 1.0, 1.0)], 1000)))
    assert core.rejected == {"late": 2}


def test_no_recordings_give_nothing() -> None:
    core, monitor = agent()
    assert list(replay(core, [monitor], [])) == []
