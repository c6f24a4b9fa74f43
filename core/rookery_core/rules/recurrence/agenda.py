"""Calendars laid out in time, page by page: the one way in which the server and a replica do it.

A page is the first so many occurrences behind a place, by their beginnings. It is filled from slices of the window, each within a
stretch (``stretches``) that is laid out already, or is now. The work for a page is bounded whatever the rules are: one that gives
too many starts makes the page end earlier in time, and one that can not even be computed for a moment is named and left out.
"""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence.entries import BEGINS, ENCODED, ITEM, ORIGINAL
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.recurrence.stretches import Where

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.rules.recurrence.entries import Entry, Laid
    from rookery_core.rules.recurrence.stretches import Stretch

MOST_INCOMPLETE = 100
"""Series that a page names as incomplete."""
_SERIES_STARTS = 20_000
"""Starts of one series that are looked at in one go."""
_PAGE_STARTS = 500_000
"""Starts that are looked at for a page's stretches; and as many for what they have no room for, so that it is not left out."""
_MOST_BYTES = 1 << 20
_LONG_STARTS = 20_000
"""Starts that are looked at in a long stretch, before shorter ones are tried."""
_LEAST_SLICE, _MOST_SLICE = 2 * calendar_time.DAY, 25 * calendar_time.DAY
"""How long the first slice is."""
_SLICES = 64
_GROWTH = 16
_EVER = -(1 << 63)
_SECOND = calendar_time.SECOND
_FIRST = dt.datetime(1, 1, 1)  # noqa: DTZ001 - wall-clock time is naive
_begins = itemgetter(BEGINS)
_place = itemgetter(BEGINS, ITEM, ORIGINAL)


class Window(NamedTuple):
    """What is looked at, in microseconds since 1970."""

    begin: int
    end: int
    """After ``begin``."""
    viewer_zone: str
    """Where dates and floating times are looked at."""

    @property
    def spans(self) -> tuple[int, int]:
        """As ``stretches.Where`` has them."""
        return calendar_time.spans_between(self.begin, self.end)


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


class Calendar(Protocol):
    """What an agenda needs of a calendar."""

    def stretch(self, where: Where, budget: Budget) -> Stretch:
        """What it shows there to those who look at the agenda, at a cost."""
        ...


class Page(NamedTuple):
    """A page of an agenda."""

    encoded: bytes
    """The occurrences, as a ListOccurrencesResponse has them."""
    following: Place | None
    """The place behind which the next page begins; None at the end."""
    incomplete: list[bytes]
    """The items of which some may be missing."""


def page(calendars: Sequence[Calendar], window: Window, after: Place | None, most: int) -> Page:
    """The occurrences behind ``after``, or the first ones: at most so many, and 1 MiB."""
    layout = _Layout(calendars, window, after, most)
    while not layout.is_full:
        layout.add_slice()
    return layout.page()


class _Layout:
    """A page in the making, slice by slice of the window: each as long as it takes to fill the page, by what those before gave."""

    def __init__(self, calendars: Sequence[Calendar], window: Window, after: Place | None, most: int) -> None:
        self._calendars = calendars
        self._window = window
        self._begin = window.begin if after is None else max(window.begin, after.begins)
        self._horizon = self._begin
        """Whatever begins before then has been found, or does not fit the page."""
        self._slice = (self._begin, self._begin)
        self._longest = window.end - window.begin
        """Stretches that are longer than this have too much to show."""
        self._after = after or Place(_EVER)
        self._most = most
        self._stretches_left: float = _PAGE_STARTS
        self._starts_left: float = _PAGE_STARTS
        self._found: list[Laid] = []
        self._incomplete: dict[bytes, None] = {}

    @property
    def is_full(self) -> bool:
        """Nothing more fits, or is there, or can be looked at."""
        is_at_end = self._horizon < self._slice[1] or self._horizon >= self._window.end
        return len(self._found) >= self._most or is_at_end or min(self._stretches_left, self._starts_left) <= 0

    def add_slice(self) -> None:
        """Goes on from the horizon: adds what begins in the next slice; in the first also what reaches into it."""
        begin, width = self._horizon, min(max(_LEAST_SLICE, (self._window.end - self._begin) // _SLICES), _MOST_SLICE)
        if begin > self._begin:
            past = begin - self._begin
            wanted = past * (self._most - len(self._found)) // max(len(self._found), 1)
            width = min(max(width, wanted + wanted // 8), _GROWTH * past)
        where, stretches = self._stretches(begin, width)
        end = self._horizon = min(begin + width, where.end, self._window.end)
        self._slice = (begin, end)
        for stretch in stretches:
            if self._reaches_in:
                self._add(stretch.reaching(begin))
            self._add(stretch.beginning(begin, end))
            for entry in stretch.dense:
                self._lay_out(entry)

    def _stretches(self, begin: int, width: int) -> tuple[Where, list[Stretch]]:
        """What the calendars show where a slice begins: the longer it is to be, the further, as far as there is little to show."""
        where = Where.at(begin, min(width, self._longest))
        while not where.is_shortest:
            stretches = [self._stretch(calendar, where, _LONG_STARTS) for calendar in self._calendars]
            if all(each.is_whole for each in stretches):
                return where, stretches
            where = where.shorter(begin)
            self._longest = where.end - where.begin
        return where, [self._stretch(calendar, where, _PAGE_STARTS) for calendar in self._calendars]

    def _stretch(self, calendar: Calendar, where: Where, most: int) -> Stretch:
        given = min(most, self._stretches_left)
        budget = Budget(given)
        stretch = calendar.stretch(where, budget)
        self._stretches_left -= given - max(budget.left, 0)
        return stretch

    @property
    def _reaches_in(self) -> bool:
        """Whether what began before the slice is looked for."""
        return self._slice[0] == self._window.begin

    def _add(self, laid: list[Laid]) -> None:
        """Adds what is in order by its places, without what was on the pages before."""
        if laid and laid[0][BEGINS] <= self._after.begins:
            del laid[: bisect.bisect_right(laid, self._after, key=_place)]
        self._found += laid
        if len(self._found) > 2 * self._most:
            self._cut()

    def page(self) -> Page:
        """What was found."""
        found = self._found
        found.sort()
        del found[bisect.bisect_left(found, self._horizon, key=_begins) :]
        listed = [each[ENCODED] for each in found[: self._most]]
        if sum(map(len, listed)) > _MOST_BYTES:
            listed = _fitting(listed)
        following = None
        if len(listed) < len(found) or len(listed) == self._most:
            following = Place(*_place(found[len(listed) - 1]))
        elif self._horizon < self._window.end:
            following = Place(self._horizon)
        return Page(b"".join(listed), following, list(self._incomplete)[:MOST_INCOMPLETE])

    def _lay_out(self, entry: Entry) -> None:
        """Adds occurrences up to the horizon, which comes nearer if that takes too long; names what takes too long in any case."""
        begin, end = self._slice[0], self._horizon
        while True:
            given = min(_SERIES_STARTS, self._starts_left)
            budget = Budget(given)
            found = entry.lay_anew(begin, end, self._window.viewer_zone, budget)
            self._starts_left -= given - max(budget.left, 0)
            if not budget.is_spent:
                break
            end = begin + (end - begin) // 4
            if self._starts_left <= 0 or end - begin < _SECOND:
                self._incomplete[entry.item_id] = None
                return
        self._horizon = end
        self._add(sorted(each for each in found if each[BEGINS] >= begin or self._reaches_in))

    def _cut(self) -> None:
        """Drops what the page has no room for. What begins later than its last can not come in any more."""
        self._found.sort()
        del self._found[self._most :]
        self._horizon = min(self._horizon, self._found[-1][BEGINS] + 1)


def _fitting(encoded: list[bytes]) -> list[bytes]:
    """The first of them that are a page: one, and what fits beside it."""
    sizes = itertools.accumulate(map(len, encoded))
    return encoded[: max(1, sum(size <= _MOST_BYTES for size in sizes))]
