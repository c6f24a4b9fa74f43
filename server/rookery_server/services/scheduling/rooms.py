"""Rooms and equipment that answer by themselves: whoever comes first has the time, and the others hear so at once.

The answer is given in the transaction that delivers the request. That holds the lock of the room's mailbox, so of two requests for
one time the second always sees the first.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT, ACCOUNT_KIND_ROOM
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_REQUEST
from rookery_core.errors import RookeryError
from rookery_core.rules import calendar_time, mail_addresses
from rookery_core.rules.scheduling import answering, booking, occurrences
from rookery_core.rules.scheduling.booking import Decision, Taken
from rookery_core.rules.scheduling.itip import COMMENT
from rookery_core.rules.scheduling.occurrences import Timeline
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.availability import busy_calendars, settings
from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
from rookery_server.store import accounts, domains

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rookery.v1.availability_service_pb2 import CalendarSettings
    from rookery.v1.calendar_pb2 import CalendarTime, OccurrenceException, ResponseStatus
    from rookery_core.rules.scheduling.itip import Letter, Self, Sending
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.scheduling.arrivals import Arrived
    from rookery_server.store.items import PackedRow

MOST_DECLINED = 200
"""Occurrences that are declined one by one; others wait while a request is answered."""
MOST_ASKED = 500
"""Occurrences of a series that is booked already that are decided one by one."""

_REACH = 1_100 * calendar_time.DAY
_AUTOMATIC = frozenset({ACCOUNT_KIND_ROOM, ACCOUNT_KIND_EQUIPMENT})


class Answer(NamedTuple):
    """What a room makes of a request."""

    item: Item
    home: Home
    letters: tuple[Letter, ...]


def answer(change: MailboxChange, me: Self, arrived: Arrived, row: PackedRow | None, item: Item) -> Answer | None:
    """What the room, whose mailbox it is, answers to a request that was applied to ``item``; ``row`` is what was there before.

    None where the mailbox is no room's, its rules leave requests to a person, or there is nothing new to answer. An answer never
    gives rise to another: rooms say nothing to replies and cancellations. Who writes from elsewhere in the name of somebody else
    is not answered, since their letter may be forged: rooms do not pester strangers.
    """
    if arrived.itip.method != SCHEDULING_METHOD_REQUEST or arrived.itip.kind != ITEM_KIND_APPOINTMENT:
        return None
    connection, mailbox = change.connection, change.mailbox
    account = accounts.find(connection, mailbox.account_id)
    if account is None or account.kind not in _AUTOMATIC:
        return None
    rules = settings.of(connection, mailbox.id, account.kind)
    if not rules.booking.automatic:
        return None
    organizer = mail_addresses.key_of(arrived.itip.organizer.address)
    outsider = not domains.known(connection, {organizer.rpartition("@")[2]})
    silent = outsider and mail_addresses.key_of(arrived.sender) != organizer
    booked = _Booking(change, me, rules, outsider=outsider, silent=silent, own_id=b"" if row is None else row.id)
    try:
        return booked.answer(item)
    except RookeryError:  # it can not be answered, e.g. since it was not this room that was invited: that is for a person
        return None


class _Booking:
    """One request, answered."""

    def __init__(
        self, change: MailboxChange, me: Self, rules: CalendarSettings, *, outsider: bool, silent: bool, own_id: bytes
    ) -> None:
        self._change = change
        self._me = me
        self._rules = rules
        self._outsider = outsider
        self._silent = silent
        self._own_id = own_id

    def answer(self, item: Item) -> Answer | None:
        """The answer to all of the request that has none yet, or that was declined and is asked again."""
        appointment = item.summary.appointment
        if appointment.my_response != RESPONSE_STATUS_ACCEPTED:
            return self._told(item, self._decide(item, self._taken))
        asked = [each for each in appointment.exceptions if each.my_response == RESPONSE_STATUS_NONE and not each.cancelled]
        if not asked:
            return None
        if len(asked) > MOST_ASKED:
            return self._told(item, _declined(f"More than {MOST_ASKED} of its times were changed at once: book it anew."))
        decisions = self._decide_each(item, asked)
        comment = "\n".join(dict.fromkeys(each.comment for each in decisions if each.comment))[:COMMENT]
        answers = [(each.original_start, decision.response) for each, decision in zip(asked, decisions, strict=True)]
        sending = self._respond(item, answers, comment)
        return Answer(sending.item, Home.CALENDAR, sending.letters)

    def _told(self, item: Item, decision: Decision) -> Answer:
        """The answer to the whole, and to those occurrences that are declined one by one."""
        declined = [(occurrence, RESPONSE_STATUS_DECLINED) for occurrence in decision.declined]
        sending = self._respond(item, [(None, decision.response), *declined], decision.comment)
        home = Home.DELETED if decision.response == RESPONSE_STATUS_DECLINED else Home.CALENDAR
        return Answer(sending.item, home, sending.letters)

    def _decide_each(self, item: Item, asked: Sequence[OccurrenceException]) -> list[Decision]:
        """What is answered to each of some occurrences. What is booked beside them is read once, for three years at most."""
        timeline, bare = Timeline(item.summary.appointment), occurrences.bare(item)
        bare.ClearField("content")
        singles = [occurrences.alone(bare, timeline.require(each.original_start), each, timeline) for each in asked]
        now = self._change.now
        spans = [calendar_time.span(each.summary) or (0, None) for each in singles]
        ends = [begin if end is None else end for begin, end in spans]
        first = min((begin for (begin, _), end in zip(spans, ends, strict=True) if end > now), default=now)
        until = max(first, now) + _REACH
        booked = _Booked(self._taken(first, min(max(ends), until)))
        return [
            self._decide(single, booked.between) if end <= until else _declined("It is too far from the other times to be booked.")
            for single, end in zip(singles, ends, strict=True)
        ]

    def _decide(self, meeting: Item, taken: Callable[[int, int], Sequence[Taken]]) -> Decision:
        decision = booking.decide(meeting, self._rules, taken, now=self._change.now, outsider=self._outsider)
        if len(decision.declined) <= MOST_DECLINED:
            return decision
        return _declined(f"It is taken already at more than {MOST_DECLINED} of these times.")

    def _taken(self, begin: int, end: int) -> list[Taken]:
        """What is booked. By whom is nobody's business elsewhere, nor anybody's where it is private."""
        zone = self._rules.working_hours.time_zone
        busy = busy_calendars.read(self._change.connection, self._change.mailbox.id, begin, end, zone, ParsedAppointments())
        return [
            Taken(each.start, each.end, "" if self._outsider or each.private else each.by)
            for each in busy.times
            if each.item_id != self._own_id
        ]

    def _respond(
        self, item: Item, answers: Sequence[tuple[CalendarTime | None, ResponseStatus.ValueType]], comment: str
    ) -> Sending:
        return answering.respond_each(item, answers, self._me, self._change.now, comment=comment, silent=self._silent)


class _Booked:
    """What is booked, for many questions."""

    def __init__(self, times: Iterable[Taken]) -> None:
        self._times = sorted(times)
        self._longest = max((each.end - each.start for each in self._times), default=0)

    def between(self, begin: int, end: int) -> Sequence[Taken]:
        """All that touches this time, and perhaps some before it."""
        first, last = (bisect.bisect_left(self._times, at, key=_start) for at in (begin - self._longest, end))
        return self._times[first:last]


def _start(taken: Taken) -> int:
    return taken.start


def _declined(comment: str) -> Decision:
    return Decision(RESPONSE_STATUS_DECLINED, comment, ())
