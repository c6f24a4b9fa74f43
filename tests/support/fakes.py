"""Stand-ins for the replaceable edges: time, ids and change notification, all foreseeable."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class FakeClock:
    """A clock that stands still unless it is told otherwise."""

    def __init__(self, micros: int = 1_750_000_000_000_000, *, tick: int = 0) -> None:
        self.now = micros
        self.tick = tick  # microseconds by which each look at the clock moves it on
        self._lock = threading.Lock()

    def micros(self) -> int:
        """Microseconds since 1970-01-01 UTC, as set."""
        with self._lock:
            now = self.now
            self.now += self.tick
            return now

    def advance(self, *, seconds: float = 0, days: float = 0) -> None:
        """Moves the clock on (or back)."""
        with self._lock:
            self.now += round((seconds + days * 86_400) * 1_000_000)


class SequentialIds:
    """Valid UUIDv7s that count up: their time is the clock's, the rest is a number. ``stream`` keeps two sources apart."""

    def __init__(self, clock: FakeClock | None = None, *, stream: int = 0) -> None:
        self._clock = clock or FakeClock()
        self._stream = stream
        self._millis = 0
        self._count = 0
        self._lock = threading.Lock()

    def new(self) -> bytes:
        """A UUIDv7, 16 bytes, greater than every id that this source gave before."""
        with self._lock:
            self._millis = max(self._millis, self._clock.micros() // 1000)
            self._count += 1
            value = self._millis << 80 | 0x7 << 76 | 0b10 << 62 | self._count << 16 | self._stream
        return value.to_bytes(16, "big")


class RecordingNotifier:
    """Remembers what was announced, in order."""

    def __init__(self) -> None:
        self.published: list[tuple[bytes, int]] = []
        self.relayed: list[tuple[bytes, int]] = []
        self.gaps = 0
        self.rings: list[set[str]] = []

    def publish(self, mailbox_uid: bytes, revision: int) -> None:
        """Keeps (mailbox uid, revision)."""
        self.published.append((mailbox_uid, revision))

    def relay(self, mailbox_uid: bytes, revision: int) -> None:
        """Keeps (mailbox uid, revision) of what another process committed."""
        self.relayed.append((mailbox_uid, revision))

    def relay_ring(self, domains: Collection[str]) -> None:
        """Keeps the domains."""
        self.rings.append(set(domains))

    def relay_gap(self) -> None:
        """Counts."""
        self.gaps += 1
