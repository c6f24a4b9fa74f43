"""When a message that could not be handed on is tried again, for how long, and when its sender is told that it takes long."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_FIRST_PAUSES = (2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR)
_PAUSE = 2 * _HOUR

LIFETIME = 5 * 24 * _HOUR
"""Microseconds after which a message is given up (RFC 5321 section 4.5.4.1: at least 4 to 5 days)."""

NOTICE_AFTER = 4 * _HOUR
"""Microseconds after which the sender is told that the message is late."""

_JITTER = 0.1
"""Pauses are longer by up to this part, so that what failed together is not tried together for ever."""


def next_attempt(attempts: int, queued: int, now: int, chance: Callable[[], float]) -> int | None:
    """When to try again, in microseconds since 1970, after so many attempts (one at least), the last of which failed just now.

    ``queued`` is when the message came. The last attempt is made when its lifetime ends; None after that. ``chance`` gives numbers
    in [0, 1).
    """
    end = queued + LIFETIME
    if now >= end:
        return None
    pause = _FIRST_PAUSES[attempts - 1] if attempts <= len(_FIRST_PAUSES) else _PAUSE
    return min(end, now + round(pause * (1 + _JITTER * chance())))


def notice_due(queued: int, now: int) -> bool:
    """The message is so late that its sender should be told, if they were not told before."""
    return now - queued >= NOTICE_AFTER
