"""Ids: 128-bit UUIDs as 16 bytes, time-ordered (UUIDv7, RFC 9562 section 5.7) where the client or the server mints them."""

from __future__ import annotations

import os
import threading
import uuid
from typing import TYPE_CHECKING, Protocol

from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock

ID_BYTES = 16


class Ids(Protocol):
    """Mints ids. The one source of randomness for them, so that tests can foresee ids."""

    def new(self) -> bytes:
        """A UUIDv7, 16 bytes, greater than every id that this source gave before."""
        ...


class RandomIds:
    """UUIDv7 from the clock and the system's randomness; monotonic within the process, safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = 0

    def new(self) -> bytes:
        """A UUIDv7 whose 60 bits after the version count up within a millisecond (RFC 9562 section 6.2, method 2)."""
        stamp = (self._clock.micros() // 1000) << 74 | int.from_bytes(os.urandom(9), "big") << 2
        with self._lock:
            if stamp <= self._last:
                stamp = self._last + 4
            self._last = stamp
        return uuid7(stamp >> 74, stamp & ((1 << 74) - 1))


def uuid7(milliseconds: int, rest: int) -> bytes:
    """The UUIDv7 of a time and of the 74 bits that are not time, version or variant (RFC 9562 section 5.7)."""
    value = milliseconds << 80 | 0x7 << 76 | (rest >> 62) << 64 | 0b10 << 62 | rest & ((1 << 62) - 1)
    return value.to_bytes(ID_BYTES, "big")


def millis_of(identifier: bytes) -> int:
    """The time in a UUIDv7, in milliseconds since 1970. Never trusted for order; only compared with the ledger's horizon."""
    return int.from_bytes(identifier[:6], "big")


def text_of(identifier: bytes) -> str:
    """The id as people write it: 8-4-4-4-12 hexadecimal digits, or "" for no id."""
    return str(uuid.UUID(bytes=identifier)) if identifier else ""


def parse(text: str) -> bytes:
    """The id that people wrote, with or without hyphens. InvalidArgument ``ID_INVALID`` if it is none."""
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        raise InvalidArgument("ID_INVALID", f"“{text[:60]}” is not an id: 32 hexadecimal digits are") from None


def require_id(value: bytes, field: str) -> bytes:
    """Gives back a well-formed id; InvalidArgument ``ID_INVALID`` for anything that is not 16 bytes."""
    if len(value) != ID_BYTES:
        raise InvalidArgument("ID_INVALID", f"{field} has {len(value)} bytes, an id has 16", field=field)
    return value


def require_minted(value: bytes, field: str) -> bytes:
    """Gives back an id minted by a client; InvalidArgument ``ID_INVALID`` unless it is a UUIDv7 (RFC 9562)."""
    require_id(value, field)
    if value[6] >> 4 != 0x7 or value[8] >> 6 != 0b10:
        raise InvalidArgument("ID_INVALID", f"{field} is not a UUIDv7 (RFC 9562 section 5.7)", field=field)
    return value
