"""TZID and IANA names: what a document's zones are called in records, and VTIMEZONEs for zones that a document lacks."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

from icalendar import Timezone
from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from rookery_core.formats import calendar_zone_matching
from rookery_core.formats.contentlines import Component, Line, read
from rookery_core.rules import limits, zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MOST_UNKNOWN = 20
"""Zones of a document that are looked for by what their clocks show."""
_WINDOWS = {name.casefold(): iana for name, iana in WINDOWS_TO_OLSON.items()}


def iana_name(tzid: str) -> str | None:
    """The IANA name that a TZID stands for: itself, a Windows name, or a path that ends in one; None if it is none."""
    tzid = tzid.strip().strip('"').removeprefix("posix/")
    known = zones.canonical(tzid) or _WINDOWS.get(tzid.casefold())
    if known:
        return known
    segments = [segment for segment in tzid.split("/") if segment]
    for count in (3, 2):
        if tzid.startswith("/") and len(segments) >= count:
            known = zones.canonical("/".join(segments[-count:]))
            if known:
                return known
    return None


class Zones:
    """The zones of one document. Times get IANA names where there are any; written times get the document's own TZIDs."""

    def __init__(self, calendar: Component | None = None) -> None:
        self._names: dict[str, str] = {}
        self._tzids: dict[str, str] = {}
        if calendar is None:
            return
        unknown: dict[str, Component] = {}
        for component in calendar.components("VTIMEZONE"):
            tzid = tzid_of(component)
            location = component.first("X-LIC-LOCATION")
            name = iana_name(tzid) or (iana_name(location.value) if location else None)
            if name:
                self._learn(tzid, name)
            else:
                unknown.setdefault(tzid, component)
        if unknown:
            years = calendar_zone_matching.years_of(calendar)
            for tzid, component in itertools.islice(unknown.items(), _MOST_UNKNOWN):
                self._learn(tzid, calendar_zone_matching.match(component, years))

    def _learn(self, tzid: str, name: str | None) -> None:
        if name:
            self._names.setdefault(tzid, name)
            self._tzids.setdefault(name, tzid)

    def name(self, tzid: str) -> str:
        """The name for ``CalendarTime.time_zone``."""
        tzid = tzid.strip()
        known = self._names.get(tzid) or iana_name(tzid)
        if known:
            return known
        plain = "".join(letter if letter.isprintable() else " " for letter in tzid)[: limits.ZONE]
        if plain != tzid:
            self._tzids.setdefault(plain, tzid)
        return plain

    def tzid(self, name: str) -> str:
        """The TZID to write for a name."""
        return self._tzids.get(name, name)


def tzid_of(component: Component) -> str:
    """The TZID that a VTIMEZONE defines, or ""."""
    line = component.first("TZID")
    return line.value.strip().strip('"') if line else ""


def used(components: Iterable[Component]) -> dict[str, None]:
    """The TZIDs that the properties of components refer to, in order."""
    found: dict[str, None] = {}
    for component in components:
        for part in component.walk():
            for line in part.lines():
                tzid = line.param("TZID").strip()
                if tzid:
                    found.setdefault(tzid)
    return found


def complete(calendar: Component, define: Callable[[str], Component] | None = None) -> None:
    """Puts a VTIMEZONE (RFC 5545 section 3.6.5) into a VCALENDAR for each IANA zone that it uses and does not define.

    ``define`` makes them, ``generated`` where it is not given.
    """
    defined = {tzid_of(component) for component in calendar.components("VTIMEZONE")}
    missing = [tzid for tzid in used(calendar.components()) if tzid not in defined and zones.canonical(tzid) == tzid]
    place = next((i for i, entry in enumerate(calendar.entries) if isinstance(entry, Component)), len(calendar.entries))
    calendar.entries[place:place] = map(define or generated, missing)


@functools.lru_cache(maxsize=256)
def _definition(name: str) -> bytes:
    return bytes(Timezone.from_tzid(name).to_ical())


def generated(name: str) -> Component:
    """The VTIMEZONE of an IANA zone, with its changes from 1970 to 2038; readers know the zone by its name."""
    component = read(_definition(name))[0][0]
    component.replace(lambda line: line.name in ("TZID", "COMMENT"), [Line("TZID", name)])
    return component
