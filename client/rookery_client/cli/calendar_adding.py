"""`cal add`: an appointment from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import BusyStatus
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item, Sensitivity
from rookery_client.cli import invited
from rookery_client.cli.calendar_times import end_of, when, zone_named
from rookery_client.cli.folder_names import FOLDER, find
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.meetings import JSON, MESSAGE, ZONE, Outcome, sent, tell, told
from rookery_client.cli.repetition import COUNT, EVERY, RULE, UNTIL, rule_of
from rookery_client.cli.session import Session, pass_session
from rookery_core.errors import RookeryError
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import Attendee
    from rookery_client import Client

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
@EVERY
@RULE
@UNTIL
@COUNT
@click.option("--reminder", type=click.IntRange(0, 527_040), metavar="MINUTES", help="Remind so long before.")
@click.option("--show-as", type=click.Choice(list(_BUSY)), default="busy", show_default=True, help="How others see the time.")
@click.option("--private", is_flag=True, help="Others see that the time is taken, and not with what.")
@click.option("--folder", type=FOLDER, help="Which calendar; the own one if left out.")
@click.option("--invite", "required", multiple=True, metavar="ADDRESS", help="Invite somebody; may be given again.")
@click.option("--optional", "optional", multiple=True, metavar="ADDRESS", help="Invite somebody who need not come.")
@click.option("--room", "rooms", multiple=True, metavar="ADDRESS", help="Book a room, or equipment; may be given again.")
@click.option("--no-answers", is_flag=True, help="Ask those who are invited for no answer.")
@MESSAGE
@ZONE
@JSON
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
    private: bool,
    folder: str | None,
    required: tuple[str, ...],
    optional: tuple[str, ...],
    rooms: tuple[str, ...],
    no_answers: bool,
    message: str,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Put an appointment into the calendar, and invite people to it. Prints its ID."""
    item = Item()
    summary, appointment = item.summary, item.summary.appointment
    summary.kind, summary.subject = ITEM_KIND_APPOINTMENT, subject
    zone = zone_named(time_zone)
    begins = when(start, zone, "--start")
    appointment.start.CopyFrom(begins)
    appointment.end.CopyFrom(end_of(begins, end, duration))
    appointment.location, appointment.busy_status = location, _BUSY[show_as]
    if recurs := rule_of(every, rule, until, count, begins, "--start"):
        appointment.recurrence.rules.append(recurs)
    if reminder is not None:
        appointment.reminder_minutes = reminder
    summary.sensitivity = Sensitivity.SENSITIVITY_PRIVATE if private else Sensitivity.SENSITIVITY_UNSPECIFIED
    if text:
        item.content.body.text = text
    attendees = _attendees(required, optional, rooms, asked=not no_answers)
    if not attendees and (no_answers or message):
        raise click.UsageError("--no-answers and --message go with --invite, --optional or --room.")
    appointment.response_requested = bool(attendees) and not no_answers
    item.content.appointment.attendees.extend(invited.with_added((), attendees))

    async def work(client: Client) -> Outcome:
        if folder is not None:
            item.folder_id = (await find(client, folder)).id
        made = await client.items.create(item)
        return await _invite(client, made, message) if attendees else Outcome(made, ())

    _print(session, session.run(work), invites=bool(attendees), as_json=as_json)


def _attendees(required: tuple[str, ...], optional: tuple[str, ...], rooms: tuple[str, ...], *, asked: bool) -> list[Attendee]:
    return [
        *invited.attendees(required, "--invite", invited.REQUIRED, asked=asked),
        *invited.attendees(optional, "--optional", invited.OPTIONAL, asked=asked),
        *invited.attendees(rooms, "--room", invited.ROOM, asked=asked),
    ]


def _print(session: Session, made: Outcome, *, invites: bool, as_json: bool) -> None:
    if as_json and not invites:
        emit({"item": item_view(made.item)})
    elif as_json:
        tell(session, made, "", as_json=True)
    else:
        click.echo(text_of(made.item.id))
        if made.submissions:
            click.echo(told(made.submissions), err=True)


async def _invite(client: Client, made: Item, message: str) -> Outcome:
    """Invites the attendees of a new appointment, which stays if that fails."""
    try:
        return await sent(client, made.id, message)
    except RookeryError as error:
        hint = f"{error.message}. The appointment is kept: `rookery cal send {text_of(made.id)}` tries again"
        raise type(error)(error.reason, hint, metadata=error.metadata, field=error.field) from error
