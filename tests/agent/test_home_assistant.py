import re
from typing import Any, Literal

import msgspec
from plants import START, config, fresh_core, of

from edge_anomaly.home_assistant import discovery
from edge_anomaly.values import Message

BASE = "edge-agent/v1/north/gw"


class Device(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`device` as documented: identifiers or connections are needed."""

    identifiers: list[str]
    name: str
    manufacturer: str
    model: str
    sw_version: str


class Origin(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    sw_version: str


class Source(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    topic: str
    value_template: str


class Entity(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a sensor and a binary sensor may have, of what we use; the first two are needed."""

    platform: Literal["sensor", "binary_sensor"]
    unique_id: str
    state_topic: str
    name: str | None = None
    value_template: str | None = None
    device_class: Literal["problem"] | None = None
    state_class: Literal["measurement"] | None = None
    unit_of_measurement: str | None = None
    suggested_display_precision: int | None = None
    json_attributes_topic: str | None = None
    icon: str | None = None


class Discovery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The device discovery payload: device, origin and components are needed."""

    device: Device
    origin: Origin
    components: dict[str, Entity]
    availability: list[Source]
    availability_mode: Literal["all", "any", "latest"]
    qos: Literal[0, 1, 2]


def messages(*devices: str) -> dict[str, Discovery]:
    found = discovery("homeassistant", BASE, [(name, "small") for name in devices], "1.2.3")
    assert all(one.retain and one.qos == 1 for one in found)
    return {one.topic: msgspec.json.decode(one.payload, type=Discovery) for one in found}


def test_every_message_is_of_the_documented_schema() -> None:
    [(topic, found)] = messages("c-1").items()
    assert topic == "homeassistant/device/edge-agent_v1_north_gw_c-1/config"
    assert found.device.identifiers == ["edge-agent_v1_north_gw_c-1"]
    assert found.availability_mode == "all"
    assert [source.topic for source in found.availability] == [
        f"{BASE}/status",
        f"{BASE}/device/c-1/availability",
    ]
    assert found.components["alarm"].state_topic == f"{BASE}/device/c-1/state"
    assert found.components["deviation"].state_topic == f"{BASE}/device/c-1/score"


def test_ids_are_of_the_characters_that_are_taken_and_never_shared() -> None:
    names = ["c/2", "c-2", "c 2", "c.2", "ç2", "c-2f-2"]
    found = messages(*names)
    assert len(found) == len(names)
    entities = [one.unique_id for each in found.values() for one in each.components.values()]
    assert len(set(entities)) == 3 * len(names)
    for topic in found:
        assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic)


def test_it_is_said_on_every_connection_and_when_home_assistant_has_started() -> None:
    core = fresh_core(config("alarms:", "home_assistant: {}\nalarms:"))
    assert ("homeassistant/status", 1) in core.subscriptions
    assert len(of(core.connected(START), "config")) == 2
    said = core.receive([Message("homeassistant/status", b"online")], START)
    assert len(of(said, "config")) == 2
    assert core.receive([Message("homeassistant/status", b"offline")], START) == []
    assert core.rejected == {}


def test_it_is_opt_in() -> None:
    core = fresh_core()
    assert of(core.connected(START), "config") == []
    assert all("homeassistant" not in topic for topic, _ in core.subscriptions)


def test_no_template_forgets_a_window_without_a_score() -> None:
    [found] = messages("c-1").values()
    template: Any = found.components["deviation"].value_template
    assert "is not none" in template
