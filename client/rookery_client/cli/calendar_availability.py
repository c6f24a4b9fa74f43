"""`cal freebusy`, `find`, `rooms`: who is free when, and where. Only the server knows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import click

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT
from rookery.v1.calendar_pb2 import BUSY_STATUS_FREE
from rookery_client.cli.availability_view import LOOKS, by_clock, hours_text, show_free_busy
from rookery_client.cli.calendar_times import DATE, DAY, end_of, length, midnight, today_in, when, zone_named
from rookery_client.cli.calendar_view import day_text
from rookery_client.cli.json_view import emit, view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.terminal import clean, table
from rookery_client.connection.status import error_of_status
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from rookery.v1.availability_service_pb2 import FindTimeResponse, FreeBusy, GetFreeBusyResponse, MeetingTime, Room
    from rookery_client import Client

_MOST_DAYS = 92
_STEPS = ("5", "10", "15", "20", "30", "60")
_FROM = click.option("--from", "start", type=DATE, metavar="DATE", help="The first day; today if left out.")
_ZONE = click.option("--time-zone", metavar="ZONE", help="Another zone than this machine's, e.g. Asia/Tokyo.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class _Days(NamedTuple):
    """Some days, where the person is."""

    days: list[dt.date]
    begin: dt.datetime
    end: dt.datetime


@click.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@_FROM
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=1, show_default=True, help="So many days.")
@_ZONE
@_JSON
@pass_session
def freebusy(
    session: Session, addresses: tuple[str, ...], start: dt.datetime | None, days: int, time_zone: str | None, as_json: bool
) -> None:
    """Show when people, groups and rooms are taken."""
    zone = zone_named(time_zone)
    chosen = _days(start, days, zone)

    async def work(client: Client) -> GetFreeBusyResponse:
        return await client.availability.free_busy(addresses, chosen.begin, chosen.end)

    parties = session.run(work).parties
    if as_json:
        emit({"parties": [_party_view(each) for each in parties]})
        return
    known = [each for each in parties if not each.HasField("error")]
    if known:
        show_free_busy(known, chosen.days, zone)
    for each in parties:
        if each.HasField("error"):
            click.echo(f"{clean(error_of_status(each.error).message)}.", err=True)
        elif each.incomplete:
            click.echo(f"{clean(each.display_name)}: not everything can be shown, some of it recurs too often.", err=True)


@click.command()
@click.option("--with", "required", multiple=True, metavar="ADDRESS", help="Who has to come; may be given again.")
@click.option("--optional", multiple=True, metavar="ADDRESS", help="Who need not come; may be given again.")
@click.option("--room", "rooms", multiple=True, metavar="ADDRESS", help="A room, or equipment; may be given again.")
@click.option("--duration", default="30m", show_default=True, metavar="LENGTH", help="How long: 45m, 1h30m.")
@_FROM
@click.option("--days", type=click.IntRange(1, _MOST_DAYS), default=7, show_default=True, help="Within so many days.")
@click.option("--any-hour", is_flag=True, help="Outside of working hours too.")
@click.option("--step", type=click.Choice(_STEPS), default="30", show_default=True, help="Begin at multiples of so many minutes.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True, help="So many times at most.")
@click.option("--without-me", is_flag=True, help="You need not come yourself.")
@_ZONE
@_JSON
@pass_session
def find(
    session: Session,
    required: tuple[str, ...],
    optional: tuple[str, ...],
    rooms: tuple[str, ...],
    duration: str,
    start: dt.datetime | None,
    days: int,
    any_hour: bool,
    step: str,
    limit: int,
    without_me: bool,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Find times at which you can meet with others, the best first."""
    zone = zone_named(time_zone)
    lasting = length(duration, "--duration", all_day=False)
    chosen = _days(start, days, zone)
    if without_me and not (required or optional or rooms):
        raise click.UsageError("Say with whom: --with, --optional or --room.")

    async def work(client: Client) -> tuple[list[str], FindTimeResponse]:
        me = () if without_me else ((await client.auth.who_am_i()).address,)
        coming = list(dict.fromkeys((*me, *required, *rooms)))
        found = await client.availability.find_time(
            coming,
            chosen.begin,
            chosen.end,
            lasting,
            optional=optional,
            step_minutes=int(step),
            any_hour=any_hour,
            most=limit,
        )
        return [*coming, *optional], found

    invitees, found = session.run(work)
    if as_json:
        emit({"invitees": invitees, **view(found)})
        return
    for place in found.unknown_invitees:
        click.echo(f"{clean(invitees[place])} can not be looked at, and counts as free.", err=True)
    if not found.times:
        hint = "" if any_hour else "; --any-hour looks outside of working hours"
        click.echo(f"No time suits all who have to come{hint}.")
        return
    rows, titles = [_time_row(each, invitees, zone) for each in found.times], ("When", "", "Whom it does not suit quite")
    shown = len(titles) if any(notes for _, _, notes in rows) else 2
    table(titles[:shown], [row[:shown] for row in rows], cut=titles[2:shown])


@click.command()
@click.option("--free", metavar="WHEN", help="Only those that are free then: 2026-03-02 09:30, or a date.")
@click.option("--end", metavar="WHEN", help="With --free: until when.")
@click.option("--duration", metavar="LENGTH", help="With --free: how long, 45m, 1h30m, 2d. Half an hour, or one day, if left out.")
@_ZONE
@_JSON
@pass_session
def rooms(session: Session, free: str | None, end: str | None, duration: str | None, time_zone: str | None, as_json: bool) -> None:
    """List rooms and equipment."""
    if free is None and (end is not None or duration is not None):
        raise click.UsageError("--end and --duration go with --free.")
    window = None if free is None else _window(free, end, duration, zone_named(time_zone))
    found = session.run(lambda client: client.availability.rooms(window))
    if as_json:
        emit({"rooms": [view(each) for each in found]})
    elif found:
        table(
            ("Name", "Address", "Kind", "People", "Where"),
            map(_room_row, found),
            right=("People",),
            drop=("Kind", "Where", "People"),
            cut=("Where", "Name"),
        )
    else:
        click.echo("There is none." if window is None else "None is free then.")


def _days(start: dt.datetime | None, days: int, zone: str) -> _Days:
    """InvalidArgument ``FIELD_INVALID`` at the ends of the calendar."""
    first = start.date() if start else today_in(zone)
    try:
        listed = [first + number * DAY for number in range(days)]
        return _Days(listed, midnight(first, zone), midnight(listed[-1] + DAY, zone))
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", "a calendar knows the years 2 to 9998") from None


def _window(free: str, end: str | None, duration: str | None, zone: str) -> tuple[dt.datetime, dt.datetime]:
    begins = when(free, zone, "--free")
    moments = [calendar_time.instant(each, zone) for each in (begins, end_of(begins, end, duration))]
    first, last = (dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=moment or 0) for moment in moments)
    return first, last


def _party_view(party: FreeBusy) -> dict[str, object]:
    """As JSON, its error in words that programs can compare."""
    shown = view(party)
    if party.HasField("error"):
        error = error_of_status(party.error)
        shown["error"] = {"reason": error.reason, "message": error.message}
    return shown


def _time_row(time: MeetingTime, invitees: list[str], zone: str) -> tuple[str, str, str]:
    begin, end = by_clock(time.start, zone), by_clock(time.end, zone)
    notes = []
    for each in time.attendances:
        look = LOOKS.get(each.status)
        word = "not working" if each.status == BUSY_STATUS_FREE or look is None else look.words
        notes.append(f"{invitees[each.invitee]} ({word})")
    return day_text(begin.date()), hours_text(begin, end), ", ".join(notes)


def _room_row(room: Room) -> tuple[str, str, str, str, str]:
    kind = "equipment" if room.kind == ACCOUNT_KIND_EQUIPMENT else "room"
    capacity = f"{room.booking.capacity:,}" if room.booking.capacity else ""
    return room.display_name, room.address, kind, capacity, room.booking.location


COMMANDS = (freebusy, find, rooms)
