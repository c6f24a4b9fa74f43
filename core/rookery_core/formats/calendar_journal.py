"""Journal entries and VJOURNAL (RFC 5545 section 3.6.3). What iCalendar has no word for travels in X-ROOKERY properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemKind
from rookery_core.formats import calendar_units as units
from rookery_core.formats import calendar_values as values
from rookery_core.formats.item_record import ItemRecord, Unit, edit, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.formats.calendar_zones import Zones
    from rookery_core.formats.contentlines import Component, Line


def read_journal(component: Component, zones: Zones) -> ItemRecord:
    """The record of one VJOURNAL. A date or a floating start counts in UTC, for a journal's times are instants."""
    record = ItemRecord.empty(ItemKind.ITEM_KIND_JOURNAL)
    units.read_common(component, record, zones)
    journal = record.summary.journal
    journal.journal_id = values.text(component.first("UID")).strip()
    for field, name in ((journal.start, "DTSTART"), (journal.end, "X-ROOKERY-END")):
        stamp = values.stamp(component.first(name), zones)
        if stamp:
            field.CopyFrom(stamp)
    journal.entry_type = values.text(component.first("X-ROOKERY-ENTRY-TYPE"))
    journal.company = values.text(component.first("X-ROOKERY-COMPANY"))
    record.content.journal.people.extend(values.person(line) for line in component.lines("ATTENDEE"))
    return record


def journal_units() -> list[Unit]:
    """The units of a VJOURNAL."""
    return [
        units.text_unit("UID", lambda record: record.summary.journal.journal_id),
        units.stamp_unit("DTSTART", lambda record: record.summary.journal, "start"),
        *units.common_units(),
        units.stamp_unit("X-ROOKERY-END", lambda record: record.summary.journal, "end"),
        units.text_unit("X-ROOKERY-ENTRY-TYPE", lambda record: record.summary.journal.entry_type),
        units.text_unit("X-ROOKERY-COMPANY", lambda record: record.summary.journal.company),
        Unit(named("ATTENDEE"), lambda record: list(record.content.journal.people), _people),
    ]


def _people(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
    held = {values.person(line).address: line for line in reversed(old)}
    return [values.person_line("ATTENDEE", person, held.get(person.address)) for person in record.content.journal.people]


def edit_journal(component: Component, before: ItemRecord, after: ItemRecord, _zones: Zones) -> bool:
    """Writes into a VJOURNAL what differs between the records; whether anything did."""
    return edit(component, journal_units(), before, after)
