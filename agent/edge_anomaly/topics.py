"""Topics: what to subscribe to, and what a topic says of device and signal."""

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from edge_anomaly.errors import ConfigError
from edge_anomaly.files.inputs import AnyInput
from edge_anomaly.formats import Format, format_name, format_of

__all__ = ["Route", "device_topic", "read_topic", "routes", "subscriptions"]


class Route(NamedTuple):
    """One input of the config, ready for use."""

    spec: AnyInput
    filter: str  # MQTT topic filter
    pattern: re.Pattern[str]
    format: Format


def routes(inputs: Sequence[AnyInput]) -> list[Route]:
    """The inputs in the config's order; the first that matches a topic has it.

    Raises:
        ConfigError: What reads a format is not installed; names the extra that brings it.
    """
    found = []
    for index, spec in enumerate(inputs):
        try:
            reader = format_of(spec)
        except ImportError as exc:
            name = format_name(spec)
            raise ConfigError(
                f"needs {exc.name}: pip install 'edge-anomaly-agent[{name}]'",
                ("inputs", index, "format"),
            ) from exc
        found.append(Route(spec, spec.filter, spec.pattern, reader))
    return found


def subscriptions(found: list[Route]) -> list[tuple[str, int]]:
    """Filter and QoS to subscribe to, each filter once at its highest QoS."""
    wanted: dict[str, int] = {}
    for route in found:
        wanted[route.filter] = max(route.spec.qos, wanted.get(route.filter, 0))
    return list(wanted.items())


def read_topic(found: list[Route], topic: str) -> tuple[Route, str | None, str | None] | None:
    """The route that has `topic`, with the device and signal that the topic names."""
    for route in found:
        match = route.pattern.fullmatch(topic)
        if match:
            names = match.groupdict()
            return route, names.get("device"), names.get("signal")
    return None


def device_topic(base: str, device: str, leaf: str) -> str:
    """A topic of ours about a device; characters that MQTT gives a meaning are escaped."""
    return f"{base}/device/{quote(device, safe=' ')}/{leaf}"
