"""What a mailbox knew of meetings and assigned tasks, out of a version of an item that a device brings back after a restore.

It is the server's, and no client edits it; but what was told and answered after the backup only devices remember. Without it
everybody would be invited anew, and every answer would be lost. A device that lies deceives its own owner alone: what stands there
lets nobody say more than they can by their own mail, and decides what others may say of this one item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ItemContent, ItemSummary
from rookery_core.rules import calendar_time, checks, limits
from rookery_core.rules.validation_calendar import validate_appointment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

    from rookery.v1.item_pb2 import Item

_KEPT = (("appointment", "meeting"), ("task", "assignment"), ("message", "scheduling"))
"""By kind of item: what of its content is kept."""


def keep(target: Item, version: Item) -> None:
    """Gives an item what a version of it knows, unless it knows something later itself. InvalidArgument for what can not be."""
    for arm, name in _KEPT:
        source = getattr(version.content, arm)
        if not source.HasField(name):
            continue
        brought = getattr(source, name)
        _validate(brought, f"item.content.{arm}.{name}")
        known = getattr(target.content, arm)
        if not known.HasField(name) or _last(getattr(known, name)) < _last(brought):
            getattr(known, name).CopyFrom(brought)


def _last(message: Message) -> int:
    """The latest time that it speaks of, in microseconds: when something was told, heard or answered."""
    return max((each.ToMicroseconds() for each in _within(message) if isinstance(each, Timestamp)), default=0)


def _validate(state: Any, field: str) -> None:
    for each in _within(state):
        if isinstance(each, Timestamp):
            checks.moment(each, field)
        elif isinstance(each, CalendarTime):
            calendar_time.validate(each, field)
        for descriptor, value in each.ListFields():
            if descriptor.is_repeated:
                checks.at_most(len(value), limits.EXCEPTIONS, field)
    if "sent" in state.DESCRIPTOR.fields_by_name and state.HasField("sent"):
        validate_appointment(ItemSummary(kind=ITEM_KIND_APPOINTMENT, appointment=state.sent.appointment), ItemContent())


def _within(message: Message) -> Iterator[Message]:
    """A message, and all that lie in it."""
    yield message
    for descriptor, value in message.ListFields():
        if descriptor.type == FieldDescriptor.TYPE_MESSAGE:
            for each in value if descriptor.is_repeated else (value,):
                yield from _within(each)
