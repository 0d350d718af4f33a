"""Home Assistant finds the devices by itself: one discovery message a device, retained.

Device-based discovery (home-assistant.io, MQTT integration, "Device discovery payload"):
`<prefix>/device/<object id>/config` with `device`, `origin` and `components`; an entity is
available where both the agent and the device are (`availability_mode: all`). It is said
again when Home Assistant has started, which it says on `<prefix>/status`.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from edge_anomaly.topics import device_topic
from edge_anomaly.values import Message, Publish

__all__ = ["discovery", "has_started", "status_filter"]

ORIGIN = {"name": "edge-agent"}


def status_filter(prefix: str) -> str:
    """Where Home Assistant says that it has started."""
    return f"{prefix}/status"


def has_started(prefix: str, message: Message) -> bool:
    """Whether `message` says so."""
    return message.topic == status_filter(prefix) and message.payload == b"online"


def discovery(
    prefix: str, base: str, devices: Iterable[tuple[str, str]], version: str
) -> list[Publish]:
    """One message a device.

    Args:
        prefix: Home Assistant's, usually `homeassistant`.
        base: What the agent's topics begin with.
        devices: Each with the name of the model that watches it.
        version: The agent's.
    """
    return [
        Publish(
            f"{prefix}/device/{_plain(base, device)}/config",
            msgspec.json.encode(_config(base, device, model, version)),
            retain=True,
        )
        for device, model in devices
    ]


def _config(base: str, device: str, model: str, version: str) -> dict[str, Any]:
    name = _plain(base, device)
    state, score = device_topic(base, device, "state"), device_topic(base, device, "score")
    online = "{{ 'online' if value_json.state == 'online' else 'offline' }}"
    return {
        "device": {
            "identifiers": [name],
            "name": device,
            "manufacturer": "edge-agent",
            "model": model,
            "sw_version": version,
        },
        "origin": ORIGIN | {"sw_version": version},
        "components": {
            "alarm": {
                "platform": "binary_sensor",
                "unique_id": f"{name}_alarm",
                "name": "Alarm",
                "device_class": "problem",
                "state_topic": state,
                "value_template": (
                    "{{ 'ON' if value_json.state in ['ACTIVE_UNACK', 'ACTIVE_ACK'] else 'OFF' }}"
                ),
                "json_attributes_topic": state,
            },
            "state": {
                "platform": "sensor",
                "unique_id": f"{name}_state",
                "name": "Alarm state",
                "icon": "mdi:alarm-light-outline",
                "state_topic": state,
                "value_template": "{{ value_json.state }}",
            },
            "deviation": {
                "platform": "sensor",
                "unique_id": f"{name}_deviation",
                "name": "Deviation",
                "icon": "mdi:chart-line",
                "state_class": "measurement",
                "unit_of_measurement": "%",
                "suggested_display_precision": 0,
                "state_topic": score,
                "value_template": (
                    "{{ (100 * value_json.score / value_json.threshold) | round(1)"
                    " if value_json.score is not none else none }}"
                ),
            },
        },
        "availability": [
            {"topic": f"{base}/status", "value_template": online},
            {"topic": device_topic(base, device, "availability"), "value_template": online},
        ],
        "availability_mode": "all",
        "qos": 1,
    }


def _plain(base: str, device: str) -> str:
    """An id of the characters that Home Assistant takes: letters, digits, _ and -.

    Where others had to go, a digest sees to it that no two devices share an id.
    """
    whole = "_".join([*base.split("/"), device])
    plain = re.sub(r"[^a-zA-Z0-9_-]", "_", whole)
    return plain if plain == whole else f"{plain}_{sha256(whole.encode()).hexdigest()[:8]}"
