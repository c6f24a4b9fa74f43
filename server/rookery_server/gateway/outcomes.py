"""What became of a message at another server: one outcome for each recipient, with the remote host and its reply."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

CONVERSION_NEEDED = "5.6.3"
"""Enhanced code (RFC 3463) of an outcome that says: the message has 8-bit bytes, and the host takes 7-bit ones only. Nothing was
sent. Whoever can convert the message does so and tries again; otherwise it is a failure like any other."""

UNICODE_ADDRESS_REFUSED = "5.6.7"
"""Enhanced code (RFC 6531) of an outcome that says: an address is not ASCII, and the host lacks SMTPUTF8."""

UNICODE_HEADERS_REFUSED = "5.6.9"
"""The same for UTF-8 in the header of a message between ASCII addresses."""


class Verdict(enum.Enum):
    """What a recipient's outcome means for the queue."""

    ACCEPTED = "accepted"
    """The host has taken the message over."""
    DEFERRED = "deferred"
    """Not now: try again later."""
    FAILED = "failed"
    """Never: tell the sender."""
    AMBIGUOUS = "ambiguous"
    """The connection was lost after the end of the message had been sent and before the answer: it may have arrived or not."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One recipient's outcome."""

    verdict: Verdict
    enhanced: str
    """Enhanced status code (RFC 3463), e.g. ``4.4.1``; of the class's general kind (``5.0.0``) where the host gave none."""
    text: str
    """What the host answered, or what happened instead, in one line of printable characters."""
    code: int = 0
    """The host's reply code; 0 where it did not answer."""
    host: str = ""
    """The remote host as ``name[address]:port``; empty where none was reached."""
    elsewhere: bool = False
    """The fault is this host's and has nothing to do with the message: another host of the destination may be tried at once."""

    def at(self, host: str) -> Outcome:
        """The same, with the host that it happened at."""
        return replace(self, host=host)


class DeliveryStopped(Exception):
    """A connection or a look-up came to an end before the message was on its way; ``outcome`` is that of all recipients.

    Stays within the gateway: whoever delivers turns it into outcomes, which is how the rest of the server hears of it.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def deferred(enhanced: str, text: str, *, elsewhere: bool = False) -> DeliveryStopped:
    """Says that it can not be done now."""
    return DeliveryStopped(Outcome(Verdict.DEFERRED, enhanced, text, elsewhere=elsewhere))


def failed(enhanced: str, text: str, *, code: int = 0, elsewhere: bool = False) -> DeliveryStopped:
    """Says that it can not be done at all."""
    return DeliveryStopped(Outcome(Verdict.FAILED, enhanced, text, code, elsewhere=elsewhere))
