"""How long each step of an SMTP session may take (RFC 5321 section 4.5.3.2). Seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The standard's minimum for each step; where it has none, what suits."""

    connect: float = 30
    """For one address; there may be others."""
    greeting: float = 300
    hello: float = 300
    tls: float = 60
    """The handshake."""
    auth: float = 120
    mail: float = 300
    recipient: float = 300
    data: float = 120
    """The answer to DATA."""
    block: float = 180
    """Until the host has taken a piece of the message."""
    final: float = 600
    """The answer to the message's end: the host may deliver meanwhile, and giving up early makes duplicates."""
    quit: float = 5
    """A courtesy: nothing depends on the answer."""
