"""Meetings among five people over a network that delays, doubles and reorders: in the end all calendars agree.

What is lost is sent again until it comes, so a loss is a delay. Each seed is a walk of random edits, letters, answers and
deliveries.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import (
    EVENT_STATUS_CANCELLED,
    EVENT_STATUS_CONFIRMED,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_TENTATIVE,
    AppointmentSummary,
    CalendarTime,
)
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED
from rookery_core.errors import FailedPrecondition
from rookery_core.formats import itip as document
from rookery_core.rules import validation
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.scheduling import answering, organizing, people, receiving, tracking
from rookery_core.rules.scheduling.occurrences import Timeline, text_of
from tests.support.meetings import ANNA, BEN, CARLA, DORA, EMIL, NOON, SECOND, at, meeting, when

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Itip, Letter, Self

GUESTS = {guest.person.address: guest for guest in (BEN, CARLA, DORA, EMIL)}
ANSWERS = [RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_TENTATIVE, RESPONSE_STATUS_DECLINED]
HOURS = ["08:00", "10:00", "14:00"]
DAYS = [f"2026-03-{day:02}" for day in (2, 9, 16, 23, 30)]
RULES = ["FREQ=WEEKLY;COUNT=5", "FREQ=WEEKLY;COUNT=3", "FREQ=WEEKLY;INTERVAL=2;COUNT=4", ""]
EDITS = ["subject", "text", "place", "time", "rule", "one", "one", "one", "one", "guest"]
YEAR = (at("2026-01-01", "00:00"), at("2027-01-01", "00:00"))


@dataclass
class World:
    """The organiser's item, the copies, and what is on its way."""

    random: random.Random
    is_reliable: bool
    by_document: bool
    item: Item = field(default_factory=meeting)
    copies: dict[str, Item] = field(default_factory=dict)
    answered: dict[str, set[int]] = field(default_factory=dict)
    underway: list[tuple[str, str, Itip]] = field(default_factory=list)
    """To whom, from whom, what."""
    now: int = NOON

    def post(self, letters: tuple[Letter, ...], me: Self) -> None:
        for letter in letters:
            assert letter.to, "a letter to nobody"
            itip = document.read(document.write(letter.itip)) if self.by_document else letter.itip
            sender = people.sender_of(letter, me).address
            for person in letter.to:
                self.underway.append((person.address, sender, itip))
                if not self.is_reliable and self.random.random() < 0.1:
                    self.underway.append((person.address, sender, itip))
        if self.is_reliable:
            self.deliver_all()

    def deliver(self, index: int) -> None:
        to, sender, itip = self.underway.pop(index)
        if to == ANNA.person.address:
            received = receiving.receive(self.item, itip, ANNA, sender, self.now)
            assert not self.is_reliable or received.effect == SCHEDULING_EFFECT_APPLIED, "a needless answer"
            self.item = received.item or self.item
            return
        before = self.copies.get(to)
        received = receiving.receive(before, itip, GUESTS[to], sender, self.now)
        if received.item is None:
            assert not self.is_reliable, "a needless letter"
            return
        validation.validate_item(received.item.summary, received.item.content)
        assert not self.is_reliable or before is None or seen(before) != seen(received.item), "a letter that says nothing new"
        self.copies[to] = received.item

    def deliver_all(self) -> None:
        while self.underway:
            self.deliver(self.random.randrange(len(self.underway)) if not self.is_reliable else 0)

    def step(self) -> None:
        self.now += self.random.choice([0, 0, 1, 30]) * SECOND
        action = self.random.random()
        if action < 0.45:
            for kind in self.random.sample(EDITS, self.random.choice([1, 1, 2])):
                self.edit(kind)
            self.send()
        elif action < 0.5:
            if self.item.summary.appointment.status != EVENT_STATUS_CANCELLED and self.random.random() < 0.4:
                sending = organizing.cancel(self.item, None, ANNA, self.now)
                self.item = sending.item
                self.post(sending.letters, ANNA)
            else:
                self.item.summary.appointment.status = EVENT_STATUS_CONFIRMED
                self.send()
        elif action < 0.8:
            self.answer()
        elif self.underway:
            self.deliver(self.random.randrange(len(self.underway)))

    def send(self) -> None:
        sending = organizing.send(self.item, ANNA, self.now)
        self.item = sending.item
        validation.validate_item(self.item.summary, self.item.content)
        again = organizing.send(self.item, ANNA, self.now + SECOND)
        assert again.item is self.item, "sending twice changes nothing"
        assert not again.letters, "sending twice tells nothing"
        self.post(sending.letters, ANNA)

    def edit(self, kind: str) -> None:
        appointment, content = self.item.summary.appointment, self.item.content
        if kind == "subject":
            self.item.summary.subject = f"Plan {self.random.randrange(3)}"
        elif kind == "text":
            content.body.text = f"Text {self.random.randrange(3)}"
        elif kind == "place":
            appointment.location = f"Room {self.random.randrange(3)}"
        elif kind == "time":
            hour = self.random.choice(HOURS)
            appointment.start.local = f"{DAYS[0]}T{hour}:00"
            appointment.end.local = f"{DAYS[0]}T{hour[:2]}:45:00"
            del appointment.exceptions[:]
            appointment.recurrence.ClearField("excluded_dates")
        elif kind == "rule":
            appointment.recurrence.Clear()
            appointment.recurrence.rules.extend(rule for rule in [self.random.choice(RULES)] if rule)
            del appointment.exceptions[:]
        elif kind == "one":
            self.edit_one(appointment)
        else:
            guest = self.random.choice(list(GUESTS.values()))
            found = people.find(content.appointment.attendees, guest.person.address)
            if found is not None:
                content.appointment.attendees.remove(found)
            else:
                content.appointment.attendees.add(person=guest.person)

    def edit_one(self, appointment: AppointmentSummary) -> None:
        day = self.random.choice(DAYS)
        original = CalendarTime(local=f"{day}{appointment.start.local[10:]}", time_zone="Europe/Berlin")
        timeline = Timeline(appointment)
        point = timeline.point(original)
        is_excluded = original in appointment.recurrence.excluded_dates
        if point is None or not timeline.is_series or not (timeline.has(point) or is_excluded):
            return
        found = timeline.exceptions.get(point)
        if found is not None:
            appointment.exceptions.remove(found)
        if is_excluded:
            appointment.recurrence.excluded_dates.remove(original)
        kind = self.random.choice(["move", "move", "rename", "text", "cancel", "exclude", "revert"])
        if kind == "exclude":
            appointment.recurrence.excluded_dates.append(original)
        elif kind == "cancel":
            appointment.exceptions.add(original_start=original, cancelled=True)
        elif kind == "rename":
            appointment.exceptions.add(original_start=original, subject="Another")
        elif kind == "text":
            appointment.exceptions.add(original_start=original, text="Bring cake", location="Garden")
        elif kind == "move":
            start = when(day, self.random.choice(["17:00", "18:00"]))
            appointment.exceptions.add(original_start=original, start=start, end=when(day, "19:00"))

    def answer(self) -> None:
        waiting = [address for address, copy in self.copies.items() if copy.summary.appointment.status != EVENT_STATUS_CANCELLED]
        if not waiting:
            return
        address = self.random.choice(waiting)
        copy, response = self.copies[address], self.random.choice(ANSWERS)
        occurrence = None
        timeline = Timeline(copy.summary.appointment)
        if timeline.is_series and self.random.random() < 0.5:
            occurrence = CalendarTime(
                local=f"{self.random.choice(DAYS)}{copy.summary.appointment.start.local[10:]}", time_zone="Europe/Berlin"
            )
            point = timeline.point(occurrence)
            assert point is not None
            exception = timeline.exceptions.get(point)
            is_off = exception is not None and exception.cancelled and exception.my_response != RESPONSE_STATUS_DECLINED
            if not timeline.has(point) or is_off:
                return
        try:
            sending = answering.respond(copy, occurrence, response, GUESTS[address], self.now)
        except FailedPrecondition:
            assert not shown(copy), "only what does not take place can not be answered"
            return
        self.copies[address] = sending.item
        self.answered.setdefault(address, set()).add(response)
        self.post(sending.letters, GUESTS[address])


def shown(item: Item) -> list[tuple[int, int, str, str, str]]:
    """What takes place, by the organiser's word: whether an attendee has declined an occurrence does not count."""
    appointment = AppointmentSummary()
    appointment.CopyFrom(item.summary.appointment)
    for exception in appointment.exceptions:
        if exception.my_response == RESPONSE_STATUS_DECLINED:
            exception.cancelled = False
    listed = []
    for each in Series(appointment).between(*YEAR, "UTC", Budget(10_000)):
        exception = each.exception
        subject = exception.subject if exception is not None and exception.HasField("subject") else item.summary.subject
        place = exception.location if exception is not None and exception.HasField("location") else appointment.location
        text = exception.text if exception is not None and exception.HasField("text") else text_of(item.content.body)
        listed.append((each.begins, each.ends, subject, place, text))
    return listed


def seen(copy: Item) -> tuple[object, ...]:
    """What a copy's owner sees of it."""
    appointment = copy.summary.appointment
    answers = [(each.original_start.local, each.my_response, each.cancelled) for each in appointment.exceptions]
    return shown(copy), appointment.status, appointment.my_response, answers


def check(world: World) -> None:
    organized = world.item
    sent = organized.content.appointment.meeting.sent
    invited = {person.address for person in sent.attendees}
    for address, copy in world.copies.items():
        if address not in invited:
            assert copy.summary.appointment.status == EVENT_STATUS_CANCELLED, f"{address} was taken off, or all is off"
    for address in invited:
        copy = world.copies[address]
        assert copy.summary.appointment.status != EVENT_STATUS_CANCELLED
        assert shown(copy) == shown(organized), f"{address} sees the same"
        entry = people.find(organized.content.appointment.attendees, address)
        assert entry is not None
        agree(world, address, entry.response, copy.summary.appointment.my_response)
        timeline, theirs = Timeline(organized.summary.appointment), Timeline(copy.summary.appointment)
        for day in DAYS if timeline.is_series else ():
            start = CalendarTime(local=f"{day}{organized.summary.appointment.start.local[10:]}", time_zone="Europe/Berlin")
            point = timeline.point(start)
            assert point is not None
            exception = timeline.exceptions.get(point)
            if not timeline.has(point) or (exception is not None and exception.cancelled):
                continue
            told = theirs.exceptions.get(point)
            own = told.my_response if told is not None and told.my_response else copy.summary.appointment.my_response
            agree(world, address, tracking.Answers(organized, timeline).of(entry, point), own)


def agree(world: World, address: str, tracked: int, own: int) -> None:
    """Nobody believes to have given an answer that the organiser does not have. Somebody may be asked again, where messages were
    overtaken, though the answer came."""
    if world.is_reliable:
        assert tracked == own, address
    assert own in {tracked, RESPONSE_STATUS_NONE}, address
    assert tracked in {RESPONSE_STATUS_NONE, *world.answered.get(address, set())}, address


def walk(seed: int, *, is_reliable: bool, by_document: bool = False, steps: int = 40) -> None:
    world = World(random.Random(seed), is_reliable, by_document)
    world.send()
    for _ in range(steps):
        world.step()
    world.send()
    world.deliver_all()
    check(world)


@pytest.mark.parametrize("seed", range(200))
def test_on_a_network_that_reorders_and_doubles_all_copies_agree_in_the_end(seed: int) -> None:
    walk(seed, is_reliable=False)


@pytest.mark.parametrize("seed", range(150))
def test_on_a_reliable_network_nobody_gets_a_letter_that_says_nothing_new(seed: int) -> None:
    walk(seed, is_reliable=True)


@pytest.mark.parametrize("seed", range(10))
def test_what_travels_as_icalendar_comes_to_the_same(seed: int) -> None:
    walk(seed, is_reliable=seed % 2 == 0, by_document=True, steps=25)
