"""`/metrics`: the health of the agent as Prometheus reads it. No label is a device's name."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from edge_anomaly.wall import Wall

__all__ = ["exposition"]


class _OfWall:
    """A collector that reads the newest health."""

    def __init__(self, wall: Wall) -> None:
        self._wall = wall

    def collect(self) -> Iterator[Metric]:
        health, info = self._wall.health, self._wall.info
        yield InfoMetricFamily(
            "edge_agent", "What runs here", value={"version": str(info.get("version", ""))}
        )
        online = self._wall.status == "online" and bool(health.get("connected", True))
        yield _gauge("edge_broker_connected", "Whether the broker can reach the agent", online)
        for name, key, text in (
            ("edge_readings", "readings", "Readings taken"),
            ("edge_windows", "windows", "Windows scored"),
        ):
            yield CounterMetricFamily(name, text, value=health.get(key, 0))
        rejected = CounterMetricFamily(
            "edge_rejected", "Input that could not be used", labels=["reason"]
        )
        for reason, count in health.get("rejected", {}).items():
            rejected.add_metric([reason], count)
        yield rejected
        states = GaugeMetricFamily("edge_alarms", "Alarms by state", labels=["state"])
        for state, count in health.get("alarms", {}).items():
            states.add_metric([state], count)
        yield states
        devices = GaugeMetricFamily(
            "edge_devices", "Devices by availability", labels=["availability"]
        )
        for state, count in health.get("devices", {}).items():
            devices.add_metric([state], count)
        yield devices
        yield CounterMetricFamily(
            "edge_devices_forgotten",
            "Devices not heard for `forget_after`",
            value=health.get("forgotten", 0),
        )
        rates = health.get("rates", {})
        yield CounterMetricFamily("edge_alarms_raised", "New alarms", value=rates.get("total", 0))
        yield _gauge(
            "edge_alarms_raised_10min", "New alarms in 10 minutes", rates.get("per_10min", 0)
        )
        yield CounterMetricFamily(
            "edge_alarm_flood_seconds", "Time in alarm floods", value=rates.get("in_flood_s", 0.0)
        )
        yield _gauge(
            "edge_resident_memory_bytes", "Resident memory", health.get("memory_bytes") or 0
        )
        yield CounterMetricFamily(
            "edge_cpu_seconds", "Processor time used", value=health.get("cpu_s", 0.0)
        )
        yield _gauge("edge_lag_seconds", "Age of the newest window", health.get("lag_s") or 0.0)
        skews = (health.get("skew_s") or {}).values()
        skew = GaugeMetricFamily(
            "edge_clock_skew_seconds", "Clock of a device against ours", labels=["worst"]
        )
        skew.add_metric(["ahead"], max([0.0, *skews]))
        skew.add_metric(["behind"], -min([0.0, *skews]))
        yield skew
        yield _gauge(
            "edge_outbox_messages", "Messages that wait for the broker", health.get("outbox", 0)
        )
        inference = GaugeMetricFamily(
            "edge_inference_seconds", "Time of a micro-batch in the graph", labels=["quantile"]
        )
        for quantile in ("p50", "p99"):
            seconds = (health.get("inference_s") or {}).get(quantile)
            if seconds is not None:
                inference.add_metric([f"0.{quantile[1:]}"], seconds)
        yield inference


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def exposition(wall: Wall) -> tuple[bytes, str]:
    """The text, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OfWall(wall))
    encode, kind = choose_encoder("text/plain")
    return encode(registry), kind
