"""What an organiser's message says: an item as others are to see it, in parts (RFC 5546 section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BUSY_STATUS_UNSPECIFIED, RESPONSE_STATUS_UNSPECIFIED, OccurrenceException
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_core.rules.scheduling import occurrences, people, tracking
from rookery_core.rules.scheduling.itip import Itip, Part
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.told import CANCELLED

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Sequence

    from rookery.v1.calendar_pb2 import Attendee
    from rookery.v1.scheduling_pb2 import SchedulingMethod
    from rookery_core.rules.scheduling.itip import Version

LISTED = 2000
"""Attendees that are listed in the occurrences of one message, all in all: beyond that the occurrences list nobody, and the message
stays within what a reader takes (1 MiB)."""

WORDS = 200_000
"""Characters of the series' text that are repeated in the occurrences of one message, all in all; beyond that, only their own."""


def message(item: Item, method: SchedulingMethod.ValueType, parts: Iterable[Part]) -> Itip:
    """A message about an item."""
    appointment = item.summary.appointment
    return Itip(method, ITEM_KIND_APPOINTMENT, appointment.meeting_id, appointment.organizer, tuple(parts))


def told(item: Item) -> Item:
    """The item without what is its owner's alone, and without attendees and exceptions."""
    mine, found = item.summary, Item()
    found.summary.kind = mine.kind
    found.summary.subject = mine.subject
    found.summary.importance = mine.importance
    found.summary.sensitivity = mine.sensitivity
    appointment = found.summary.appointment
    appointment.CopyFrom(mine.appointment)
    for name in ("exceptions", "reminder_minutes", "my_response"):
        appointment.ClearField(name)
    found.content.body.text = occurrences.text_of(item.content.body)
    found.content.appointment.SetInParent()
    return found


def whole(
    item: Item, listed: Sequence[Attendee], version: Version, comment: str = "", also: Collection[dt.datetime] = ()
) -> list[Part]:
    """The whole meeting, and each occurrence that is different, or was. Those that are cancelled are excluded (EXDATE).

    ``also``: occurrences that are told of though they are as the series has them, since they were not, or are asked about.
    """
    timeline = Timeline(item.summary.appointment)
    base = told(item)
    excluded = base.summary.appointment.recurrence.excluded_dates
    standing = {point for point in also if point not in timeline.exceptions and timeline.gives(point)}
    for point, exception in timeline.exceptions.items():
        if exception.cancelled and exception.my_response != tracking.DECLINED:
            excluded.append(timeline.time(point))
        elif point in also or _is_told(exception) or not timeline.gives(point):
            standing.add(point)
    _list(base, listed)
    parts = [Part(None, version, base, comment=comment)]
    return [*parts, *some(item, listed, dict.fromkeys(sorted(standing), version))]


def some(item: Item, listed: Sequence[Attendee], wanted: dict[dt.datetime, Version], comment: str = "") -> list[Part]:
    """Single occurrences, with what each attendee answers for each."""
    if not wanted:
        return []
    timeline = Timeline(item.summary.appointment)
    shown = listed if len(listed) * len(wanted) <= LISTED else ()
    base = occurrences.bare(told(item))
    if len(base.content.body.text) * len(wanted) > WORDS:
        base.content.ClearField("body")
    answers = tracking.Answers(item, timeline)
    parts: list[Part] = []
    for point, version in wanted.items():
        exception = timeline.exceptions.get(point)
        alone = occurrences.alone(base, point, exception, timeline)
        alone.summary.appointment.ClearField("reminder_minutes")
        alone.summary.appointment.my_response = RESPONSE_STATUS_UNSPECIFIED
        alone.content.appointment.attendees.extend(people.shown(each, answers.of(each, point)) for each in shown)
        lasts = exception is not None and exception.this_and_future
        parts.append(Part(timeline.time(point), version, alone, comment="" if parts else comment, this_and_future=lasts))
    return parts


def off(item: Item, listed: Sequence[Attendee], version: Version, points: Sequence[dt.datetime], comment: str = "") -> list[Part]:
    """What calls off: the whole meeting where no occurrences are named."""
    base = told(item)
    base.content.ClearField("body")
    appointment = base.summary.appointment
    appointment.status = CANCELLED
    appointment.busy_status = BUSY_STATUS_UNSPECIFIED
    if not points:
        _list(base, listed)
        return [Part(None, version, base, cancelled=True, comment=comment)]
    timeline = Timeline(item.summary.appointment)
    if len(listed) * len(points) <= LISTED:
        _list(base, listed)
    base = occurrences.bare(base)
    return [
        Part(
            timeline.time(point),
            version,
            occurrences.alone(base, point, None, timeline),
            cancelled=True,
            comment="" if index else comment,
        )
        for index, point in enumerate(points)
    ]


def _list(item: Item, attendees: Iterable[Attendee]) -> None:
    item.content.appointment.attendees.extend(people.shown(each) for each in attendees)


def _is_told(exception: OccurrenceException) -> bool:
    """Whether an exception says something to others."""
    rest = occurrences.public(exception)
    return rest != OccurrenceException(original_start=rest.original_start, cancelled=rest.cancelled)
