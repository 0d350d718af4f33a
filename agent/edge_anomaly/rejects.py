"""Input that could not be used: counted by reason, said at a bounded rate, never silent."""

from dataclasses import asdict, dataclass
from typing import Any

from edge_anomaly.errors import StateError

__all__ = ["Reject", "Rejects"]

QUIET_NS = 10 * 10**9  # between two reports of one reason
SAMPLE_BYTES = 200


@dataclass
class Reject:
    """One reason: how often, and its latest example."""

    code: str
    topic: str
    device: str | None
    detail: str
    sample: str
    count: int = 0  # since it was last reported
    total: int = 0
    said_ns: int | None = None

    def quiet(self, now_ns: int) -> bool:
        """Whether it was last reported long enough ago."""
        return self.said_ns is None or not 0 <= now_ns - self.said_ns < QUIET_NS


class Rejects:
    """All reasons. As many as there are codes: topics and devices do not multiply them."""

    def __init__(self) -> None:
        self._by_code: dict[str, Reject] = {}

    def add(
        self,
        code: str,
        *,
        topic: str = "",
        device: str | None = None,
        detail: str = "",
        payload: bytes = b"",
        times: int = 1,
    ) -> None:
        """Count one, and keep it as the example if it is the first since the last report."""
        reject = self._by_code.get(code)
        if reject is None:
            reject = self._by_code[code] = Reject(code, "", None, "", "")
        if not reject.count:
            reject.topic, reject.device, reject.detail = topic, device, detail[:SAMPLE_BYTES]
            reject.sample = payload[:SAMPLE_BYTES].decode("utf-8", "backslashreplace")
        reject.count += times
        reject.total += times

    @property
    def totals(self) -> dict[str, int]:
        """How often each reason was met since the start."""
        return {code: reject.total for code, reject in self._by_code.items()}

    def snapshot(self) -> list[dict[str, Any]]:
        """What `restore` takes."""
        return [asdict(reject) for reject in self._by_code.values()]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Count on from a snapshot.

        Raises:
            StateError: It is none; nothing is changed.
        """
        try:
            found = [Reject(**reject) for reject in state]
        except TypeError as exc:
            raise StateError(f"counts of what was refused: {exc}") from exc
        self._by_code = {reject.code: reject for reject in found}

    def due(self, now_ns: int, *, everything: bool = False) -> list[Reject]:
        """The reasons to report now, or `everything` not yet reported."""
        return [
            reject
            for reject in self._by_code.values()
            if reject.count and (everything or reject.quiet(now_ns))
        ]

    def said(self, reject: Reject, now_ns: int) -> None:
        """Begin to count `reject` anew."""
        reject.count = 0
        reject.said_ns = now_ns
