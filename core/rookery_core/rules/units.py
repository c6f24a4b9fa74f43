"""Merge units: which fields of an item's content change together (SYNC.md, Push rule 2).

The table names what is more than one field. Every other field of a summary, a content or their detail is a unit by itself, named by
its path. Entries of the keyed lists are units too, each named by its key: recipients, attachments, extended properties, the
exceptions of a series, and the attendees of a meeting.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2, options_pb2
from rookery.v1.item_pb2 import Item, ItemContent, ItemSummary
from rookery_core.rules import mail_addresses, names, ownership

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.descriptor import FieldDescriptor

    from rookery.v1.calendar_pb2 import Attendee, OccurrenceException
    from rookery.v1.item_pb2 import Recipient
    from rookery.v1.property_pb2 import PropertyKey

UNIT_LENGTH = 64
"""Characters of a unit's name at most: a longer one is hashed."""

BODY = "body"
TIME = "time"
PROGRESS = "progress"
RULE = "rule"
"""Stamped beside ``time`` where an edit changes by which rule a series recurs: what the exceptions of a series rest on."""
OCCURRENCE = "occurrence"
"""Stamped beside ``time`` and ``progress`` where the task of a series is completed: what edits of these rest on."""

_UNITS: dict[str, str] = {
    "content.body": BODY,
    "summary.appointment.start": TIME,
    "summary.appointment.end": TIME,
    "summary.appointment.all_day": TIME,
    "summary.appointment.recurrence": TIME,
    "summary.task.start": TIME,
    "summary.task.due": TIME,
    "summary.task.recurrence": TIME,
    "summary.task.regenerating": TIME,
    "summary.task.occurrence": OCCURRENCE,
    "summary.task.status": PROGRESS,
    "summary.task.percent_complete": PROGRESS,
    "summary.task.completed": PROGRESS,
    "summary.journal.start": TIME,
    "summary.journal.end": TIME,
}
"""Path -> unit, for what lies at or below the path."""

_PARTS = {"summary": ItemSummary.DESCRIPTOR, "content": ItemContent.DESCRIPTOR}
_ARMS = {
    f"{part}.{field.name}": field.message_type
    for part, descriptor in _PARTS.items()
    for field in descriptor.oneofs_by_name["detail"].fields
    if field.message_type is not None
}
"""Path -> message of what only one kind has: no unit, but what holds units."""

_TYPES = {
    item_pb2.RECIPIENT_TYPE_UNSPECIFIED: "to",
    item_pb2.RECIPIENT_TYPE_TO: "to",
    item_pb2.RECIPIENT_TYPE_CC: "cc",
    item_pb2.RECIPIENT_TYPE_BCC: "bcc",
    item_pb2.RECIPIENT_TYPE_REPLY_TO: "reply_to",
}


@dataclass(frozen=True)
class KeyedList:
    """A list whose entries are units."""

    path: str
    prefix: str
    """What the names of its units begin with."""
    entries: Callable[[Item], Any]
    """The entries that an item has, as the message's own list."""
    unit_of: Callable[[Any], str]
    """The unit of an entry; "" for an attachment that has no id yet."""

    def by_unit(self, item: Item) -> dict[str, Any]:
        """The entries by their units, in order."""
        return {self.unit_of(entry): entry for entry in self.entries(item)}

    def replace(self, item: Item, entries: list[Any]) -> None:
        """Makes these the entries; they may be the item's own."""
        if not entries and not self.entries(item):
            return  # a list is not to bring a detail into being
        kept = [type(entry).FromString(entry.SerializeToString()) for entry in entries]
        container = self.entries(item)
        del container[:]
        container.extend(kept)


def recipient_unit(recipient: Recipient) -> str:
    """Recipients are told apart by type and address, or where there is none by the list that they are, or by name."""
    who = names.key(recipient.person.address or recipient.list_item_id.hex() or recipient.person.name)
    return _named("recipient", f"{_TYPES.get(recipient.type, recipient.type)}:{who}")


def attachment_unit(attachment_id: int) -> str:
    """Attachments are told apart by id; "" for one that has none yet."""
    return f"attachment:{attachment_id}" if attachment_id else ""


def property_unit(key: PropertyKey) -> str:
    """Extended properties are told apart by tag, or by set and name."""
    if key.WhichOneof("key") == "tag":
        return _named("property", f"0x{key.tag:04x}")
    named = key.named
    return _named("property", f"{named.property_set.hex()}:{named.name if named.WhichOneof('id') == 'name' else named.lid}")


def exception_unit(exception: OccurrenceException) -> str:
    """Exceptions of a series are told apart by the start that the rule gave them."""
    start = exception.original_start
    return _named("exception", f"{start.local}:{start.time_zone}" if start.time_zone else start.local)


def attendee_unit(attendee: Attendee) -> str:
    """Attendees are told apart by address, or where there is none by name."""
    person = attendee.person
    return _named("attendee", mail_addresses.key_of(person.address) if person.address else names.key(person.name))


RECIPIENTS = KeyedList("content.recipients", "recipient:", lambda item: item.content.recipients, recipient_unit)
ATTACHMENTS = KeyedList(
    "content.attachments", "attachment:", lambda item: item.content.attachments, lambda entry: attachment_unit(entry.id)
)
PROPERTIES = KeyedList(
    "content.properties", "property:", lambda item: item.content.properties, lambda entry: property_unit(entry.key)
)
EXCEPTIONS = KeyedList(
    "summary.appointment.exceptions", "exception:", lambda item: item.summary.appointment.exceptions, exception_unit
)
ATTENDEES = KeyedList("content.appointment.attendees", "attendee:", lambda item: item.content.appointment.attendees, attendee_unit)

KEYED_LISTS: dict[str, KeyedList] = {each.path: each for each in (RECIPIENTS, ATTACHMENTS, PROPERTIES, EXCEPTIONS, ATTENDEES)}
"""The keyed lists by their paths."""


@functools.cache
def units_of(path: str) -> Mapping[str, str]:
    """The paths, with their units, that a path of an update mask stands for: several for a whole detail, e.g. "summary.task".

    Keyed lists have no unit of their own and are left out. The path is below summary or content, and writable.
    """
    if path not in _ARMS:
        return {} if path in KEYED_LISTS else {path: _unit(path)}
    below = (f"{path}.{field.name}" for field in _ARMS[path].fields if _is_writable(field))
    return {each: _unit(each) for each in below if each not in KEYED_LISTS}


def lists_of(path: str) -> list[KeyedList]:
    """The keyed lists that a path of an update mask replaces whole."""
    return [each for each in KEYED_LISTS.values() if each.path == path or each.path.startswith(path + ".")]


def whole_units(paths: Sequence[str]) -> list[str]:
    """An update mask as devices send it: whatever it names of a unit, it names the unit whole, each path once.

    Where two edits meet without having seen each other, the later wins with all of its unit. That gives the same content in
    whichever order they arrive only if each edit tells all of the units that it touches.
    """
    whole: dict[str, None] = {}
    for path in paths:
        for each in [*units_of(path), *(named.path for named in lists_of(path))]:
            prefix = ".".join(each.split(".")[:2])
            unit_paths = paths_of(_unit(each)) if each not in KEYED_LISTS else [each]
            whole.update(dict.fromkeys(known for known in unit_paths if prefix not in _ARMS or known.startswith(prefix + ".")))
    return list(whole)


def paths_of(unit: str) -> list[str]:
    """The paths that make up a unit, of all kinds of items; of an entry of a list none."""
    return list(_paths().get(unit, ()))


def writable_paths(item: Item) -> list[str]:
    """All that a client may write of an item of this kind, as an update mask names it: keyed lists too."""
    paths = [f"{part}.{field.name}" for part, message in _PARTS.items() for field in message.fields if _is_writable(field)]
    return [path for path in paths if is_set(item, path)]


@functools.cache
def fields_of(path: str) -> list[FieldDescriptor]:
    """The fields along a path of an item."""
    return ownership.resolve(Item.DESCRIPTOR, path)


def is_set(item: Item, path: str) -> bool:
    """Whether the item has the detail that a path leads through. True for what every kind has."""
    part, arm = path.split(".")[:2]
    return f"{part}.{arm}" not in _ARMS or getattr(item, part).HasField(arm)


def _is_writable(field: FieldDescriptor) -> bool:
    return ownership.owner_of(field) == options_pb2.FIELD_OWNER_CLIENT


@functools.cache
def _paths() -> dict[str, tuple[str, ...]]:
    """All units but those of lists, with the paths that make each up."""
    found: dict[str, list[str]] = {}
    for part, descriptor in _PARTS.items():
        for field in descriptor.fields:
            if _is_writable(field):
                for path, unit in units_of(f"{part}.{field.name}").items():
                    found.setdefault(unit, []).append(path)
    return {unit: tuple(paths) for unit, paths in found.items()}


def _unit(path: str) -> str:
    """The unit of a path that is no detail and no keyed list: the table's, or the field by itself with all below it."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        if unit := _UNITS.get(".".join(parts[:length])):
            return unit
    return ".".join(parts[: 3 if ".".join(parts[:2]) in _ARMS else 2])


def _named(kind: str, key: str) -> str:
    """The name of an entry's unit. Commas, which part the units of a conflict, and what no text column takes, are hashed too."""
    name = f"{kind}:{key}"
    if len(name) <= UNIT_LENGTH and "," not in name and name.isprintable():
        return name
    return f"{kind}:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
