"""A month and a year of a calendar of 10,000 appointments, of which 2,000 recur, beside recurring-ical-events on the same data.

Once each from the data as they are kept (records here, an iCalendar file there), and again: there with the calendar read before,
here with what was laid out before.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING

import icalendar as library
import recurring_ical_events

from rookery.v1.calendar_service_pb2 import ListOccurrencesResponse
from rookery.v1.content_service_pb2 import ImportDocument
from rookery.v1.folder_pb2 import FolderRole
from rookery.v1.item_pb2 import DocumentFormat, ItemSummary
from rookery_client import Client
from rookery_core.formats import icalendar
from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence import agenda
from rookery_core.rules.recurrence.entries import Entry
from rookery_core.rules.recurrence.stretches import EMPTY
from tests.bench import figures
from tests.bench.server import ADDRESS, PASSWORD, connected, serving

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rookery_core.rules.recurrence.starts import Budget
    from rookery_core.rules.recurrence.stretches import Stretch, Where
    from tests.bench.figures import Figure

APPOINTMENTS, SERIES = 10_000, 2_000
TIMES = 10
PAGE = 5_000
WINDOWS = {"month": (dt.date(2026, 3, 1), dt.date(2026, 4, 1)), "year": (dt.date(2026, 1, 1), dt.date(2027, 1, 1))}
_RULES = (
    ["FREQ=WEEKLY"] * 10
    + ["FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH"] * 3
    + ["FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY"]
    + ["FREQ=YEARLY"] * 2
    + ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;COUNT=60", "FREQ=DAILY;UNTIL=20270101T000000Z"]
)
_FORM = "%Y%m%dT%H%M%S"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def documents(seed: int) -> Iterator[bytes]:
    """The appointments, each as an iCalendar document."""
    dice = random.Random(seed)
    for number in range(APPOINTMENTS):
        start = dt.datetime(2025, 1, 1) + dt.timedelta(minutes=15 * dice.randrange(4 * 24 * 730))  # noqa: DTZ001 - the wall clock
        end = start + dt.timedelta(minutes=dice.choice((15, 30, 60, 90)))
        lines = _event(number, start, end)
        if number < SERIES:
            rule = dice.choice(_RULES)
            lines.append(f"RRULE:{rule}")
            if dice.random() < 0.2 and rule == "FREQ=WEEKLY":
                lines.append(f"EXDATE;TZID=Europe/Berlin:{start + dt.timedelta(weeks=3):{_FORM}}")
                moved = start + dt.timedelta(weeks=4)
                changed = _event(number, moved + dt.timedelta(hours=2), moved + dt.timedelta(hours=3))
                lines += ["END:VEVENT", *changed, f"RECURRENCE-ID;TZID=Europe/Berlin:{moved:{_FORM}}"]
        yield "\r\n".join(
            ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//EN", *lines, "END:VEVENT", "END:VCALENDAR", ""]
        ).encode()


def _event(number: int, start: dt.datetime, end: dt.datetime) -> list[str]:
    return [
        "BEGIN:VEVENT",
        f"UID:{number}@bench.example",
        "DTSTAMP:20250101T000000Z",
        f"DTSTART;TZID=Europe/Berlin:{start:{_FORM}}",
        f"DTEND;TZID=Europe/Berlin:{end:{_FORM}}",
        f"SUMMARY:Appointment {number}",
        f"LOCATION:Room {number % 40}",
    ]


def run(folder: pathlib.Path, seed: int) -> list[Figure]:
    """Measures the core, the judge, and a server with the same appointments."""
    data = list(documents(seed))
    core, judge = _core(data), _judge(data)
    server = asyncio.run(_server(folder, data))
    found: list[Figure] = []
    for name in WINDOWS:
        count, *measured = core[name]
        expected, *theirs = judge[name]
        listed, called = server[name]
        if not count == expected == listed:
            raise RuntimeError(f"the {name} has {count} occurrences here, {listed} on the server, {expected} by the judge")
        rows = (
            (f"{name}, {count:,} occurrences, as it is kept", measured[0], theirs[0]),
            (f"{name}, laid out before", measured[1], theirs[1]),
            (f"{name}, from the server", called, theirs[1]),
        )
        for title, seconds, peer in rows:
            found.append(figures.at_most(title, seconds * 1000, "ms", "recurring-ical-events", peer * 1000, 1 / TIMES))
    return found


class _Calendar:
    """A calendar for ``agenda``, kept as a server keeps it: encoded records, and beside them from when to when each may show."""

    def __init__(self, records: Sequence[tuple[bytes, int, int | None, bytes]]) -> None:
        self._records = records
        self._read: dict[bytes, Entry] = {}
        self._stretches: dict[Where, Stretch] = {}

    def stretch(self, where: Where, budget: Budget) -> Stretch:
        """See ``agenda.Calendar``."""
        if where not in self._stretches:
            ends_from, starts_before = where.spans
            entries = (
                self._entry(item_id, encoded)
                for item_id, first, last, encoded in self._records
                if first < starts_before and (last is None or last >= ends_from)
            )
            self._stretches[where] = EMPTY.changed(where, "UTC", (), entries, budget)
        return self._stretches[where]

    def _entry(self, item_id: bytes, encoded: bytes) -> Entry:
        if item_id not in self._read:
            self._read[item_id] = Entry(item_id, ItemSummary.FromString(encoded))
        return self._read[item_id]


def _core(data: Iterable[bytes]) -> dict[str, tuple[int, float, float]]:
    """How many occurrences a window has, and the seconds that they take: with the records to be read, and without."""
    summaries = [icalendar.parse(document).summary for document in data]
    records = [
        (number.to_bytes(16, "big"), *(calendar_time.span(summary) or (0, None)), summary.SerializeToString())
        for number, summary in enumerate(summaries)
    ]
    calendar = _Calendar(records)

    def forget() -> int:
        nonlocal calendar
        calendar = _Calendar(records)
        return len(records)

    def laid_out(begin: dt.date, end: dt.date) -> int:
        window = agenda.Window(_micros(begin), _micros(end), "UTC")
        count, after = 0, None
        while True:
            page = agenda.page([calendar], window, after, PAGE)
            count += len(ListOccurrencesResponse.FromString(page.encoded).occurrences)
            after = page.following
            if after is None:
                return count

    return _measured(forget, laid_out, rounds=3)


def _judge(data: Sequence[bytes]) -> dict[str, tuple[int, float, float]]:
    """The same by recurring-ical-events."""
    calendar = library.Calendar.from_ical(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nEND:VCALENDAR\r\n")
    for document in data:
        for event in library.Calendar.from_ical(document).walk("VEVENT"):
            calendar.add_component(event)
    kept = calendar.to_ical()
    query = recurring_ical_events.of(calendar)

    def read() -> int:
        nonlocal query
        query = recurring_ical_events.of(library.Calendar.from_ical(kept))
        return len(data)

    def laid_out(begin: dt.date, end: dt.date) -> int:
        return len(query.between(_midnight(begin), _midnight(end)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _measured(read, laid_out, rounds=1)


def _measured(
    read: Callable[[], int], laid_out: Callable[[dt.date, dt.date], int], rounds: int
) -> dict[str, tuple[int, float, float]]:
    """By windows: how many occurrences there are; the seconds for them with everything that has to be read before, and without."""
    found = {}
    for name, window in WINDOWS.items():
        once = partial(laid_out, *window)
        _, cold = _best(partial(_both, read, once), rounds)
        count, warm = _best(once, rounds)
        found[name] = (count, cold, warm)
    return found


async def _server(folder: pathlib.Path, data: Sequence[bytes]) -> dict[str, tuple[int, float]]:
    """The same by ListOccurrences, all pages, once the server has laid them out."""
    found = {}
    with serving(folder) as server:
        async with connected(server), Client.connect(server.target, deadline=120) as client:
            await client.login(ADDRESS, PASSWORD, "bench")
            kind = DocumentFormat.DOCUMENT_FORMAT_ICALENDAR
            async for imported in client.content.import_documents(
                (number, ImportDocument(format=kind, data=document)) for number, document in enumerate(data)
            ):
                if imported.error is not None:
                    raise imported.error
            folders = await client.folders.list()
            chosen = [each.id for each in folders if each.role == FolderRole.FOLDER_ROLE_CALENDAR]
            for name, window in WINDOWS.items():
                taken = []
                for _ in range(3):
                    begun = time.perf_counter()
                    occurrences, _incomplete = await client.calendar.occurrences(chosen, *map(_midnight, window))
                    taken.append(time.perf_counter() - begun)
                found[name] = (len(occurrences), min(taken))
    return found


def _both(first: Callable[[], int], second: Callable[[], int]) -> int:
    first()
    return second()


def _best(work: Callable[[], int], rounds: int) -> tuple[int, float]:
    """What it gives, and the fewest seconds that it took."""
    taken = []
    for _ in range(rounds):
        begun = time.perf_counter()
        count = work()
        taken.append(time.perf_counter() - begun)
    return count, min(taken)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _micros(day: dt.date) -> int:
    return (_midnight(day) - _EPOCH) // dt.timedelta(microseconds=1)
