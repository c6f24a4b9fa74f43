"""Times at which several can meet."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.availability_service_pb2 import Attendance, FindTimeResponse, MeetingTime
from rookery_core.rules import calendar_time, checks, zones
from rookery_core.rules.availability import busy_times, finding, working_hours
from rookery_core.rules.availability.finding import Diary, Wanted
from rookery_core.rules.availability.settings import is_bookable
from rookery_server.services.availability import looking, parties, settings
from rookery_server.services.availability.looking import Window, settings_of
from rookery_server.store import mailboxes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from rookery.v1.availability_service_pb2 import FindTimeRequest
    from rookery_core.rules.availability.finding import Proposal
    from rookery_core.rules.availability.periods import Period
    from rookery_core.rules.clock import Clock
    from rookery_server.services.availability.busy_calendars import BusyCalendar
    from rookery_server.services.availability.looking import Looking
    from rookery_server.services.availability.parties import Found
    from rookery_server.services.caller import Caller
    from rookery_server.store.calendar_owners import Owner
    from rookery_server.store.database import Database

STEPS = (5, 10, 15, 20, 30, 60)
"""Minutes of the hour at which times may begin."""
SHORTEST, LONGEST = 5, 1_440
"""Minutes of a meeting."""
MOST_TIMES = 100
_USUAL_STEP, _USUAL_MOST = 30, 10
_MINUTE = 60 * calendar_time.SECOND


class _Company(NamedTuple):
    found: list[Found]
    zone: str
    """The caller's."""


class FindTimeService:
    """Carries out FindTime."""

    def __init__(self, database: Database, calendars: Looking, clock: Clock) -> None:
        self._database = database
        self._calendars = calendars
        self._clock = clock

    async def find(self, caller: Caller, request: FindTimeRequest) -> FindTimeResponse:
        """The times, the best first. InvalidArgument; who can not be looked at is named, and counts as free."""
        asked = [invitee.party for invitee in request.invitees]
        keys = parties.check(asked, "invitees", ".party")
        wanted = _wanted(request, self._clock.micros())
        if wanted.begin >= wanted.end:
            return FindTimeResponse()

        def work(connection: Connection) -> _Company:
            mailbox = mailboxes.find_of_account(connection, caller.account_id)
            own = settings.of(connection, mailbox.id, 0).working_hours.time_zone if mailbox is not None else zones.UTC
            return _Company(parties.find(connection, caller, asked, keys), own)

        found, zone = await self._database.read(work)
        window = Window(wanted.begin, wanted.end)
        calendars = await self._calendars.into((owner for each in found for owner in each.owners), window)
        optional = [invitee.optional for invitee in request.invitees]
        wanted = wanted._replace(zone=_zone(found, optional) or zone or zones.UTC)
        diaries = [_diary(each, calendars, window, optional=late) for each, late in zip(found, optional, strict=True)]
        times = await asyncio.to_thread(finding.propose, diaries, wanted)
        unknown = [place for place, each in enumerate(found) if each.error is not None or _is_incomplete(each, calendars)]
        return FindTimeResponse(times=map(_time, times), unknown_invitees=unknown)


def _wanted(request: FindTimeRequest, now: int) -> Wanted:
    """What is looked for, from now on at the earliest."""
    begin, end = looking.window(request.window_start, request.window_end)
    if not SHORTEST <= request.duration_minutes <= LONGEST:
        raise checks.invalid(f"a meeting takes {SHORTEST} to {LONGEST:,} minutes", "duration_minutes")
    if request.step_minutes not in {0, *STEPS}:
        raise checks.invalid(f"step_minutes is one of {', '.join(map(str, STEPS))}", "step_minutes")
    if request.most > MOST_TIMES:
        raise checks.invalid(f"at most {MOST_TIMES} times are proposed", "most")
    return Wanted(
        begin=max(begin, now),
        end=end,
        length=request.duration_minutes * _MINUTE,
        step=request.step_minutes or _USUAL_STEP,
        zone="",
        any_hour=request.any_hour,
        most=request.most or _USUAL_MOST,
    )


def _zone(found: Sequence[Found], optional: Sequence[bool]) -> str:
    """Where the clock counts: at the first person who has to come; empty if there is none."""
    for each, late in zip(found, optional, strict=True):
        if each.person is not None and not late and not is_bookable(each.person.kind):
            return settings_of(each.person).working_hours.time_zone
    return ""


def _diary(found: Found, calendars: Mapping[int, BusyCalendar], window: Window, *, optional: bool) -> Diary:
    times = [each for owner in found.owners for each in calendars[owner.mailbox_id].times]
    spans = busy_times.merged(busy_times.shown(times, subjects=False, private=False), *window)
    return Diary(spans, None if found.person is None else _working(found.person, window), optional)


def _working(owner: Owner, window: Window) -> list[Period] | None:
    """When somebody works; None for rooms that can be booked at any hour."""
    set_so = settings_of(owner)
    if is_bookable(owner.kind) and not set_so.booking.working_hours_only:
        return None
    return working_hours.periods(set_so.working_hours, *window)


def _is_incomplete(found: Found, calendars: Mapping[int, BusyCalendar]) -> bool:
    return any(calendars[owner.mailbox_id].incomplete for owner in found.owners)


def _time(proposal: Proposal) -> MeetingTime:
    found = MeetingTime(attendances=[Attendance(invitee=place, status=status) for place, status in proposal.attendances])
    found.start.FromMicroseconds(proposal.start)
    found.end.FromMicroseconds(proposal.end)
    return found
