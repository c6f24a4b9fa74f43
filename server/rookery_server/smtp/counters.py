"""What a listener has done so far, for whoever shows it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Numbers since the start. Written on the event loop's thread; reading them elsewhere may be off by one."""

    connections: int = 0
    """All that were opened, those refused included."""
    open_connections: int = 0
    """Right now."""
    refused_connections: int = 0
    """Turned away or hung up on, for limits or for bad manners."""
    messages: int = 0
    """Delivered, to one recipient at least."""
    message_bytes: int = 0
    """Of those."""
    recipients: int = 0
    """Of those, for whom it was delivered (for SMTP: all)."""
    refusals: Counter[int] = field(default_factory=Counter)
    """Negative replies by their code."""
