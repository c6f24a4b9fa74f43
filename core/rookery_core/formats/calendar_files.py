"""Calendar files: taken apart into one document for each item, and put together again."""

from __future__ import annotations

import collections.abc
import dataclasses
from typing import TYPE_CHECKING, overload

from rookery_core.formats import calendar_zones
from rookery_core.formats.calendar_document import KINDS, PRODUCT, calendars, joined, uid_of
from rookery_core.formats.calendar_values import text
from rookery_core.formats.contentlines import Component, Line, write
from rookery_core.formats.item_record import Skipped, Split
from rookery_core.rules import zones

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ZONE_BYTES = 1 << 16
"""A larger VTIMEZONE is not copied into documents, lest a small file with a huge zone become gigabytes."""
MAX_CALENDAR_LINES = 50
MAX_CALENDAR_LINE = 2000
"""Properties of the calendar itself beyond these numbers, or longer, are not copied into documents."""


@dataclasses.dataclass(slots=True)
class _Group:
    """The components of one item, each with the zones of the VCALENDAR that it came from."""

    calendar: Component
    parts: list[tuple[Component, dict[str, Component]]] = dataclasses.field(default_factory=list)

    def has_master(self) -> bool:
        return any(component.first("RECURRENCE-ID") is None for component, _ in self.parts)

    def document(self) -> bytes:
        defined: dict[str, Component] = {}
        for component, known in self.parts:
            for tzid in calendar_zones.used([component]):
                if tzid in known:
                    defined.setdefault(tzid, known[tzid])
        lines = [line for line in self.calendar.lines() if len(line.written()) <= MAX_CALENDAR_LINE][:MAX_CALENDAR_LINES]
        components = [component for component, _ in self.parts]
        return write([Component("VCALENDAR", [*lines, *defined.values(), *components])])


class Documents(collections.abc.Sequence[bytes]):
    """The documents of a file. Each is written when it is asked for: together they can be far larger than the file."""

    def __init__(self, groups: list[_Group]) -> None:
        self._groups = groups

    def __len__(self) -> int:
        return len(self._groups)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Documents: ...
    def __getitem__(self, index: int | slice) -> bytes | Documents:
        if isinstance(index, slice):
            return Documents(self._groups[index])
        return self._groups[index].document()


def split(data: bytes) -> Split:
    """One document for each item of a calendar file.

    An item is the event, task or journal entry of a UID with its changed occurrences and the time zones that they use, from any
    of the file's VCALENDARs. Components without UID are an item each, and so is a second component with the same UID that is no
    changed occurrence. InvalidArgument ``DOCUMENT_INVALID`` if the file is no iCalendar at all.
    """
    groups: list[_Group] = []
    by_uid: dict[tuple[str, str], _Group] = {}
    skipped: list[Skipped] = []
    for calendar_component in calendars(data):
        known = _zones(calendar_component, skipped)
        for component in calendar_component.components():
            reason = _refused(component)
            if component.name == "VTIMEZONE":
                continue
            if reason:
                skipped.append(Skipped(_named(component), reason))
                continue
            group = _group(component, calendar_component, groups, by_uid)
            group.parts.append((component, known))
    return Split(Documents(groups), skipped)


def _group(
    component: Component, calendar_component: Component, groups: list[_Group], by_uid: dict[tuple[str, str], _Group]
) -> _Group:
    key = component.name, uid_of(component)
    group = by_uid.get(key) if key[1] else None
    if group is None or (component.first("RECURRENCE-ID") is None and group.has_master()):
        group = _Group(calendar_component)
        groups.append(group)
        if key[1]:
            by_uid.setdefault(key, group)
    return group


def _zones(calendar_component: Component, skipped: list[Skipped]) -> dict[str, Component]:
    known: dict[str, Component] = {}
    for zone in calendar_component.components("VTIMEZONE"):
        if len(write([zone])) > MAX_ZONE_BYTES:
            skipped.append(Skipped(_named(zone), f"the time zone's definition is longer than {MAX_ZONE_BYTES:,} bytes"))
        else:
            known.setdefault(calendar_zones.tzid_of(zone), zone)
    return known


def _refused(component: Component) -> str:
    """Why a component becomes no item, "" if it does."""
    if component.name not in KINDS:
        return f"{component.name[:40]} is no event, task or journal entry"
    if not component.closed:
        return f"the file ends before END:{component.name}"
    return ""


def _named(component: Component) -> str:
    name = text(component.first("SUMMARY")) or uid_of(component) or calendar_zones.tzid_of(component)
    return f"{component.name[:40]} “{name[:60]}”" if name else component.name[:40]


def calendar(documents: Iterable[bytes]) -> bytes:
    """One VCALENDAR with the items of all documents, as a calendar file for others.

    Each time zone comes once; two that differ under one custom TZID are told apart by a number. Of the properties of the
    calendars themselves those stay that all documents share, but for METHOD, since a file is no message. InvalidArgument
    ``DOCUMENT_INVALID`` for a document that is no iCalendar.
    """
    result = Component("VCALENDAR", [Line("VERSION", "2.0"), Line("PRODID", PRODUCT)])
    shared: dict[str, None] | None = None
    definitions: dict[str, bytes] = {}
    timezones: list[Line | Component] = []
    items: list[Line | Component] = []
    for document in documents:
        part = joined(document)
        lines = {line.written(): None for line in part.lines() if line.name not in ("VERSION", "PRODID", "METHOD", "UID")}
        shared = lines if shared is None else {line: None for line in shared if line in lines}
        timezones.extend([zone for zone in part.components("VTIMEZONE") if _define(zone, part, definitions)])
        items.extend(component for component in part.components() if component.name != "VTIMEZONE")
    result.entries.extend(Line("X-SHARED", "", text=text) for text in shared or ())
    result.entries.extend(timezones)
    result.entries.extend(items)
    return write([result])


def _define(zone: Component, part: Component, definitions: dict[str, bytes]) -> bool:
    """Whether a zone is new to the file. One that differs from another of its name gets a name of its own all over ``part``."""
    tzid, definition = calendar_zones.tzid_of(zone), write([zone])
    known = definitions.get(tzid)
    if known is None:
        definitions[tzid] = definition
        return True
    if known == definition or zones.canonical(tzid):
        return False
    number = 2
    while definitions.get(f"{tzid} ({number})", definition) != definition:
        number += 1
    name = f"{tzid} ({number})"
    _rename(part, tzid, name)
    new = name not in definitions
    definitions[name] = definition
    return new


def _rename(part: Component, tzid: str, name: str) -> None:
    for component in part.walk():
        for line in component.lines():
            if line.param("TZID").strip() == tzid:
                line.params["TZID"] = [name]
                line.text = ""
    for zone in part.components("VTIMEZONE"):
        if calendar_zones.tzid_of(zone) == tzid:
            zone.replace(lambda line: line.name == "TZID", [Line("TZID", name)])
