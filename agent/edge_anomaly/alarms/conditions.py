"""What is wrong with the sensors rather than the machine: `stuck` and `no-data`.

Alarm classes of their own, beside the anomaly: a flat line may look quite usual to a model, and
of what does not arrive no model can say anything. Both are told from the windows, by the
device's own clock, so that a replay finds what the live run found; only that a whole device has
fallen silent takes the gateway's clock.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_anomaly.alarms.evidence import Cause, Detector, Finding, rounded
from edge_anomaly.alarms.sentences import lasting
from edge_anomaly.errors import StateError
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.rules import Alarms, Clear, Raise
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Contributor, ModelRef
from edge_kernels import NEVER

__all__ = ["NO_DATA", "STUCK", "Conditions", "condition_detector"]

STUCK, NO_DATA = "stuck", "no-data"
SAFELY = 3  # times the longest flat stretch of healthy time
PERIODS = 3  # that a signal may always stay away
NAMED = 3  # signals in a sentence; the rest is a number
_FOREVER = np.iinfo(np.int64).max


def condition_detector(name: str, bundle: Bundle, rules: Alarms) -> Detector:
    """The detector of a condition: raised and cleared at once, its delay is its own `after`."""
    manifest = bundle.manifest
    prompt = msgspec.structs.replace(
        rules,
        raise_=Raise(above=1.0, windows=1),
        clear=Clear(below=1.0, windows=1),
        minimum=0,
        merge_gap=0,
        severities={"warning": 1.0},
        latching=False,
    )
    model = ModelRef(name=manifest.name, version=manifest.version, sha256=bundle.sha256)
    return Detector(name, model, prompt)


class Conditions:
    """The sensors of one device.

    A signal is stuck when it has read the same for `after`, or for three times as long as it
    ever did in the time that the model learnt from. Signals of which a bundle does not tell
    that are watched only if the config names them: many are constant by nature.
    """

    def __init__(self, bundle: Bundle, device: int, rules: Alarms) -> None:
        """Make ready.

        Args:
            bundle: Its calibration may tell how long signals are `still` in healthy time.
            device: Row of the bundle's devices.
            rules: `stuck` and `no_data` say what is watched.
        """
        self._signals = bundle.signals
        size = len(self._signals)
        self._still = np.full(size, _FOREVER)
        if rules.stuck is not None:
            healthy = bundle.calibration.get("still")
            if healthy is not None and healthy.shape == (len(bundle.manifest.devices), size):
                own = healthy[device].astype(np.float64) * SAFELY
                limits = np.minimum(np.maximum(own, rules.stuck.after), 2.0**62).astype(np.int64)
                self._still = np.where(own < 0, _FOREVER, limits)
            named = [name in rules.stuck.signals for name in self._signals]
            self._still[named] = rules.stuck.after
        self.after_ns: int | None = None
        self._age = np.full(size, _FOREVER)
        if rules.no_data is not None:
            self.after_ns = max(rules.no_data.after, PERIODS * bundle.manifest.period_ns)
            watched = rules.no_data.signals
            for column, name in enumerate(self._signals):
                if watched is None or name in watched:
                    self._age[column] = self.after_ns
        self._least = int(self._still.min()), int(self._age.min())  # what nothing comes of
        self._began_ns: int | None = None  # the first window, for signals that never came

    @property
    def watches(self) -> list[str]:
        """The conditions that may come."""
        parts = {STUCK: self._still, NO_DATA: self._age}
        return [name for name, limit in parts.items() if (limit < _FOREVER).any()]

    def take(self, window: Judged, active: Callable[[str], bool]) -> list[tuple[str, Finding]]:
        """Findings by condition; hardly a window brings any.

        Args:
            window: Scored or not.
            active: Whether the alarm of a condition stands: then it is told how things are.
        """
        found: list[tuple[str, Finding]] = []
        if window.still_ns is None or window.age_ns is None:
            return found
        if self._began_ns is None:
            self._began_ns = window.start_ns
        longest, least_age, oldest = window.extremes_ns
        if (
            longest <= self._least[0]
            and oldest <= self._least[1]
            and least_age != NEVER
            and not (active(STUCK) or active(NO_DATA))
        ):
            return found  # nearly always
        stuck = window.still_ns > self._still
        if stuck.any() or active(STUCK):
            found.append((STUCK, self._stuck(window, stuck, window.still_ns)))
        age = window.age_ns
        if (age == NEVER).any():
            age = np.where(age == NEVER, window.end_ns - self._began_ns, age)
        silent = age > self._age
        if silent.all():  # all of them: that is for `silent` to tell, by the gateway's clock
            silent[:] = False
        if silent.any() or active(NO_DATA):
            found.append((NO_DATA, self._silent(window, silent, age)))
        return found

    def silent(self, since_ns: int) -> Finding:
        """The device has sent nothing for `after_ns`, by its own clock since `since_ns`."""
        after_ns = self.after_ns or 0
        end_ns = since_ns + after_ns
        return Finding(
            start_ns=since_ns,
            end_ns=end_ns,
            score=2.0,
            threshold=1.0,
            cause=lambda: Cause(f"nothing that can be used has come for {lasting(after_ns)}"),
            coverage=0.0,
            quality="uncertain",
        )

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes."""
        return {"began_ns": self._began_ns}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It is none.
        """
        began_ns = state.get("began_ns")
        if not isinstance(began_ns, int | None):
            raise StateError(f"conditions: began {began_ns!r}")
        self._began_ns = began_ns

    def _stuck(self, window: Judged, stuck: NDArray[np.bool_], still: NDArray[np.int64]) -> Finding:
        def cause() -> Cause:
            if not stuck.any():
                return Cause()
            long = lasting(int(still[stuck].min(initial=_FOREVER)))
            text = f"{self._who_has(stuck)} read the same for {long}"
            return Cause(text, self._contributors(stuck, window.last))

        return _finding(window, self._ratio(still, self._still), cause)

    def _silent(self, window: Judged, silent: NDArray[np.bool_], age: NDArray[np.int64]) -> Finding:
        def cause() -> Cause:
            if not silent.any():
                return Cause()
            long = lasting(int(age[silent].min(initial=_FOREVER)))
            text = f"{self._who_has(silent)} sent nothing for {long}"
            return Cause(text, self._contributors(silent, window.last))

        ratio = self._ratio(age, self._age) if silent.any() else 0.0
        return _finding(window, ratio, cause)

    def _ratio(self, lasted: NDArray[np.int64], limit: NDArray[np.int64]) -> float:
        return float((lasted / limit).max())

    def _who_has(self, flagged: NDArray[np.bool_]) -> str:
        """The signals, and the verb that their number asks for."""
        names = [self._signals[column] for column in np.flatnonzero(flagged)]
        if len(names) > NAMED:
            rest = len(names) - NAMED
            return f"{', '.join(names[:NAMED])} and {rest} more signals, each of which has"
        listed = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
        return f"{listed} {'has' if len(names) == 1 else 'have'}"

    def _contributors(
        self, flagged: NDArray[np.bool_], last: NDArray[np.float32] | None
    ) -> tuple[Contributor, ...]:
        """Each signal with what it has read; nothing else is expected of it."""
        columns = np.flatnonzero(flagged)
        if last is None:
            return ()
        return tuple(
            Contributor(
                signal=self._signals[column],
                share=round(1 / columns.size, 3),
                value=rounded(float(last[column])),
                expected=rounded(float(last[column])),
            )
            for column in columns
        )


def _finding(window: Judged, ratio: float, cause: Callable[[], Cause]) -> Finding:
    return Finding(
        start_ns=window.start_ns,
        end_ns=window.end_ns,
        score=ratio,
        threshold=1.0,
        cause=cause,
        coverage=window.coverage,
        quality="uncertain",
    )
