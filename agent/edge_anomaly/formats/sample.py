"""What every format gives."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

__all__ = ["Format", "Reject", "Sample"]

Reject = Callable[[str, str], None]  # (code, detail): a part of the payload is not used


class Sample(NamedTuple):
    """One number of a payload; None where the payload does not say it."""

    device: str | None
    signal: str | None
    t_ns: int | None
    value: float


class Format(Protocol):
    """A payload's reader."""

    def read(self, payload: bytes, reject: Reject) -> list[Sample]:
        """Samples in the payload's order; parts that cannot be used go to `reject`.

        Raises:
            PayloadError: Nothing of the payload can be used.
        """
        ...
