"""The proof: crashes, broken brokers, full disks, wrong clocks, nonsense. bench/results/proof.md.

    make proof

Everything at full length on real brokers (mosquitto; the embedded one for the kills as well),
by the commands a user runs. tests/agent/test_crashes.py and its like do it all shortly.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brokers import Broker, make_broker
from fuzz import fuzz
from machine import cpu, made

from proof.broker import broker_killed, out_of_reach
from proof.disk import NoMountError, refused_disk
from proof.inside import clock_jumps
from proof.plant import DEVICES, Ledger
from proof.run import Compared, compare, killed
from proof.swaps import swapped

SEED = 20
KILLS, KILL_SLOTS = 30, 900
BROKER_KILLS, BROKER_SLOTS = 10, 300
OUTAGE_SLOTS = 8000  # 64,000 messages, 1.2 million readings
OUTAGE_RATE = 2000.0  # messages a second while it lasts
DISK_SLOTS = 200
CLOCK_SLOTS = 300
SWAPS = 50
PAYLOADS = 1_000_000
OUT = Path(__file__).parents[1] / "results" / "proof.md"
HEAD = "| | faults | messages sent | lost | events expected | seen | repeated | right |"
RULE = "|---|---:|---:|---:|---:|---:|---:|---|"


@contextmanager
def fresh(kind: str) -> Iterator[tuple[Broker, Path]]:
    """A broker that nobody has used, and a folder."""
    with tempfile.TemporaryDirectory(prefix="edge-agent-proof-") as name:
        broker = make_broker(kind, Path(name))
        broker.start()
        try:
            yield broker, Path(name)
        finally:
            broker.stop()


def uninterrupted(slots: int) -> Ledger:
    """What an agent tells that nothing happens to."""
    with fresh("mosquitto") as (broker, folder):
        (folder / "run").mkdir()
        return killed(broker.url, folder / "run", slots, kills=0, rate=1e9, seed=SEED)[0]


def row(what: str, faults: int, slots: int, found: Compared, more: str = "") -> str:
    """A line of the table; a lost reading would be a score that is missing or differs.

    Readings come twice where the plant repeats what the broker did not confirm, and from
    rumqttd 0.4 after each crash: it numbers and marks what it delivers again as if it were new.
    """
    lost = found.scores_missing + found.unused
    right = "yes" if found.right else f"NO: {found}"
    if found.twice:
        right += f"; {found.twice:,} readings came twice and were dropped"
    return (
        f"| {what} | {faults} | {slots * len(DEVICES):,} | {lost} | {found.events} "
        f"| {found.events - found.missing + found.unexpected} | {found.repeated} "
        f"| {right}{more} |"
    )


def kills() -> list[str]:
    """`kill -9` at random moments."""
    expected = uninterrupted(KILL_SLOTS)
    lines = []
    for kind in ("mosquitto", "embedded"):
        with fresh(kind) as (broker, folder):
            (folder / "run").mkdir()
            seen, _ = killed(
                broker.url, folder / "run", KILL_SLOTS, kills=KILLS, rate=100.0, seed=SEED
            )
        found = compare(seen, expected)
        more = f"; scores differ by {found.worst:.0e} at most, states "
        more += "the same" if seen.states == expected.states else "DIFFER"
        lines.append(row(f"agent killed, {kind}", KILLS, KILL_SLOTS, found, more))
        progress(lines[-1])
    return lines


def brokers() -> list[str]:
    """The broker killed, and out of reach."""
    expected = uninterrupted(BROKER_SLOTS)
    with tempfile.TemporaryDirectory(prefix="edge-agent-proof-") as folder:
        seen, late = broker_killed(
            Path(folder),
            BROKER_SLOTS,
            times=BROKER_KILLS,
            rate=50.0,
            seed=SEED,
            events=len(expected.events),
        )
    found = compare(seen, expected, through_broker=True)
    more = "; retained states and status " + (
        "right" if late.states == expected.states and late.online() else "WRONG"
    )
    lines = [row("broker killed", BROKER_KILLS, BROKER_SLOTS, found, more)]
    progress(lines[-1])
    expected = uninterrupted(OUTAGE_SLOTS)
    with fresh("mosquitto") as (broker, folder):
        seen, backlog, took = out_of_reach(
            broker.url, folder / "run", OUTAGE_SLOTS, rate=OUTAGE_RATE, seed=SEED
        )
    # At this rate scores, at QoS 0, are dropped on the way, with and without an outage.
    found = compare(seen, expected, through_broker=True)
    order = "in order" if seen.in_order() else "OUT OF ORDER"
    more = f"; {backlog:,} messages waited and were drained in {took:.0f} s, events {order}"
    lines.append(row("broker out of reach", 1, OUTAGE_SLOTS, found, more))
    progress(lines[-1])
    return lines


def disks() -> list[str]:
    """Full, and read-only."""
    lines = ["| disk | `on_failure` | what the agent does | says |", "|---|---|---|---|"]
    for how in ("full", "read-only"):
        for on_failure in ("stop", "continue"):
            with fresh("mosquitto") as (broker, folder):
                try:
                    status, log, seen = refused_disk(
                        broker.url, folder / "run", DISK_SLOTS, how=how, on_failure=on_failure
                    )
                except NoMountError as exc:
                    return [f"Not seen: {exc}"]
            said = [line for line in log.splitlines() if "agent.db" in line]
            words = said[0].partition("agent.db: ")[2] if said else "NOTHING"
            did = f"exit status {status}" if status is not None else "goes on"
            scores = f"{len(seen.scores):,} of {DISK_SLOTS * len(DEVICES):,} windows told"
            lines.append(f"| {how} | {on_failure} | {did}; {scores} | {words} |")
            progress(lines[-1])
    return lines


def inside(payloads: int) -> list[str]:
    """Clocks and nonsense."""
    lines = [
        "| gateway's clock off by | events | others | readings refused | not scored at the end |",
        "|---:|---:|---:|---:|---:|",
    ]
    for jump_s, events, new, refused, stuck in clock_jumps(CLOCK_SLOTS, SEED):
        lines.append(f"| {jump_s / 3600:+g} h | {events} | {new} | {refused:,} | {stuck} |")
    progress("\n".join(lines))
    with fresh("mosquitto") as (broker, folder):
        early, late, count = swapped(broker.url, folder / "run", SWAPS)
    lines += [
        "",
        f"{count} swaps of the model by `cmd/swap`: {early:.0f} MB resident after the fifth,",
        f"{late:.0f} MB after the last.",
    ]
    progress(lines[-2])
    nonsense = fuzz(payloads, SEED)
    lines += [
        "",
        f"{payloads:,} mutated payloads over all formats: no exception but what is counted,",
        f"{nonsense.told.total():,} refused in whole or part, {nonsense.used.total():,} used,",
        f"{nonsense.empty.total():,} sound and empty, which is",
        f"{'all of them' if nonsense.counted else 'NOT ALL OF THEM'}; memory grew by",
        f"{nonsense.grown_bytes / 1e6:.1f} MB.",
    ]
    return lines


def progress(text: str) -> None:
    """Something to look at meanwhile."""
    sys.stderr.write(text + "\n")


def report(payloads: int) -> Iterator[str]:
    """Run everything; the tables as Markdown, which grow part by part."""
    lines = [
        "# The proof",
        "",
        "Made by `make proof` (`python bench/proof.py`): eight machines with faults, one message",
        "a machine and slot at QoS 1, `edge-agent --config` with a store as a process of its own,",
        "a subscriber that keeps account. An event is its id and number; repeated deliveries are",
        "dropped, and must say the same. Scores are compared with those of a run that nothing",
        "happens to; lost is a reading that was not used, or a window without its score.",
        "",
        f"{cpu()}, {os.cpu_count()} cores; seed {SEED}; {made()}",
        "",
        HEAD,
        RULE,
    ]
    for between, part in (
        ([], kills),
        ([], brokers),
        ([""], disks),
        ([""], lambda: inside(payloads)),
    ):
        lines += [*between, *part()]
        yield "\n".join(lines) + "\n"


def main() -> None:
    """Run, print, write; the one argument is how many payloads to mutate."""
    text = ""
    for text in report(int(sys.argv[1]) if len(sys.argv) > 1 else PAYLOADS):
        OUT.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
