"""Until when a message that is handed over to be sent is held back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument
from rookery_core.rules import checks

if TYPE_CHECKING:
    from rookery.v1.submission_service_pb2 import SubmitRequest

MOST_UNDO_SECONDS = 600
_FURTHEST = 366 * 86_400_000_000
"""Microseconds ahead: a year."""


def require_times(request: SubmitRequest, now: int) -> None:
    """InvalidArgument ``FIELD_INVALID`` or ``LIMIT_EXCEEDED`` for times that can not be, or lie too far ahead of ``now``."""
    checks.moments(request, "", ("send_at",))
    if request.undo_seconds > MOST_UNDO_SECONDS:
        message = f"a message can be held back for {MOST_UNDO_SECONDS} seconds at most; give send_at to send it later"
        raise InvalidArgument("LIMIT_EXCEEDED", message, field="undo_seconds")
    if request.HasField("send_at") and request.send_at.ToMicroseconds() > now + _FURTHEST:
        raise InvalidArgument("LIMIT_EXCEEDED", "a message can be sent a year ahead at most", field="send_at")


def hold_until(request: SubmitRequest, now: int) -> int | None:
    """The time, in microseconds; None if it is not held. ``now`` is when it is handed over. Raises as above."""
    require_times(request, now)
    send_at = request.send_at.ToMicroseconds() if request.HasField("send_at") else now
    until = max(send_at, now + request.undo_seconds * 1_000_000)
    return until if until > now else None
