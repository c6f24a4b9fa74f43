"""Scheduling messages read (RFC 5546)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BusyStatus
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.person_pb2 import Person
from rookery_core.formats import calendar_document, calendar_event, calendar_task, itip_words
from rookery_core.formats import calendar_units as units
from rookery_core.formats import calendar_values as values
from rookery_core.formats.calendar_zones import Zones
from rookery_core.formats.item_record import invalid, micros, require_size
from rookery_core.rules import limits
from rookery_core.rules.scheduling.itip import COMMENT, Itip, Part, Version

if TYPE_CHECKING:
    from rookery.v1.scheduling_pb2 import SchedulingMethod
    from rookery_core.formats.contentlines import Component, Line

_KINDS = {"VEVENT": ItemKind.ITEM_KIND_APPOINTMENT, "VTODO": ItemKind.ITEM_KIND_TASK}
_UID = 1000
"""Characters of an identifier; that of a longer one is nobody's meeting."""


def read(data: bytes) -> Itip:
    """What a text/calendar part says, at most 1 MiB. InvalidArgument ``DOCUMENT_INVALID`` if it is no scheduling message.

    A message speaks of one meeting or task: components of another UID than the first are passed over (RFC 5546 section 3.2 has
    one UID in a message). Of two components about the same the newer counts. An occurrence that does not say which it is is left
    out, as are those beyond 5,000, and attendees beyond 5,000 of each.

    Components may lack a start where RFC 5546 lets them (answers, CANCEL, and an occurrence, which then begins when the series has
    it): the part's item then has none. Only an answer that names one attendee can be told from whom it is by itself.
    """
    require_size(data)
    method, calendar = _message(data)
    told = [component for component in calendar.components(*_KINDS) if component.closed]
    uid = calendar_document.uid_of(told[0]) if told else ""
    if not uid or len(uid) > _UID:
        raise invalid("the scheduling message is about no meeting and no task: it has no VEVENT or VTODO with a UID")
    name = told[0].name
    mine = (component for component in told if component.name == name and calendar_document.uid_of(component) == uid)
    components = list(itertools.islice(mine, limits.EXCEPTIONS))
    parts = _parts(components, method, Zones(calendar))
    speaker = components[0].first("ATTENDEE" if method in itip_words.ANSWERS else "ORGANIZER")
    sent_by = values.mail_address(speaker.param("SENT-BY")) if speaker else ""
    return Itip(method, _KINDS[name], uid, _organizer(components), parts, sent_by)


def _message(data: bytes) -> tuple[SchedulingMethod.ValueType, Component]:
    """The first VCALENDAR of a document that has a METHOD, and what that is."""
    for calendar in calendar_document.calendars(data):
        words = {units.word(line) for line in calendar.lines("METHOD")} - {""}
        if len(words) > 1:
            raise invalid(f"the scheduling message says both {' and '.join(sorted(words)[:2])}"[:200])
        for word in words:
            if word not in itip_words.METHODS:
                raise invalid(f"“{word[:40]}” is no kind of scheduling message (METHOD)")
            return itip_words.METHODS[word], calendar
    raise invalid("the calendar document is no scheduling message: it has no METHOD")


def _organizer(components: list[Component]) -> Person:
    lines = (component.first("ORGANIZER") for component in components)
    return next((values.person(line) for line in lines if line), Person())


def _parts(components: list[Component], method: SchedulingMethod.ValueType, zones: Zones) -> tuple[Part, ...]:
    """What the components say, the whole first, the occurrences in their order."""
    found: dict[tuple[str, str], Part] = {}
    for component in components:
        line = component.first("RECURRENCE-ID")
        part = _part(component, method, line, zones)
        if part is None:
            continue
        key = (part.occurrence.local, part.occurrence.time_zone) if part.occurrence is not None else ("", "")
        known = found.get(key)
        if known is None or part.version >= known.version:
            found[key] = part
    if not found:
        raise invalid("the scheduling message is about occurrences (RECURRENCE-ID) and does not say which")
    return tuple(sorted(found.values(), key=lambda part: part.occurrence is not None))


def _part(component: Component, method: SchedulingMethod.ValueType, line: Line | None, zones: Zones) -> Part | None:
    """What one component says; None for an occurrence that can not be told which it is."""
    occurrence = values.time(line, zones) if line else None
    if line and occurrence is None:
        return None
    if component.name == "VTODO":
        record = calendar_task.read_task(component, zones)
    else:
        partial = occurrence is not None or method not in itip_words.TIMED
        record = calendar_event.read_event(component, zones, partial=partial)
        record.summary.appointment.busy_status = _intended(component, record.summary.appointment.busy_status)
    called_off = method == itip_words.METHODS["CANCEL"] or units.word(component.first("STATUS")) == "CANCELLED"
    comment = "\n".join(values.text(comment) for comment in component.lines("COMMENT")).strip()[:COMMENT]
    return Part(
        occurrence,
        _version(component, zones),
        Item(summary=record.summary, content=record.content, state=record.state),
        called_off,
        comment,
        line is not None and line.param("RANGE").upper() == "THISANDFUTURE",
    )


def _intended(component: Component, shown: BusyStatus.ValueType) -> BusyStatus.ValueType:
    """How the time is to show once it is accepted; what only says that it is tentative speaks of the time until the answer."""
    intended = calendar_event.BUSY.get(units.word(component.first(itip_words.INTENDED)))
    if intended is not None:
        return intended
    return BusyStatus.BUSY_STATUS_BUSY if shown == BusyStatus.BUSY_STATUS_TENTATIVE else shown


def _version(component: Component, zones: Zones) -> Version:
    """SEQUENCE and DTSTAMP; without that, when it was changed last, or the first instant of 1970."""
    lines = (component.first(name) for name in ("DTSTAMP", "LAST-MODIFIED"))
    stamps = (values.stamp(line, zones) for line in lines)
    return Version(values.integer(component.first("SEQUENCE")), next((micros(stamp) for stamp in stamps if stamp), 0))
