"""What agendas show of an occurrence, encoded: the same for all of a series but for the times, which are written beside it.

The fields of a message may stand in any order (protobuf's encoding), so what stays the same is encoded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.calendar_service_pb2 import Occurrence as OccurrenceRecord
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import ItemSummary
    from rookery_core.rules.recurrence.series import Occurrence

_SECOND = calendar_time.SECOND


class Encoding:
    """Encodes the occurrences of one appointment."""

    __slots__ = ("_heads", "_known", "_shown", "_zone")

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
        self._shown = shown
        self._known = shown.SerializeToString()
        zone = appointment.start.time_zone.encode()
        self._zone = b"\x12" + _varint(len(zone)) + zone if zone else b""
        size = 10 if shown.all_day else 19
        inner = _varint(2 + size + len(self._zone))
        self._heads = tuple(bytes([tag]) + inner + bytes([0x0A, size]) for tag in (0x12, 0x1A, 0x22))
        """What stands before the local time in original_start, start and end."""

    def encoded(self, occurrence: Occurrence) -> bytes:
        """An occurrence, as an entry of a ListOccurrencesResponse: with its tag and its length."""
        if occurrence.exception is not None or occurrence.series.travels or occurrence.walls is None:
            return _entry(self._changed(occurrence).SerializeToString())
        first, last = occurrence.walls
        original, start, end = self._heads
        zone, size = self._zone, 10 if self._shown.all_day else 19
        begun = first.isoformat()[:size].encode() + zone
        body = (
            self._known
            + original
            + (begun if occurrence.original is first else occurrence.original.isoformat()[:size].encode() + zone)
            + start
            + begun
            + end
            + last.isoformat()[:size].encode()
            + zone
            + _moment(0x2A, occurrence.begins)
            + _moment(0x32, occurrence.ends)
        )
        return _entry(body)

    def _changed(self, occurrence: Occurrence) -> OccurrenceRecord:
        """One that its exception may have changed."""
        shown = OccurrenceRecord()
        shown.CopyFrom(self._shown)
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


def _entry(body: bytes) -> bytes:
    return b"\x0a" + _varint(len(body)) + body


def _moment(tag: int, micros: int) -> bytes:
    """A Timestamp, with its tag and its length."""
    seconds, rest = divmod(micros, _SECOND)
    if not rest and 1 << 28 <= seconds < 1 << 35:  # from 1978 to 3058: five times seven bits
        bits = (seconds & 0x7F | 0x80, seconds >> 7 & 0x7F | 0x80, seconds >> 14 & 0x7F | 0x80, seconds >> 21 & 0x7F | 0x80)
        return bytes((tag, 6, 8, *bits, seconds >> 28))
    body = Timestamp(seconds=seconds, nanos=rest * 1000).SerializeToString()
    return bytes((tag, len(body))) + body


def _set(stamp: Timestamp, micros: int) -> None:
    stamp.seconds, rest = divmod(micros, _SECOND)
    stamp.nanos = rest * 1000


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
