"""What is measured: a cell is one model on one ground, trained from one seed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

__all__ = ["MACHINES", "Cell", "cells"]

MACHINES = tuple(
    f"machine-{name}"
    for name in (
        "1-2",
        "1-3",
        "1-4",
        "1-6",
        "1-7",
        "2-1",
        "2-2",
        "2-7",
        "2-8",
        "3-2",
        "3-4",
        "3-10",
    )
)
SERVERS = ("all", *MACHINES)  # all of ASD, then SMD machine by machine
FAST_MACHINES = ("machine-2-8", "machine-3-4")  # where the signal is clear
FAST_SERVERS = "omi-8"
REFERENCES = ("random", "always", "iforest")
LINEAR = ("const", "var1", "pca")
# The recipe that is not the family's own, and what textbooks make of PCA.
BESIDE = (
    ("const", "whitened"),
    ("var1", "whitened"),
    ("pca", "both"),
    ("pca", "paper"),
    ("var1+pca", "default"),  # an ensemble that has no network
)
# A network stands before the ensembles that it is a member of: it is trained once for all.
NETWORKS = ("lstm-ae", "lstm-ae+var1", "lstm-ae+pca", "gevae", "gevae+pca")
RECIPES = ("default", "whitened")  # of networks


@dataclass(frozen=True)
class Cell:
    """One thing to run; its fields stand in every row that comes of it."""

    ground: str
    entity: str  # a machine, or `all` where a ground's entities share one model
    family: str  # as `edge-export train --family` has it
    preset: str = "default"
    seed: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from every other."""
        return tuple(str(value) for value in asdict(self).values())

    @property
    def name(self) -> str:
        """For people."""
        return " ".join(self.key)


def cells(*, fast: bool = False, seeds: int = 1) -> Iterator[Cell]:
    """All cells in the order in which they are worth having; a second seed comes last.

    Args:
        fast: Only what CI has the time for.
        seeds: Of networks; what draws nothing runs once.
    """
    if fast:
        yield from _fast()
        return
    for family in (*LINEAR, *REFERENCES):
        yield from _servers(family)
        yield from _processes(family)
    yield from _beside()
    yield Cell("ims", "all", "const")
    for ground in ("steel", "power_demand"):
        yield Cell(ground, "all", "random")
        yield Cell(ground, "all", "usad", "no-network")
    for seed in range(seeds):
        for entity in SERVERS:
            for preset in RECIPES:
                yield from (_server(entity, family, seed, preset) for family in NETWORKS)
        for family in ("lstm-ae", "gevae", "gevae+pca"):
            yield from _processes(family, seed)
        yield from _servers("usad", seed)
        yield from _processes("usad", seed)
        yield from _paper(seed)
        yield from _bearings(seed)
        for ground in ("steel", "power_demand"):
            yield Cell(ground, "all", "usad", "network", seed)
            yield Cell(ground, "all", "usad", "paper", seed)


def _beside() -> Iterator[Cell]:
    for family, preset in BESIDE:
        yield from _servers(family, preset=preset)
        if preset == "whitened":
            yield Cell("tep", "all", family, preset)
            yield Cell("skab", "all", family, preset)


def _bearings(seed: int) -> Iterator[Cell]:
    # The other two draw nothing.
    for preset in ("default", "components", "mean")[: 1 if seed else 3]:
        yield Cell("cwru", "all", "vae", preset, seed)
        yield Cell("pronostia", "all", "vae", preset, seed)
    yield Cell("ims", "all", "vae", seed=seed)
    yield Cell("bearing", "all", "vae", seed=seed)


def _fast() -> Iterator[Cell]:
    for family in (*LINEAR, *REFERENCES, "lstm-ae"):
        for machine in FAST_MACHINES:
            yield Cell("smd", machine, family)
        yield Cell("asd", FAST_SERVERS, family)
    yield Cell("tep", "all", "pca", "mahalanobis")


def _servers(family: str, seed: int = 0, preset: str = "default") -> Iterator[Cell]:
    for entity in SERVERS:
        yield _server(entity, family, seed, preset)


def _server(entity: str, family: str, seed: int, preset: str = "default") -> Cell:
    return Cell("asd" if entity == "all" else "smd", entity, family, preset, seed)


def _processes(family: str, seed: int = 0) -> Iterator[Cell]:
    if family not in {"iforest", "always"}:
        yield Cell("tep", "all", family, seed=seed)
    if family == "pca":
        for preset in ("mahalanobis", "paper", "t2"):
            yield Cell("tep", "all", family, preset, seed)
            yield Cell("skab", "all", family, preset, seed)
    if family in {"lstm-ae", "gevae"}:
        yield Cell("tep", "all", family, "mahalanobis", seed)
    if family in {*LINEAR, *REFERENCES, "lstm-ae"}:
        yield Cell("skab", "all", family, seed=seed)


def _paper(seed: int) -> Iterator[Cell]:
    for machine in MACHINES:
        yield Cell("smd", machine, "gevae", "paper", seed)
