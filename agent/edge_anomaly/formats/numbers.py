"""The numbers and texts of a payload, checked alike in every format."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import PayloadError

__all__ = ["FLOAT32_MAX", "boolean", "kind", "number", "series", "text"]

FLOAT32_MAX = float(np.finfo(np.float32).max)

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    tuple: "an array",
    str: "text",
    bytes: "bytes",
    type(None): "null",
    bool: "true or false",
}


def number(value: object, name: str) -> float:
    """A number that single precision can hold.

    Raises:
        PayloadError: It is none (`wrong_type`), or too large or not finite (`not_finite`).
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PayloadError("wrong_type", f"{name}: expected a number, got {kind(value)}")
    if not -FLOAT32_MAX <= value <= FLOAT32_MAX:
        shown = f"{value:.3g}" if isinstance(value, float) else "a number of many digits"
        raise PayloadError("not_finite", f"{name}: {shown} exceeds single precision")
    return float(value)


def boolean(value: object, name: str, policy: str) -> float:
    """True or false as 1 or 0, where the policy is `number`.

    Raises:
        PayloadError: It is neither, or the policy is to refuse them.
    """
    if isinstance(value, bool) and policy == "number":
        return float(value)
    if isinstance(value, bool):
        raise PayloadError("wrong_type", f"{name}: is true or false; see `booleans`")
    raise PayloadError("wrong_type", f"{name}: expected true or false, got {kind(value)}")


def series(value: object, name: str) -> NDArray[np.float32]:
    """An array of numbers, shape (n, 1); what is not finite stays, for the caller to tell.

    Raises:
        PayloadError: It is no array, or holds what is no number.
    """
    if isinstance(value, np.ndarray):  # a typed array of CBOR
        numbers = value
    elif isinstance(value, list | tuple):
        try:
            numbers = np.array(msgspec.convert(value, list[float]), np.float64)
        except (msgspec.ValidationError, OverflowError) as exc:
            raise PayloadError("wrong_type", f"{name}: {exc}") from exc
    else:
        raise PayloadError("wrong_type", f"{name}: expected an array, got {kind(value)}")
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32).reshape(-1, 1)


def text(value: object, name: str) -> str:
    """Text that is not empty.

    Raises:
        PayloadError: It is none.
    """
    if isinstance(value, str) and value:
        return value
    raise PayloadError("wrong_type", f"{name}: expected text, got {kind(value)}")


def kind(value: Any) -> str:  # noqa: ANN401 - a payload holds anything
    """What `value` is, in the words of a payload."""
    found = _KINDS.get(type(value))
    if found is None:
        found = "a number" if isinstance(value, int | float) else "something else"
    return found
