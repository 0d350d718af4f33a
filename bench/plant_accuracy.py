"""What the demo's bundle finds on the simulated compressors: bench/results/plant.md.

No broker: windows straight from the plant, the agent's own scorer and hysteresis; and, for what
the alarm class `stuck` tells, its messages through the whole core.
"""

import argparse
import io
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
from machine import cpu, made, written
from numpy.typing import NDArray

from edge_anomaly.alarms.conditions import STUCK
from edge_anomaly.alarms.decision import Hysteresis, Verdict
from edge_anomaly.core import Core
from edge_anomaly.demo.command import configuration
from edge_anomaly.files.bundle import Bundle
from edge_anomaly.files.config import Alarms, parse
from edge_anomaly.monitor import Monitor
from edge_anomaly.plants import PERIOD_S, Compressors, Fault, Kind, random_faults
from edge_anomaly.plants.compressors import COMPRESSORS, DAY, START_S
from edge_anomaly.ports import Model
from edge_anomaly.scoring import Scorer
from edge_anomaly.values import Message
from edge_export.bundles.package import read_bundle
from edge_export.graphs.verify import load_model
from edge_export.shipped.compressors import OUT

__all__ = ["Raised", "alarms", "open_demo", "ratios", "stuck"]

TABLE = Path(__file__).parent / "results" / "plant.md"
HEAD = """\
# What the demo's bundle finds on the simulated compressors

Made by `python bench/plant_accuracy.py`: windows straight from the plant through the agent's own
scorer and hysteresis. A slot is a minute of the plant.
"""
RUN = 600  # slots of a run with faults: a minute of the demo
TAIL = 30  # slots after a fault in which an alarm still belongs to it


@dataclass(frozen=True)
class Raised:
    """An alarm, and the signal that stood out most when it was raised."""

    device: str
    slot: int
    signal: str


def open_demo() -> tuple[Bundle, Model]:
    """The bundle that ships, loaded."""
    bundle = read_bundle(OUT)
    return bundle, load_model(bundle)


def ratios(
    bundle: Bundle, model: Model, plant: Compressors, slots: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Score over threshold, and the signal furthest off, of every slot and device.

    Both (slots, D), from a fresh start; the first window is full at slot `window` - 1, before
    it the ratio is NaN.
    """
    _, values = plant.step(slots)
    scorer, device = Scorer(bundle, model), np.arange(len(plant.devices))
    ratio = np.full((slots, device.size), np.nan, np.float32)
    worst = np.zeros(ratio.shape, np.int64)
    for end in range(bundle.window, slots + 1):
        window = np.ascontiguousarray(values[end - bundle.window : end].transpose(1, 0, 2))
        scores = scorer.score(window, device, np.full(device.size, end - 1))
        ratio[end - 1] = scores.score / scores.threshold
        worst[end - 1] = scores.deviation.argmax(axis=1)
    return ratio, worst


def alarms(
    bundle: Bundle, model: Model, plant: Compressors, slots: int, rules: Alarms | None = None
) -> list[Raised]:
    """Alarms of a run, device after device."""
    ratio, worst = ratios(bundle, model, plant, slots)
    raised = []
    for column, device in enumerate(plant.devices):
        machine = Hysteresis(rules or Alarms())
        raised += [
            Raised(device, slot, bundle.signals[worst[slot, column]])
            for slot in range(bundle.window - 1, slots)
            if machine.step(float(ratio[slot, column]), slot) is Verdict.RAISED
        ]
    return raised


def stuck(bundle: Bundle, model: Model, plant: Compressors, slots: int) -> list[Raised]:
    """Signals that the alarm class `stuck` tells of, by the limits that the bundle brings."""
    rules = parse(configuration(COMPRESSORS, "embedded:"))
    core = Core(
        rules,
        [Monitor(bundle, model, rules.models[0], rules.inputs)],
        version="",
        config_sha256="",
    )
    raised = []
    for slot, values in zip(*plant.step(slots), strict=True):
        t_s = START_S + int(slot) * PERIOD_S
        now_ns = round((t_s + PERIOD_S) * 1e9)
        sent = [
            Message(one.topic, one.payload)
            for device, own in zip(plant.devices, values, strict=True)
            for one in COMPRESSORS.encode(device, t_s, own)
        ]
        for told in (*core.receive(sent, now_ns), *core.tick(now_ns)):
            event = msgspec.json.decode(told.payload) if told.topic.endswith("/event") else {}
            if (event.get("detector"), event.get("type")) == (STUCK, "new"):
                at = round((event["ts_ms"] / 1e3 - START_S) / PERIOD_S) - 1  # a slot's end
                raised.append(Raised(event["device"], at, event["contributors"][0]["signal"]))
    return raised


def belongs(alarm: Raised, fault: Fault) -> bool:
    """Whether `fault` explains `alarm`."""
    return alarm.device == fault.device and fault.start <= alarm.slot < fault.end + TAIL


def main(words: Sequence[str] | None = None) -> int:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=60, help="runs with faults (%(default)s)")
    parser.add_argument("--days", type=int, default=20, help="healthy days (%(default)s)")
    parser.add_argument("--first", type=int, default=1000, help="first seed (%(default)s)")
    args = parser.parse_args(words)
    bundle, model = open_demo()
    out = io.StringIO()
    seeds = range(args.first, args.first + args.seeds)
    cries = [alarms(bundle, model, Compressors(s), DAY) for s in seeds[: args.days]]
    cold = sum(alarm.slot < bundle.window + TAIL for day in cries for alarm in day)
    total = sum(map(len, cries))
    out.write(
        f"Healthy: {total} alarms in {len(cries) * len(Compressors.devices)} device-days, "
        f"{cold} of them in the first {TAIL} windows after the start.\n\n"
    )
    found: dict[Kind, list[tuple[Fault, list[Raised]]]] = defaultdict(list)
    frozen: list[tuple[Fault, list[Raised]]] = []
    false, vain = 0, 0
    for seed in seeds:
        faults = tuple(random_faults(seed, Compressors.devices, until=RUN))
        raised = alarms(bundle, model, Compressors(seed, faults), RUN)
        false += sum(not any(belongs(alarm, fault) for fault in faults) for alarm in raised)
        still = stuck(bundle, model, Compressors(seed, faults), RUN)
        broken = [fault for fault in faults if fault.kind is Kind.SENSOR_STUCK]
        vain += sum(not any(belongs(alarm, fault) for fault in broken) for alarm in still)
        frozen += [(fault, [a for a in still if belongs(a, fault)]) for fault in broken]
        for fault in faults:
            found[fault.kind].append((fault, [a for a in raised if belongs(a, fault)]))
    out.write(
        "| fault | alarmed | median delay | first signal is a cause |\n|---|---:|---:|---:|\n"
    )
    for kind in Kind:
        out.write(_row(kind, found[kind]))
    out.write(_row("sensor stuck, by the class `stuck`", frozen))
    out.write(
        f"\nFalse alarms beside the faults: {false} in {len(seeds)} runs of {RUN} slots, of the "
        f"class `stuck` {vain}.\n"
    )
    written(
        f"{HEAD}\nSeeds {seeds[0]} to {seeds[-1]}, of which the bundle saw none; {cpu()}; "
        f"{made()}\n\n{out.getvalue()}",
        TABLE,
    )
    return 0


def _row(kind: str, cases: Iterable[tuple[Fault, list[Raised]]]) -> str:
    cases = list(cases)
    hits = [(fault, min(raised, key=lambda a: a.slot)) for fault, raised in cases if raised]
    share = f"{len(hits)}/{len(cases)}"
    if not hits:
        return f"| {kind} | {share} | | |\n"
    delay = median(alarm.slot - fault.start for fault, alarm in hits) * PERIOD_S / 60
    blamed = sum(alarm.signal in fault.signals for fault, alarm in hits) / len(hits)
    return f"| {kind} | {share} | {delay:.0f} min | {blamed:.0%} |\n"


if __name__ == "__main__":
    sys.exit(main())
