"""Merge units: which fields of an item's content change together (SYNC.md, Push rule 2).

The table names what is more than one field; every other field is a unit by itself, named by its path.
"""

from __future__ import annotations

_UNITS: dict[str, str] = {
    "content.body": "body",
    "summary.appointment.start": "time",
    "summary.appointment.end": "time",
    "summary.appointment.all_day": "time",
    "summary.appointment.recurrence": "time",
    "summary.task.start": "time",
    "summary.task.due": "time",
    "summary.task.recurrence": "time",
    "summary.task.status": "progress",
    "summary.task.percent_complete": "progress",
    "summary.task.completed": "progress",
    "summary.journal.start": "time",
    "summary.journal.end": "time",
}
"""Path -> unit, for what lies at or below the path."""


def units_of(path: str) -> set[str]:
    """The units that a change of a path touches: several where the path covers several, e.g. "summary.task"."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if unit := _UNITS.get(".".join(parts[:length])):
            return {unit}
    covered = {unit for known, unit in _UNITS.items() if known.startswith(path + ".")}
    return covered | {path[:64]}
