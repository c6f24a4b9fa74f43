"""Free/busy of 50 people over a week, beside recurring-ical-events on the same calendars; and times at which all of them can meet.

The calendars are the 10,000 appointments of ``calendars``, dealt out: 200 for each, of which 40 recur.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import time
import warnings
from typing import TYPE_CHECKING

import icalendar as library
import recurring_ical_events

from rookery.v1.content_service_pb2 import ImportDocument
from rookery.v1.item_pb2 import DocumentFormat
from rookery_client import Client
from tests.bench import calendars, figures
from tests.bench.figures import Figure
from tests.bench.server import PASSWORD, add_accounts, connected, serving

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Awaitable, Callable, Sequence

    from tests.bench.server import Server

PEOPLE = 50
TIMES = 10
ROUNDS = 15
WEEK = (dt.datetime(2026, 3, 2, tzinfo=dt.UTC), dt.datetime(2026, 3, 9, tzinfo=dt.UTC))
AHEAD = (dt.datetime(2027, 3, 1, tzinfo=dt.UTC), dt.datetime(2027, 3, 8, tzinfo=dt.UTC))
"""A week that is to come: times that have passed are not proposed."""
ADDRESSES = [f"person{number}@bench.example" for number in range(PEOPLE)]


def run(folder: pathlib.Path, seed: int) -> list[Figure]:
    """Measures the judge, and a server with the same calendars, with files in a new folder."""
    dealt: list[list[bytes]] = [[] for _ in ADDRESSES]
    for number, document in enumerate(calendars.documents(seed)):
        dealt[number % PEOPLE].append(document)
    theirs = _judge(dealt)
    folder.mkdir()
    with serving(folder, accounts=ADDRESSES[:1]) as server:
        cold, warm, found = asyncio.run(_server(server, dealt))
    title = f"free/busy of {PEOPLE} people over a week"
    return [
        Figure(f"{title}, asked first: nothing read before", cold * 1000, "ms", "recurring-ical-events, all read", theirs * 1000),
        figures.at_most(f"{title}, asked again", warm * 1000, "ms", "recurring-ical-events", theirs * 1000, 1 / TIMES),
        Figure(f"times within a week for {PEOPLE} people, half of whom have to come", found * 1000, "ms"),
    ]


def _judge(dealt: Sequence[Sequence[bytes]]) -> float:
    """The seconds that recurring-ical-events takes for the week, with all calendars read before."""
    queries = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for documents in dealt:
            calendar = library.Calendar.from_ical(b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nEND:VCALENDAR\r\n")
            for document in documents:
                for event in library.Calendar.from_ical(document).walk("VEVENT"):
                    calendar.add_component(event)
            queries.append(recurring_ical_events.of(calendar))
        begun = time.perf_counter()
        for query in queries:
            query.between(*WEEK)
        return time.perf_counter() - begun


async def _server(server: Server, dealt: Sequence[Sequence[bytes]]) -> tuple[float, float, float]:
    """The seconds for free/busy at first and then, and for times to meet."""
    async with connected(server, ADDRESSES[0]):
        await add_accounts(server, ADDRESSES[1:])
        for address, documents in zip(ADDRESSES, dealt, strict=True):
            await _fill(server, address, documents)
    await server.quiet()
    async with Client.connect(server.target, deadline=120) as client:
        await client.login(ADDRESSES[0], PASSWORD, "bench")
        free_busy = client.availability

        async def look() -> None:
            answer = await free_busy.free_busy(ADDRESSES, *WEEK)
            if not all(party.times for party in answer.parties):
                raise RuntimeError("somebody is free all week")

        async def find() -> None:
            half = PEOPLE // 2
            answer = await free_busy.find_time(
                ADDRESSES[:half], *AHEAD, dt.timedelta(hours=1), optional=ADDRESSES[half:], any_hour=True
            )
            if not answer.times:
                raise RuntimeError("there is no time to meet")

        cold = await _taken(look)
        warm = sorted([await _taken(look) for _ in range(ROUNDS)])[ROUNDS // 2]
        found = sorted([await _taken(find) for _ in range(ROUNDS)])[ROUNDS // 2]
        return cold, warm, found


async def _fill(server: Server, address: str, documents: Sequence[bytes]) -> None:
    kind = DocumentFormat.DOCUMENT_FORMAT_ICALENDAR
    async with Client.connect(server.target, deadline=120) as client:
        await client.login(address, PASSWORD, "bench")
        async for imported in client.content.import_documents(
            (number, ImportDocument(format=kind, data=document)) for number, document in enumerate(documents)
        ):
            if imported.error is not None:
                raise imported.error


async def _taken(work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun
