"""Open sessions that wait for another message to the same host under the same demands."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rookery_server.gateway.security import Security
    from rookery_server.gateway.smtp_session import Credentials, Endpoint, SmtpSession


class Purpose(NamedTuple):
    """What a session is good for. What was opened for one is never used for another, least of all for one that demands more."""

    endpoint: Endpoint
    security: Security
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class Limits:
    """For how long and for how much a session is kept."""

    messages: int = 100
    """Messages over one session."""
    idle_seconds: float = 5
    """Short, since waiting sessions take places that the host could give to others."""
    seconds: float = 300
    """From the first message of a session to its last, so that a host's changed address is found."""
    idle_sessions: int = 100


class ConnectionPool:
    """Keeps sessions between messages. Belongs to one event loop."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._idle: dict[SmtpSession, tuple[Purpose, asyncio.TimerHandle]] = {}  # the longest idle first
        self._waiting: dict[Purpose, list[SmtpSession]] = {}  # the same, those of each purpose in that order
        self._first_use: dict[SmtpSession, float] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """How many sessions wait."""
        return len(self._idle)

    def take(self, purpose: Purpose) -> SmtpSession | None:
        """A waiting session, the one that was used last; None if there is none that the host has not closed meanwhile."""
        while waiting := self._waiting.get(purpose):
            session = waiting[-1]
            self._end_waiting(session)
            if session.usable:
                return session
            self._drop(session)
        return None

    def give_back(self, purpose: Purpose, session: SmtpSession) -> None:
        """Keeps a session for the next message, or takes leave of it."""
        loop = asyncio.get_running_loop()
        began = self._first_use.setdefault(session, loop.time())
        worn = session.messages >= self._limits.messages or loop.time() - began >= self._limits.seconds
        if worn or not session.usable:
            self._drop(session)
            return
        self._idle[session] = purpose, loop.call_later(self._limits.idle_seconds, self._expire, session)
        self._waiting.setdefault(purpose, []).append(session)
        if len(self._idle) > self._limits.idle_sessions:
            self._expire(next(iter(self._idle)))

    async def close(self) -> None:
        """Takes leave of all that wait."""
        for session in list(self._idle):
            self._expire(session)
        await asyncio.gather(*self._leaving)

    def _expire(self, session: SmtpSession) -> None:
        self._end_waiting(session)
        self._drop(session)

    def _end_waiting(self, session: SmtpSession) -> None:
        purpose, timer = self._idle.pop(session)
        timer.cancel()
        waiting = self._waiting[purpose]
        waiting.remove(session)
        if not waiting:
            del self._waiting[purpose]

    def _drop(self, session: SmtpSession) -> None:
        self._first_use.pop(session, None)
        task = asyncio.create_task(session.quit(), name="leave an SMTP session")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
