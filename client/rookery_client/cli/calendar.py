"""`cal`: agenda, month, one appointment with what comes of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_client.cli import calendar_availability, calendar_publishing, calendar_settings, meeting_times, meetings
from rookery_client.cli.calendar_adding import add
from rookery_client.cli.calendar_days import by_day
from rookery_client.cli.calendar_times import DATE, DAY, MONTH, midnight, today_in, zone_named
from rookery_client.cli.calendar_view import day_text, show_agenda, show_month, weeks_of
from rookery_client.cli.commands import DefaultGroup
from rookery_client.cli.folder_names import FOLDER, resolve
from rookery_client.cli.json_view import emit, item_view, view
from rookery_client.cli.meeting_view import show_meeting
from rookery_client.cli.occurrences import AHEAD, coming
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.showing import print_item
from rookery_core.errors import InvalidArgument
from rookery_core.rules.ids import parse

if TYPE_CHECKING:
    from rookery.v1.calendar_service_pb2 import Occurrence
    from rookery_client import Client


_FOLDERS = click.option("--folder", "folders", type=FOLDER, multiple=True, help="This calendar; may be given again. The own one.")
_ZONE = click.option("--time-zone", metavar="ZONE", help="Another zone than this machine's, e.g. Asia/Tokyo.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(cls=DefaultGroup, default="agenda")
def cal() -> None:
    """Calendars: what is on, new appointments, meetings with others. Without a command: the agenda."""


@cal.command()
@click.option("--from", "start", type=DATE, metavar="DATE", help="The first day; today if left out.")
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
    zone = zone_named(time_zone)
    today = today_in(zone)
    first = start.date() if start else today
    last = _after(first, days - 1)
    occurrences = _listed(session, folders, first, last, zone, as_json=as_json)
    if occurrences is not None:
        show_agenda(by_day(occurrences, first, last, zone), today, ids=ids)


@cal.command()
@click.argument("month", type=MONTH, required=False, metavar="[YYYY-MM]")
@_FOLDERS
@_ZONE
@_JSON
@pass_session
def month(session: Session, month: dt.datetime | None, folders: tuple[str, ...], time_zone: str | None, as_json: bool) -> None:
    """Show a month on one page; this month if left out."""
    zone = zone_named(time_zone)
    today = today_in(zone)
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
    wanted, zone = parse(item_id), zone_named(time_zone)
    item = session.run(lambda client: client.items.get(wanted))
    if item.summary.kind != ITEM_KIND_APPOINTMENT:
        raise InvalidArgument("KIND_MISMATCH", "this is no appointment: `rookery show` shows items of all kinds")
    found = coming(item, zone)
    if as_json:
        emit({"item": item_view(item), "next": [view(each) for each in found]})
        return
    print_item(item)
    show_meeting(item, zone)
    if found:
        click.echo()
    today = today_in(zone)
    for day, shown in by_day(found, today, today + AHEAD, zone).items():
        for each in shown:
            click.echo(f"Next: {day_text(day)}, {each.hours}")


def _listed(
    session: Session, folders: tuple[str, ...], first: dt.date, last: dt.date, zone: str, *, as_json: bool
) -> list[Occurrence] | None:
    """What is on from one day to another; None if it was printed as JSON."""
    begin, end = midnight(first, zone), midnight(_after(last, 1), zone)

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


def _after(day: dt.date, days: int) -> dt.date:
    try:
        return day + days * DAY
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", "a calendar ends with the year 9999") from None


COMMANDS = (cal,)
for command in (
    add,
    *meetings.COMMANDS,
    *meeting_times.COMMANDS,
    *calendar_publishing.COMMANDS,
    *calendar_availability.COMMANDS,
    *calendar_settings.COMMANDS,
):
    cal.add_command(command)
