"""Topics: what to subscribe to, and what a topic says of device and signal."""

import re
from typing import NamedTuple
from urllib.parse import quote

from edge_anomaly.config import Input
from edge_anomaly.formats import Format, JsonFormat

__all__ = ["Route", "device_topic", "read_topic", "routes", "subscriptions"]


class Route(NamedTuple):
    """One input of the config, ready for use."""

    spec: Input
    filter: str  # MQTT topic filter
    pattern: re.Pattern[str]
    format: Format


def routes(inputs: list[Input]) -> list[Route]:
    """The inputs in the config's order; the first that matches a topic has it."""
    return [
        Route(spec, _filter(spec.topic), _pattern(spec.topic), JsonFormat(spec)) for spec in inputs
    ]


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


def _filter(topic: str) -> str:
    # MQTT 5, 4.7.1: a wildcard takes a whole level, so line-{device} is subscribed as +.
    return "/".join("+" if "{" in level else level for level in topic.split("/"))


def _pattern(topic: str) -> re.Pattern[str]:
    parts = []
    for part in re.split(r"(\{device\}|\{signal\}|\+|/#$|^#$)", topic):
        if part in {"{device}", "{signal}"}:
            parts.append(f"(?P<{part[1:-1]}>[^/]+)")
        elif part == "+":
            parts.append("[^/]*")
        elif part in {"/#", "#"}:
            parts.append("(?:/.*)?" if part == "/#" else ".*")
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts), re.DOTALL)  # a level may hold a line break
