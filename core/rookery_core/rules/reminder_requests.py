"""ListReminders: what a request asks for, checked, and the list put together; the server and a replica both do it so."""

from __future__ import annotations

import bisect
import itertools
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.reminder_service_pb2 import ListRemindersResponse
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, checks, reminders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import Item
    from rookery.v1.reminder_service_pb2 import ListRemindersRequest, Reminder

MOST = 500
_USUAL = 100
_ENOUGH_AHEAD = 200
"""Items that are looked at to find out when the next reminder is due."""


class Asked(NamedTuple):
    """A request whose form is right."""

    now: int
    """Microseconds since 1970."""
    until: int
    """Reminders that are due before then."""
    most: int


class Candidate(NamedTuple):
    """An item that may have a reminder."""

    earliest: int
    """Not before then."""
    item: Item


def asked(request: ListRemindersRequest, now: int) -> Asked:
    """InvalidArgument ``FIELD_INVALID`` or ``LIMIT_EXCEEDED`` for what can not be answered."""
    checks.moments(request, "", ("until",))
    until = request.until.ToMicroseconds() if request.HasField("until") else now + 1
    if until > now + reminders.HORIZON:
        raise checks.invalid(f"until is at most {reminders.HORIZON // calendar_time.DAY} days ahead", "until")
    if request.most > MOST:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a list holds at most {MOST} reminders", field="most")
    return Asked(now, until, request.most or _USUAL)


def listed(asked: Asked, zone: str, candidates: Iterable[Candidate], revision: int) -> ListRemindersResponse:
    """The answer. Candidates come ascending by ``earliest``; no more of them are asked for than needed.

    ``zone`` is where dates and floating times are looked at.
    """
    now, until, most = asked
    found: list[tuple[int, bytes, Reminder]] = []
    passed: list[tuple[Item, int | None]] = []
    ahead: list[Candidate] = []
    remaining = iter(candidates)
    for candidate in remaining:
        if candidate.earliest >= until:
            ahead.append(candidate)
            break
        if len(found) > most and candidate.earliest > found[most][0]:
            break
        item = candidate.item
        reminder, following = reminders.find(item, zone, now)
        passed.append((item, following))
        if reminder is not None and (due := reminder.due.ToMicroseconds()) < until:
            bisect.insort(found, (due, item.id, reminder), key=_place)
            del found[most + 1 :]
    response = ListRemindersResponse(more=len(found) > most, revision=revision)
    response.reminders.extend(reminder for *_, reminder in found[:most])
    next_due = found[most][0] if response.more else _next_due(asked, zone, passed, itertools.chain(ahead, remaining))
    if next_due is not None and next_due <= now + reminders.HORIZON:
        response.next_due.FromMicroseconds(next_due)
    return response


def _next_due(asked: Asked, zone: str, passed: Iterable[tuple[Item, int | None]], coming: Iterable[Candidate]) -> int | None:
    """When a reminder becomes due behind a list; ``passed`` are items with what follows of them after now.

    Where the items to come would not end, an earlier time: somebody who asks again then is told another.
    """
    now, until, _ = asked
    last = max(now, until - 1)
    if last > now:
        passed = [(item, reminders.find(item, zone, last).following) for item, _ in passed]
    best = min((following for _, following in passed if following is not None), default=None)
    for number, (earliest, item) in enumerate(coming):
        if best is not None and earliest >= best:
            break
        if number == _ENOUGH_AHEAD:
            return earliest
        following = reminders.find(item, zone, last).following
        best = min((each for each in (best, following) if each is not None), default=None)
    return best


def _place(entry: tuple[int, bytes, Reminder]) -> tuple[int, bytes]:
    return entry[0], entry[1]
