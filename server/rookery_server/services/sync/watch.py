"""Watch: which mailbox has changed, new mail, and reminders that become due, for light clients without a replica."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import sync_service_pb2
from rookery_core.rules import checks
from rookery_server.services import access
from rookery_server.services.items import item_packing
from rookery_server.services.reminders.watching import Look, WatchedReminders
from rookery_server.services.sync.pull import HEARTBEAT_SECONDS
from rookery_server.store import new_messages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.sync.followers import Followers
    from rookery_server.store.database import Database

MOST_MAILBOXES = 100
MOST_MESSAGES = 50
"""In one response."""
_BEHIND_ALL = b"\xff" * 17


@dataclass(slots=True)
class _Watched:
    """What a stream has told of a mailbox."""

    uid: bytes
    revision: int
    """The mailbox's, as it was last seen."""
    told: int
    """What the last response said."""
    created: int
    """Mail that came up to this revision is told, and of that revision up to ``item_id``."""
    item_id: bytes = _BEHIND_ALL
    reminders: WatchedReminders = field(default_factory=WatchedReminders)


class _Seen(NamedTuple):
    """What there is of a mailbox now."""

    revision: int
    messages: list[new_messages.NewMessage]
    look: Look | None
    """At its reminders; None where nothing can have become due."""


class WatchService:
    """Carries out Watch. Errors: NotFound ``MAILBOX_NOT_FOUND``, at any response; InvalidArgument for the request."""

    def __init__(
        self, database: Database, followers: Followers, clock: Clock, *, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> None:
        self._database = database
        self._followers = followers
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds

    async def watch(self, caller: Caller, request: sync_service_pb2.WatchRequest) -> AsyncIterator[sync_service_pb2.WatchResponse]:
        """One response for each mailbox at once, then one for each change of it, and for each that was idle too long."""
        checks.at_most(len(request.positions), MOST_MAILBOXES, "positions")
        watched = await self._database.peek(lambda connection: _open(connection, caller, request))
        loop = asyncio.get_running_loop()
        with self._followers.following([each.uid for each in watched]) as follower:
            idle, heartbeat = True, loop.time() + self._heartbeat_seconds
            while True:
                for each in watched:
                    more = True
                    while more:
                        response, more = await self._next(caller, each)
                        if response.new_messages or response.due_reminders or response.revision > each.told or idle:
                            each.told = response.revision
                            yield response
                known = {each.uid: each.revision for each in watched}
                news = await follower.news(known, min(heartbeat - loop.time(), self._seconds_to_next(watched)))
                idle = not news and loop.time() >= heartbeat
                if news or idle:
                    heartbeat = loop.time() + self._heartbeat_seconds

    def _seconds_to_next(self, watched: list[_Watched]) -> float:
        """How long nothing can become due."""
        due = [each.reminders.next_due for each in watched if each.reminders.next_due is not None]
        return (min(due) - self._clock.micros()) / 1_000_000 if due else math.inf

    async def _next(self, caller: Caller, watched: _Watched) -> tuple[sync_service_pb2.WatchResponse, bool]:
        """What there is to tell of a mailbox now, at most 50 messages and 100 reminders, and whether there are more.

        As long as there are messages, a response has not the mailbox's revision but the one up to which all mail is told, so that a
        client that comes back with it misses nothing. Reminders are told by the time, and to whoever comes back all that are due.
        """
        now = self._clock.micros()
        revision, found, look = await self._database.read(lambda connection: _read(connection, caller, watched, now))
        messages, rest = found[:MOST_MESSAGES], found[MOST_MESSAGES:]
        if rest:
            watched.created, watched.item_id = messages[-1].created, messages[-1].row.id
        else:
            watched.revision, watched.created, watched.item_id = revision, revision, _BEHIND_ALL
        response = sync_service_pb2.WatchResponse(
            mailbox_id=watched.uid,
            revision=rest[0].created - 1 if rest else revision,
            new_messages=[item_packing.unpack(message.row) for message in messages],
        )
        if look is not None:
            response.due_reminders.extend(look.due)
            watched.reminders.take(look)
        return response, bool(rest) or watched.reminders.is_to_look(revision, now)


def _open(connection: Connection, caller: Caller, request: sync_service_pb2.WatchRequest) -> list[_Watched]:
    """The mailboxes, each with what the client knows of it; InvalidArgument ``FIELD_INVALID`` for one that is named twice."""
    if not request.positions:
        mailbox = access.open_mailbox(connection, caller, b"")
        return [_Watched(mailbox.uid, mailbox.revision, 0, mailbox.revision)]
    watched: dict[bytes, _Watched] = {}
    for index, position in enumerate(request.positions):
        mailbox = access.open_mailbox(connection, caller, position.mailbox_id)
        if mailbox.uid in watched:
            raise checks.invalid("a mailbox is named once", f"positions[{index}].mailbox_id")
        watched[mailbox.uid] = _Watched(mailbox.uid, mailbox.revision, 0, min(position.revision, mailbox.revision))
    return list(watched.values())


def _read(connection: Connection, caller: Caller, watched: _Watched, now: int) -> _Seen:
    mailbox = access.open_mailbox(connection, caller, watched.uid)
    look = watched.reminders.look(connection, mailbox, now) if watched.reminders.is_to_look(mailbox.revision, now) else None
    if (mailbox.revision, _BEHIND_ALL) == (watched.created, watched.item_id):
        return _Seen(mailbox.revision, [], look)
    found = new_messages.after(connection, mailbox.id, watched.created, watched.item_id, MOST_MESSAGES + 1)
    return _Seen(mailbox.revision, found, look)
