"""How the documents of several mailboxes share one index: the prefix of their terms."""

from __future__ import annotations

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
