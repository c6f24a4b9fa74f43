"""What appointments take of their owner's time, and that of several merged into one line.

Instants are microseconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import BusyStatus, EventStatus, ResponseStatus
from rookery.v1.calendar_service_pb2 import ListOccurrencesResponse
from rookery_core.rules.recurrence.entries import BEGINS, ENCODED, ENDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.calendar_service_pb2 import Occurrence
    from rookery_core.rules.recurrence.entries import Entry, Laid
    from rookery_core.rules.recurrence.starts import Budget

FREE, TENTATIVE, BUSY = BusyStatus.BUSY_STATUS_FREE, BusyStatus.BUSY_STATUS_TENTATIVE, BusyStatus.BUSY_STATUS_BUSY
_PRECEDENCE = (BUSY, BusyStatus.BUSY_STATUS_OUT_OF_OFFICE, BusyStatus.BUSY_STATUS_WORKING_ELSEWHERE, TENTATIVE)
_RANKS = {status: rank for rank, status in enumerate(_PRECEDENCE)}
_PRIVATE = frozenset({item_pb2.SENSITIVITY_PRIVATE, item_pb2.SENSITIVITY_CONFIDENTIAL})
_AWAY = frozenset({ResponseStatus.RESPONSE_STATUS_DECLINED, ResponseStatus.RESPONSE_STATUS_DELEGATED})
_UNANSWERED, _UNDECIDED = ResponseStatus.RESPONSE_STATUS_NONE, ResponseStatus.RESPONSE_STATUS_TENTATIVE
_CANCELLED, _IN_DOUBT = EventStatus.EVENT_STATUS_CANCELLED, EventStatus.EVENT_STATUS_TENTATIVE


class Busy(NamedTuple):
    """One occurrence of an appointment that takes time."""

    start: int
    end: int
    """After ``start``."""
    status: BusyStatus.ValueType
    """How: never FREE."""
    subject: str
    location: str
    private: bool
    """Nobody else may read subject and place."""
    by: str
    """The organiser's name, else address; empty where there is none."""
    item_id: bytes


class Span(NamedTuple):
    """A stretch of merged time."""

    start: int
    end: int
    status: BusyStatus.ValueType
    subject: str
    location: str


def taking(entry: Entry, begin: int, end: int, zone: str, budget: Budget) -> list[Busy]:
    """What an appointment takes of the time from ``begin`` to before ``end``, not cut at the edges.

    ``zone`` is where its owner looks at dates and floating times. Not all, if the budget is spent.
    """
    laid = entry.lay(begin, end, zone, budget)
    records = ListOccurrencesResponse.FromString(b"".join(each[ENCODED] for each in laid)).occurrences
    found = (_busy(each, record) for each, record in zip(laid, records, strict=True))
    return [busy for busy in found if busy is not None and busy.end > begin]


def _busy(laid: Laid, record: Occurrence) -> Busy | None:
    status = taken_as(record.busy_status, record.status, record.my_response)
    if status == FREE or laid[ENDS] <= laid[BEGINS]:
        return None
    by = record.organizer.name or record.organizer.address
    private = record.sensitivity in _PRIVATE
    return Busy(laid[BEGINS], laid[ENDS], status, record.subject, record.location, private, by, record.item_id)


def taken_as(
    shown: BusyStatus.ValueType, stands: EventStatus.ValueType, response: ResponseStatus.ValueType
) -> BusyStatus.ValueType:
    """How an appointment takes its owner's time: FREE where it does not.

    What was called off, declined or handed on to somebody else takes none; an invitation without an answer is tentative, and so is
    what is in doubt, or was answered so, where it would be busy (as RFC 4791 section 7.10 has it for STATUS).
    """
    if stands == _CANCELLED or response in _AWAY or shown == FREE:
        return FREE
    if response == _UNANSWERED:
        return TENTATIVE
    status = shown if shown in _RANKS else BUSY
    in_doubt = stands == _IN_DOUBT or response == _UNDECIDED
    return TENTATIVE if in_doubt and status == BUSY else status


def shown(times: Iterable[Busy], *, subjects: bool, private: bool) -> list[Span]:
    """Busy times as somebody may see them: with subjects and places, of private ones too, or without."""
    return [
        Span(each.start, each.end, each.status, each.subject, each.location)
        if subjects and (private or not each.private)
        else Span(each.start, each.end, each.status, "", "")
        for each in times
    ]


def merged(times: Iterable[Span], begin: int, end: int) -> list[Span]:
    """The time from ``begin`` to before ``end`` that is taken: in order, apart from each other, neighbours that look alike joined.

    Of what overlaps, busy hides out of office, that hides working elsewhere, and that tentative. What is not one thing alone, by
    subject and place, is shown without them.
    """
    edges: list[tuple[int, int, int, tuple[str, str]]] = []
    for each in times:
        first, last = max(each.start, begin), min(each.end, end)
        if first < last:
            rank, text = _RANKS[each.status], (each.subject, each.location)
            edges += ((first, 1, rank, text), (last, -1, rank, text))
    active: list[Counter[tuple[str, str]]] = [Counter() for _ in _PRECEDENCE]
    spans: list[Span] = []
    at = begin
    for moment, changes in groupby(sorted(edges, key=itemgetter(0)), itemgetter(0)):
        _add(spans, at, moment, active)
        for _, change, rank, text in changes:
            active[rank][text] += change
            if not active[rank][text]:
                del active[rank][text]
        at = moment
    return spans


def _add(spans: list[Span], begin: int, end: int, active: list[Counter[tuple[str, str]]]) -> None:
    """Adds what holds from ``begin`` to ``end``, where anything does."""
    for status, things in zip(_PRECEDENCE, active, strict=True):
        if things and begin < end:
            subject, location = next(iter(things)) if len(things) == 1 else ("", "")
            last = spans[-1] if spans else None
            if last is not None and (last.end, *last[2:]) == (begin, status, subject, location):
                spans[-1] = last._replace(end=end)
            else:
                spans.append(Span(begin, end, status, subject, location))
            return
