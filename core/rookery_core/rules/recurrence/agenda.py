"""Calendars laid out in time, page by page: the one way in which the server and a replica do it.

A page is the first so many occurrences behind a place, by their beginnings. It is filled from slices of the window, and candidates
come by the beginnings of their spans (``calendar_time.span``), so that a page looks at little more of them than it needs. The work
for a page is bounded whatever the rules are: one that gives too many starts makes the page end earlier in time, and one that can
not even be computed for a moment is named and left out.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence.entries import BEGINS, ENCODED
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery_core.rules.recurrence.entries import Entry, Laid

MOST_INCOMPLETE = 100
"""Series that a page names as incomplete."""
_SERIES_STARTS = 20_000
"""Starts of one series that are looked at in one go."""
_PAGE_STARTS = 500_000
"""Starts that are looked at for a page."""
_MOST_BYTES = 1 << 20
_LEAST_SLICE = 2 * calendar_time.DAY
_SLICES = 64
_GROWTH = 16
_EVER = -(1 << 63)
_SECOND = calendar_time.SECOND
_FIRST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - wall-clock time is naive


class Window(NamedTuple):
    """What is looked at, in microseconds since 1970."""

    begin: int
    end: int
    """After ``begin``."""
    viewer_zone: str
    """Where dates and floating times are looked at."""


class Place(NamedTuple):
    """The place of an occurrence in an agenda; also of none, between others."""

    begins: int
    item_id: bytes = b""
    original: dt.datetime = _FIRST
    """The original start, by the wall clock of the series."""

    @property
    def text(self) -> str:
        """The original start as a text."""
        return self.original.isoformat()

    @classmethod
    def read(cls, begins: int, item_id: bytes, text: str) -> Place:
        """The place whose ``text`` this is. ValueError if it is none."""
        return cls(begins, item_id, dt.datetime.fromisoformat(text))


class Candidate(NamedTuple):
    """An appointment that may reach into the window."""

    span_start: int
    entry: Entry


class Page(NamedTuple):
    """A page of an agenda."""

    encoded: bytes
    """The occurrences, as a ListOccurrencesResponse has them."""
    following: Place | None
    """The place behind which the next page begins; None at the end."""
    incomplete: list[bytes]
    """The items of which some may be missing."""


def spans(window: Window, after: Place | None) -> tuple[int, int]:
    """What may be in the rest of a window: spans that end then or later, and begin before then.

    Spans count dates in UTC: a viewer's midnight comes up to 14 hours before, or 12 hours after.
    """
    return _begin(window, after) - calendar_time.FLOATING_AFTER, window.end + calendar_time.FLOATING_BEFORE


def page(candidates: Iterable[Candidate], window: Window, after: Place | None, most: int) -> Page:
    """The occurrences behind ``after``, or the first ones: at most so many, and 1 MiB.

    ``candidates`` are all whose spans ``spans`` names, ascending by ``span_start``; no more of them are asked for than needed.
    """
    layout = _Layout(window, after, most)
    waiting = iter(candidates)
    following = next(waiting, None)
    entries: list[Entry] = []
    while not layout.is_full:
        layout.begin_slice()
        entries = [entry for entry in entries if layout.add(entry)]
        while following is not None and following.span_start - calendar_time.FLOATING_BEFORE < layout.horizon:
            if layout.add(following.entry):
                entries.append(following.entry)
            following = next(waiting, None)
    return layout.page()


class _Layout:
    """A page in the making, slice by slice of the window: each as long as it takes to fill the page, by what those before gave."""

    def __init__(self, window: Window, after: Place | None, most: int) -> None:
        self.horizon = _begin(window, after)
        """Whatever begins before then, of the entries so far, has been found, or does not fit the page."""
        self._window = window
        self._begin = self.horizon
        self._slice = (self._begin, self._begin)
        self._after = after or Place(_EVER)
        self._most = most
        self._starts_left: float = _PAGE_STARTS
        self._found: list[Laid] = []
        self._incomplete: dict[bytes, None] = {}

    @property
    def is_full(self) -> bool:
        """Nothing more fits, or is there, or can be looked at."""
        return len(self._found) >= self._most or self.horizon < self._slice[1] or self.horizon >= self._window.end

    def begin_slice(self) -> None:
        """Goes on from the horizon."""
        begin, width = self.horizon, max(_LEAST_SLICE, (self._window.end - self._begin) // _SLICES)
        if begin > self._begin:
            past = begin - self._begin
            wanted = past * (self._most - len(self._found)) // max(len(self._found), 1)
            width = min(max(width, wanted + wanted // 8), _GROWTH * past)
        self.horizon = min(begin + width, self._window.end)
        self._slice = (begin, self.horizon)

    def add(self, entry: Entry) -> bool:
        """Lays out what of an appointment begins in the slice; in the first also what reaches into it.

        False if there is nothing more of it behind the slice.
        """
        laid = self._laid_out(entry)
        if laid is None:
            self._incomplete[entry.item_id] = None
            return True
        may_recur = entry.is_series or not laid
        if laid and laid[0][BEGINS] <= self._after.begins:
            laid = [each for each in laid if each[:3] > self._after]
        least = _EVER if self._slice[0] == self._begin else self._slice[0]
        if laid and laid[0][BEGINS] < least:
            laid = [each for each in laid if each[BEGINS] >= least]
        self._found += laid
        if len(self._found) > 2 * self._most:
            self._cut()
        return may_recur

    def page(self) -> Page:
        """What was found."""
        found = sorted(each for each in self._found if each[BEGINS] < self.horizon)
        listed: list[bytes] = []
        size = 0
        for each in found[: self._most]:
            size += len(each[ENCODED])
            if listed and size > _MOST_BYTES:
                break
            listed.append(each[ENCODED])
        following = None
        if len(listed) < len(found) or len(listed) == self._most:
            following = Place(*found[len(listed) - 1][:3])
        elif self.horizon < self._window.end:
            following = Place(self.horizon)
        return Page(b"".join(listed), following, list(self._incomplete)[:MOST_INCOMPLETE])

    def _laid_out(self, entry: Entry) -> list[Laid] | None:
        """The occurrences up to the horizon, which comes nearer if that takes too long; None if it takes too long in any case."""
        begin, end = self._slice[0], self.horizon
        while True:
            given = min(_SERIES_STARTS, self._starts_left)
            budget = Budget(given)
            found = entry.lay(begin, end, self._window.viewer_zone, budget)
            self._starts_left -= given - max(budget.left, 0)
            if not budget.is_spent:
                self.horizon = end
                return found
            end = begin + (end - begin) // 4
            if self._starts_left <= 0 or end - begin < _SECOND:
                return None

    def _cut(self) -> None:
        """Drops what the page has no room for. What begins later than its last can not come in any more."""
        self._found.sort()
        del self._found[self._most :]
        self.horizon = min(self.horizon, self._found[-1][BEGINS] + 1)


def _begin(window: Window, after: Place | None) -> int:
    return window.begin if after is None else max(window.begin, after.begins)
