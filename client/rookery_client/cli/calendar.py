"""`cal`: agenda, month, one appointment with what comes of it."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_client.cli.calendar_adding import add
from rookery_client.cli.calendar_days import by_day
from rookery_client.cli.calendar_view import day_text, show_agenda, show_month, weeks_of
from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.json_view import emit, item_view, view
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.showing import print_item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import zones
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import parse
from rookery_core.rules.recurrence.agenda import Entry
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from rookery.v1.calendar_service_pb2 import Occurrence
    from rookery_client import Client

_DAY = dt.timedelta(days=1)
_NEXT = 5
_AHEAD = 5 * 366 * _DAY
_STARTS = 20_000

_FOLDERS = click.option("--folder", "folders", type=FOLDER, multiple=True, help="This calendar; may be given again. The own one.")
_ZONE = click.option("--time-zone", metavar="ZONE", help="Another zone than this machine's, e.g. Asia/Tokyo.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def cal() -> None:
    """Calendars: what is on, and new appointments."""


@cal.command()
@click.option("--from", "start", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The first day; today if left out.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="So many days.")
@click.option("--ids", is_flag=True, help="With the ids of the appointments.")
@_FOLDERS
@_ZONE
@_JSON
@pass_session
def agenda(
    session: Session,
    start: dt.datetime | None,
    days: int,
    ids: bool,
    folders: tuple[str, ...],
    time_zone: str | None,
    as_json: bool,
) -> None:
    """List what is on, day by day."""
    zone = _zone(time_zone)
    today = _today(zone)
    first = start.date() if start else today
    last = _after(first, days - 1)
    occurrences = _listed(session, folders, first, last, zone, as_json=as_json)
    if occurrences is not None:
        show_agenda(by_day(occurrences, first, last, zone), today, ids=ids)


@cal.command()
@click.argument("month", type=click.DateTime(["%Y-%m"]), required=False, metavar="[YYYY-MM]")
@_FOLDERS
@_ZONE
@_JSON
@pass_session
def month(session: Session, month: dt.datetime | None, folders: tuple[str, ...], time_zone: str | None, as_json: bool) -> None:
    """Show a month on one page; this month if left out."""
    zone = _zone(time_zone)
    today = _today(zone)
    wanted = (month.date() if month else today).replace(day=1)
    if not dt.MINYEAR < wanted.year < dt.MAXYEAR:
        raise InvalidArgument("FIELD_INVALID", "a calendar knows the years 2 to 9998")
    first, last = weeks_of(wanted)
    occurrences = _listed(session, folders, first, last, zone, as_json=as_json)
    if occurrences is not None:
        show_month(by_day(occurrences, first, last, zone), wanted, today)


@cal.command()
@click.argument("item_id", metavar="ID")
@_ZONE
@_JSON
@pass_session
def show(session: Session, item_id: str, time_zone: str | None, as_json: bool) -> None:
    """Show an appointment, and when it is on next."""
    wanted, zone = parse(item_id), _zone(time_zone)
    item = session.run(lambda client: client.items.get(wanted))
    if item.summary.kind != ITEM_KIND_APPOINTMENT:
        raise InvalidArgument("KIND_MISMATCH", "this is no appointment: `rookery show` shows items of all kinds")
    coming = _coming(item, zone)
    if as_json:
        emit({"item": item_view(item), "next": [view(each) for each in coming]})
        return
    print_item(item)
    today = _today(zone)
    for day, shown in by_day(coming, today, today + _AHEAD, zone).items():
        for each in shown:
            click.echo(f"Next: {day_text(day)}, {each.hours}")


def _listed(
    session: Session, folders: tuple[str, ...], first: dt.date, last: dt.date, zone: str, *, as_json: bool
) -> list[Occurrence] | None:
    """What is on from one day to another; None if it was printed as JSON."""
    begin, end = _midnight(first, zone), _midnight(_after(last, 1), zone)

    async def work(client: Client) -> tuple[list[Occurrence], set[bytes]]:
        known = await client.folders.list()
        chosen = [resolve(known, name).id for name in folders or ("calendar",)]
        return await client.calendar.occurrences(chosen, begin, end, time_zone=zone)

    occurrences, incomplete = session.run(work)
    if as_json:
        emit({"occurrences": [view(each) for each in occurrences], "incomplete": bool(incomplete)})
        return None
    if incomplete:
        click.echo(f"{len(incomplete)} series recur too often, or too oddly, to be shown in full.", err=True)
    return occurrences


def _coming(item: Item, zone: str) -> list[Occurrence]:
    """The next few occurrences, and what is going on."""
    try:
        entry = Entry(item.id, item.summary)
    except ValueError:
        return []
    now = SystemClock().micros()
    found = entry.series.between(now, now + _AHEAD // dt.timedelta(microseconds=1), zone, Budget(_STARTS))
    return [entry.record(each) for each in found[:_NEXT]]


def _zone(name: str | None) -> str:
    if name is None:
        return local_zone()
    known = zones.canonical(name)
    if known is None:
        raise InvalidArgument("FIELD_INVALID", f"there is no time zone “{name}”: write e.g. Europe/Berlin")
    return known


def _today(zone: str) -> dt.date:
    now = dt.datetime.fromtimestamp(SystemClock().micros() / 1_000_000, dt.UTC)
    return now.astimezone(zoneinfo.ZoneInfo(zone)).date()


def _midnight(day: dt.date, zone: str) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)


def _after(day: dt.date, days: int) -> dt.date:
    try:
        return day + days * _DAY
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", "a calendar ends with the year 9999") from None


COMMANDS = (cal,)
cal.add_command(add)
