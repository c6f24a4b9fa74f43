"""`cal move`, `cancel`, `split`: appointments and meetings at other times, and those that are off."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import click

from rookery.v1.calendar_pb2 import CalendarTime
from rookery_client.cli import invited, occurrences
from rookery_client.cli.calendar_times import end_of, in_zone, span_text, start_text, when, zone_named
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.meetings import JSON, MESSAGE, NO_SEND, ZONE, Outcome, seen, sent, tell, told
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import submission_view
from rookery_client.cli.terminal import clean
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import AppointmentSummary, OccurrenceException
    from rookery.v1.item_pb2 import Item
    from rookery.v1.submission_pb2 import Submission
    from rookery_client import Client

_APPOINTMENT = "summary.appointment"
_NAMES_DAYS = re.compile(r"(?:\A|;)BY(?:DAY|MONTHDAY|YEARDAY|WEEKNO|MONTH|SETPOS)=", re.IGNORECASE)

_START = click.option("--start", metavar="WHEN", help="When it begins then: 2026-03-02 09:30, or 09:30 for the same day.")
_END = click.option("--end", metavar="WHEN", help="When it ends then; it lasts as long as before if left out.")
_DURATION = click.option("--duration", metavar="LENGTH", help="Instead of --end: 45m, 1h30m, 2d.")


class _Wish(NamedTuple):
    """Another time, in the words of the command line."""

    start: str | None
    end: str | None
    duration: str | None
    zone: str


class _Moved(NamedTuple):
    """What became of an appointment that was moved."""

    outcome: Outcome
    dropped: Sequence[OccurrenceException]
    span: tuple[CalendarTime, CalendarTime]


@click.command()
@click.argument("item_id", metavar="ID")
@_START
@_END
@_DURATION
@click.option("--occurrence", metavar="WHEN", help="Only this one of a series: 2026-03-09, or with its hour.")
@MESSAGE
@NO_SEND
@ZONE
@JSON
@pass_session
def move(
    session: Session,
    item_id: str,
    start: str | None,
    end: str | None,
    duration: str | None,
    occurrence: str | None,
    message: str,
    no_send: bool,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Move an appointment to another time, or one occurrence of a series; whoever is invited is told."""
    wanted, zone = parse(item_id), zone_named(time_zone)
    if start is None and end is None and duration is None:
        raise click.UsageError("Say to when: --start, --end or --duration.")
    wish = _Wish(start, end, duration, zone)

    async def work(client: Client) -> _Moved:
        item = await client.items.get(wanted)
        invited.require_own(item)
        if occurrence is None:
            paths, span, dropped = _move_whole(item, wish)
        else:
            (paths, span), dropped = _move_one(item, occurrence, wish), []
        changed = await client.items.change(item, paths, etag=seen(session, item))
        outcome = Outcome(changed.item, ())
        if not no_send and item.content.appointment.attendees:
            outcome = await sent(client, item.id, message)
        return _Moved(outcome, [*dropped, *changed.dropped_exceptions], span)

    moved = session.run(work)
    series = " and on" if occurrence is None and occurrences.is_series(moved.outcome.item) else ""
    words = f"“{clean(moved.outcome.item.summary.subject)}” is on {span_text(*moved.span, zone)}{series}."
    tell(session, moved.outcome, words, as_json=as_json)
    for exception in moved.dropped if not as_json else ():
        day = start_text(exception.original_start, zone)
        click.echo(f"What was special about {clean(day)} is gone: the series has no such occurrence any more.", err=True)


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--occurrence", metavar="WHEN", help="Only this one of a series: 2026-03-09, or with its hour.")
@MESSAGE
@ZONE
@JSON
@pass_session
def cancel(session: Session, item_id: str, occurrence: str | None, message: str, time_zone: str | None, as_json: bool) -> None:
    """Call an appointment off, or one occurrence of a series; whoever is invited is told. It goes to Deleted Items."""
    wanted, zone = parse(item_id), zone_named(time_zone)

    async def work(client: Client) -> tuple[Outcome, str]:
        item = await client.items.get(wanted)
        invited.require_own(item)
        found = None if occurrence is None else occurrences.named(item, occurrence, zone)
        original = None if found is None else found.original_start
        response = await client.meetings.cancel(item.id, occurrence=original, comment=message)
        day = "" if found is None else f" on {start_text(found.start, zone)}"
        return Outcome(response.item, response.submissions), f"“{clean(item.summary.subject)}”{day} is off."

    outcome, words = session.run(work)
    tell(session, outcome, words, as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.option("--at", required=True, metavar="WHEN", help="The first occurrence of the second part: 2026-03-09, or with its hour.")
@_START
@_END
@_DURATION
@MESSAGE
@NO_SEND
@ZONE
@JSON
@pass_session
def split(
    session: Session,
    item_id: str,
    at: str,
    start: str | None,
    end: str | None,
    duration: str | None,
    message: str,
    no_send: bool,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Split a series in two, and move the second part: "this and following". Prints the ID of the second part.

    Whoever is invited is told of the end of the first, and invited to the second.
    """
    wanted, zone = parse(item_id), zone_named(time_zone)
    wish = _Wish(start, end, duration, zone)

    async def work(client: Client) -> tuple[Item, Item, list[Submission]]:
        item = await client.items.get(wanted)
        invited.require_own(item)
        original = occurrences.named(item, at, zone, option="--at").original_start
        parts = await client.calendar.split(item.id, original, etag=seen(session, item))
        first, second = parts.first, parts.second
        if start is not None or end is not None or duration is not None:
            paths, *_ = _move_whole(second, wish)
            second = await client.items.update(second, paths, etag=seen(session, second))
        submissions: list[Submission] = []
        if not no_send and item.content.appointment.attendees:
            for part in (first, second):
                submissions += (await sent(client, part.id, message)).submissions
        return first, second, submissions

    first, second, submissions = session.run(work)
    if as_json:
        views = [submission_view(each) for each in submissions]
        emit({"first": item_view(first), "second": item_view(second), "submissions": views})
        return
    click.echo(text_of(second.id))
    appointment = second.summary.appointment
    click.echo(f"From {span_text(appointment.start, appointment.end, zone)} on it is a series of its own.", err=True)
    if submissions:
        click.echo(told(submissions), err=True)


def _move_whole(item: Item, wish: _Wish) -> tuple[list[str], tuple[CalendarTime, CalendarTime], list[OccurrenceException]]:
    """Moves an appointment; gives the paths that changed, its new time, and what was special and is no more.

    InvalidArgument if the rule names the days.
    """
    appointment = item.summary.appointment
    dropped: list[OccurrenceException] = []
    old = calendar_time.wall(appointment.start)
    start, end = _other_times(appointment.start, appointment.end, wish)
    new = calendar_time.wall(start)
    paths = [f"{_APPOINTMENT}.start", f"{_APPOINTMENT}.end"]
    if old is not None and new is not None and old != new and occurrences.is_series(item):
        if old.date() != new.date() and any(map(_NAMES_DAYS.search, appointment.recurrence.rules)):
            message = "the series' rule names its days: --start 10:00 moves it to another hour, `rookery edit` changes the rule"
            raise InvalidArgument("FIELD_INVALID", message)
        _move_dates(appointment, start)
        dropped = _move_exceptions(appointment, start)
        paths += [f"{_APPOINTMENT}.recurrence", f"{_APPOINTMENT}.exceptions"]
    appointment.start.CopyFrom(start)
    appointment.end.CopyFrom(end)
    return paths, (start, end), dropped


def _move_dates(appointment: AppointmentSummary, start: CalendarTime) -> None:
    """Moves further and excluded dates of a series with its start: what was left out stays left out."""
    for dates in (appointment.recurrence.dates, appointment.recurrence.excluded_dates):
        for date in dates:
            if calendar_time.is_date(date) == calendar_time.is_date(appointment.start) == calendar_time.is_date(start):
                date.CopyFrom(calendar_time.moved(appointment.start, date, start))


def _move_exceptions(appointment: AppointmentSummary, start: CalendarTime) -> list[OccurrenceException]:
    """Moves what is special about occurrences that are called off, or have no time of their own; gives the others, which go."""
    kept, dropped = [], []
    is_date = calendar_time.is_date(appointment.start)
    for exception in appointment.exceptions:
        stands_at_its_time = exception.cancelled or not (exception.HasField("start") or exception.HasField("end"))
        if stands_at_its_time and calendar_time.is_date(exception.original_start) == is_date == calendar_time.is_date(start):
            exception.original_start.CopyFrom(calendar_time.moved(appointment.start, exception.original_start, start))
            kept.append(exception)
        else:
            dropped.append(exception)
    del appointment.exceptions[:]
    appointment.exceptions.extend(kept)
    return dropped


def _move_one(item: Item, occurrence: str, wish: _Wish) -> tuple[list[str], tuple[CalendarTime, CalendarTime]]:
    """Moves one occurrence of a series: an exception of it."""
    found = occurrences.named(item, occurrence, wish.zone)
    start, end = _other_times(found.start, found.end, wish)
    exceptions = item.summary.appointment.exceptions
    exception = next((each for each in exceptions if each.original_start == found.original_start), None)
    if exception is None:
        exception = exceptions.add(original_start=found.original_start)
    exception.start.CopyFrom(start)
    exception.end.CopyFrom(end)
    return [f"{_APPOINTMENT}.exceptions"], (start, end)


def _other_times(start: CalendarTime, end: CalendarTime, wish: _Wish) -> tuple[CalendarTime, CalendarTime]:
    """The times that are wished for, said by the viewer's clocks; they stay in the zones that the appointment has."""
    shown = in_zone(start, wish.zone)
    wall = calendar_time.wall(shown)
    day = None if wall is None else wall.date()
    begins = shown if wish.start is None else when(wish.start, wish.zone, "--start", day=day)
    if wish.end is None and wish.duration is None and calendar_time.is_date(begins) == calendar_time.is_date(start):
        ends = calendar_time.moved(shown, in_zone(end, wish.zone), begins)
    else:
        ends = end_of(begins, wish.end, wish.duration)
    return _as_meant(begins, start), _as_meant(ends, end)


def _as_meant(time: CalendarTime, before: CalendarTime) -> CalendarTime:
    """A time in the zone that the one before it had; floating where that was."""
    if calendar_time.is_floating(before):
        return CalendarTime(local=time.local)
    return in_zone(time, before.time_zone)


COMMANDS = (move, cancel, split)
