"""What every format gives, and how."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.values import Message, Publish

__all__ = ["Block", "Format", "Gone", "Item", "Quick", "Reject", "Sample", "Stateless"]

Reject = Callable[[str, str], None]  # (code, detail): a part of the payload is not used
# Time and value of a payload that is nothing but one reading whose device and signal the
# topic names; None where it is not, or wrong: then `Format.read` knows what to say.
Quick = Callable[[bytes], tuple[int | None, float] | None]


class Sample(NamedTuple):
    """One number of a payload; None where the payload does not say it."""

    device: str | None
    signal: str | None
    t_ns: int | None
    value: float
    uncertain: bool = False  # counts against the coverage


class Block(NamedTuple):
    """Samples of some signals at a fixed rate."""

    device: str | None
    signals: Sequence[str | None]  # S channels
    t_ns: int | None  # of the first sample; None: the last one is of the arrival
    step_ns: float
    values: NDArray[np.float32]  # (n, S)
    uncertain: bool = False


class Gone(NamedTuple):
    """A device has ended: what it said of these signals holds no longer."""

    device: str
    signals: Sequence[str]


Item = Sample | Block | Gone | Publish  # the last: something to say back


class Format(Protocol):
    """The reader of one input's payloads."""

    quick: Quick | None

    def read(self, message: Message, arrived_ns: int, reject: Reject) -> Sequence[Item]:
        """Items in the payload's order; parts that cannot be used go to `reject`.

        Raises:
            PayloadError: Nothing of the payload can be used.
        """
        ...

    def snapshot(self) -> dict[str, Any]:
        """What is remembered from message to message."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `snapshot`.

        Raises:
            StateError: It is not one of this format; nothing has changed.
        """
        ...


class Stateless:
    """Of a format whose messages do not depend on each other."""

    quick: Quick | None = None

    def snapshot(self) -> dict[str, Any]:
        """See `Format.snapshot`: nothing."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `Format.restore`."""
