from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import figures
from tests.bench.figures import Figure

if TYPE_CHECKING:
    import pathlib

    import pytest

FIGURES = [
    Figure("alone", 1, "ms"),
    *figures.within("Together", [figures.at_most("near", 2, "ms", "far", 1, 3), figures.at_least("low", 1, "ms", "high", 9, 0.5)]),
]


def test_a_section_has_one_heading_above_its_figures(tmp_path: pathlib.Path) -> None:
    figures.write_markdown(FIGURES, {"processors": "2"}, tmp_path / "figures.md")
    rows = (tmp_path / "figures.md").read_text().splitlines()[4:]
    assert [row.split("|")[1].strip() for row in rows] == ["alone", "**Together**", "near", "low"]


def test_every_row_of_the_table_has_as_many_cells(tmp_path: pathlib.Path) -> None:
    figures.write_markdown(FIGURES, {"processors": "2"}, tmp_path / "figures.md")
    assert {row.count("|") for row in (tmp_path / "figures.md").read_text().splitlines()[2:]} == {len(figures.COLUMNS) + 1}


def test_the_table_tells_what_was_reached_and_what_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    figures.show(FIGURES)
    lines = capsys.readouterr().out.splitlines()
    assert [("near" in line, "low" in line) for line in lines if "reached" in line or "missed" in line] == [
        (True, False),
        (False, True),
    ]
    assert sum("Together" in line for line in lines) == 1
