"""How values of parameters go to PostgreSQL: numbers and truth values as text, bytes and text in the binary format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.pq import Format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Encoder = Callable[[Any], bytes]


def _integer(value: int) -> bytes:
    return b"%d" % value  # the server says what is out of its range


def _boolean(value: bool) -> bytes:
    return b"t" if value else b"f"


def _itself(value: bytes) -> bytes:
    return value


def _integers(values: Sequence[int]) -> bytes:
    return b"{%s}" % b",".join(map(_integer, values))


def _byte_strings(values: Sequence[bytes]) -> bytes:
    return _array(values, _BYTEA)


def _texts(values: Sequence[str]) -> bytes:
    return _array([value.encode() for value in values], _VARCHAR)


def _array(values: Sequence[bytes], element: int) -> bytes:
    """A one-dimensional array in the binary format: dimensions, whether there are nulls, type, length, lower bound; elements."""
    head = b"".join(number.to_bytes(4, "big") for number in (1, 0, element, len(values), 1))
    return head + b"".join(part for value in values for part in (len(value).to_bytes(4, "big"), value))


_BYTEA, _VARCHAR = 17, 1043
CODINGS: dict[int, tuple[Encoder, Format]] = {
    16: (_boolean, Format.TEXT),
    _BYTEA: (_itself, Format.BINARY),
    **dict.fromkeys((20, 21, 23), (_integer, Format.TEXT)),  # bigint, smallint, integer
    **dict.fromkeys((25, _VARCHAR), (str.encode, Format.BINARY)),  # text would end at its first NUL, unnoticed
    **dict.fromkeys((1005, 1007, 1016), (_integers, Format.TEXT)),
    1001: (_byte_strings, Format.BINARY),
    1015: (_texts, Format.BINARY),
}
"""What encodes a value, and the format of that, by the type of the parameter: its number in the server's table pg_type."""
