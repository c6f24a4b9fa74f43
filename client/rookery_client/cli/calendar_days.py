"""What stands under which day of a calendar: occurrences by days, in the person's zone."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import BusyStatus, EventStatus, ResponseStatus
from rookery.v1.item_pb2 import Sensitivity
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.calendar_service_pb2 import Occurrence

_DAY = dt.timedelta(days=1)
_TAKES = {
    BusyStatus.BUSY_STATUS_FREE: "free",
    BusyStatus.BUSY_STATUS_TENTATIVE: "tentative",
    BusyStatus.BUSY_STATUS_OUT_OF_OFFICE: "out of office",
    BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE: "working elsewhere",
}
_STANDS = {EventStatus.EVENT_STATUS_TENTATIVE: "tentative", EventStatus.EVENT_STATUS_CANCELLED: "cancelled"}
_SECRET = {Sensitivity.SENSITIVITY_PRIVATE, Sensitivity.SENSITIVITY_CONFIDENTIAL}
_ANSWERS = {ResponseStatus.RESPONSE_STATUS_NONE: "not answered", ResponseStatus.RESPONSE_STATUS_DECLINED: "declined"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An occurrence, or the part of it that falls on one day."""

    occurrence: Occurrence
    begins: dt.time | None
    """None: before this day, or it has no hours."""
    ends: dt.time | None
    """None: after this day, or it has no hours."""

    @property
    def hours(self) -> str:
        """When on this day, in words."""
        if self.begins is not None and self.ends is not None:
            return f"{self.begins:%H:%M}" if self.begins == self.ends else f"{self.begins:%H:%M}–{self.ends:%H:%M}"
        if self.begins is not None:
            return f"from {self.begins:%H:%M}"
        return "all day" if self.ends is None else f"until {self.ends:%H:%M}"

    @property
    def hour(self) -> str:
        """When it begins on this day, as short as people write it; "" where it goes on from the day before."""
        if self.begins is None:
            return ""
        return f"{self.begins.hour}:{self.begins:%M}" if self.begins.minute else str(self.begins.hour)

    @property
    def notes(self) -> list[str]:
        """What is special about it."""
        occurrence = self.occurrence
        takes = "" if self.waits else _TAKES.get(occurrence.busy_status)
        found = (_STANDS.get(occurrence.status), _ANSWERS.get(occurrence.my_response), takes)
        secret = "private" if occurrence.sensitivity in _SECRET else ""
        return list(dict.fromkeys(word for word in (*found, secret) if word))

    @property
    def waits(self) -> bool:
        """An invitation to it waits for an answer."""
        return self.stands and self.occurrence.my_response == ResponseStatus.RESPONSE_STATUS_NONE

    @property
    def stands(self) -> bool:
        """It is not cancelled."""
        return self.occurrence.status != EventStatus.EVENT_STATUS_CANCELLED


def by_day(occurrences: Iterable[Occurrence], first: dt.date, last: dt.date, zone: str) -> dict[dt.date, list[Shown]]:
    """Each day from ``first`` to ``last`` with what falls on it: what has no hours first, then by the hour."""
    days: dict[dt.date, list[Shown]] = {first + number * _DAY: [] for number in range((last - first).days + 1)}
    for occurrence in occurrences:
        begin, end = _walls(occurrence, zone)
        day = max(begin.date(), first)
        while day <= min(end.date(), last) and (day == begin.date() or dt.datetime.combine(day, dt.time()) < end):
            hours = not occurrence.all_day
            begins = begin.time() if hours and begin.date() == day else None
            ends = end.time() if hours and end.date() == day else None
            if hours and begins is not None and end == dt.datetime.combine(day + _DAY, dt.time()):
                ends = dt.time()  # midnight is the end of this day, not of the next
            days[day].append(Shown(occurrence, begins, ends))
            day += _DAY
    for shown in days.values():
        shown.sort(key=lambda each: each.begins or dt.time())
        shown.sort(key=lambda each: each.hours != "all day")
    return days


def _walls(occurrence: Occurrence, zone: str) -> tuple[dt.datetime, dt.datetime]:
    """Begin and end as the person's clocks show them."""
    if occurrence.all_day:
        begin, end = calendar_time.wall(occurrence.start), calendar_time.wall(occurrence.end)
        if begin is not None and end is not None:
            return begin, end
    known = zoneinfo.ZoneInfo(zone)
    begins, ends = (
        stamp.ToDatetime(tzinfo=dt.UTC).astimezone(known).replace(tzinfo=None) for stamp in (occurrence.begins, occurrence.ends)
    )
    return begins, ends
