"""Running values of devices: forgotten behind a gap, saved and put back with a checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_anomaly.errors import StateError

__all__ = ["Memory"]


@dataclass(frozen=True)
class Memory:
    """Named arrays with one row a device."""

    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    _fresh: dict[str, Any] = field(default_factory=dict)  # what a row holds at the start
    _lasting: set[str] = field(default_factory=set)

    def add(
        self,
        name: str,
        shape: tuple[int, ...],
        *,
        dtype: Any = np.float32,  # noqa: ANN401 - as numpy takes it
        fresh: Any = np.nan,  # noqa: ANN401 - whatever fits the dtype
        lasting: bool = False,
    ) -> NDArray[Any]:
        """An array to be changed in place.

        Args:
            name: Not yet taken.
            shape: (D, ...).
            dtype: Of its elements.
            fresh: What each holds before the first window.
            lasting: Whether a gap leaves it as it is.
        """
        if name in self.arrays:
            raise ValueError(f"two running values are called {name!r}")
        array = np.full(shape, fresh, dtype)
        self.arrays[name] = array
        self._fresh[name] = fresh
        if lasting:
            self._lasting.add(name)
        return array

    def forget(self, device: int, *, wholly: bool = False) -> None:
        """Begin anew with `device`, whose past has a gap; `wholly`: with what lasts as well."""
        for name, array in self.arrays.items():
            if wholly or name not in self._lasting:
                array[device] = self._fresh[name]

    def snapshot(self) -> dict[str, Any]:
        """All values, copied."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back what `snapshot` gave.

        Raises:
            StateError: It is of another bundle: names, shapes or types differ. Nothing is changed.
        """
        if state.keys() != self.arrays.keys():
            raise StateError(
                f"running values {', '.join(sorted(state)) or 'none'} do not fit this model, "
                f"which has {', '.join(sorted(self.arrays)) or 'none'}"
            )
        for name, array in self.arrays.items():
            saved = state[name]
            if (
                not isinstance(saved, np.ndarray)
                or saved.shape != array.shape
                or saved.dtype != array.dtype
            ):
                raise StateError(f"running value {name!r} does not fit this model")
        for name, array in self.arrays.items():
            array[...] = state[name]
