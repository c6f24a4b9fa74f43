"""Who is who in a meeting: people are told apart by their addresses, and by name where they have none."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import RESPONSE_STATUS_NONE, Attendee
from rookery.v1.item_pb2 import ITEM_KIND_TASK
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_COUNTER, SCHEDULING_METHOD_REPLY
from rookery_core.rules import limits, mail_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery.v1.calendar_pb2 import ResponseStatus
    from rookery_core.rules.scheduling.itip import Letter, Self

ANSWERS = frozenset({SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_COUNTER})
"""What attendees say to the organiser."""

_key_of = functools.lru_cache(maxsize=32_768)(mail_addresses.key_of)


def key(person: Person) -> str:
    """What two entries share that are one person."""
    return _key_of(person.address) if person.address else f"\0{person.name}"


def is_same(one: str, other: str) -> bool:
    """Whether two addresses are one recipient's. None is nobody's."""
    return bool(one and other) and (one == other or _key_of(one) == _key_of(other))


def find(attendees: Iterable[Attendee], address: str) -> Attendee | None:
    """The entry with an address."""
    return next((each for each in attendees if is_same(each.person.address, address)), None)


def fill_name(person: Person, other: Person) -> None:
    """Gives an entry without a name the one that the same person has elsewhere."""
    if other.name and not person.name and is_same(person.address, other.address):
        person.name = other.name[: limits.DISPLAY]


def speaking(invited: Person, me: Self) -> Person:
    """The owner as they answer: by the address that was invited, which the organiser knows, and by their own name."""
    return Person(name=me.person.name or invited.name, address=invited.address)


def own(attendees: Iterable[Attendee], me: Self) -> Attendee | None:
    """One's own entry."""
    return next((each for each in attendees if _is_own(each, me)), None)


def _is_own(attendee: Attendee, me: Self) -> bool:
    address = attendee.person.address
    return bool(address) and (_key_of(address) in me.keys or ("+" in address and me.owns(address)))


def others(attendees: Iterable[Attendee], me: Self) -> list[Attendee]:
    """Everybody but oneself, each person once: the first entry counts."""
    found: dict[str, Attendee] = {}
    for attendee in attendees:
        if not _is_own(attendee, me):
            found.setdefault(key(attendee.person), attendee)
    return list(found.values())


def replace(container: Sequence[Attendee], wanted: Iterable[Attendee]) -> None:
    """Makes these the entries of an item's list; they may be its own."""
    kept = [Attendee.FromString(each.SerializeToString()) for each in wanted]
    del container[:]  # type: ignore[attr-defined]
    container.extend(kept)  # type: ignore[attr-defined]


def shown(attendee: Attendee, response: ResponseStatus.ValueType | None = None) -> Attendee:
    """An attendee as the others see them: with the answer, but without the words and the proposal that came with it."""
    return Attendee(
        person=attendee.person,
        role=attendee.role,
        response=(attendee.response if response is None else response) or RESPONSE_STATUS_NONE,
        response_requested=attendee.response_requested,
    )


def sender_of(letter: Letter, me: Self) -> Person:
    """Whose address is in From: the one by which the meeting knows the owner, since whoever gets the letter compares them.

    A forwarded invitation is from the owner, though the organiser is another (RFC 6047 section 2.3).
    """
    itip = letter.itip
    if itip.method not in ANSWERS:
        return itip.organizer if me.owns(itip.organizer.address) else me.person
    item = itip.parts[0].item
    if itip.kind == ITEM_KIND_TASK:
        return item.summary.task.owner if me.owns(item.summary.task.owner.address) else me.person
    speaker = own(item.content.appointment.attendees, me)
    return speaker.person if speaker else me.person
