"""Tasks for people: in groups by when they are due, and what is said of one that was completed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import FlagStatus, Item, ItemKind
from rookery.v1.task_pb2 import TaskStatus
from rookery_client.cli.assigning_tasks import who_has
from rookery_client.cli.item_table import marks, own_time, wall_time
from rookery_client.cli.json_view import word
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.rules import calendar_time, task_series, to_do
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERDUE, TODAY, LATER, NO_DATE, DONE = "overdue", "today", "later", "no_date", "done"
GROUPS = {OVERDUE: "Overdue", TODAY: "Today", LATER: "Later", NO_DATE: "No date", DONE: "Done"}
"""The groups of a list, in its order."""
_WHO = 4
"""The column that says who has a task: left out where nobody else has one."""


def group_of(item: Item, now: datetime.datetime) -> str:
    """Where it stands at an aware moment, by the calendar of its zone: a day is over at its end, a time once it has come."""
    if to_do.standing(item.summary, item.state) == to_do.DONE:
        return DONE
    due = _due(item, now.tzinfo)
    if due is None:
        return NO_DATE
    if isinstance(due, datetime.datetime):
        if due < now:
            return OVERDUE
        due = due.date()
    if due < now.date():
        return OVERDUE
    return TODAY if due == now.date() else LATER


def show_tasks(items: Sequence[Item], now: datetime.datetime) -> None:
    """Prints a list in its groups, each named where it begins."""
    if not items:
        click.echo("No tasks.")
        return
    rows: list[list[str]] = []
    for group, title in GROUPS.items():
        found = [_row(item) for item in items if group_of(item, now) == group]
        rows += [[title if index == 0 else "", *row] for index, row in enumerate(found)]
    titles = ["When", "", "Due", "Subject", "Who", "Status", "Done", "ID"]
    if not any(who_has(item) for item in items):
        titles.remove("Who")
        rows = [[cell for number, cell in enumerate(row) if number != _WHO] for row in rows]
    table(
        titles,
        rows,
        right=["Done"],
        cut=["Subject", "Who"],
        drop=[title for title in ("Status", "Done", "Who", "When", "Due") if title in titles],
    )


def due_text(item: Item) -> str:
    """When it is due, as it was meant."""
    if item.summary.kind == ItemKind.ITEM_KIND_TASK and item.summary.task.HasField("due"):
        return own_time(item.summary.task.due)
    return moment(item.state.follow_up.due)


def sentence(before: Item, after: Item) -> str:
    """What became of a task that was completed."""
    subject = f"“{clean(before.summary.subject)}”"
    if before.summary.kind != ItemKind.ITEM_KIND_TASK or after.summary.task.occurrence == before.summary.task.occurrence:
        return f"{subject} is done."
    task = after.summary.task
    when = f"due {wall_time(task.due)}" if task.HasField("due") else f"from {wall_time(task.start)} on"
    return f"{subject} is done; the next is {when}."


def _row(item: Item) -> list[str]:
    task = item.summary.task
    if item.summary.kind == ItemKind.ITEM_KIND_TASK:
        status = (word(TaskStatus.DESCRIPTOR, task.status) or "not_started").replace("_", " ")
        percent = f"{task.percent_complete} %"
    else:
        done = item.state.follow_up.status == FlagStatus.FLAG_STATUS_COMPLETED
        status, percent = "followed up" if done else item.state.follow_up.request or "follow up", ""
    repeats = "R" if task_series.recurs(task) else ""
    return [marks(item) + repeats, due_text(item), item.summary.subject, who_has(item), status, percent, text_of(item.id)]


def _due(item: Item, zone: datetime.tzinfo | None) -> datetime.datetime | datetime.date | None:
    """When it is due: an aware moment, or a day."""
    task = item.summary.task
    if item.summary.kind == ItemKind.ITEM_KIND_TASK and task.HasField("due"):
        wall, micros = calendar_time.wall(task.due), calendar_time.instant(task.due)
        if wall is None or micros is None:
            return None
        if calendar_time.is_date(task.due):
            return wall.date()
        if calendar_time.is_floating(task.due):
            return wall.replace(tzinfo=zone)
        stamp = Timestamp()
        stamp.FromMicroseconds(micros)
        return stamp.ToDatetime(tzinfo=datetime.UTC).astimezone(zone)
    if item.state.follow_up.HasField("due"):
        return item.state.follow_up.due.ToDatetime(tzinfo=datetime.UTC).astimezone(zone)
    return None
