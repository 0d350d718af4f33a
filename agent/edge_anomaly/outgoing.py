"""What the agent says: the topics and payloads of everything it publishes."""

from collections.abc import Sequence

import msgspec

from edge_anomaly.alarms.evidence import rounded
from edge_anomaly.availability import Presence
from edge_anomaly.monitor import Judged, Monitor
from edge_anomaly.rejects import Reject
from edge_anomaly.shadow import Opinion
from edge_anomaly.topics import device_topic
from edge_anomaly.values import (
    ERROR_SCHEMA,
    EVENT_SCHEMA,
    INFO_SCHEMA,
    SCORE_SCHEMA,
    SHADOW_SCHEMA,
    STATE_SCHEMA,
    Available,
    Event,
    Health,
    InputError,
    Publish,
    Score,
    State,
    WindowSpan,
    iso,
)

__all__ = ["Outgoing"]

HEALTH_S = 60  # how long it is of use


class Outgoing:
    """Messages below one base topic, `edge-agent/v1/<site>/<agent>`."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._encode = msgspec.json.Encoder().encode

    def status(self, state: str, now_ns: int | None = None) -> Publish:
        """The agent is `online`, `stopped` or `offline`; the will knows no time."""
        body = {"state": state} if now_ns is None else {"state": state, "ts": iso(now_ns)}
        return Publish(f"{self._base}/status", self._encode(body), retain=True)

    def info(
        self, monitors: Sequence[Monitor], version: str, config_sha256: str, now_ns: int
    ) -> Publish:
        """What runs here."""
        body = {
            "schema": INFO_SCHEMA,
            "ts": iso(now_ns),
            "version": version,
            "schemas": [EVENT_SCHEMA, STATE_SCHEMA, SCORE_SCHEMA, ERROR_SCHEMA],
            "config_sha256": config_sha256,
            "models": [
                {
                    "name": monitor.bundle.manifest.name,
                    "version": monitor.bundle.manifest.version,
                    "family": monitor.bundle.manifest.family,
                    "sha256": monitor.bundle.sha256,
                    "provider": monitor.model.provider,
                    "devices": [d for d in monitor.devices if monitor.row(d) is not None],
                    "signals": monitor.signals,
                }
                for monitor in monitors
            ],
        }
        return Publish(f"{self._base}/info", self._encode(body), retain=True)

    def event(self, event: Event) -> Publish:
        """An alarm transition."""
        return Publish(f"{self._base}/event", self._encode(event))

    def state(self, state: State) -> Publish:
        """Where a device stands."""
        topic = device_topic(self._base, state.device, "state")
        return Publish(topic, self._encode(state), retain=True)

    def score(self, window: Judged, scale: float = 1.0) -> Publish:
        """One window; `scale` is what an operator has the threshold multiplied by."""
        end, coverage = iso(window.end_ns), round(window.coverage, 4)
        score = Score(
            device=window.device,
            ts=end,
            ts_ms=window.end_ns // 1_000_000,
            score=None if window.score is None else rounded(window.score),
            threshold=rounded(window.threshold * scale),
            warm=window.warm,
            coverage=coverage,
            unscored=window.unscored,
            window=WindowSpan(
                start=iso(window.start_ns),
                end=end,
                coverage=coverage,
            ),
        )
        return Publish(device_topic(self._base, window.device, "score"), self._encode(score), qos=0)

    def available(self, device: str, presence: Presence) -> Publish:
        """Whether a device is heard."""
        seen = presence.seen_ns
        body = Available(
            device=device, state=presence.state, last_seen=None if seen is None else iso(seen)
        )
        topic = device_topic(self._base, device, "availability")
        return Publish(topic, self._encode(body), retain=True)

    def health(self, health: Health) -> Publish:
        """How the agent is; forgotten when no next one comes."""
        topic, payload = f"{self._base}/health", self._encode(health)
        return Publish(topic, payload, qos=0, retain=True, expiry_s=HEALTH_S)

    def opinion(self, opinion: Opinion) -> Publish:
        """What a candidate thinks of a window, beside the model at work."""
        body = {
            "schema": SHADOW_SCHEMA,
            "device": opinion.device,
            "ts": iso(opinion.end_ns),
            "ts_ms": opinion.end_ns // 1_000_000,
            "score": rounded(opinion.score),
            "threshold": rounded(opinion.threshold),
            "candidate": rounded(opinion.candidate),
            "candidate_threshold": rounded(opinion.candidate_threshold),
        }
        return Publish(device_topic(self._base, opinion.device, "shadow"), self._encode(body), 0)

    def emptied(self, device: str) -> list[Publish]:
        """The end of what is retained of a device."""
        return [
            Publish(device_topic(self._base, device, leaf), b"", retain=True)
            for leaf in ("state", "availability")
        ]

    def error(self, reject: Reject, now_ns: int) -> Publish:
        """Input that could not be used."""
        error = InputError(
            ts=iso(now_ns),
            code=reject.code,
            count=reject.count,
            total=reject.total,
            topic=reject.topic,
            device=reject.device,
            detail=reject.detail,
            sample=reject.sample,
        )
        return Publish(f"{self._base}/error", self._encode(error))
