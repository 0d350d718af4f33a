"""Devices that are gone for good, and more devices than there shall be."""

import msgspec
import pytest
from plants import SECOND, START, config, feed, fresh_core, message, of

from edge_anomaly.core import Core
from edge_anomaly.memory.packing import pack, unpack
from edge_anomaly.values import Event, Publish

BASE = "edge-agent/v1/north/gw"
HOUR = 3600
HEALTHY = [10.0] * 8
FAULT = [10.0, 12.0, 14.5, 17.5, 21.0, 25.0]


def at(second: float) -> int:
    return START + round(second * SECOND)


def forgetful(more: str = "") -> Core:
    """Forgets after an hour; a mean keeps readings in lists, which are forgotten as well."""
    return fresh_core(config("agent: gw\n", f"agent: gw\nforget_after: 1h\n{more}"), smoothed=True)


def emptied(sent: list[Publish]) -> list[str]:
    return [one.topic.removeprefix(f"{BASE}/device/") for one in sent if not one.payload]


def restored(core: Core, more: str = "") -> Core:
    """As after a restart."""
    other = forgetful(more)
    assert other.restore(unpack(pack(core.snapshot()))) == []
    return other


def test_a_device_that_stays_away_is_forgotten_with_its_last_words() -> None:
    core = forgetful()
    [raised] = feed(core, HEALTHY + FAULT)
    assert raised["type"] == "new"
    assert emptied(core.tick(at(HOUR))) == []
    sent = core.tick(at(HOUR + 20))
    ended = [msgspec.convert(event, Event) for event in of(sent, "event")]
    assert {one.event_id: one.change for one in ended}[raised["event_id"]] == "withdrawn"
    assert {(one.type, one.state, one.active) for one in ended} == {("end", "NORMAL", False)}
    assert "c-1: not heard for so long that it is forgotten; it was flow" in {
        one.message for one in ended
    }
    assert emptied(sent) == ["c-1/state", "c-1/availability"]
    assert (core.forgotten, core.availabilities["unknown"], core.skews_ns) == (1, 2, {})
    assert core.annunciator.counts().keys() == {"NORMAL"}
    assert of(core.connected(at(HOUR + 30)), "state") == []
    assert emptied(core.tick(at(9 * HOUR))) == []  # once


def test_what_is_forgotten_is_as_it_was_before_the_first_reading() -> None:
    core, new = forgetful(), forgetful()
    feed(core, HEALTHY + FAULT)
    core.tick(at(HOUR + 20))
    kept, fresh = core.snapshot(), new.snapshot()
    assert kept["alarms"]["past"]  # what happened can still be labelled
    for agent in (kept, fresh):  # these are the agent's, not the device's
        for name in ("looked_ns", "forgotten", "rejects", "audit"):
            del agent[name]
        for name in ("rates", "past"):
            del agent["alarms"][name]
        for monitor in agent["monitors"]:
            del monitor["windows"]
            for name in ("readings", "now_ns"):
                del monitor["timeline"][name]
    assert pack(kept) == pack(fresh)


def test_when_it_comes_back_it_begins_afresh_with_new_events() -> None:
    core = forgetful()
    [first] = feed(core, HEALTHY + FAULT)
    core.tick(at(HOUR + 20))
    events = feed(core, HEALTHY[:3], start=2 * HOUR)
    assert events == []  # not warm
    [second] = feed(core, HEALTHY + FAULT, start=2 * HOUR + 3)
    assert (second["type"], second["seq"]) == ("new", 1)
    assert second["event_id"] != first["event_id"]
    assert core.availabilities["online"] == 1


def test_what_operators_have_set_outlives_the_forgetting() -> None:
    core = forgetful()
    feed(core, HEALTHY)
    core.annunciator._alarms["c-1", "small"].scale = 2.0
    core.tick(at(HOUR + 20))
    assert core.forgotten == 1
    assert core.annunciator.scale("c-1", "small") == 2.0


def test_connections_and_set_clocks_make_nobody_younger_or_older() -> None:
    core = forgetful()
    feed(core, HEALTHY)
    for minutes in range(10, 60, 10):  # reconnects, none within `offline_after` of the last reading
        core.tick(at(60 * minutes))
        core.connected(at(60 * minutes))
    core.clock_set(24 * HOUR * SECOND)
    assert emptied(core.tick(at(24 * HOUR + 3590))) == []
    assert emptied(core.tick(at(25 * HOUR + 20))) == ["c-1/state", "c-1/availability"]


def test_without_the_key_nobody_is_forgotten() -> None:
    core = fresh_core()
    feed(core, HEALTHY)
    assert emptied(core.tick(at(10**7))) == []


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_a_restart_in_between_changes_nothing(cut: int) -> None:
    """Eviction, refusal, return and cap, with a snapshot taken anywhere between."""
    more = "max_devices: 1\n"
    steps = [(s, "c-1", flow) for s, flow in enumerate(HEALTHY + FAULT)]
    steps += [(s, "c/2", 10.0) for s in range(14, 18)]  # refused
    steps += [(HOUR + s, "c/2", 10.0) for s in range(20, 28)]
    steps += [(HOUR + s, "c-1", 10.0) for s in range(28, 32)]  # refused
    one, other = forgetful(more), forgetful(more)
    for number, (second, device, flow) in enumerate(steps):
        now = at(second)
        if number == cut:
            other = restored(other, more)
        said = []
        for core in (one, other):
            sent = core.tick(now - 1)
            given = [message(second, {"flow": flow, "temp": 10.0}, device=device)]
            said.append(sent + core.receive(given, now))
        assert said[0] == said[1]
    assert pack(one.snapshot()) == pack(other.snapshot())
    assert (one.forgotten, one.rejected) == (1, {"crowded": 2 * 8})


def test_a_further_device_is_crowded_out_until_one_is_forgotten() -> None:
    core = forgetful("max_devices: 1\n")
    core.receive([message(0, 10.0, device="c/2")], at(0))
    for second in range(1, 4):
        core.receive([message(second, 10.0, signal="flow")], at(second))
        core.receive([message(second, 10.0, device="c/2")], at(second))
    assert core.rejected == {"crowded": 3}
    [error] = of(core.stopped(at(6)), "error")
    assert (error["code"], error["device"]) == ("crowded", "c-1")
    assert "max_devices" in error["detail"]
    core.tick(at(10))
    core.tick(at(HOUR + 20))
    for second in range(HOUR + 21, HOUR + 24):
        core.receive([message(second, 10.0, signal="flow")], at(second))
        core.receive([message(second, 10.0, device="c/2")], at(second))
    assert core.rejected == {"crowded": 3 + 2 * 3}
    assert core.skews_ns.keys() == {"c-1"}


def test_newcomers_of_one_batch_are_counted_together() -> None:
    core = forgetful("max_devices: 1\n")
    core.receive([message(0, 10.0, device=d) for d in ("c/2", "c-1", "c/2")], at(0))
    assert core.rejected == {"crowded": 2, "duplicate": 2}
    assert core.skews_ns.keys() == {"c/2"}


def test_a_device_whose_readings_are_refused_takes_nobodys_place() -> None:
    core = forgetful("max_devices: 1\n")
    core.receive([message(HOUR, 10.0, device="c/2")], at(0))
    core.receive([message(1, 10.0)], at(1))
    assert core.rejected == {"future": 2}
    assert core.skews_ns.keys() == {"c-1"}
