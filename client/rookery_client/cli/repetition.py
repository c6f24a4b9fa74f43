"""How often appointments and tasks recur, in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ItemKind
from rookery_core.formats.recurrence_words import described
from rookery_core.rules import task_series

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item

_EVERY = re.compile(r"(?:(\d{1,5})\s+)?(day|week|month|year)s?\Z")
_WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_FREQUENCIES = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}

EVERY = click.option("--every", metavar="HOW OFTEN", help="It recurs: day, weekday, week, month, year, or e.g. “2 weeks”.")
RULE = click.option("--rule", metavar="RULE", help="It recurs by a rule of RFC 5545, e.g. FREQ=MONTHLY;BYDAY=2TU.")


def every_rule(every: str) -> str:
    """The rule that the words of --every stand for. UsageError."""
    words = every.strip().lower()
    if words in {"weekday", "weekdays"}:
        return _WEEKDAYS
    match = _EVERY.match(words)
    if match is None or (match[1] is not None and not int(match[1])):
        raise click.UsageError(f"--every {every}: write day, weekday, week, month, year, or a number of them, e.g. “2 weeks”.")
    interval = f";INTERVAL={int(match[1])}" if match[1] and int(match[1]) > 1 else ""
    return f"FREQ={_FREQUENCIES[match[2]]}{interval}"


def repetition(item: Item) -> str:
    """When it is on again: "every week on Monday, until Monday, 21 December 2026"; "" for what does not recur."""
    summary = item.summary
    if summary.kind == ItemKind.ITEM_KIND_APPOINTMENT:
        return described(summary.appointment.recurrence, summary.appointment.start)
    task = summary.task
    if summary.kind != ItemKind.ITEM_KIND_TASK or not task_series.recurs(task):
        return ""
    words = described(task.recurrence, task.start if task.HasField("start") else task.due)
    return f"{words}, from its completion" if task.regenerating else words
