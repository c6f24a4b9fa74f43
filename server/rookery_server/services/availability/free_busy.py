"""When people, groups and rooms are taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import AccountKind
from rookery.v1.availability_service_pb2 import FREE_BUSY_DETAIL_SUBJECTS, BusyTime, FreeBusy, GetFreeBusyResponse
from rookery_core.rules.availability import busy_times
from rookery_server.services import refusals
from rookery_server.services.availability import looking, parties
from rookery_server.services.availability.looking import settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rookery.v1.availability_service_pb2 import GetFreeBusyRequest, Party
    from rookery_core.rules.availability.busy_times import Span
    from rookery_server.services.availability.busy_calendars import BusyCalendar
    from rookery_server.services.availability.looking import Looking, Window
    from rookery_server.services.availability.parties import Found
    from rookery_server.services.caller import Caller
    from rookery_server.store.calendar_owners import Owner
    from rookery_server.store.database import Database

MOST_TIMES = 5_000
_MOST_BYTES = 192 << 10
"""What one party's answer takes with subjects and places: beyond that it has none."""
_SECOND = 1_000_000


class FreeBusyService:
    """Carries out GetFreeBusy."""

    def __init__(self, database: Database, calendars: Looking) -> None:
        self._database = database
        self._calendars = calendars

    async def get(self, caller: Caller, request: GetFreeBusyRequest) -> GetFreeBusyResponse:
        """When each party is taken. InvalidArgument; whoever can not be looked at has an error of their own."""
        keys = parties.check(request.parties, "parties")
        window = looking.window(request.window_start, request.window_end)
        found = await self._database.read(lambda connection: parties.find(connection, caller, request.parties, keys))
        calendars = await self._calendars.into((owner for each in found for owner in each.owners), window)
        shown = [_shown(caller, *each, calendars, window) for each in zip(request.parties, found, strict=True)]
        return GetFreeBusyResponse(parties=shown)


def _shown(caller: Caller, party: Party, found: Found, calendars: Mapping[int, BusyCalendar], window: Window) -> FreeBusy:
    answer = FreeBusy(party=party, display_name=found.name)
    if found.error is not None:
        answer.error.CopyFrom(refusals.rpc_status(found.error))
        return answer
    if found.account is not None:
        answer.kind = AccountKind.ValueType(found.account.kind)
    if found.person is not None:
        answer.working_hours.CopyFrom(settings_of(found.person).working_hours)
    else:
        answer.members.extend(owner.address for owner in found.owners)
    looked_at = [(owner, calendars[owner.mailbox_id]) for owner in found.owners]
    spans = [span for owner, calendar in looked_at for span in _seen(caller, owner, calendar)]
    _fill(answer, busy_times.merged(spans, *window))
    if answer.ByteSize() > _MOST_BYTES:
        _fill(answer, busy_times.merged((span._replace(subject="", location="") for span in spans), *window))
    answer.incomplete |= any(calendar.incomplete for _, calendar in looked_at)
    return answer


def _seen(caller: Caller, owner: Owner, calendar: BusyCalendar) -> list[Span]:
    """What the caller may see of a calendar."""
    own = caller.account_id == owner.account_id
    subjects = own or settings_of(owner).free_busy_detail == FREE_BUSY_DETAIL_SUBJECTS
    return busy_times.shown(calendar.times, subjects=subjects, private=own)


def _fill(answer: FreeBusy, spans: list[Span]) -> None:
    del answer.times[:]
    answer.incomplete = len(spans) > MOST_TIMES
    for span in spans[:MOST_TIMES]:
        time = BusyTime(status=span.status, subject=span.subject, location=span.location)
        time.start.seconds, start = divmod(span.start, _SECOND)
        time.end.seconds, end = divmod(span.end, _SECOND)
        time.start.nanos, time.end.nanos = start * 1_000, end * 1_000
        answer.times.append(time)
