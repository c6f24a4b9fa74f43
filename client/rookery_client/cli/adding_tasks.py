"""`tasks add`: a new task, in the words of a command line."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import click

from rookery.v1.item_pb2 import Importance, Item, ItemKind
from rookery_client.cli.filters import moment
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.repetition import COUNT, EVERY, RULE, UNTIL, rule_of
from rookery_client.cli.session import Session, pass_session
from rookery_core.rules import calendar_time
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime


@click.command()
@click.argument("subject")
@click.option("--due", metavar="TIME", help="When it is due: a date like 2026-03-01, or a time like 2026-03-01T09:30.")
@click.option("--start", metavar="TIME", help="When to begin.")
@click.option("--reminder", metavar="TIME", help="When to remind.")
@EVERY
@RULE
@UNTIL
@COUNT
@click.option("--regenerate", is_flag=True, help="With --every: so long after it was completed, rather than by the calendar.")
@click.option("--important", is_flag=True, help="Of high importance.")
@click.option("--text", default="", metavar="TEXT", help="What it is about.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def add(session: Session, /, subject: str, as_json: bool, **options: Any) -> None:
    """Make a task; prints its ID."""
    item = _task(subject, **options)
    made = session.run(lambda client: client.items.create(item))
    if as_json:
        emit({"item": item_view(made)})
    else:
        click.echo(text_of(made.id))


def _task(
    subject: str,
    *,
    due: str | None,
    start: str | None,
    reminder: str | None,
    every: str | None,
    rule: str | None,
    until: datetime.datetime | None,
    count: int | None,
    regenerate: bool,
    important: bool,
    text: str,
) -> Item:
    item = Item()
    item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_TASK, subject
    task = item.summary.task
    if due is not None:
        task.due.CopyFrom(_time(due, "--due"))
    if start is not None:
        task.start.CopyFrom(_time(start, "--start"))
    if reminder is not None:
        task.reminder.CopyFrom(moment(reminder, "--reminder"))
    begins, option = (task.due, "--due") if start is None else (task.start, "--start")
    if found := rule_of(every, rule, until, count, begins if begins.local else None, option):
        task.recurrence.rules.append(found)
        if due is None and start is None and not regenerate:
            raise click.UsageError("A task that recurs needs a --due or a --start to count from.")
    elif regenerate:
        raise click.UsageError("--regenerate goes with --every.")
    task.regenerating = regenerate
    if important:
        item.summary.importance = Importance.IMPORTANCE_HIGH
    if text:
        item.content.body.text = text
    return item


def _time(text: str, option: str) -> CalendarTime:
    """A date, or a time of day: on the machine's own clock where it names no zone. UsageError if it is none."""
    try:
        if len(text) <= len("YYYY-MM-DD"):
            return calendar_time.on(datetime.date.fromisoformat(text))
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option} {text}: write a date like 2026-03-01 or a time like 2026-03-01T09:30.") from None
    if found.tzinfo is not None:
        return calendar_time.at(found.astimezone(datetime.UTC), "UTC")
    return calendar_time.at(found, local_zone())
