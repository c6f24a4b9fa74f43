"""`cal invite`, `send`, `respond`, `forward`: what is told about meetings, and what is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from rookery.v1.calendar_pb2 import ResponseStatus
from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE, Item
from rookery_client.cli import invited, occurrences
from rookery_client.cli.calendar_times import end_of, span_text, start_text, when, zone_named
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.submission_view import submission_view
from rookery_client.cli.terminal import clean
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import parse
from rookery_core.rules.scheduling import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.meeting_service_pb2 import RespondToMeetingResponse
    from rookery.v1.submission_pb2 import Submission
    from rookery_client import Client

_ANSWERS = {
    "accept": (ResponseStatus.RESPONSE_STATUS_ACCEPTED, "Accepted"),
    "tentative": (ResponseStatus.RESPONSE_STATUS_TENTATIVE, "Accepted tentatively"),
    "decline": (ResponseStatus.RESPONSE_STATUS_DECLINED, "Declined"),
}
_ATTENDEES = "content.appointment.attendees"
_UNTOLD = "Nobody was told yet: `rookery cal send` tells them."
_NAMED = 3
"""People that are named by address before the rest is counted."""

MESSAGE = click.option("--message", default="", metavar="TEXT", help="Words to go with it.")
ZONE = click.option("--time-zone", metavar="ZONE", help="Another zone than this machine's, e.g. Asia/Tokyo.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
NO_SEND = click.option("--no-send", is_flag=True, help="Tell nobody yet: `rookery cal send` does.")


class Outcome(NamedTuple):
    """What became of an appointment, and what was sent."""

    item: Item
    submissions: Sequence[Submission]


@click.command()
@click.argument("item_id", metavar="ID")
@click.argument("addresses", nargs=-1, metavar="[ADDRESS...]")
@click.option("--optional", multiple=True, metavar="ADDRESS", help="Who need not come; may be given again.")
@click.option("--room", "rooms", multiple=True, metavar="ADDRESS", help="A room, or equipment; may be given again.")
@click.option("--remove", multiple=True, metavar="ADDRESS", help="Take somebody off the list; may be given again.")
@MESSAGE
@NO_SEND
@JSON
@pass_session
def invite(
    session: Session,
    item_id: str,
    addresses: tuple[str, ...],
    optional: tuple[str, ...],
    rooms: tuple[str, ...],
    remove: tuple[str, ...],
    message: str,
    no_send: bool,
    as_json: bool,
) -> None:
    """Invite people to an appointment, or take them off its list, and tell them."""
    wanted = parse(item_id)
    added = [
        *invited.attendees(addresses, "ADDRESS", invited.REQUIRED),
        *invited.attendees(optional, "--optional", invited.OPTIONAL),
        *invited.attendees(rooms, "--room", invited.ROOM),
    ]
    removed = invited.attendees(remove, "--remove", invited.REQUIRED)
    if not added and not removed:
        raise click.UsageError("Say whom to invite, or whom to --remove.")

    async def work(client: Client) -> Outcome:
        item = await client.items.get(wanted)
        invited.require_own(item)
        listed = item.content.appointment.attendees
        asked = not listed or item.summary.appointment.response_requested
        paths = [_ATTENDEES]
        if asked and not item.summary.appointment.response_requested:
            item.summary.appointment.response_requested = True
            paths.append("summary.appointment.response_requested")
        for each in added:
            each.response_requested = asked
        people.replace(listed, invited.with_added(invited.without(listed, removed), added))
        item = await client.items.update(item, paths, etag=seen(session, item))
        return Outcome(item, ()) if no_send else await sent(client, item.id, message)

    tell(session, session.run(work), _UNTOLD if no_send else "", as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@MESSAGE
@JSON
@pass_session
def send(session: Session, item_id: str, message: str, as_json: bool) -> None:
    """Tell the attendees of a meeting what they do not know yet."""
    wanted = parse(item_id)
    tell(session, session.run(lambda client: sent(client, wanted, message)), "", as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.argument("answer", type=click.Choice(list(_ANSWERS)))
@click.option("--occurrence", metavar="WHEN", help="Only for this one of a series: 2026-03-09, or with its hour.")
@click.option("--propose", metavar="START/END", help="Another time: “2026-03-02 10:00/11:30”, or with a length after the slash.")
@click.option("--silent", is_flag=True, help="Do not tell the organizer.")
@MESSAGE
@ZONE
@JSON
@pass_session
def respond(
    session: Session,
    item_id: str,
    answer: str,
    occurrence: str | None,
    propose: str | None,
    silent: bool,
    message: str,
    time_zone: str | None,
    as_json: bool,
) -> None:
    """Answer an invitation; ID is the appointment's, or that of the message that invited.

    What is declined leaves the calendar for Deleted Items: it can be accepted from there.
    """
    wanted, zone = parse(item_id), zone_named(time_zone)
    response, done = _ANSWERS[answer]
    proposed = None if propose is None else _proposed(propose, zone)

    async def work(client: Client) -> tuple[RespondToMeetingResponse, Item, CalendarTime | None]:
        item, about = await _invitation(client, wanted)
        if occurrence is not None:
            about = occurrences.named(item, occurrence, zone, declined=True).original_start
        response_ = await client.meetings.respond(
            item.id, response, occurrence=about, comment=message, proposed=proposed, silent=silent
        )
        return response_, item, about

    answered, item, about = session.run(work)
    outcome = Outcome(answered.item, answered.submissions)
    words = f"{done}: “{clean(item.summary.subject)}”, {_when(item, about, zone)}."
    if proposed is not None:
        words += f" Proposed instead: {span_text(*proposed, zone)}."
    if silent:
        words += " The organizer was not told."
    elif not session.offline and not outcome.submissions:
        asked = answered.item.summary.appointment.response_requested
        words += " The organizer knows that already." if asked else " The organizer asked for no answers: nobody was told."
    tell(session, outcome, words, as_json=as_json)


@click.command()
@click.argument("item_id", metavar="ID")
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@MESSAGE
@JSON
@pass_session
def forward(session: Session, item_id: str, addresses: tuple[str, ...], message: str, as_json: bool) -> None:
    """Invite further people to a meeting, in its organizer's name; ID is the appointment's, or that of the invitation."""
    wanted = parse(item_id)
    to = [each.person for each in invited.attendees(addresses, "ADDRESS", invited.REQUIRED)]

    async def work(client: Client) -> Sequence[Submission]:
        return (await client.meetings.forward(wanted, to, comment=message)).submissions

    submissions = session.run(work)
    if as_json:
        emit({"submissions": [submission_view(each) for each in submissions]})
    elif not session.offline:
        click.echo(told(submissions), err=True)


async def sent(client: Client, item_id: bytes, message: str) -> Outcome:
    """Tells the attendees what they do not know yet."""
    response = await client.meetings.send(item_id, comment=message)
    return Outcome(response.item, response.submissions)


def seen(session: Session, item: Item) -> int:
    """The etag of a change that is based on an item; offline, changes are merged instead."""
    return 0 if session.offline else item.content_revision


def tell(session: Session, outcome: Outcome, words: str, *, as_json: bool) -> None:
    """Prints what became of it, as JSON or in words; and who was told, if somebody was, or there is nothing else to say."""
    if as_json:
        emit({"item": item_view(outcome.item), "submissions": [submission_view(each) for each in outcome.submissions]})
        return
    if words:
        click.echo(words, err=True)
    if outcome.submissions or not (words or session.offline):
        click.echo(told(outcome.submissions), err=True)


def told(submissions: Iterable[Submission]) -> str:
    """Who was told, in a sentence."""
    addresses = list(dict.fromkeys(each.person.address for one in submissions for each in one.recipients))
    if not addresses:
        return "Everybody knows already: nobody was told."
    rest = len(addresses) - _NAMED if len(addresses) > _NAMED + 1 else 0
    named = addresses[: len(addresses) - rest]
    shown = [clean(each) for each in named] + ([f"{rest:,} more"] if rest > 0 else [])
    return f"Told {', '.join(shown[:-1])} and {shown[-1]}." if len(shown) > 1 else f"Told {shown[0]}."


async def _invitation(client: Client, item_id: bytes) -> tuple[Item, CalendarTime | None]:
    """The appointment that is named, by itself or by the message that told of it; and the occurrence that the message is about."""
    item = await client.items.get(item_id)
    if item.summary.kind != ITEM_KIND_MESSAGE:
        invited.require_appointment(item)
        return item, None
    message = item.content.message.scheduling
    if not message.item_id:
        raise FailedPrecondition("NOT_INVITED", "the message is no invitation: there is nothing to answer", field="item_id")
    item = await client.items.get(message.item_id)
    is_about_one = message.HasField("occurrence") and occurrences.is_series(item)
    return item, message.occurrence if is_about_one else None


def _proposed(text: str, zone: str) -> tuple[CalendarTime, CalendarTime]:
    """From when to when. UsageError."""
    start, _, end = text.partition("/")
    try:
        begins = when(start.strip(), zone, "--propose")
        is_time = ":" in end or "-" in end
        return begins, end_of(begins, end.strip() if is_time else None, None if is_time else end)
    except click.UsageError:
        example = "“2026-03-02 10:00/11:30” or “2026-03-02 10:00/45m”"
        raise click.UsageError(f"--propose {clean(text)}: write {example}, the first and the last day for all day.") from None


def _when(item: Item, occurrence: CalendarTime | None, zone: str) -> str:
    """When it is, or the occurrence of it that is meant."""
    appointment = item.summary.appointment
    if occurrence is None:
        return span_text(appointment.start, appointment.end, zone) + (" and on" if occurrences.is_series(item) else "")
    found = occurrences.by_original(item, occurrence, zone)
    return start_text(occurrence, zone) if found is None else span_text(found.start, found.end, zone)


COMMANDS = (invite, send, respond, forward)
