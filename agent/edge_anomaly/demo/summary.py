"""Faults against alarms: what was found, how fast, and what was cried for nothing; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from edge_anomaly.demo.board import Seen

__all__ = ["Finding", "Summary", "summarise"]


@dataclass(frozen=True)
class Finding:
    """One fault and what became of it."""

    fault: Seen
    delay_s: float | None  # to its first alarm, plant time; None: not alarmed
    young: bool  # not alarmed and still there: it may yet be


@dataclass(frozen=True)
class Summary:
    """A run in numbers."""

    findings: tuple[Finding, ...]
    false_alarms: int

    @property
    def injected(self) -> int:
        """Faults that have begun."""
        return len(self.findings)

    @property
    def alarmed(self) -> int:
        """Faults that had an alarm while they lasted or shortly after."""
        return sum(finding.delay_s is not None for finding in self.findings)

    @property
    def young(self) -> int:
        """Faults without an alarm that were still there at the end."""
        return sum(finding.young for finding in self.findings)

    @property
    def delay_s(self) -> float | None:
        """Median time from a fault to its alarm, plant time; None when none was alarmed."""
        delays = [finding.delay_s for finding in self.findings if finding.delay_s is not None]
        return median(delays) if delays else None


def summarise(faults: Sequence[Seen], alarms: Sequence[Seen], *, grace_s: float) -> Summary:
    """Match alarms to faults of the same device.

    An alarm belongs to a fault when it is raised from the fault's start until `grace_s`
    after its end: so long, the repair itself is in the window that the agent looks at. Every
    other alarm is false. One alarm may belong to two faults that overlap.

    Args:
        faults: As labelled.
        alarms: As raised, with the time at which they were.
        grace_s: At least 0, plant time.
    """
    findings = []
    true: set[int] = set()
    for fault in faults:
        mine = [
            (index, alarm) for index, alarm in enumerate(alarms) if _belongs(alarm, fault, grace_s)
        ]
        true |= {index for index, _ in mine}
        delay = min((alarm.start_s - fault.start_s for _, alarm in mine), default=None)
        findings.append(Finding(fault, delay, young=delay is None and fault.end_s is None))
    return Summary(tuple(findings), false_alarms=len(alarms) - len(true))


def _belongs(alarm: Seen, fault: Seen, grace_s: float) -> bool:
    return (
        alarm.device == fault.device
        and alarm.start_s >= fault.start_s
        and (fault.end_s is None or alarm.start_s < fault.end_s + grace_s)
    )
