"""`cal add`: an appointment from the command line."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import BusyStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.session import Session, pass_session
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery_client import Client

_TIMES = ("%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M")
_DAY = dt.timedelta(days=1)
_USUAL = dt.timedelta(minutes=30)
_LENGTH = re.compile(r"(?:(\d{1,3})d)?(?:(\d{1,3})h)?(?:(\d{1,5})m?)?\Z", re.ASCII)
_EVERY = {
    "day": "FREQ=DAILY",
    "weekday": "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
    "week": "FREQ=WEEKLY",
    "month": "FREQ=MONTHLY",
    "year": "FREQ=YEARLY",
}
_BUSY = {
    "busy": BusyStatus.BUSY_STATUS_BUSY,
    "free": BusyStatus.BUSY_STATUS_FREE,
    "tentative": BusyStatus.BUSY_STATUS_TENTATIVE,
    "out-of-office": BusyStatus.BUSY_STATUS_OUT_OF_OFFICE,
    "elsewhere": BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE,
}


@click.command()
@click.argument("subject")
@click.option("--start", required=True, metavar="WHEN", help="2026-03-02 09:30; a date alone is all day.")
@click.option("--end", metavar="WHEN", help="When it ends; of all-day appointments the last day.")
@click.option("--duration", metavar="LENGTH", help="Instead of --end: 45m, 1h30m, 2d. Half an hour, or one day, if left out.")
@click.option("--location", default="", metavar="TEXT", help="Where.")
@click.option("--text", default="", metavar="TEXT", help="What it is about.")
@click.option("--every", type=click.Choice(list(_EVERY)), help="Make it a series.")
@click.option("--rule", metavar="RULE", help="Make it a series by RFC 5545: FREQ=MONTHLY;BYDAY=2TU.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="With --every: the last day.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="With --every: so many times.")
@click.option("--reminder", type=click.IntRange(0, 527_040), metavar="MINUTES", help="Remind so long before.")
@click.option("--show-as", type=click.Choice(list(_BUSY)), default="busy", show_default=True, help="How others see the time.")
@click.option("--folder", type=FOLDER, help="Which calendar; the own one if left out.")
@click.option("--time-zone", metavar="ZONE", help="Another zone than this machine's, e.g. Asia/Tokyo.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def add(
    session: Session,
    subject: str,
    start: str,
    end: str | None,
    duration: str | None,
    location: str,
    text: str,
    every: str | None,
    rule: str | None,
    until: dt.datetime | None,
    count: int | None,
    reminder: int | None,
    show_as: str,
    folder: str | None,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Put an appointment into the calendar."""
    item = Item()
    summary, appointment = item.summary, item.summary.appointment
    summary.kind, summary.subject = ITEM_KIND_APPOINTMENT, subject
    zone = time_zone or local_zone()
    if zones.canonical(zone) is None:
        raise InvalidArgument("FIELD_INVALID", f"there is no time zone “{zone}”: write e.g. Europe/Berlin")
    begins = _when(start, zone, "--start")
    appointment.start.CopyFrom(begins)
    appointment.end.CopyFrom(_end(begins, end, duration))
    appointment.location, appointment.busy_status = location, _BUSY[show_as]
    if recurs := _rule(every, rule, until, count, begins):
        appointment.recurrence.rules.append(recurs)
    if reminder is not None:
        appointment.reminder_minutes = reminder
    if text:
        item.content.body.text = text

    async def work(client: Client) -> Item:
        if folder is not None:
            item.folder_id = (await find(client, folder)).id
        return await client.items.create(item)

    made = session.run(work)
    if as_json:
        emit({"item": item_view(made)})
    else:
        click.echo(text_of(made.id))


def _when(text: str, zone: str, option: str) -> CalendarTime:
    """A date, or a time in a zone."""
    for form in _TIMES:
        try:
            return calendar_time.at(dt.datetime.strptime(text, form), zone)  # noqa: DTZ007 - the wall clock of the zone
        except ValueError:
            continue
    try:
        return calendar_time.on(dt.date.fromisoformat(text))
    except ValueError:
        raise click.UsageError(f"{option} {text}: write 2026-03-02 09:30, or 2026-03-02 for all day.") from None


def _end(begins: CalendarTime, end: str | None, duration: str | None) -> CalendarTime:
    if end is not None and duration is not None:
        raise click.UsageError("Say --end or --duration, not both.")
    all_day = calendar_time.is_date(begins)
    if end is None:
        usual = _DAY if all_day else _USUAL
        return _later(begins, usual if duration is None else _length(duration, all_day=all_day))
    ends = _when(end, begins.time_zone, "--end")
    if calendar_time.is_date(ends) != all_day:
        raise click.UsageError("--start and --end are both dates, or both have a time.")
    return _later(ends, _DAY) if all_day else ends


def _length(text: str, *, all_day: bool) -> dt.timedelta:
    match = _LENGTH.match(text.strip())
    if not match or not any(match.groups()):
        raise click.UsageError(f"--duration {text}: write 45m, 1h30m or 2d.")
    days, hours, minutes = (int(part or 0) for part in match.groups())
    if all_day and (hours or minutes or not days):
        raise click.UsageError("An all-day appointment lasts whole days: --duration 2d.")
    return dt.timedelta(days=days, hours=hours, minutes=minutes)


def _later(time: CalendarTime, by: dt.timedelta) -> CalendarTime:
    wall = calendar_time.wall(time)
    try:
        moved = (wall or dt.datetime.max) + by  # noqa: DTZ901 - the wall clock of the zone
    except OverflowError:
        raise InvalidArgument("FIELD_INVALID", "a calendar ends with the year 9999") from None
    return calendar_time.on(moved) if calendar_time.is_date(time) else calendar_time.at(moved, time.time_zone)


def _rule(every: str | None, rule: str | None, until: dt.datetime | None, count: int | None, begins: CalendarTime) -> str:
    if every is None:
        if until is not None or count is not None:
            raise click.UsageError("--until and --count go with --every.")
        return rule or ""
    if rule is not None or (until is not None and count is not None):
        raise click.UsageError("Say --every or --rule, and --until or --count, not both.")
    words = _EVERY[every]
    if count is not None:
        return f"{words};COUNT={count}"
    return words if until is None else f"{words};UNTIL={_until(until, begins)}"


def _until(day: dt.datetime, begins: CalendarTime) -> str:
    """The end of a day as RFC 5545 section 3.3.10 wants it: a date for dates, else in UTC."""
    if calendar_time.is_date(begins):
        return f"{day:%Y%m%d}"
    last = calendar_time.instant(calendar_time.at(day + _DAY - dt.timedelta(seconds=1), begins.time_zone))
    shown = calendar_time.from_instant(last or 0, zones.UTC)
    return f"{shown.local if shown else ''}Z".replace("-", "").replace(":", "")
