"""Who is invited: attendees as the command line names them, and lists of attendees that are changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_ORGANIZER,
    RESPONSE_STATUS_UNSPECIFIED,
    Attendee,
    AttendeeRole,
)
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_client.cli import addressing
from rookery_client.cli.item_table import named
from rookery_client.cli.terminal import clean
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules.ids import text_of
from rookery_core.rules.scheduling import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery.v1.item_pb2 import Item

REQUIRED, OPTIONAL, ROOM = (
    AttendeeRole.ATTENDEE_ROLE_REQUIRED,
    AttendeeRole.ATTENDEE_ROLE_OPTIONAL,
    AttendeeRole.ATTENDEE_ROLE_RESOURCE,
)
_OWN = {RESPONSE_STATUS_UNSPECIFIED, RESPONSE_STATUS_ORGANIZER}


def attendees(texts: Iterable[str], option: str, role: AttendeeRole.ValueType, *, asked: bool = True) -> list[Attendee]:
    """Attendees, as an option names them; `asked` for an answer. UsageError for what is no address."""
    found = addressing.people(texts, option)
    for person in found:
        if not person.address:
            raise click.UsageError(f"{option} “{clean(person.name)}” is no address.")
    return [Attendee(person=person, role=role, response=RESPONSE_STATUS_NONE, response_requested=asked) for person in found]


def with_added(listed: Iterable[Attendee], added: Iterable[Attendee]) -> list[Attendee]:
    """A list of attendees with more; who is on it already gets the new role."""
    found = {people.key(each.person): each for each in listed}
    for each in added:
        known = found.setdefault(people.key(each.person), each)
        known.role = each.role
    return list(found.values())


def without(listed: Iterable[Attendee], removed: Sequence[Attendee]) -> list[Attendee]:
    """A list of attendees without some. InvalidArgument ``FIELD_INVALID`` for who is not on it."""
    found = {people.key(each.person): each for each in listed}
    for each in removed:
        if found.pop(people.key(each.person), None) is None:
            raise InvalidArgument("FIELD_INVALID", f"{named(each.person)} is not on the list: `rookery cal show` tells who is")
    return list(found.values())


def require_appointment(item: Item) -> None:
    """InvalidArgument ``KIND_MISMATCH`` for any other kind of item."""
    if item.summary.kind != ITEM_KIND_APPOINTMENT:
        raise InvalidArgument("KIND_MISMATCH", "this is no appointment: `rookery show` shows items of all kinds")


def is_own(item: Item) -> bool:
    """Whether it is an appointment of one's own, or a meeting that one has organized."""
    return item.summary.appointment.my_response in _OWN


def require_own(item: Item) -> None:
    """FailedPrecondition ``NOT_ORGANIZER`` for another's meeting."""
    require_appointment(item)
    if not is_own(item):
        organizer = item.summary.appointment.organizer
        whose = organizer.name or organizer.address or "somebody else"
        propose = f"rookery cal respond {text_of(item.id)} tentative --propose START/END"
        message = f"this is a meeting of {whose}, and theirs to change. To propose another time: {propose}"
        raise FailedPrecondition("NOT_ORGANIZER", message, field="item_id")
