"""Windows a second of one core, `usad` by path, window and batch: bench/results/usad.md.

    python bench/usad_table.py

Contenders take turns within each round, so that whatever else the machine does hits all of
them; a cell is the median over rounds, a ratio the median of the rounds' ratios.
"""

from pathlib import Path

import numpy as np
from machine import cpu, made, written
from rounds import HOW, in_turns, rate
from usad_contenders import (
    BATCHES,
    CONTENDERS,
    PATHS,
    PEER,
    SEED,
    SHIPPED,
    WINDOWS,
    contender,
    feeds,
    turns,
)

GATE = 8  # times eager torch at batch 1
INTRODUCTION = f"""\
Made by `python bench/usad_table.py`: the scoring path of the family's network (48 channels, latent
6, one signal). `default` runs encoder and first decoder, `published` both decoders one after the
other. `times` is the ratio to `{PEER}` of the same path. DTW and forest follow in every case and
are in kernels.md."""
OUT = Path(__file__).parent / "results" / "usad.md"
Cell = tuple[str, str, int, int]  # contender, path, window, batch


def measure() -> dict[Cell, list[float]]:
    """Rates of each cell, a round an entry."""
    runs = {
        (name, path, window, size): turns(contender(name, path, window), feeds(window, size))
        for path in PATHS
        for window in WINDOWS
        for size in BATCHES
        for name in CONTENDERS
    }
    return in_turns(runs, lambda cell, run: rate(run, cell[3]))


def table(rates: dict[Cell, list[float]]) -> str:
    """The report, as Markdown."""
    lines = [
        "# usad: windows a second of one core",
        "",
        INTRODUCTION,
        "",
        f"{cpu()}; {HOW}; seed {SEED}; {made()}",
        "",
        "| path | slots | batch | "
        + " | ".join(f"{name} | times" for name in CONTENDERS[:-1])
        + f" | {PEER} |",
        "|---" + "|---:" * (2 * len(CONTENDERS) + 1) + "|",
    ]
    for path in PATHS:
        for window in WINDOWS:
            for size in BATCHES:
                peer = np.array(rates[PEER, path, window, size])
                cells = [path, str(window), str(size)]
                for name in CONTENDERS[:-1]:
                    mine = np.array(rates[name, path, window, size])
                    cells += [f"{np.median(mine):,.0f}", f"{np.median(mine / peer):.3g}"]
                lines.append("| " + " | ".join([*cells, f"{np.median(peer):,.0f}"]) + " |")
    least = min(
        float(np.median(np.array(rates[SHIPPED, *key]) / np.array(rates[PEER, *key])))
        for key in ((path, window, 1) for path in PATHS for window in WINDOWS)
    )
    lines += ["", f"At batch 1 at least {least:.1f} times eager torch (gate: {GATE})."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    text = table(measure())
    written(text, OUT)


if __name__ == "__main__":
    main()
