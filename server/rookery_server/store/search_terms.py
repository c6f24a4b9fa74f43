"""How the documents of several mailboxes share one index: their numbers, and the prefix of their terms."""

from __future__ import annotations

HASH_BITS = 22
"""The lower bits of a number: of the item and its content revision. The upper ones are milliseconds."""
MAX_MILLIS = (1 << 41) - 2

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def mailbox_prefix(mailbox_id: int) -> str:
    """What stands before every term of a mailbox, and alone as a term of each of its documents: its number to base 36 and "_".

    No term holds an underscore, so no term of one mailbox is the beginning of another's.
    """
    digits = ""
    while mailbox_id:
        mailbox_id, digit = divmod(mailbox_id, 36)
        digits = _DIGITS[digit] + digits
    return f"{digits or '0'}_"


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
