"""People and a meeting, for tests of scheduling."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.person_pb2 import Person
from rookery_core.rules import calendar_time, mail_addresses, validation
from rookery_core.rules.scheduling import organizing, receiving
from rookery_core.rules.scheduling.itip import Self

if TYPE_CHECKING:
    from rookery_core.rules.scheduling.itip import Letter
    from rookery_core.rules.scheduling.receiving import Received

BERLIN = "Europe/Berlin"
SECOND = calendar_time.SECOND


def someone(name: str, *aliases: str) -> Self:
    """The owner of a mailbox."""
    addresses = (f"{name.lower()}@{name.lower()}.example", *aliases)
    return Self(Person(name=name, address=addresses[0]), frozenset(map(mail_addresses.key_of, addresses)))


ANNA, BEN, CARLA, DORA, EMIL = map(someone, ("Anna", "Ben", "Carla", "Dora", "Emil"))


def when(day: str, hour: str, zone: str = BERLIN) -> CalendarTime:
    """A time of day."""
    return CalendarTime(local=f"{day}T{hour}:00", time_zone=zone)


def at(day: str, hour: str, zone: str = BERLIN) -> int:
    """The instant, in microseconds."""
    return calendar_time.instant(when(day, hour, zone)) or 0


NOON = at("2026-02-20", "12:00")


def meeting(*guests: Self, rule: str = "FREQ=WEEKLY;COUNT=5") -> Item:
    """Anna's appointment on Mondays from 2 March 2026 on, 10:00 to 10:45, of which nobody was told yet."""
    item = Item()
    item.summary.kind = ITEM_KIND_APPOINTMENT
    item.summary.subject = "Plan"
    appointment = item.summary.appointment
    appointment.start.CopyFrom(when("2026-03-02", "10:00"))
    appointment.end.CopyFrom(when("2026-03-02", "10:45"))
    appointment.meeting_id = "plan@anna.example"
    appointment.response_requested = True
    if rule:
        appointment.recurrence.rules.append(rule)
    for guest in guests or (BEN, CARLA):
        item.content.appointment.attendees.add(person=guest.person)
    return item


def told(item: Item, *, now: int = NOON, comment: str = "") -> tuple[Item, list[Letter]]:
    """The item once its attendees know all about it, and what they were sent."""
    sending = organizing.send(item, ANNA, now, comment)
    return sending.item, list(sending.letters)


def arrive(stored: Item | None, letter: Letter, at: Self, *, sender: Self = ANNA) -> Received:
    """What a letter comes to in somebody's mailbox."""
    return receiving.receive(stored, letter.itip, at, sender.person.address, NOON)


def invited(guest: Self = BEN, item: Item | None = None) -> tuple[Item, Item]:
    """The organiser's item, and a guest's copy of it."""
    item, letters = told(item or meeting())
    copy = arrive(None, letters[0], guest).item
    assert copy is not None
    return item, copy


def kept(received: Received) -> Item:
    """What a message made of an item, which keeps to the contract."""
    assert received.item is not None
    validation.validate_item(received.item.summary, received.item.content)
    return received.item


def changed(letter: Letter, **fields: Any) -> Letter:
    """A letter whose message says something else."""
    return letter._replace(itip=dataclasses.replace(letter.itip, **fields))
