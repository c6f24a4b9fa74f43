"""What is worked on in passing, in the event loop's own thread: that costs less than the way to another thread and back."""

from __future__ import annotations

BRIEF_BYTES = 64 << 10
"""A message of more is read, written and compressed in a thread."""

_HEADER_BYTES = 8 << 10


def is_brief(data: bytes, sender: str) -> bool:
    """Whether a message with this sender in its envelope can be read in passing.

    Longer headers can name ten thousand people, and take a tenth of a second; reports, which have no sender, are read twice.
    """
    return len(data) <= BRIEF_BYTES and sender != "" and data.find(b"\r\n\r\n", 0, _HEADER_BYTES) >= 0
