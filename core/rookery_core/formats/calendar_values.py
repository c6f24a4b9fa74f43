"""Values of iCalendar properties (RFC 5545 section 3.3) as parts of records, and back. What can not be read is None or left out."""

from __future__ import annotations

import datetime as dt
import re
import urllib.parse
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.person_pb2 import Person
from rookery_core.formats.contentlines import Line, escaped, unescaped
from rookery_core.formats.item_record import micros, timestamp
from rookery_core.rules import calendar_time, limits, recurrence_rules, zones

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery_core.formats.calendar_zones import Zones

_TIME = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[Tt ]?(\d{2}):?(\d{2}):?(\d{2})?(?:\.\d+)?([Zz]?))?\Z", re.ASCII)
_DURATION = re.compile(
    r"([+-]?)P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?\Z", re.ASCII | re.IGNORECASE
)
_INT32 = (1 << 31) - 1


def time(line: Line, zone_names: Zones) -> CalendarTime | None:
    """A DATE or DATE-TIME with its TZID."""
    return time_of(line.value, line.param("TZID"), zone_names)


def time_of(value: str, tzid: str, zone_names: Zones) -> CalendarTime | None:
    """A DATE or DATE-TIME value; the second 60 counts as 59."""
    match = _TIME.match(value.strip())
    if not match:
        return None
    year, month, day, hour, minute, second, utc = match.groups()
    local = f"{year}-{month}-{day}"
    zone = ""
    if hour is not None:
        local += f"T{hour}:{minute}:{min(int(second or 0), 59):02}" if int(second or 0) <= 60 else "T"
        zone = zones.UTC if utc else zone_names.name(tzid)
    result = CalendarTime(local=local, time_zone=zone)
    return result if calendar_time.wall(result) else None


def times(lines: Iterable[Line], zone_names: Zones) -> list[tuple[CalendarTime, Line]]:
    """The times of list properties (RDATE, EXDATE), a period's start for a period, each with a line that holds it alone."""
    found = []
    for line in lines:
        for word in line.value.split(","):
            value = time_of(word.partition("/")[0], line.param("TZID"), zone_names)
            if value is not None:
                found.append((value, Line(line.name, word.strip(), line.params)))
    return found


def time_lines(name: str, values: Iterable[CalendarTime], old: Sequence[Line], zone_names: Zones) -> list[Line]:
    """List properties for times; those that were there keep their words, and a period its end.

    Those beyond the contract's limit are in no field: they stay. What is no time can not be written.
    """
    known = times(old, zone_names)
    held = {(value.local, value.time_zone): line for value, line in known}
    lines = [held.get((v.local, v.time_zone)) or time_line(name, v, zone_names) for v in values if calendar_time.wall(v)]
    return lines + [line for _, line in known[limits.DATES :]]


def time_line(name: str, value: CalendarTime, zone_names: Zones, **params: str) -> Line:
    """A property for a time."""
    words = {key: [word] for key, word in params.items()}
    written = value.local.replace("-", "").replace(":", "")
    if calendar_time.is_date(value):
        return Line(name, written, {"VALUE": ["DATE"], **words})
    if value.time_zone == zones.UTC:
        return Line(name, f"{written}Z", words)
    if value.time_zone:
        words = {"TZID": [zone_names.tzid(value.time_zone)], **words}
    return Line(name, written, words)


def stamp(line: Line | None, zone_names: Zones) -> Timestamp | None:
    """An instant (CREATED, COMPLETED …); a floating one counts as UTC. None outside the years 1 to 9999 UTC."""
    value = time(line, zone_names) if line else None
    instant = calendar_time.instant(value) if value else None
    if instant is None:
        return None
    return timestamp(instant) if limits.FIRST_SECOND <= instant // calendar_time.SECOND <= limits.LAST_SECOND else None


def stamp_line(name: str, value: Timestamp, **params: str) -> Line:
    """A property for an instant, in UTC and whole seconds."""
    return Line(name, stamp_text(value), {key: [word] for key, word in params.items()})


def stamp_text(value: Timestamp) -> str:
    """An instant as DATE-TIME in UTC; instants beyond the years 1 to 9999 as the first of 1970."""
    local = calendar_time.from_instant(micros(value), zones.UTC)
    return (local.local if local else "1970-01-01T00:00:00").replace("-", "").replace(":", "") + "Z"


def duration(value: str) -> tuple[int, int] | None:
    """A DURATION as (days, seconds), both with its sign: days are nominal, seconds exact (RFC 5545 section 3.3.6)."""
    match = _DURATION.match(value.strip())
    if not match or not any(match.groups()[1:]):
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    sign = -1 if match[1] == "-" else 1
    return sign * (weeks * 7 + days), sign * (hours * 3600 + minutes * 60 + seconds)


def after(start: CalendarTime, days: int, seconds: int) -> CalendarTime | None:
    """The time a duration later: days by the calendar, then seconds on end; None beyond the years 1 to 9999."""
    wall = calendar_time.wall(start)
    try:
        if wall is None:
            return None
        if calendar_time.is_date(start):
            return calendar_time.on(wall + dt.timedelta(days=days + seconds // 86400))
        moved = calendar_time.at(wall + dt.timedelta(days=days), start.time_zone)
        if seconds == 0:
            return moved
        instant = calendar_time.instant(moved)
        return None if instant is None else calendar_time.from_instant(instant + seconds * calendar_time.SECOND, start.time_zone)
    except OverflowError:
        return None


def rules(lines: Iterable[Line]) -> list[str]:
    """The rules (RRULE, EXRULE) that are one, white space taken out."""
    values = ("".join(line.value.split()) for line in lines)
    return [value for value in values if recurrence_rules.is_rule(value)]


def rule_lines(name: str, values: Iterable[str], old: Sequence[Line]) -> list[Line]:
    """Properties for rules; those that were there beyond the contract's limit are in no field and stay."""
    return [Line(name, value) for value in [*values, *rules(old)[limits.RULES :]]]


def integer(line: Line | None, lowest: int = 0, highest: int = _INT32) -> int:
    """An INTEGER within bounds, 0 where there is none."""
    text = line.value.strip() if line else ""
    return max(lowest, min(int(text), highest)) if re.fullmatch(r"[+-]?\d{1,12}", text, re.ASCII) else 0


def text(line: Line | None) -> str:
    """A TEXT, "" where there is none."""
    return unescaped(line.value) if line else ""


def text_lines(name: str, value: str) -> list[Line]:
    """A property for a text, none for an empty one."""
    return [Line(name, escaped(value))] if value else []


def person(line: Line) -> Person:
    """A CAL-ADDRESS with its CN. Addresses that are no e-mail address are left out, for nobody can write to them."""
    name = " ".join(line.param("CN").split())
    address = mail_address(line.value) or mail_address(line.param("EMAIL"))
    return Person(name="" if name == address else name, address=address)


def mail_address(value: str) -> str:
    """The address of a mailto: URI or a bare address, domain in lower case; "" for anything else."""
    value = value.strip()
    if value[:7].lower() == "mailto:":
        value = urllib.parse.unquote(value[7:].partition("?")[0], errors="replace").strip()
    local, at, domain = value.rpartition("@")
    if not at or not local or not domain or re.search(r"[\s<>:/\x00-\x1f\x7f]", value):
        return ""
    return f"{local}@{domain.lower()}"


def person_line(name: str, value: Person, old: Line | None = None, **params: str) -> Line:
    """A property for a person: the parameters of the line that it replaces stay, but CN and those given."""
    words = {key: list(given) for key, given in old.params.items() if key != "CN"} if old else {}
    if value.name:
        words["CN"] = [value.name]
    for key, word in params.items():
        key = key.replace("_", "-")  # noqa: PLW2901
        words[key] = [word] if word else []
    if value.address:
        return Line(name, mail_uri(value.address), words)
    return Line(name, old.value if old else "invalid:nomail", words)


def mail_uri(address: str) -> str:
    """The mailto: URI of an address."""
    return "mailto:" + address.replace("%", "%25").replace("?", "%3F")
