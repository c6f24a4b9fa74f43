"""Dates of message headers (RFC 5322 section 3.3, its obsolete forms, and asctime's) to seconds since 1970. Never raises."""

from __future__ import annotations

import datetime as dt
import re

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_ZONES = {
    "ut": 0, "utc": 0, "gmt": 0, "z": 0, "wet": 0, "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360,
    "pst": -480, "pdt": -420, "hst": -600, "akst": -540, "akdt": -480, "bst": 60, "ist": 330, "cet": 60, "met": 60, "mez": 60,
    "west": 60, "cest": 120, "mest": 120, "mesz": 120, "eet": 120, "eest": 180, "msk": 180, "jst": 540, "kst": 540, "hkt": 480,
    "aest": 600, "aedt": 660, "nzst": 720, "nzdt": 780,
}  # fmt: skip

_USUAL = re.compile(
    r"(?:[A-Za-z]{3},? +)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d?):(\d\d)(?::(\d\d))? ?(?:([+-])(\d\d)(\d\d)|([A-Z]{1,5})\b)"
)
_DAY = re.compile(r"(?<!\d)(\d{1,2})[\s-]{1,20}([A-Za-z]{3})[a-z]{0,6}\.?[\s,-]{1,20}(\d{2,4})(?![\d:])")
_DAY_OF_ASCTIME = re.compile(r"([A-Za-z]{3})[a-z]{0,6}\s{1,20}(\d{1,2}),?\s{1,20}(?:.{0,40}\s)?(\d{4})(?!\d)")
_TIME = re.compile(r"(?<!\d)(\d{1,2})\s{0,20}:\s{0,20}(\d{2})(?:\s{0,20}:\s{0,20}(\d{2}))?(?:\.\d{1,9})?\s{0,20}(.{0,40})")
_OFFSET = re.compile(r"(?:GMT|UTC)?\s{0,20}([+-])(\d{2}):?(\d{2})(?!\d)")
_ZONE = re.compile(r"\(?([A-Za-z]{1,5})\b")
_COMMENT = re.compile(r"\([^()]*\)")
_LONGEST = 300


def parse_date(text: str) -> int | None:
    """Seconds since 1970-01-01 UTC of a date-time, or None where there is none to be found.

    A missing zone counts as UTC, as "-0000" does. Years of two digits are 1950 to 2049 (RFC 5322 section 4.3).
    """
    usual = _USUAL.match(text)
    if usual:
        day, month, year, hour, minute, second, sign, hours, minutes, zone = usual.groups()
        offset = int(f"{sign}1") * (int(hours) * 60 + int(minutes)) if sign else _ZONES.get(zone.lower(), 0)
        return _seconds((year, month, day), (hour, minute, second), offset)
    return _parse_other(text[:_LONGEST])


def _parse_other(text: str) -> int | None:
    plain = _COMMENT.sub(" ", text)
    time = _TIME.search(plain)
    if time is None:
        return None
    day = _DAY.search(plain)
    if day is not None:
        date = (day[3], day[2], day[1])
    else:
        other = _DAY_OF_ASCTIME.search(plain)
        if other is None:
            return None
        date = (other[3], other[1], other[2])
    return _seconds(date, (time[1], time[2], time[3]), _offset(time[4]))


def _offset(text: str) -> int:
    """Minutes east of UTC."""
    numeric = _OFFSET.match(text)
    if numeric:
        minutes = int(numeric[2]) * 60 + int(numeric[3])
        return -minutes if numeric[1] == "-" else minutes
    named = _ZONE.match(text)
    return _ZONES.get(named[1].lower(), 0) if named else 0


def _seconds(date: tuple[str, str, str], time: tuple[str, str, str | None], offset: int) -> int | None:
    month = _MONTHS.get(date[1].lower())
    if month is None:
        return None
    year = int(date[0])
    if len(date[0]) < 4:
        year += 2000 if year < 50 else 1900
    hour, minute, second = int(time[0]), int(time[1]), min(int(time[2] or 0), 59)
    if hour > 23 or minute > 59:
        return None
    try:
        days = dt.date(year, month, int(date[2])).toordinal() - _EPOCH
    except ValueError:
        return None
    if abs(offset) > 24 * 60:
        offset = 0
    seconds = days * 86400 + hour * 3600 + (minute - offset) * 60 + second
    return seconds if _EARLIEST <= seconds <= _LATEST else None


_EPOCH = dt.date(1970, 1, 1).toordinal()
_EARLIEST = (1 - _EPOCH) * 86400
_LATEST = (dt.date(9999, 12, 31).toordinal() - _EPOCH + 1) * 86400 - 1
