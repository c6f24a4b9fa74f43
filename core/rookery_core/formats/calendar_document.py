"""One item's calendar document: which component is the item, which are its changed occurrences, and how they are put back."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemKind
from rookery_core.errors import InvalidArgument
from rookery_core.formats import calendar_event, calendar_journal, calendar_task, calendar_zones
from rookery_core.formats import calendar_values as values
from rookery_core.formats.calendar_zones import Zones
from rookery_core.formats.contentlines import Component, Line, read
from rookery_core.formats.item_record import ItemRecord, invalid, named, timestamp
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.calendar_pb2 import OccurrenceException

PRODUCT = "-//Rookery//EN"
KINDS: dict[str, ItemKind.ValueType] = {
    "VEVENT": ItemKind.ITEM_KIND_APPOINTMENT,
    "VTODO": ItemKind.ITEM_KIND_TASK,
    "VJOURNAL": ItemKind.ITEM_KIND_JOURNAL,
}
"""The components that are items."""

_READERS = {
    "VEVENT": calendar_event.read_event,
    "VTODO": calendar_task.read_task,
    "VJOURNAL": calendar_journal.read_journal,
}
_EDITORS = {
    "VEVENT": calendar_event.edit_event,
    "VTODO": calendar_task.edit_task,
    "VJOURNAL": calendar_journal.edit_journal,
}


@dataclasses.dataclass(slots=True)
class Document:
    """A VCALENDAR that holds one item: its main component and the overrides of single occurrences."""

    calendar: Component
    main: Component
    overrides: list[Component]
    zones: Zones

    @classmethod
    def opened(cls, data: bytes) -> Document:
        """Reads a document. InvalidArgument ``DOCUMENT_INVALID`` unless it holds exactly one item."""
        calendar = joined(data)
        components = [component for component in calendar.components(*KINDS) if component.closed]
        if not components:
            raise invalid("the calendar document holds no complete VEVENT, VTODO or VJOURNAL")
        main = next((component for component in components if component.first("RECURRENCE-ID") is None), components[0])
        overrides = [component for component in components if component is not main]
        for other in overrides:
            if (other.name, uid_of(other)) != (main.name, uid_of(main)) or other.first("RECURRENCE-ID") is None:
                raise invalid("the calendar document holds several items; split it into one document for each UID")
        return cls(calendar, main, overrides, Zones(calendar))

    @classmethod
    def empty(cls, name: str) -> Document:
        """A document whose item says nothing yet."""
        main = Component(name)
        calendar = Component("VCALENDAR", [Line("VERSION", "2.0"), Line("PRODID", PRODUCT), main])
        return cls(calendar, main, [], Zones())

    def record(self) -> ItemRecord:
        """The item that the document tells."""
        record = _READERS[self.main.name](self.main, self.zones)
        if self.main.name == "VEVENT":
            record.summary.appointment.exceptions.extend(exception for exception, _ in self._exceptions(record))
        return record

    def _exceptions(self, master: ItemRecord) -> Iterator[tuple[OccurrenceException, Component]]:
        """The overrides that can be read, as many as the contract allows, the last for each occurrence; others stay as they are."""
        found: dict[tuple[str, str], tuple[OccurrenceException, Component]] = {}
        for component in self.overrides:
            try:
                exception = calendar_event.read_exception(component, master, self.zones)
            except InvalidArgument:
                # Its start is malformed: the override stays in the document, and the series is read without it.
                continue
            if exception and len(found) < limits.EXCEPTIONS:
                found[exception.original_start.local, exception.original_start.time_zone] = exception, component
        yield from found.values()

    def edit(self, before: ItemRecord, after: ItemRecord) -> bool:
        """Makes the document tell ``after`` where it tells ``before``; whether anything changed."""
        changed = _EDITORS[self.main.name](self.main, before, after, self.zones)
        if self.main.name == "VEVENT":
            changed = self._edit_exceptions(after) or changed
        if changed:
            self._name(after)
            self._stamp(before, after)
            calendar_zones.complete(self.calendar)
        return changed

    def _edit_exceptions(self, after: ItemRecord) -> bool:
        changed = False
        held = {_key(exception): (exception, component) for exception, component in self._exceptions(after)}
        for wanted in after.summary.appointment.exceptions:
            known, component = held.pop(_key(wanted), (None, None))
            if not calendar_event.can_be_written(wanted):
                continue
            if component is None:
                component = calendar_event.new_exception(
                    wanted, after, Line("DTSTAMP", values.stamp_text(_time_of(after))), self.zones
                )
                self.calendar.entries.append(component)
                self.overrides.append(component)
            elif known == wanted:
                continue
            else:
                calendar_event.edit_exception(component, wanted, after, self.zones)
            changed = True
        for _, gone in held.values():
            self.calendar.entries = [entry for entry in self.calendar.entries if entry is not gone]
            self.overrides = [component for component in self.overrides if component is not gone]
            changed = True
        return changed

    def _name(self, after: ItemRecord) -> None:
        """Gives every component the UID that RFC 5545 section 3.8.4.7 demands, where the item has none yet."""
        for component in (self.main, *self.overrides):
            if component.first("UID") is None:
                uid = self.main.first("UID") or Line("UID", _uid_for(after))
                component.replace(named("UID"), [uid])

    def _stamp(self, before: ItemRecord, after: ItemRecord) -> None:
        """DTSTAMP and LAST-MODIFIED (RFC 5545 sections 3.8.7.2, 3.8.7.3) of a changed document: as the item has it."""
        later = after.summary.HasField("modified") and after.summary.modified != before.summary.modified
        if later:
            self.main.replace(named("LAST-MODIFIED"), [values.stamp_line("LAST-MODIFIED", after.summary.modified)])
        if later or self.main.first("DTSTAMP") is None:
            self.main.replace(named("DTSTAMP"), [values.stamp_line("DTSTAMP", _time_of(after))])


def joined(data: bytes) -> Component:
    """The VCALENDAR of a document; one around components that stand alone; several in one.

    InvalidArgument ``DOCUMENT_INVALID`` if there is none.
    """
    roots = calendars(data)
    for other in roots[1:]:
        roots[0].entries.extend(other.components())
    return roots[0]


def calendars(data: bytes) -> list[Component]:
    """The VCALENDARs of a file, at least one; InvalidArgument ``DOCUMENT_INVALID`` if there is none."""
    roots, _ = read(data)
    found = [root for root in roots if root.name == "VCALENDAR"]
    bare: list[Component | Line] = [root for root in roots if root.name in KINDS]
    if bare:
        zones = [root for root in roots if root.name == "VTIMEZONE"]
        found.append(Component("VCALENDAR", [Line("VERSION", "2.0"), Line("PRODID", PRODUCT), *zones, *bare]))
    if not found:
        start = data[:40].decode("utf-8", "replace").strip()
        raise invalid(f"this is no iCalendar document: no BEGIN:VCALENDAR in it (it begins with “{start}”)")
    return found


def uid_of(component: Component) -> str:
    """The UID of a component, or ""."""
    return values.text(component.first("UID")).strip()


def _key(exception: OccurrenceException) -> tuple[str, str]:
    return exception.original_start.local, exception.original_start.time_zone


def _time_of(record: ItemRecord) -> Timestamp:
    """When a record was made or changed. Without either the first instant of 1970: the core has no clock."""
    summary = record.summary
    if summary.HasField("modified"):
        return summary.modified
    return summary.created if summary.HasField("created") else timestamp(0)


def _uid_for(record: ItemRecord) -> str:
    """A UID for a record that has none; the same for the same summary."""
    return hashlib.sha256(record.summary.SerializeToString(deterministic=True)).hexdigest()[:32]
