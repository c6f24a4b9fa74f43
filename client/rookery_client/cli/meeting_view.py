"""A meeting in words: who comes, who would rather meet at another time, who waits for an answer, and what nobody was told yet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import AttendeeRole, ResponseStatus
from rookery_client.cli.calendar_times import DAY, later, span_text, start_text, typed
from rookery_client.cli.invited import is_own
from rookery_client.cli.item_table import named
from rookery_client.cli.occurrences import is_series
from rookery_client.cli.terminal import clean, moment, table
from rookery_core.rules import calendar_time
from rookery_core.rules.ids import text_of
from rookery_core.rules.scheduling import people, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery.v1.calendar_pb2 import Attendee, CalendarTime, OccurrenceResponse
    from rookery.v1.item_pb2 import Item
    from rookery.v1.person_pb2 import Person

NONE, DECLINED = ResponseStatus.RESPONSE_STATUS_NONE, ResponseStatus.RESPONSE_STATUS_DECLINED
_ANSWERS: dict[int, tuple[str, str]] = {
    ResponseStatus.RESPONSE_STATUS_ORGANIZER: ("*", "organizer"),
    ResponseStatus.RESPONSE_STATUS_ACCEPTED: ("✓", "accepted"),
    ResponseStatus.RESPONSE_STATUS_TENTATIVE: ("~", "tentative"),
    DECLINED: ("✗", "declined"),
    ResponseStatus.RESPONSE_STATUS_DELEGATED: ("→", "handed on"),
    NONE: ("?", "not answered"),
}
"""By answer: its mark, and its word; in the order in which they are counted."""
_ROLES: dict[int, str] = {
    AttendeeRole.ATTENDEE_ROLE_OPTIONAL: "optional",
    AttendeeRole.ATTENDEE_ROLE_RESOURCE: "room",
    AttendeeRole.ATTENDEE_ROLE_CHAIR: "chair",
    AttendeeRole.ATTENDEE_ROLE_INFORMATION: "for information",
}
_SHOWN = 50
"""Attendees, and answers for single occurrences, that are shown."""


def show_meeting(item: Item, zone: str) -> None:
    """Prints who is invited to an appointment, and what is to be done; nothing, where nobody is."""
    attendees = item.content.appointment.attendees
    if not is_own(item):
        _show_invited(attendees)
        lines = [*_to_do(item)]
    else:
        _show_answers(attendees)
        lines = [*_proposals(item, zone), *_occurrence_answers(item, zone), *_to_do(item)]
    if lines:
        click.echo()
    for line in lines:
        click.echo(line)


def name_of(person: Person) -> str:
    """What somebody is called, in one line."""
    return clean(person.name or person.address)


def accepting(item_id: bytes, start: CalendarTime, end: CalendarTime, zone: str, occurrence: CalendarTime | None = None) -> str:
    """The command that moves a meeting, or an occurrence of it, to a time that was proposed."""
    which = "" if occurrence is None else f' --occurrence "{typed(occurrence, zone)}"'
    begins, ends = typed(start, zone), typed(end, zone)
    if calendar_time.is_date(start):
        last = typed(later(end, -DAY), zone) if calendar_time.before(start, end) else begins
        return f"rookery cal move {text_of(item_id)}{which} --start {begins} --end {last}"
    day, _, hour = ends.partition(" ")
    return f'rookery cal move {text_of(item_id)}{which} --start "{begins}" --end "{hour if begins.startswith(day) else ends}"'


def _show_invited(attendees: Sequence[Attendee]) -> None:
    """Whom else somebody has invited; what they answered only the organizer knows."""
    if attendees:
        click.echo(f"\nAttendees: {len(attendees):,}\n")
        _list(["Who", "As"], [[named(each.person), _ROLES.get(each.role, "")] for each in attendees[:_SHOWN]], len(attendees))


def _show_answers(attendees: Sequence[Attendee]) -> None:
    if not attendees:
        return
    counted = Counter(_answer(each)[1] for each in attendees)
    words = [f"{counted[word]:,} {word}" for _, word in _ANSWERS.values() if counted[word]]
    click.echo(f"\nAttendees: {', '.join(words)}\n")
    _list(["", "Who", "As", "Answer", "Given", "Words"], [_row(each) for each in attendees[:_SHOWN]], len(attendees))


def _list(titles: list[str], rows: list[list[str]], count: int) -> None:
    """Prints the columns that say something."""
    said = [index for index, _ in enumerate(titles) if any(row[index] for row in rows)]
    titles, rows = [titles[index] for index in said], [[row[index] for index in said] for row in rows]
    table(
        titles,
        rows,
        cut=[title for title in ("Who", "Words") if title in titles],
        drop=[title for title in ("Given", "As") if title in titles],
    )
    if count > _SHOWN:
        click.echo(f"{count - _SHOWN:,} more; --json shows all.")


def _row(attendee: Attendee) -> list[str]:
    mark, word = _answer(attendee)
    given = moment(attendee.responded) if word != _ANSWERS[NONE][1] else ""
    return [mark, named(attendee.person), _ROLES.get(attendee.role, ""), word, given, attendee.comment]


def _answer(attendee: Attendee) -> tuple[str, str]:
    return _ANSWERS.get(attendee.response, _ANSWERS[NONE])


def _proposals(item: Item, zone: str) -> Iterator[str]:
    for attendee in item.content.appointment.attendees[:_SHOWN]:
        if attendee.HasField("proposed_start"):
            yield from _proposal(item, attendee, zone, None)


def _proposal(item: Item, attendee: Attendee, zone: str, occurrence: CalendarTime | None) -> Iterator[str]:
    start, end = attendee.proposed_start, attendee.proposed_end
    yield f"{name_of(attendee.person)} proposes {span_text(start, end, zone)} instead. To move it there:"
    yield f"  {accepting(item.id, start, end, zone, occurrence)}"


def _occurrence_answers(item: Item, zone: str) -> Iterator[str]:
    responses = item.content.appointment.meeting.occurrence_responses
    for response in responses[-_SHOWN:]:
        yield _occurrence_answer(response, zone)
        if response.attendee.HasField("proposed_start"):
            yield from _proposal(item, response.attendee, zone, response.original_start)


def _occurrence_answer(response: OccurrenceResponse, zone: str) -> str:
    attendee = response.attendee
    mark, word = _answer(attendee)
    said = f": “{clean(attendee.comment)}”" if attendee.comment else ""
    return f"{mark} {start_text(response.original_start, zone)}: {name_of(attendee.person)}, {word}{said}"


def _to_do(item: Item) -> Iterator[str]:
    """What waits for the owner."""
    appointment, item_id = item.summary.appointment, text_of(item.id)
    if is_own(item):
        content = item.content.appointment
        if content.attendees and not content.meeting.HasField("sent"):
            yield f"Nobody was invited yet. Invite them: rookery cal send {item_id}"
        elif untold := "; ".join(_untold(item)):
            yield f"Not told yet: {untold}. Tell the attendees: rookery cal send {item_id}"
        return
    if appointment.my_response == NONE and appointment.status != told.CANCELLED:
        organizer = name_of(appointment.organizer) or "The organizer"
        yield f"{organizer} waits for your answer: rookery cal respond {item_id} accept (or tentative, or decline)"


def _untold(item: Item) -> Iterator[str]:
    """What the attendees do not know of an own meeting; of one that nobody was invited to, nothing."""
    appointment, content = item.summary.appointment, item.content.appointment
    if not content.meeting.HasField("sent"):
        return
    organizer = people.key(appointment.organizer)
    invited = [each for each in content.attendees if people.key(each.person) != organizer]
    sent, target = content.meeting.sent, told.snapshot(item, invited)
    changes = told.compare(sent, target)
    if changes.anew:
        yield "another time, or rule" if is_series(item) else "another time"
    elif changes.whole:
        yield "what was changed"
    if count := len(changes.changed) + len(changes.off):
        yield "1 occurrence that was changed" if count == 1 else f"{count:,} occurrences that were changed"
    before = {people.key(each): each for each in sent.attendees}
    after = {people.key(each): each for each in target.attendees}
    for keys, words in ((after.keys() - before.keys(), "invited"), (before.keys() - after.keys(), "taken off the list")):
        chosen = [name_of(each) for key, each in {**before, **after}.items() if key in keys]
        if chosen:
            yield f"{', '.join(chosen[:_SHOWN])} {'is' if len(chosen) == 1 else 'are'} {words}"
