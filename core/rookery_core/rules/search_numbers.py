"""Numbers of documents in a search index: their order is the order in which the items were received.

A number is milliseconds since 1970, and below them ``HASH_BITS`` bits that tell apart what was received in one millisecond.
"""

from __future__ import annotations

HASH_BITS = 22
"""The lower bits of a number: of the item and its content revision. The upper ones are milliseconds."""
MAX_MILLIS = (1 << 41) - 2
NUMBERS = (1 << 63) - 1
"""Above every document's number."""


def number_at(micros: int) -> int:
    """Not above the number of any item received at this time or later, above that of every item received a millisecond before."""
    return min(max(micros // 1000, 0), MAX_MILLIS + 1) << HASH_BITS


def micros_after(number: int) -> int | None:
    """All items whose numbers are below this one were received before; None where that says nothing."""
    millis = (number - 1) >> HASH_BITS
    return (millis + 1) * 1000 if millis < MAX_MILLIS else None


def micros_from(number: int) -> int | None:
    """All items whose numbers are at least that of ``number_at`` were received at this time or later; None where all were."""
    millis = number >> HASH_BITS
    return millis * 1000 if millis else None
