"""What agendas show of an occurrence, encoded: the same for all of a series but for the times, which are written beside it.

The fields of a message may stand in any order (protobuf's encoding), so what stays the same is encoded once.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING

from rookery.v1.calendar_service_pb2 import Occurrence as OccurrenceRecord
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.item_pb2 import ItemSummary
    from rookery_core.rules.recurrence.series import Occurrence

_SECOND = calendar_time.SECOND
_DATE, _TIME = len("YYYY-MM-DD"), len("YYYY-MM-DDTHH:MM:SS")
_MOMENT = 5
"""Bytes of a Timestamp's seconds …"""
_LEAST_MOMENT, _MOST_MOMENT = (1 << 28) * _SECOND, (1 << 35) * _SECOND
"""… from then on, which is in 1978, and before then, in 3058."""


class Encoding:
    """Encodes the occurrences of one appointment."""

    __slots__ = ("_form", "_is_date", "_known")

    def __init__(self, item_id: bytes, summary: ItemSummary, *, is_recurring: bool) -> None:
        appointment = summary.appointment
        shown = OccurrenceRecord(
            item_id=item_id,
            all_day=calendar_time.is_date(appointment.start),
            subject=summary.subject,
            location=appointment.location,
            busy_status=appointment.busy_status,
            status=appointment.status,
            my_response=appointment.my_response,
            sensitivity=summary.sensitivity,
            is_recurring=is_recurring,
        )
        if appointment.HasField("organizer"):
            shown.organizer.CopyFrom(appointment.organizer)
        if appointment.HasField("reminder_minutes"):
            shown.reminder_minutes = appointment.reminder_minutes
        self._known = shown.SerializeToString()
        self._is_date = shown.all_day
        times, length = _times(appointment.start.time_zone, _DATE if self._is_date else _TIME)
        self._form = b"\x0a" + (_varint(len(self._known) + length) + self._known).replace(b"%", b"%%") + times
        """An encoded occurrence without its times, for bytes' own ``%``."""

    def encoded(self, occurrence: Occurrence) -> bytes:
        """An occurrence, as an entry of a ListOccurrencesResponse: with its tag and its length."""
        begins, ends = occurrence.begins, occurrence.ends
        if (
            occurrence.exception is not None
            or occurrence.walls is None
            or occurrence.series.travels
            or begins < _LEAST_MOMENT
            or ends >= _MOST_MOMENT
        ):
            body = self._changed(occurrence).SerializeToString()
            return b"\x0a" + _varint(len(body)) + body
        first, last = occurrence.walls
        start, end = self._local(first), self._local(last)
        original = start if occurrence.original is first else self._local(occurrence.original)
        return self._form % (original, start, end, _moment(begins // _SECOND), _moment(ends // _SECOND))

    def _local(self, wall: dt.datetime) -> bytes:
        """``CalendarTime.local``."""
        day = _day(wall.toordinal())
        return day if self._is_date else day + _time_of_day(wall.hour, wall.minute, wall.second)

    def _changed(self, occurrence: Occurrence) -> OccurrenceRecord:
        """One that its exception may have changed."""
        shown = OccurrenceRecord.FromString(self._known)
        start, end = occurrence.series.times(occurrence)
        shown.original_start.CopyFrom(occurrence.original_start)
        shown.start.CopyFrom(start)
        shown.end.CopyFrom(end)
        _set(shown.begins, occurrence.begins)
        _set(shown.ends, occurrence.ends)
        exception = occurrence.exception
        if exception is not None:
            shown.is_exception = True
            shown.all_day = calendar_time.is_date(start)
            shown.busy_status = exception.busy_status or shown.busy_status
            shown.my_response = exception.my_response or shown.my_response
            for name in ("subject", "location", "reminder_minutes"):
                if exception.HasField(name):
                    setattr(shown, name, getattr(exception, name))
        return shown


@functools.lru_cache(maxsize=16_384)
def _day(day: int) -> bytes:
    return dt.date.fromordinal(day).isoformat().encode()


@functools.lru_cache(maxsize=4096)
def _time_of_day(hour: int, minute: int, second: int) -> bytes:
    return b"T" + dt.time(hour, minute, second).isoformat().encode()


@functools.lru_cache(maxsize=4096)
def _times(time_zone: str, size: int) -> tuple[bytes, int]:
    """The form for original start, start, end, begins and ends, and its length when it is filled in."""
    name = time_zone.encode()
    zone = b"\x12" + _varint(len(name)) + name if name else b""
    head = _varint(2 + size + len(zone)) + bytes((0x0A, size))
    length = 3 * (1 + len(head) + size + len(zone)) + 2 * (3 + _MOMENT)
    head, zone = head.replace(b"%", b"%%"), zone.replace(b"%", b"%%")
    times = b"".join(tag + head + b"%b" + zone for tag in (b"\x12", b"\x1a", b"\x22"))
    return times + b"\x2a\x06\x08%b\x32\x06\x08%b", length


def _moment(seconds: int) -> bytes:
    """A Timestamp's seconds, of five times seven bits."""
    low = seconds & 0x7F | (seconds & 0x3F80) << 1 | (seconds & 0x1FC000) << 2 | (seconds & 0xFE00000) << 3
    return (low | 0x80808080 | (seconds & 0x7F0000000) << 4).to_bytes(5, "little")


def _set(stamp: Timestamp, micros: int) -> None:
    stamp.seconds, rest = divmod(micros, _SECOND)
    stamp.nanos = rest * 1000


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)
