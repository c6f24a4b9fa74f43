"""What a server says it can do, and what a message asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_server.gateway.addresses import WireAddress, to_wire
from rookery_server.gateway.outcomes import (
    CONVERSION_NEEDED,
    UNICODE_ADDRESS_REFUSED,
    UNICODE_HEADERS_REFUSED,
    Outcome,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.gateway.smtp_replies import Reply


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom, and what has to be known of the message before it is sent."""

    sender: str
    """Empty for the null sender of reports."""
    recipients: tuple[str, ...]
    """At least one."""
    size: int
    """Bytes of the message."""
    eight_bit: bool
    """It has bytes above 127."""
    unicode_headers: bool = False
    """Its header has such bytes (RFC 6532)."""


@dataclass(frozen=True, slots=True)
class Extensions:
    """The extensions that a server named in its answer to EHLO; none after HELO."""

    pipelining: bool = False
    start_tls: bool = False
    eight_bit: bool = False
    smtp_utf8: bool = False
    chunking: bool = False
    size: bool = False
    size_limit: int = 0
    """Bytes; 0 is unlimited or unknown."""
    auth: frozenset[str] = frozenset()
    """Mechanisms, in capitals."""


def read_extensions(reply: Reply) -> Extensions:
    """Reads the lines after the first (RFC 5321 section 4.1.1.1). What is not understood is passed over."""
    words = [line.upper().replace("=", " ", 1).split() for line in reply.lines[1:]]  # "AUTH=PLAIN" is old servers' form
    found = {parts[0]: parts[1:] for parts in words if parts}
    auth = {mechanism for parts in words if parts and parts[0] == "AUTH" for mechanism in parts[1:]}
    size = found.get("SIZE", [])
    return Extensions(
        pipelining="PIPELINING" in found,
        start_tls="STARTTLS" in found,
        eight_bit="8BITMIME" in found,
        smtp_utf8="SMTPUTF8" in found,
        chunking="CHUNKING" in found,
        size="SIZE" in found,
        size_limit=int(size[0]) if size and size[0].isascii() and size[0].isdigit() and len(size[0]) < 16 else 0,
        auth=frozenset(auth),
    )


def obstacle(extensions: Extensions, envelope: Envelope) -> Outcome | None:
    """Why the host can not take the message at all, whoever it is for; None if nothing stands in the way."""
    if to_wire(envelope.sender) is None:
        return Outcome(Verdict.FAILED, "5.1.7", "the sender's address is none that can be used in SMTP")
    if extensions.size_limit and envelope.size > extensions.size_limit:
        text = f"the message has {envelope.size:,} bytes; the host takes {extensions.size_limit:,} at most"
        return Outcome(Verdict.FAILED, "5.3.4", text)
    if not extensions.smtp_utf8:
        if _unicode(envelope.sender):
            text = "the sender's address is not ASCII, and the host does not understand such addresses (no SMTPUTF8)"
            return Outcome(Verdict.FAILED, UNICODE_ADDRESS_REFUSED, text)
        if envelope.unicode_headers:
            text = "the message's header is not ASCII, and the host does not understand such messages (no SMTPUTF8)"
            return Outcome(Verdict.FAILED, UNICODE_HEADERS_REFUSED, text)
    if envelope.eight_bit and not extensions.eight_bit:
        return Outcome(
            Verdict.FAILED, CONVERSION_NEEDED, "the message has 8-bit bytes, and the host takes 7-bit ones only (no 8BITMIME)"
        )
    return None


def recipient_obstacles(extensions: Extensions, recipients: Sequence[str]) -> dict[int, Outcome]:
    """The recipients, by their place, to whom this host can not be asked to deliver."""
    found: dict[int, Outcome] = {}
    for place, recipient in enumerate(recipients):
        wire = to_wire(recipient)
        if wire is None or not wire.text:
            found[place] = Outcome(Verdict.FAILED, "5.1.3", "this is no address that can be used in SMTP")
        elif wire.unicode and not extensions.smtp_utf8:
            text = "the address is not ASCII, and the host does not understand such addresses (no SMTPUTF8)"
            found[place] = Outcome(Verdict.FAILED, UNICODE_ADDRESS_REFUSED, text)
    return found


def mail_command(extensions: Extensions, envelope: Envelope) -> bytes:
    """The MAIL command with the parameters that the host understands."""
    parts = [b"MAIL FROM:<" + _wire(envelope.sender).text + b">"]
    if extensions.size:
        parts.append(b"SIZE=%d" % envelope.size)
    if envelope.eight_bit and extensions.eight_bit:
        parts.append(b"BODY=8BITMIME")
    if extensions.smtp_utf8 and (envelope.unicode_headers or any(map(_unicode, (envelope.sender, *envelope.recipients)))):
        parts.append(b"SMTPUTF8")
    return b" ".join(parts) + b"\r\n"


def recipient_command(recipient: str) -> bytes:
    """The RCPT command for an address that has no obstacle."""
    return b"RCPT TO:<" + _wire(recipient).text + b">\r\n"


def _unicode(address: str) -> bool:
    wire = to_wire(address)
    return wire is not None and wire.unicode


def _wire(address: str) -> WireAddress:
    wire = to_wire(address)
    if wire is None:
        raise ValueError("not an address")  # the callers have looked for obstacles
    return wire
