"""One device as the alarms see it: its anomaly alarm, and what is told beside it."""

from collections.abc import Mapping
from typing import Any

from edge_anomaly.alarms.advisories import Advisor, advisory_detector
from edge_anomaly.alarms.annunciator import Annunciator
from edge_anomaly.alarms.conditions import NO_DATA, Conditions, condition_detector
from edge_anomaly.alarms.findings import anomaly, anomaly_detector, by_sound
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.rules import Alarms
from edge_anomaly.monitor import Judged
from edge_anomaly.values import Event, Trend

__all__ = ["Watched"]


class Watched:
    """A device of a model."""

    def __init__(
        self, annunciator: Annunciator, bundle: Bundle, device: str, row: int, rules: Alarms
    ) -> None:
        """Put its alarms on the annunciator.

        Args:
            annunciator: All alarms.
            bundle: That judges the device.
            device: Its name.
            row: Its row in the bundle.
            rules: How scores become alarms.
        """
        self._annunciator = annunciator
        self._of = bundle, row, rules
        self._signals = bundle.manifest.signals
        self._heard = by_sound(bundle.manifest)
        self.alarm = annunciator.add(device, anomaly_detector(bundle, rules))
        self._conditions = Conditions(bundle, row, rules)
        self._sensors = {
            name: annunciator.add(device, condition_detector(name, bundle, rules))
            for name in self._conditions.watches
        }
        self._advisor = Advisor(bundle, row, rules)
        self._advisories = {
            name: annunciator.add(device, advisory_detector(name, bundle, rules))
            for name in self._advisor.watches
        }

    def judge(self, window: Judged, now_ns: int) -> list[Event]:
        """The transitions that a window makes."""
        events = []
        for name, found in self._conditions.take(window, self._stands):
            if name in self._sensors:
                events += self._annunciator.judge(self._sensors[name], found, now_ns)
        finding = anomaly(window, self._signals, self._trend, heard=self._heard)
        if finding is None:
            return events
        events += self._annunciator.judge(self.alarm, finding, now_ns)
        if self._advisories:
            calm = not self.alarm.life.open
            for name, advice in self._advisor.take(window, self.alarm.scale, calm=calm):
                events += self._annunciator.judge(self._advisories[name], advice, now_ns)
        return events

    @property
    def silence_ns(self) -> int | None:
        """How long the device may be silent; None where nobody is to be told."""
        return self._conditions.after_ns

    def silent(self, since_ns: int, now_ns: int) -> list[Event]:
        """The transitions that the silence of the whole device makes."""
        if NO_DATA not in self._sensors or self._stands(NO_DATA):
            return []
        finding = self._conditions.silent(since_ns)
        return self._annunciator.judge(self._sensors[NO_DATA], finding, now_ns)

    def begin_anew(self) -> None:
        """Know what was known before the first window; the alarms are the annunciator's."""
        self._conditions, self._advisor = Conditions(*self._of), Advisor(*self._of)

    def snapshot(self) -> dict[str, Any]:
        """What `restore` takes; the alarms are the annunciator's."""
        return {**self._advisor.snapshot(), "conditions": self._conditions.snapshot()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where a snapshot left off.

        Raises:
            StateError: It does not fit.
        """
        self._advisor.restore(state)
        self._conditions.restore(state.get("conditions", {}))

    def _stands(self, condition: str) -> bool:
        alarm = self._sensors.get(condition)
        return alarm is not None and alarm.decision.active

    def _trend(self) -> Trend | None:
        return self._advisor.trend
