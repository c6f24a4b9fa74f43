"""`reminders`: what is due, dismissing it, putting it off, and waiting for the next."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ItemKind
from rookery_client.cli.calendar_times import length
from rookery_client.cli.commands import DefaultGroup
from rookery_client.cli.filters import moment as time_of
from rookery_client.cli.item_table import wall_time
from rookery_client.cli.json_view import emit, emit_line, view, word
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.errors import NotFound
from rookery_core.rules import calendar_time
from rookery_core.rules import reminders as rules
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.reminder_service_pb2 import ListRemindersResponse, Reminder
    from rookery_client import Client

_MOST = 500
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(cls=DefaultGroup)
def reminders() -> None:
    """What you are to be reminded of: appointments, tasks, flagged mail. Without a command: list what is due."""


@reminders.command("list")
@click.option("--until", metavar="TIME", help="What is due before then, too: 2026-03-01, or 2026-03-01T09:30.")
@_JSON
@pass_session
def list_reminders(session: Session, until: str | None, as_json: bool) -> None:
    """List the reminders that are due; of a series one."""
    end = None if until is None else time_of(until, "--until").ToDatetime(tzinfo=dt.UTC)
    found = session.run(lambda client: client.reminders.list(until=end, most=_MOST))
    if as_json:
        emit({"reminders": [view(each) for each in found.reminders], "more": found.more, "next_due": view(found)["next_due"]})
        return
    _show(found)


@reminders.command()
@click.argument("ids", nargs=-1, metavar="[ID...]")
@click.option("--all", "everything", is_flag=True, help="All that are due.")
@_JSON
@pass_session
def dismiss(session: Session, ids: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """End reminders, on all devices, by the IDs of their items. Of a series the next one will come."""
    if bool(ids) == everything:
        raise click.UsageError("Say which: IDs, or --all.")
    wanted = list(dict.fromkeys(parse(text) for text in ids))

    async def work(client: Client) -> list[Reminder]:
        if not everything:
            found = await _of_items(client, wanted)
            await client.reminders.dismiss(found)
            return found
        ended: list[Reminder] = []
        now = _now()
        while some := list((await client.reminders.list(until=now, most=_MOST)).reminders):
            await client.reminders.dismiss(some)
            ended += some
        return ended

    found = session.run(work)
    if as_json:
        emit({"dismissed": [view(each) for each in found]})
    else:
        click.echo(f"{len(found):,} reminder{'' if len(found) == 1 else 's'} dismissed.", err=True)


@reminders.command()
@click.argument("item_id", metavar="ID")
@click.option("--for", "delay", metavar="LENGTH", help="For so long from now: 10m, 2h, 1d.")
@click.option("--until", metavar="TIME", help="Until then: 2026-03-01T09:30.")
@_JSON
@pass_session
def snooze(session: Session, item_id: str, delay: str | None, until: str | None, as_json: bool) -> None:
    """Put a reminder off, on all devices. If its appointment is moved meanwhile, it comes at the new time."""
    if (delay is None) == (until is None):
        raise click.UsageError("Say --for or --until.")
    wanted = parse(item_id)
    end = _now() + length(delay, "--for", all_day=False) if delay is not None else _time(str(until))

    async def work(client: Client) -> Reminder:
        [reminder] = await _of_items(client, [wanted])
        await client.reminders.snooze(reminder, end)
        reminder.due.FromDatetime(end)
        return reminder

    reminder = session.run(work)
    if as_json:
        emit({"reminder": view(reminder)})
    else:
        click.echo(f"“{clean(reminder.subject)}” comes again at {moment(reminder.due)}.", err=True)


@reminders.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
@pass_session
def watch(session: Session, as_json: bool) -> None:
    """Print each reminder as it becomes due, until Ctrl-C. What is due already comes first."""
    told: set[tuple[bytes, int]] = set()

    async def work(client: Client) -> None:
        async for response in client.sync.watch():
            for reminder in response.due_reminders:
                key = (reminder.item_id, reminder.due.ToMicroseconds())
                if key in told:  # a stream that was broken begins again with all that is due
                    continue
                told.add(key)
                if as_json:
                    emit_line(view(reminder))
                else:
                    click.echo("  ".join(clean(cell) for cell in _cells(reminder) if cell))

    session.run(work)


async def _of_items(client: Client, item_ids: Sequence[bytes]) -> list[Reminder]:
    """The reminders of items, due or to come. NotFound ``ITEM_NOT_FOUND`` for one that has none."""
    ahead = _now() + dt.timedelta(microseconds=rules.HORIZON) - dt.timedelta(minutes=1)
    listed = (await client.reminders.list(until=ahead, most=_MOST)).reminders
    found = {each.item_id: each for each in listed}
    if others := [item_id for item_id in item_ids if item_id not in found]:  # behind the first 500
        for item in (await client.items.batch_get(others)).items:
            reminder = rules.find(item, local_zone(), SystemClock().micros()).reminder
            if reminder is not None:
                found[item.id] = reminder
    for item_id in item_ids:
        if item_id not in found:
            raise NotFound("ITEM_NOT_FOUND", f"this has no reminder: {text_of(item_id)}")
    return [found[item_id] for item_id in item_ids]


def _show(found: ListRemindersResponse) -> None:
    rows = [[*_cells(reminder), text_of(reminder.item_id)] for reminder in found.reminders]
    if not rows:
        click.echo("No reminders.")
    else:
        table(
            ["Due", "Kind", "Subject", "Begins", "Where", "ID"],
            rows,
            cut=["Subject", "Where"],
            drop=["Where", "Kind", "Due", "Begins"],
        )
    if found.more:
        click.echo("There are more.", err=True)
    if found.HasField("next_due"):
        click.echo(f"The next one is due at {moment(found.next_due)}.", err=True)


def _cells(reminder: Reminder) -> list[str]:
    kind = word(ItemKind.DESCRIPTOR, reminder.kind) or ""
    begins = wall_time(reminder.start) if calendar_time.is_date(reminder.start) else moment(reminder.begins)
    return [moment(reminder.due), kind, reminder.subject, begins, reminder.location]


def _time(text: str) -> dt.datetime:
    return time_of(text, "--until").ToDatetime(tzinfo=dt.UTC)


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(SystemClock().micros() / 1_000_000, dt.UTC)


COMMANDS = (reminders,)
