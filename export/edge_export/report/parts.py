"""What a page is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Chart", "Fact", "Grid", "Row", "Section"]


class Fact(NamedTuple):
    """A number at the head of the page."""

    value: str
    name: str


class Row(NamedTuple):
    """A line of a table."""

    cells: Sequence[str]
    strong: bool = False


class Grid(NamedTuple):
    """A table."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Row]


class Chart(NamedTuple):
    """A drawing, over the page's width or half of it."""

    svg: str
    half: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    key: str  # of its anchor
    short: str  # in the list of parts
    title: str
    lead: str = ""
    points: Sequence[str] = ()
    tables: Sequence[Grid] = ()
    charts: Sequence[Chart] = ()
    more: Sequence[Chart] = ()
    more_title: str = "the other machines"
