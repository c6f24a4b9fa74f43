"""Calendars that others subscribe to: one VCALENDAR, written piece by piece, with no more in it than it is to show.

Pieces follow from the items' records alone: what a document had beside its fields (vendors' properties, attendees, alarms) was
meant for its owner.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BusyStatus
from rookery.v1.calendar_service_pb2 import PublishedDetail
from rookery.v1.item_pb2 import ItemContent, ItemState, ItemSummary, Sensitivity
from rookery_core.formats import icalendar
from rookery_core.formats.calendar_document import PRODUCT
from rookery_core.formats.calendar_zones import tzid_of
from rookery_core.formats.contentlines import Component, Line, escaped, read, write
from rookery_core.formats.item_record import named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Item

REFRESH = "PT1H"
"""How often programs are asked to look again (RFC 7986 section 5.7)."""
_MOST_TEXT = 16_384
"""Characters of an event's text that are shown."""
_WORDS = {
    BusyStatus.BUSY_STATUS_FREE: "Free",
    BusyStatus.BUSY_STATUS_TENTATIVE: "Tentative",
    BusyStatus.BUSY_STATUS_OUT_OF_OFFICE: "Out of office",
    BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE: "Working elsewhere",
}
_SECRET = {Sensitivity.SENSITIVITY_PRIVATE, Sensitivity.SENSITIVITY_CONFIDENTIAL, Sensitivity.SENSITIVITY_PERSONAL}


def head(name: str) -> bytes:
    """What a calendar of this name begins with."""
    lines = [
        Line("VERSION", "2.0"),
        Line("PRODID", PRODUCT),
        Line("CALSCALE", "GREGORIAN"),
        Line("METHOD", "PUBLISH"),
        Line("NAME", escaped(name)),
        Line("X-WR-CALNAME", escaped(name)),
        Line("REFRESH-INTERVAL", REFRESH, {"VALUE": ["DURATION"]}),
        Line("X-PUBLISHED-TTL", REFRESH),
    ]
    return write([Component("VCALENDAR", [*lines])]).removesuffix(TAIL)


TAIL = b"END:VCALENDAR\r\n"
"""What it ends with."""


class Feed:
    """The pieces between. Time zones are written before the first event that uses them."""

    def __init__(self, detail: PublishedDetail.ValueType) -> None:
        self._is_full = detail == PublishedDetail.PUBLISHED_DETAIL_FULL
        self._defined: set[str] = set()

    def pieces(self, appointments: Iterable[Item]) -> bytes:
        """Appointments, as events."""
        found: list[Component] = []
        for item in appointments:
            summary, content = _shown(item, is_full=self._is_full and item.summary.sensitivity not in _SECRET)
            roots, _ = read(icalendar.render(summary, ItemState(), content))
            for component in (each for root in roots for each in root.components()):
                if component.name == "VTIMEZONE":
                    tzid = tzid_of(component)
                    if tzid in self._defined:
                        continue
                    self._defined.add(tzid)
                component.replace(named("CREATED", "X-MICROSOFT-DISALLOW-COUNTER"), [])
                found.append(component)
        return write(found)


def _shown(item: Item, *, is_full: bool) -> tuple[ItemSummary, ItemContent]:
    """What others may see of an appointment."""
    summary, content = ItemSummary(kind=item.summary.kind, subject=item.summary.subject), ItemContent()
    if item.summary.HasField("modified"):
        summary.modified.CopyFrom(item.summary.modified)
    appointment = summary.appointment
    appointment.CopyFrom(item.summary.appointment)
    for name in ("organizer", "reminder_minutes", "my_response"):
        appointment.ClearField(name)
    for exception in appointment.exceptions:
        exception.ClearField("reminder_minutes")
    if is_full:
        content.body.text = item.content.body.text[:_MOST_TEXT]
        return summary, content
    summary.subject = _WORDS.get(appointment.busy_status, "Busy")
    appointment.meeting_id = hashlib.sha256(appointment.meeting_id.encode()).hexdigest()[:32]  # others may know it
    appointment.ClearField("location")
    appointment.ClearField("url")
    for exception in appointment.exceptions:
        for field in ("subject", "location", "text"):
            exception.ClearField(field)
    return summary, content
