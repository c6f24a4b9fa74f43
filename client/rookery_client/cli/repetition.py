"""How often appointments and tasks recur, and how long: as it is typed, and in words."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ItemKind
from rookery_client.cli.calendar_times import DATE, DAY
from rookery_core.formats.recurrence_words import described
from rookery_core.rules import calendar_time, task_series, zones

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item

_EVERY = re.compile(r"(?:(\d{1,5})\s+)?(day|week|month|year)s?\Z")
_WEEKDAYS = "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"
_FREQUENCIES = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "year": "YEARLY"}

EVERY = click.option("--every", metavar="HOW OFTEN", help="It recurs: day, weekday, week, month, year, or e.g. “2 weeks”.")
RULE = click.option("--rule", metavar="RULE", help="It recurs by a rule of RFC 5545, e.g. FREQ=MONTHLY;BYDAY=2TU.")
UNTIL = click.option("--until", type=DATE, metavar="DATE", help="With --every: the last day.")
COUNT = click.option("--count", type=click.IntRange(min=1), metavar="N", help="With --every: so many times.")


def rule_of(
    every: str | None, rule: str | None, until: dt.datetime | None, count: int | None, begins: CalendarTime | None, option: str
) -> str:
    """The rule that --every, --rule, --until and --count say; "" if it does not recur. UsageError.

    ``begins``: what the series counts from, a time or a date, and the option that says so; None where that is no time yet.
    """
    if every is None:
        if until is not None or count is not None:
            raise click.UsageError("--until and --count go with --every.")
        return rule or ""
    if rule is not None or (until is not None and count is not None):
        raise click.UsageError("Say --every or --rule, and --until or --count, not both.")
    first = calendar_time.wall(begins) if begins is not None else None
    if until is not None and first is not None and until.date() < first.date():
        raise click.UsageError(f"--until is before {option}: it would never be on.")
    words = _every_rule(every)
    if count is not None:
        return f"{words};COUNT={count}"
    return words if until is None else f"{words};UNTIL={_until(until, begins)}"


def _until(day: dt.datetime, begins: CalendarTime | None) -> str:
    """The end of a day as RFC 5545 section 3.3.10 wants it: a date for dates, else in UTC."""
    if begins is None or calendar_time.is_date(begins):
        return f"{day:%Y%m%d}"
    last = calendar_time.instant(calendar_time.at(day + DAY - dt.timedelta(seconds=1), begins.time_zone))
    shown = calendar_time.from_instant(last or 0, zones.UTC)
    return f"{shown.local if shown else ''}Z".replace("-", "").replace(":", "")


def _every_rule(every: str) -> str:
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
