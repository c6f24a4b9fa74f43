"""A measured figure, its limit out of the same run, and how all of them are shown."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import pathlib

COLUMNS = ("figure", "measured", "limit or peer", "ratio", "target", "")


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One row. `limit` is None where nothing stands beside it; `reached` is None where no target is set."""

    name: str
    measured: float
    unit: str
    peer: str = ""
    limit: float | None = None
    target: str = ""
    reached: bool | None = None
    section: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured divided by the limit."""
        return self.measured / self.limit if self.limit else None

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of COLUMNS."""
        limit = f"{_number(self.limit)} {self.unit} ({self.peer})" if self.limit is not None else ""
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        verdict = "" if self.reached is None else "reached" if self.reached else "missed"
        return self.name, f"{_number(self.measured)} {self.unit}", limit, ratio, self.target, verdict


def at_least(name: str, measured: float, unit: str, peer: str, limit: float, share: float) -> Figure:
    """A figure that should reach a share of its limit."""
    return Figure(name, measured, unit, peer, limit, f"at least {share:.0%}", measured >= share * limit)


def at_most(name: str, measured: float, unit: str, peer: str, limit: float, times: float) -> Figure:
    """A figure that should stay within a multiple of its limit."""
    return Figure(name, measured, unit, peer, limit, f"at most {times:g}x", measured <= times * limit)


def below(name: str, measured: float, unit: str, bound: float) -> Figure:
    """A figure that should stay below a fixed bound."""
    return Figure(name, measured, unit, target=f"below {bound:g} {unit}", reached=measured < bound)


def within(section: str, figures: list[Figure]) -> list[Figure]:
    """The figures under a heading of the table."""
    return [dataclasses.replace(figure, section=section) for figure in figures]


def say(line: str) -> None:
    """Tells beside the table what is being done, or why something is not measured."""
    Console(stderr=True).print(line, highlight=False)


def show(figures: list[Figure]) -> None:
    """Prints the figures as a table."""
    table = Table(*COLUMNS)
    section = ""
    for figure in figures:
        if figure.section != section:
            section = figure.section
            table.add_section()
            table.add_row(section, style="bold")
        table.add_row(*figure.cells(), style="red" if figure.reached is False else "")
    Console(width=None if Console().is_terminal else 150).print(table)


def write_json(figures: list[Figure], machine: dict[str, str], path: pathlib.Path) -> None:
    """Writes the figures as one JSON document."""
    rows = [{**dataclasses.asdict(figure), "ratio": figure.ratio} for figure in figures]
    path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n", "utf-8")


def write_markdown(figures: list[Figure], machine: dict[str, str], path: pathlib.Path) -> None:
    """Writes the figures as a Markdown table."""
    lines = [", ".join(f"{key} {value}" for key, value in machine.items()) + ".", ""]
    lines += ["| " + " | ".join(row) + " |" for row in (COLUMNS, ("---",) * len(COLUMNS))]
    section = ""
    for figure in figures:
        if figure.section != section:
            section = figure.section
            lines.append(f"| **{section}** |" + " |" * (len(COLUMNS) - 1))
        lines.append("| " + " | ".join(figure.cells()) + " |")
    path.write_text("\n".join(lines) + "\n", "utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
