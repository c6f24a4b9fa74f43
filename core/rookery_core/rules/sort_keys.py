"""What lists are sorted by. Times are microseconds since 1970 UTC; equal keys are sorted by id."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery.v1.item_service_pb2 import SortKey
from rookery_core.errors import InvalidArgument
from rookery_core.rules import names, record_paths, records, subjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.item_pb2 import Item, ItemSummary

NO_TIME = -(1 << 62)
"""The key of an item that lacks the time: before every time."""
LENGTH = 255
"""Characters of a text that count."""


def key_function(sort_key: int) -> Callable[[Item], int | str]:
    """What gives an item its key; received where the sort key is not set. InvalidArgument ``FIELD_INVALID`` if it is unknown."""
    function = _FUNCTIONS.get(sort_key)
    if function is None:
        raise InvalidArgument("FIELD_INVALID", f"there is no sort key {sort_key}", field="sort_key")
    return function


def from_key(summary: ItemSummary) -> str:
    """The author's name, else address; who called a meeting, who owns a task, under what a contact is filed."""
    match summary.kind:
        case item_pb2.ITEM_KIND_MESSAGE:
            person = records.author(summary.message)
        case item_pb2.ITEM_KIND_APPOINTMENT:
            person = summary.appointment.organizer
        case item_pb2.ITEM_KIND_TASK:
            person = summary.task.owner
        case item_pb2.ITEM_KIND_CONTACT:
            return _text(names.key(summary.contact.file_as or summary.subject))
        case _:
            return ""
    return _text(names.key(person.name or person.address))


def subject_key(summary: ItemSummary) -> str:
    """The subject without prefixes of replies."""
    return _text(subjects.sort_key(summary.subject))


def importance(summary: ItemSummary) -> int:
    """The importance; the normal one where it is not set."""
    return summary.importance or item_pb2.IMPORTANCE_NORMAL


def _received(item: Item) -> int:
    return item.summary.received.ToMicroseconds()


def _sent(item: Item) -> int:
    return item.summary.sent.ToMicroseconds() if item.summary.HasField("sent") else NO_TIME


def _start(item: Item) -> int:
    return _time(record_paths.start_of(item))


def _due(item: Item) -> int:
    return _time(record_paths.due_of(item))


def _time(found: int | None) -> int:
    return NO_TIME if found is None else found


def _text(text: str) -> str:
    return text[:LENGTH].replace("\0", "")


_FUNCTIONS: dict[int, Callable[[Item], int | str]] = {
    SortKey.SORT_KEY_UNSPECIFIED: _received,
    SortKey.SORT_KEY_RECEIVED: _received,
    SortKey.SORT_KEY_SENT: _sent,
    SortKey.SORT_KEY_FROM: lambda item: from_key(item.summary),
    SortKey.SORT_KEY_SUBJECT: lambda item: subject_key(item.summary),
    SortKey.SORT_KEY_SIZE: lambda item: item.summary.size_bytes,
    SortKey.SORT_KEY_START: _start,
    SortKey.SORT_KEY_DUE: _due,
    SortKey.SORT_KEY_IMPORTANCE: lambda item: importance(item.summary),
}
