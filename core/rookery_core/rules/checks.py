"""The checks that validation is made of: each lets its value pass, or raises InvalidArgument with the path of the field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery_core.errors import InvalidArgument
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.timestamp_pb2 import Timestamp


def invalid(message: str, field: str) -> InvalidArgument:
    """The error ``FIELD_INVALID`` for a field."""
    return InvalidArgument("FIELD_INVALID", message, field=field)


def at_most(count: int, most: int, field: str) -> None:
    """``LIMIT_EXCEEDED`` for more than ``most`` entries."""
    if count > most:
        raise InvalidArgument("LIMIT_EXCEEDED", f"{field} has {count:,} entries, at most {most:,} are allowed", field=field)


def no_longer(text: str, most: int, field: str) -> None:
    """``FIELD_INVALID`` for more than ``most`` characters."""
    if len(text) > most:
        raise invalid(f"{field} has {len(text):,} characters, at most {most:,} are allowed", field)


def no_bigger(size: int, most: int, field: str) -> None:
    """``LIMIT_EXCEEDED`` for more than ``most`` bytes."""
    if size > most:
        raise InvalidArgument("LIMIT_EXCEEDED", f"{field} has {size:,} bytes, at most {most:,} are allowed", field=field)


def moment(stamp: Timestamp, field: str) -> None:
    """``FIELD_INVALID`` unless the years are 0001 to 9999 and the nanoseconds whole, as google.protobuf.Timestamp demands."""
    if not (limits.FIRST_SECOND <= stamp.seconds <= limits.LAST_SECOND and 0 <= stamp.nanos < 1_000_000_000):
        raise invalid("a time lies in the years 0001 to 9999", field)


def moments(message: Any, field: str, names: Sequence[str]) -> None:
    """``FIELD_INVALID`` unless those of the message's timestamps that are set are well-formed."""
    for name in names:
        if message.HasField(name):
            moment(getattr(message, name), f"{field}.{name}" if field else name)


def sixteen(value: bytes, what: str, field: str) -> None:
    """``FIELD_INVALID`` for a GUID or an id that does not have 16 bytes."""
    if len(value) != 16:
        raise invalid(f"{what} has 16 bytes, this has {len(value):,}", field)
