"""What the protocol and the receiver of mail agree on.

The protocol (this package) talks with clients; a ``Receiver`` knows accounts, mailboxes and the queue. The protocol calls it,
for one connection one call at a time, in this order, any of the first three again and again:

    sign_in             submission only, under TLS (or where plain text is allowed); submission goes no further without
    accept_sender       at MAIL
    accept_recipients   at RCPT; those that a client pipelined come together
    deliver             when the whole message is there, and at least one recipient was accepted

Connections call it concurrently, on one event loop. A RookeryError that it raises becomes the reply that ``errors.reply_for``
has for it; any other exception becomes 451 4.3.0 and is logged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.services.caller import Caller

_LONGEST_TEXT = 400
_UNSAFE = re.compile(r"[^ -~]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code, its enhanced code (RFC 2034, RFC 3463; "" where the standard has none) and one friendly line."""

    code: int
    enhanced: str
    text: str

    @property
    def positive(self) -> bool:
        """2xx or 3xx."""
        return self.code < 400

    def line(self) -> str:
        """As it goes over the wire, but for the line's end. What is not printable ASCII in the text becomes a question mark."""
        text = self.text[:_LONGEST_TEXT]
        if not (text.isascii() and text.isprintable()):
            text = _UNSAFE.sub("?", text)
        return f"{self.code} {self.enhanced} {text}" if self.enhanced else f"{self.code} {text}"


class Kind(Enum):
    """What a listener is for."""

    SMTP = "smtp"
    """Mail from other servers, port 25. Whoever calls is a stranger, unless trusted. Nobody signs in."""
    SUBMISSION = "submission"
    """Mail from people's own programs, ports 587 and 465. Who has not signed in sends nothing."""
    LMTP = "lmtp"
    """Mail from the MTA in front (RFC 2033), which is trusted; a reply for each recipient."""


@dataclass(slots=True)
class Session:
    """What is known of a connection."""

    kind: Kind
    host: str
    """The name of this server, as its greeting has it."""
    peer: str
    """The other side's IP address; "" on a Unix socket."""
    port: int
    """The other side's port; 0 on a Unix socket."""
    trusted: bool
    """An MTA in front: LMTP, or a peer that the listener was told to trust. Limits against strangers do not apply."""
    hello: str = ""
    """What it called itself in EHLO, HELO or LHLO; "" before that, and again after STARTTLS."""
    extended: bool = False
    """It said EHLO or LHLO, so it knows extensions."""
    tls: str = ""
    """Protocol and cipher, as ``TLSv1.3 TLS_AES_256_GCM_SHA384``; empty in plain text."""
    account: Caller | None = None
    """Who signed in."""

    def protocol(self, *, utf8: bool) -> str:
        """Its name for the Received field: "ESMTPSA", "UTF8LMTPS" and so on (RFC 3848, RFC 6531 section 4.3)."""
        if not self.extended:
            return "SMTP"
        base = "LMTP" if self.kind is Kind.LMTP else "SMTP" if utf8 else "ESMTP"
        return f"{'UTF8' if utf8 else ''}{base}{'S' if self.tls else ''}{'A' if self.account else ''}"


@dataclass(slots=True)
class Envelope:
    """One message's sender and recipients, as they were accepted.

    Addresses are ``local@domain`` as the client wrote them, without source route. The local part is in quotes where it has to be,
    only there; the domain may be an address literal; with ``utf8`` both may be beyond ASCII.
    """

    sender: str
    """ "" is the null sender, of reports."""
    size: int = 0
    """Bytes that the client announced; 0 if it did not. ``deliver`` gets the real ones."""
    body: str = "7BIT"
    """ "7BIT", "8BITMIME" or "BINARYMIME"."""
    utf8: bool = False
    """SMTPUTF8 was asked for (RFC 6531)."""
    recipients: list[str] = field(default_factory=list)
    """Those accepted so far. "postmaster" without a domain may be among them (RFC 5321 section 4.1.1.3), and some twice."""
    found: dict[str, object] = field(default_factory=dict)
    """What the receiver, and nobody else, remembers of them, by address."""


class Receiver(Protocol):
    """Takes mail."""

    async def sign_in(self, session: Session, name: str, password: str) -> Caller:
        """Who that is. Unauthenticated if name or password is wrong; ResourceExhausted, Unavailable if it has to wait."""
        ...

    async def accept_sender(self, session: Session, envelope: Envelope) -> Reply | None:
        """None if a message from ``envelope.sender`` may come; otherwise the refusal. There are no recipients yet."""
        ...

    async def accept_recipients(self, session: Session, envelope: Envelope, addresses: Sequence[str]) -> Sequence[Reply | None]:
        """For each address None if it may be a recipient, or else the refusal. Those accepted before are in the envelope."""
        ...

    async def deliver(self, session: Session, envelope: Envelope, message: bytes) -> Sequence[Reply]:
        """Takes the message over, or refuses it: what is answered with 2xx is on disk.

        LMTP: a reply for each of ``envelope.recipients``, in their order. Otherwise one reply for all. ``message`` is as it was
        sent, without the dots of DATA. In submission all lines end in CRLF, elsewhere a CR or LF of its own may be in it. The
        client may be gone already when this returns.
        """
        ...
