"""How much of everything a listener puts up with."""

from __future__ import annotations

from dataclasses import dataclass

from rookery_server.smtp.receiving import Kind

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one listener. Those "of strangers" do not hold for trusted peers. Times are in seconds."""

    message_bytes: int
    """The largest message. What is sent beyond it is read and thrown away, up to as much again."""
    memory_bytes: int
    """All messages together that are on their way in, or being delivered; beyond it 452."""

    recipients: int = 1000
    """Of one message."""
    messages: int = 1000
    """From a stranger in one connection."""

    connections: int = 1000
    """At the same time, from all peers."""
    peer_connections: int = 50
    """At the same time from one peer, of strangers. A peer is an IPv4 address or an IPv6 /64."""
    peer_arrivals: int = 300
    """New connections from one peer within a minute, of strangers."""

    faults: int = 10
    """Commands that are wrong in themselves, between two messages."""
    refused_recipients: int = 50
    """Of strangers, in one connection."""
    sign_ins: int = 3
    """That fail, in one connection."""
    idle_commands: int = 100
    """Of strangers, between two messages: NOOP, RSET and the like."""

    greeting_pause: float = 0.0
    """How long strangers are watched before they are greeted: who does not wait for the greeting is a robot."""
    command_seconds: float = 300.0
    """For a command, whole (RFC 5321 section 4.5.3.2.7)."""
    block_seconds: float = 180.0
    """Between two pieces of a message (section 4.5.3.2.5)."""
    transaction_seconds: float = 3600.0
    """From MAIL to the message's end, so that nobody holds its memory by sending a byte now and then."""
    untaken_seconds: float = 120.0
    """For replies to be taken."""
    handshake_seconds: float = 30.0
    """For TLS."""

    @property
    def peer_memory_bytes(self) -> int:
        """What the messages of one peer may take of ``memory_bytes``, of strangers: no single one can use up all."""
        return max(self.message_bytes, self.memory_bytes // 4)

    @classmethod
    def of(cls, kind: Kind, message_bytes: int) -> Limits:
        """What fits a kind of listener."""
        memory_bytes = max(256 * _MIB, 4 * message_bytes)
        if kind is Kind.SMTP:
            return cls(message_bytes, memory_bytes, recipients=100, greeting_pause=0.2)
        return cls(message_bytes, memory_bytes)
