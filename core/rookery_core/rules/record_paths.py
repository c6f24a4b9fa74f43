"""What a path like ``summary.task.percent_complete`` means, and which values a record has there.

One vocabulary for restrictions: the fields of the contract by name, joined by dots, found by the descriptors. A path goes
through repeated fields into each of their elements. Three instants that lists need are computed and have short names: "start",
"end" and "due". What the update mask of a record may name is the business of ``rookery_core.rules.ownership``.

A record *has* a value where the contract can tell: messages and optional fields by their presence, strings and bytes if they
are not empty, numbers, booleans and enums always, once the message around them is there. An unset importance counts as the
normal one that it stands for.
"""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp


FOREVER = 1 << 62
"""The end of an open series, in microseconds: after every time."""


class ValueType(enum.Enum):
    """What the values at a path are, and what they compare with."""

    TEXT = "text"
    """str."""
    NUMBER = "number"
    """int or float; enums by their numbers."""
    BOOLEAN = "boolean"
    """bool."""
    TIME = "time"
    """int: microseconds since 1970 UTC."""
    BYTES = "bytes"
    """bytes."""
    MESSAGE = "message"
    """A message: it exists, and compares with nothing."""


@dataclass(frozen=True)
class Path:
    """A path that was found in the contract."""

    text: str
    value_type: ValueType
    fields: tuple[FieldDescriptor, ...]
    """The fields along the path; none for a computed instant."""

    @property
    def in_content(self) -> bool:
        """Whether an item's content must be decoded to know the values."""
        return bool(self.fields) and self.fields[0].containing_type is Item.DESCRIPTOR and self.fields[0].name == "content"


_TYPES = {
    FieldDescriptor.CPPTYPE_STRING: ValueType.TEXT,
    FieldDescriptor.CPPTYPE_BOOL: ValueType.BOOLEAN,
    FieldDescriptor.CPPTYPE_MESSAGE: ValueType.MESSAGE,
}
_TIMESTAMP = "google.protobuf.Timestamp"
_ALWAYS_THERE = {item_pb2.Item.DESCRIPTOR.fields_by_name[name] for name in ("state", "summary")}
_IMPORTANCE = item_pb2.ItemSummary.DESCRIPTOR.fields_by_name["importance"]
_TIMED = {
    item_pb2.ITEM_KIND_APPOINTMENT: "appointment",
    item_pb2.ITEM_KIND_TASK: "task",
    item_pb2.ITEM_KIND_JOURNAL: "journal",
}


@functools.lru_cache(maxsize=1024)
def resolve(path: str, root: Descriptor = Item.DESCRIPTOR) -> Path:
    """The path, from an item or another message. InvalidArgument ``FIELD_UNKNOWN`` if the contract has no such path."""
    if root is Item.DESCRIPTOR and path in _COMPUTED:
        return Path(path, ValueType.TIME, ())
    fields: list[FieldDescriptor] = []
    at: Descriptor | None = root
    for name in path.split("."):
        field = at.fields_by_name.get(name) if at is not None else None
        if field is None:
            raise InvalidArgument("FIELD_UNKNOWN", f"there is no field “{path[:100]}” in a record", field=path[:100])
        fields.append(field)
        at = field.message_type if field.message_type is not None and field.message_type.full_name != _TIMESTAMP else None
    return Path(path, _type_of(fields[-1]), tuple(fields))


def values(message: Message, path: Path) -> list[Any]:
    """The values that the message has at a path, in order: none, one, or those of a repeated field. See ``ValueType``."""
    if not path.fields:
        instant = _COMPUTED[path.text](message)
        return [] if instant is None else [instant]
    holders: list[Any] = [message]
    for field in path.fields[:-1]:
        holders = [inner for holder in holders for inner in _inner(holder, field)]
    leaf = path.fields[-1]
    found = [value for holder in holders for value in _inner(holder, leaf)]
    return [micros(value) for value in found] if path.value_type is ValueType.TIME else found


def micros(stamp: Timestamp) -> int:
    """A timestamp in whole microseconds; what is finer is cut off."""
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000


def start_of(item: Item) -> int | None:
    """The computed ``start``: when an appointment, task or journal entry begins; floating times and dates as in UTC."""
    detail = _timed_detail(item)
    if detail is None or not detail.HasField("start"):
        return None
    return micros(detail.start) if item.summary.kind == item_pb2.ITEM_KIND_JOURNAL else calendar_time.instant(detail.start)


def end_of(item: Item) -> int | None:
    """The computed ``end``: when the last occurrence of an appointment or task ends, or a bound after it; ``FOREVER`` if never.

    A journal entry without an end ends as it starts.
    """
    detail = _timed_detail(item)
    if detail is None:
        return None
    if item.summary.kind == item_pb2.ITEM_KIND_JOURNAL:
        if not detail.HasField("start"):
            return None
        return micros(detail.end) if detail.HasField("end") else micros(detail.start)
    span = calendar_time.span(item.summary)
    if span is None:
        return None
    return FOREVER if span[1] is None else span[1]


def due_of(item: Item) -> int | None:
    """The computed ``due``: when a task is due; of other items, and tasks without, when the follow-up flag is."""
    if item.summary.kind == item_pb2.ITEM_KIND_TASK and item.summary.task.HasField("due"):
        return calendar_time.instant(item.summary.task.due)
    follow_up = item.state.follow_up
    return micros(follow_up.due) if follow_up.HasField("due") else None


_COMPUTED: dict[str, Callable[[Any], int | None]] = {"start": start_of, "end": end_of, "due": due_of}


def _timed_detail(item: Item) -> Any:
    arm = _TIMED.get(item.summary.kind)
    return getattr(item.summary, arm) if arm else None


def _type_of(field: FieldDescriptor) -> ValueType:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return ValueType.BYTES
    if field.message_type is not None and field.message_type.full_name == _TIMESTAMP:
        return ValueType.TIME
    return _TYPES.get(field.cpp_type, ValueType.NUMBER)


def _inner(holder: Any, field: FieldDescriptor) -> list[Any]:
    """What one message holds in one field."""
    value = getattr(holder, field.name)
    if field.is_repeated:
        return list(value)
    if field.has_presence:
        return [value] if field in _ALWAYS_THERE or holder.HasField(field.name) else []
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:  # bytes too
        return [value] if value else []
    if field is _IMPORTANCE and not value:
        return [item_pb2.IMPORTANCE_NORMAL]
    return [value]
