"""Lengths of time as people write them: 500ms, 2s, 1.5min, 1h, 30d."""

import re
from functools import partial
from typing import Any

import msgspec

__all__ = ["Duration", "decode", "lasting"]

_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
_UNITS["d"] = 24 * _UNITS["h"]
_LONGEST = 365 * _UNITS["d"]
_DURATION = re.compile(r"^(\d+(?:\.\d+)?) ?(ns|us|ms|s|min|h|d)$")


class Duration(int):
    """A length of time in ns, written as 500ms, 2s, 1.5min, 1h or 30d; a year at most."""

    @classmethod
    def read(cls, text: object) -> "Duration":
        """Parse the written form.

        Raises:
            ValueError: It has no unit, one that is not known, or is longer than a year.
        """
        found = _DURATION.match(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError(f"expected a duration such as 500ms, 2s, 5min or 1h, got {text!r}")
        length = round(float(found[1]) * _UNITS[found[2]])
        if length > _LONGEST:  # times leave no more room for arithmetic
            raise ValueError(f"expected a duration of a year at most, got {text!r}")
        return cls(length)


def lasting(text: str) -> Any:  # noqa: ANN401 - what msgspec.field gives takes any type
    """A default; made by a factory, since a JSON Schema cannot hold a Duration."""
    return msgspec.field(default_factory=partial(Duration.read, text))


def decode(kind: type, value: object) -> Any:  # noqa: ANN401 - msgspec's hook is untyped
    """Msgspec's `dec_hook` for types that hold a `Duration`."""
    if kind is Duration:
        return Duration.read(value)
    raise NotImplementedError(f"no way to read {kind}")
