"""Time of a run of `vae` by batch and runtime: bench/results/vae.md.

    python bench/vae_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

from pathlib import Path

import numpy as np
from machine import cpu, made, written
from products import byte_products, products_per_ns, read_gb_s
from rounds import HOW, in_turns, spent
from vae_contenders import (
    BATCHES,
    CONTENDERS,
    PEER,
    SEED,
    SHIPPED,
    by_operation,
    contender,
    feeds,
    turns,
    weights,
)

from edge_anomaly.plants.vibration import RATE, snapshots
from edge_kernels import spectra

OUT = Path(__file__).parent / "results" / "vae.md"
INTRODUCTION = f"""\
Made by `python bench/vae_table.py`: microseconds of processor time a run, 8192-512-256-128-16 and
back, random weights. `times` is the ratio to `{PEER}` in the same round."""
PRODUCTS = "DynamicQuantizeMatMul"  # with the rounding of what goes in
GATES = {1: 10, 128: 6}  # times eager torch, by batch


def measure() -> dict[tuple[str, int], list[float]]:
    """Times of each (contender, batch), a round an entry."""
    runs = {
        (name, size): turns(contender(name), feeds(size)) for size in BATCHES for name in CONTENDERS
    }
    return in_turns(runs, lambda _, run: 1e6 * spent(run))


def table(found: dict[tuple[str, int], list[float]]) -> str:
    """The report, as Markdown."""
    lines = [
        "# vae: time of a run",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; {HOW}; seed {SEED}; {made()}",
        "",
        "| batch | "
        + " | ".join(f"{name}, us | times" for name in CONTENDERS[:-1])
        + f" | {PEER}, us |",
        "|" + "---:|" * (2 * len(CONTENDERS)),
    ]
    for size in BATCHES:
        peer = np.array(found[PEER, size])
        cells = [str(size)]
        for name in CONTENDERS[:-1]:
            mine = np.array(found[name, size])
            cells += [f"{np.median(mine):,.0f}", f"{np.median(peer / mine):.1f}"]
        lines.append("| " + " | ".join([*cells, f"{np.median(peer):,.0f}"]) + " |")
    lines.append("")
    least = _least()
    for size, gate in GATES.items():
        peer = np.array(found[PEER, size])
        ratio = np.median(peer / np.array(found[SHIPPED, size]))
        most = f"; this core allows {np.median(peer) / least[size]:.1f}" if size in least else ""
        lines.append(f"8 bits at batch {size}: {ratio:.1f} times eager torch (aim: {gate}{most}).")
    lines += ["", *_limits(found, least), ""]
    lines.append(f"Spectra of a snapshot of four bearings: {_spectra():,.0f} us.")
    return "\n".join(lines) + "\n"


def _least() -> dict[int, float]:
    """Microseconds that no run of a batch can beat on this core; none where that is not known."""
    if not byte_products():
        return {}
    count = weights()
    reads, products = read_gb_s(count), products_per_ns(of_bytes=True)
    return {size: max(count / reads, count * size / products) / 1e3 for size in BATCHES}


def _limits(found: dict[tuple[str, int], list[float]], least: dict[int, float]) -> list[str]:
    """What no runtime can beat on this core, and where the rest of a run goes."""
    count = weights()
    lines = [
        f"What this core can do at best, measured (bench/products.py): it reads "
        f"{read_gb_s(count):.1f} GB/s of {count / 1e6:.1f} MB, which its second cache does not "
        f"hold, and makes {products_per_ns(of_bytes=False):.0f} products of float32 a nanosecond"
        + (f", {products_per_ns(of_bytes=True):.0f} of bytes." if least else "."),
    ]
    if not least:
        return lines
    lines += [
        f"Of {count:,} weights each has to be read once a run and multiplied once a window:",
        "",
        f"| batch | at least, 8 bits, us | {PEER} takes times that |",
        "|---:|---:|---:|",
    ]
    for size in BATCHES:
        times = np.median(found[PEER, size]) / least[size]
        lines.append(f"| {size} | {least[size]:,.0f} | {times:.1f} |")
    lines.append("")
    for size in GATES:
        parts = by_operation(SHIPPED, size)
        named = [
            f"{kind} {us:,.0f}" for kind, us in parts.items() if us >= 0.02 * sum(parts.values())
        ]
        most = np.median(found[PEER, size]) / parts[PRODUCTS]
        lines.append(
            f"Where {SHIPPED} spends its time at batch {size}, us: {', '.join(named)}. Did it do "
            f"nothing but its products of bytes, it were {most:.1f} times as fast as {PEER}."
        )
    return lines


def _spectra() -> float:
    block = snapshots(1, 1)
    return min(
        1e6 * spent(lambda: spectra(block, rate=RATE, band=(2000, 9500), segment=2048, step=1024))
        for _ in range(3)
    )


def main() -> None:
    """Measure, print, write."""
    text = table(measure())
    written(text, OUT)


if __name__ == "__main__":
    main()
