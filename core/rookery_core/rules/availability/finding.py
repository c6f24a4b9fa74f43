"""Times at which several people can meet, the best first.

The beginnings that are possible are a list, in order, and whatever keeps somebody from coming is a stretch of that list: so the
work grows with the busy times and with the beginnings, never with their product. Instants are microseconds since 1970.
"""

from __future__ import annotations

import bisect
import datetime as dt
import heapq
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.calendar_pb2 import BusyStatus
from rookery_core.rules import calendar_time, zones
from rookery_core.rules.availability import periods
from rookery_core.rules.availability.busy_times import BUSY, FREE, TENTATIVE

if TYPE_CHECKING:
    import zoneinfo
    from collections.abc import Sequence

    from rookery_core.rules.availability.busy_times import Span
    from rookery_core.rules.availability.periods import Period

_AWAY = (BUSY, BusyStatus.BUSY_STATUS_OUT_OF_OFFICE)
_COUNTED = (*_AWAY, TENTATIVE)
"""What is in the way of a meeting, the worst first: who works elsewhere can come."""
_MINUTE = 60 * calendar_time.SECOND
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Diary(NamedTuple):
    """When somebody can come."""

    busy: Sequence[Span]
    """When they are taken: in order, apart from each other."""
    working: Sequence[Period] | None
    """When they work: in order, apart from each other; None: always."""
    optional: bool
    """Whether it can be done without them."""


class Wanted(NamedTuple):
    """What is looked for."""

    begin: int
    end: int
    length: int
    """Microseconds."""
    step: int
    """Beginnings are at multiples of so many minutes of the hour …"""
    zone: str
    """… that the clocks show there."""
    any_hour: bool
    """Outside of working hours too."""
    most: int


class Proposal(NamedTuple):
    """A time to meet."""

    start: int
    end: int
    attendances: tuple[tuple[int, BusyStatus.ValueType], ...]
    """The places of those whom it does not suit quite, and how they are taken; FREE: they do not work then."""


def propose(diaries: Sequence[Diary], wanted: Wanted) -> list[Proposal]:
    """At most so many times, those with the fewest conflicts first, of these the earliest.

    No time is proposed at which somebody who has to come is busy or out of office, or does not work unless ``any_hour`` says so. A
    conflict is somebody who has to come and is tentatively taken, somebody optional who is taken, or somebody who does not work.
    """
    starts = beginnings(wanted)
    blocked: list[Period] = []
    conflicts = [0] * (len(starts) + 1)
    for diary in diaries:
        hard, soft = _in_the_way(diary, wanted, starts)
        blocked += hard
        for first, last in periods.joined(soft):
            conflicts[first] += 1
            conflicts[last] -= 1
    counts = list(accumulate(conflicts))
    possible = (place for first, last in periods.gaps(periods.joined(blocked), 0, len(starts)) for place in range(first, last))
    best = heapq.nsmallest(wanted.most, possible, key=lambda place: (counts[place], place))
    return [
        Proposal(starts[place], starts[place] + wanted.length, _attendances(diaries, starts[place], wanted.length))
        for place in best
    ]


def beginnings(wanted: Wanted) -> list[int]:
    """The instants at which a meeting may begin, so that it ends in time."""
    found: list[int] = []
    step, last = wanted.step * _MINUTE, wanted.end - wanted.length
    for begin, end, offset in _offsets(wanted.begin, last + 1, zones.zone(wanted.zone)):
        found += range(begin + -(begin + offset) % step, end, step)
    return found


def _in_the_way(diary: Diary, wanted: Wanted, starts: Sequence[int]) -> tuple[list[Period], list[Period]]:
    """Which beginnings are out of the question for somebody, and which do not suit: as stretches of their list."""
    hard: list[Period] = []
    soft: list[Period] = []
    for each in diary.busy:
        if each.status in _COUNTED:
            first, last = bisect.bisect_right(starts, each.start - wanted.length), bisect.bisect_left(starts, each.end)
            (hard if each.status in _AWAY and not diary.optional else soft).append((first, last))
    if diary.working is not None:
        inside = periods.joined(
            (bisect.bisect_left(starts, begin), bisect.bisect_right(starts, end - wanted.length)) for begin, end in diary.working
        )
        (soft if diary.optional or wanted.any_hour else hard).extend(periods.gaps(inside, 0, len(starts)))
    return hard, soft


def _attendances(diaries: Sequence[Diary], start: int, length: int) -> tuple[tuple[int, BusyStatus.ValueType], ...]:
    found = []
    for place, diary in enumerate(diaries):
        status = _status(diary, start, start + length)
        if status is not None:
            found.append((place, status))
    return tuple(found)


def _status(diary: Diary, begin: int, end: int) -> BusyStatus.ValueType | None:
    """How somebody is taken; None if the time suits them."""
    met = set()
    for place in range(bisect.bisect_right(diary.busy, begin, key=lambda span: span.end), len(diary.busy)):
        if diary.busy[place].start >= end:
            break
        met.add(diary.busy[place].status)
    for status in _COUNTED:
        if status in met:
            return status
    return FREE if diary.working is not None and not periods.within(diary.working, begin, end) else None


def _offsets(begin: int, end: int, zone: zoneinfo.ZoneInfo | None) -> list[tuple[int, int, int]]:
    """The time from ``begin`` to before ``end``, cut where a zone's clocks change; each piece with its offset from Greenwich."""
    found: list[tuple[int, int, int]] = []
    while begin < end:
        offset = _offset(begin, zone)
        until = begin + calendar_time.DAY
        while until < end and _offset(until, zone) == offset:
            until += calendar_time.DAY
        if until < end or _offset(end, zone) != offset:
            until = _change(max(begin, until - calendar_time.DAY), min(until, end), offset, zone)
        until = min(until, end)
        found.append((begin, until, offset))
        begin = until
    return found


def _change(before: int, after: int, offset: int, zone: zoneinfo.ZoneInfo | None) -> int:
    """The second at which an offset that holds ``before`` holds no more, as it does not ``after``."""
    while after - before > calendar_time.SECOND:
        middle = before + (after - before) // 2
        before, after = (middle, after) if _offset(middle, zone) == offset else (before, middle)
    return after - after % calendar_time.SECOND


def _offset(moment: int, zone: zoneinfo.ZoneInfo | None) -> int:
    if zone is None:
        return 0
    offset = (_EPOCH + dt.timedelta(microseconds=moment)).astimezone(zone).utcoffset() or dt.timedelta()
    return offset // dt.timedelta(microseconds=1)
