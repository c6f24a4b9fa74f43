"""The window of a synchronisation scope: which times a device cares about (rookery.v1.SyncWindow).

The server decides by it what to send, a replica what to drop when the window moves on: by one rule, so that they cannot disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, ITEM_KIND_MESSAGE
from rookery_core.rules import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.sync_pb2 import SyncWindow


class Window(NamedTuple):
    """Microseconds since 1970; None is no limit."""

    mail_since: int | None = None
    """Messages received from then on."""
    events_from: int | None = None
    """Appointments that end after then."""
    events_until: int | None = None
    """Appointments that start before then."""

    @classmethod
    def of(cls, window: SyncWindow) -> Window:
        """The window that a device asked for.

        InvalidArgument ``FIELD_INVALID`` for malformed times, and for events that would have to end after they start.
        """
        checks.moments(window, "scope.window", cls._fields)
        events_from, events_until = _micros(window, "events_from"), _micros(window, "events_until")
        if events_from is not None and events_until is not None and events_from >= events_until:
            raise checks.invalid("events_from comes before events_until", "scope.window.events_until")
        return cls(_micros(window, "mail_since"), events_from, events_until)

    def holds(self, kind: int, fill_key: int, span_start: int, span_end: int) -> bool:
        """Whether an item is inside, by its kind, when it came, and the time that it takes. Kinds without a limit always are."""
        if kind == ITEM_KIND_MESSAGE:
            return self.mail_since is None or fill_key >= self.mail_since
        if kind == ITEM_KIND_APPOINTMENT:
            ends_in_time = self.events_from is None or span_end > self.events_from
            return ends_in_time and (self.events_until is None or span_start < self.events_until)
        return True

    def covers(self, other: Window) -> bool:
        """Whether everything inside ``other`` is inside this one."""
        return self.shared(other) == other

    def shared(self, other: Window) -> Window:
        """What is inside both."""
        return Window(
            _limit(max, self.mail_since, other.mail_since),
            _limit(max, self.events_from, other.events_from),
            _limit(min, self.events_until, other.events_until),
        )


EVERYTHING = Window()
"""No limit at all."""


def _micros(window: Any, name: str) -> int | None:
    return int(getattr(window, name).ToMicroseconds()) if window.HasField(name) else None


def _limit(narrower: Callable[[int, int], int], one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return narrower(one, other)
