"""Versions of a meeting (RFC 5546 section 2.1.5): which comes next, and which a copy has of each occurrence.

Time stamps travel as whole seconds (DTSTAMP), so each is made a second later than the one before, however soon it follows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_pb2 import OccurrenceVersion
from rookery_core.rules.calendar_time import SECOND
from rookery_core.rules.scheduling.itip import Version

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import MeetingState
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.occurrences import Timeline


def later(now: int, last: int) -> int:
    """A stamp for now, in microseconds: whole seconds, and later than the last one."""
    return max(now // SECOND, last // SECOND + 1) * SECOND


def whole_of(copy: Item) -> Version | None:
    """The version that an attendee's copy has of the whole meeting; None if it only knows single occurrences.

    Of a copy that came as a document only the sequence is known: each message of that sequence is newer.
    """
    state = copy.content.appointment.meeting
    if state.HasField("version"):
        return Version.of(state.version)
    return None if state.occurrence_versions else Version(copy.summary.appointment.sequence, 0)


def of_occurrences(state: MeetingState, timeline: Timeline) -> dict[dt.datetime, Version]:
    """The versions that are kept of single occurrences."""
    found = ((timeline.point(each.original_start), Version.of(each.version)) for each in state.occurrence_versions)
    return {point: version for point, version in found if point is not None}


def keep_occurrences(state: MeetingState, timeline: Timeline, known: dict[dt.datetime, Version]) -> None:
    """Writes what ``of_occurrences`` reads."""
    del state.occurrence_versions[:]
    state.occurrence_versions.extend(
        OccurrenceVersion(original_start=timeline.time(point), version=version.record()) for point, version in sorted(known.items())
    )


def of_occurrence(copy: Item, occurrence: dt.datetime | None, timeline: Timeline) -> Version:
    """The version that an attendee's copy has of an occurrence, or of the whole: the one that an answer is about."""
    whole = whole_of(copy) or Version(0, 0)
    if occurrence is None:
        return whole
    return max(whole, of_occurrences(copy.content.appointment.meeting, timeline).get(occurrence, whole))
