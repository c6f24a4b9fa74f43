"""Looks into many calendars at once: each by itself, as it is then, since no transaction spans two mailboxes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.availability_service_pb2 import CalendarSettings
from rookery_core.rules import calendar_time, checks, zones
from rookery_core.rules.availability import settings as rules
from rookery_server.services.availability import busy_calendars

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.timestamp_pb2 import Timestamp
    from sqlalchemy import Connection

    from rookery_server.services.availability.busy_calendars import BusyCalendar
    from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
    from rookery_server.store.calendar_owners import Owner
    from rookery_server.store.database import Database

MOST_DAYS = 92
_AT_ONCE = 8
"""Calendars that one question has looked at side by side."""


class Window(NamedTuple):
    """What is looked at, in microseconds since 1970."""

    begin: int
    end: int


class Looking:
    """Looks into calendars. May be shared between questions."""

    def __init__(self, database: Database, parsed: ParsedAppointments) -> None:
        self._database = database
        self._parsed = parsed

    async def into(self, owners: Iterable[Owner], window: Window) -> dict[int, BusyCalendar]:
        """What takes the owners' time, by mailbox."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def look(owner: Owner) -> tuple[int, BusyCalendar]:
            zone = settings_of(owner).working_hours.time_zone or zones.UTC

            def work(connection: Connection) -> BusyCalendar:
                return busy_calendars.read(connection, owner.mailbox_id, *window, zone, self._parsed)

            async with gate:
                return owner.mailbox_id, await self._database.read(work)

        several = {owner.mailbox_id: owner for owner in owners}
        return dict(await asyncio.gather(*map(look, several.values())))


def settings_of(owner: Owner) -> CalendarSettings:
    """How somebody's calendar is set, with what holds where nothing was set."""
    return rules.whole(CalendarSettings.FromString(owner.settings), owner.kind)


def window(start: Timestamp, end: Timestamp, names: tuple[str, str] = ("window_start", "window_end")) -> Window:
    """The time that is asked about. InvalidArgument unless it begins before it ends, at most 92 days later."""
    for each, name in zip((start, end), names, strict=True):
        checks.moment(each, name)
    found = Window(start.ToMicroseconds(), end.ToMicroseconds())
    if found.begin >= found.end:
        raise checks.invalid(f"{names[0]} comes before {names[1]}", names[1])
    if found.end - found.begin > MOST_DAYS * calendar_time.DAY:
        raise checks.invalid(f"ask about at most {MOST_DAYS} days at once", names[1])
    return found
