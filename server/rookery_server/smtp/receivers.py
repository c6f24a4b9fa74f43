"""What stands behind the listeners: mailboxes here for mail that comes in, the queue for the mail of people who signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument, PermissionDenied, RookeryError, Unauthenticated
from rookery_core.formats.trace import Hop
from rookery_core.rules.ids import text_of
from rookery_server.services.incoming import deliveries
from rookery_server.services.incoming.letters import Arrival
from rookery_server.services.incoming.recipients import POSTMASTER, Recipient
from rookery_server.services.submission.posted import Post
from rookery_server.smtp.errors import reply_for
from rookery_server.smtp.receiving import Kind, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.accounts.sign_in import SignIn
    from rookery_server.services.caller import Caller
    from rookery_server.services.incoming.deliveries import Deliveries
    from rookery_server.services.incoming.recipients import Recipients
    from rookery_server.services.submission.posting import Posting
    from rookery_server.smtp.receiving import Envelope, Session

_SECOND = 1_000_000


class IncomingMail:
    """Mail for mailboxes here, by LMTP or SMTP, and for nobody else. ``is_front``: which addresses may speak LMTP."""

    def __init__(
        self, recipients: Recipients, deliveries: Deliveries, clock: Clock, ids: Ids, *, is_front: Callable[[str], bool]
    ) -> None:
        self._recipients = recipients
        self._deliveries = deliveries
        self._clock = clock
        self._ids = ids
        self._is_front = is_front

    async def sign_in(self, session: Session, name: str, password: str) -> Caller:
        """See ``Receiver``. Nobody has an account here."""
        del session, name, password
        raise Unauthenticated("CREDENTIALS_INVALID", "nobody signs in here: mail programs use the submission port")

    async def accept_sender(self, session: Session, envelope: Envelope) -> Reply | None:
        """See ``Receiver``. Any sender may; but LMTP is for the hosts in front alone, which are believed much."""
        del envelope
        if session.kind is Kind.LMTP and not (session.peer == "" or self._is_front(session.peer)):
            return Reply(554, "5.7.1", "This LMTP service is for other hosts")
        return None

    async def accept_recipients(self, session: Session, envelope: Envelope, addresses: Sequence[str]) -> Sequence[Reply | None]:
        """See ``Receiver``."""
        found = await self._recipients.find(addresses, size=envelope.size)
        for address, each in zip(addresses, found, strict=True):
            if not isinstance(envelope.found.get(address), Recipient):  # who was accepted stays so, even if asked for once more
                envelope.found[address] = each
        return [None if isinstance(each, Recipient) else _refusal(each, session.kind) for each in found]

    async def deliver(self, session: Session, envelope: Envelope, message: bytes) -> Sequence[Reply]:
        """See ``Receiver``."""
        recipients = [each for address in envelope.recipients if isinstance(each := envelope.found[address], Recipient)]
        transaction = text_of(self._ids.new())
        hop = Hop(
            peer_name=session.hello,
            peer_address=session.peer,
            host=session.host,
            protocol=session.protocol(utf8=envelope.utf8),
            transaction=transaction,
            now=self._clock.micros() // _SECOND,
            recipient=envelope.recipients[0] if len(envelope.recipients) == 1 else "",
        )
        arrival = Arrival(envelope.sender, message, hop, session.trusted)
        results = await self._deliveries.deliver(arrival, recipients)
        if session.kind is Kind.LMTP:
            return [_refusal(each, Kind.LMTP) if each else Reply(250, "2.1.5", f"Delivered, {transaction}") for each in results]
        return [_for_all(results) or Reply(250, "2.0.0", f"Delivered, {transaction}")]


def _refusal(error: RookeryError, kind: Kind) -> Reply:
    if kind is Kind.LMTP and error.reason == "RELAYING_DENIED":
        return Reply(550, "5.1.2", error.message)  # the host in front may relay: what is wrong is where it sends this
    return reply_for(error)


def _for_all(results: Sequence[RookeryError | None]) -> Reply | None:
    """SMTP's one answer; None if all have the message.

    If some have it and others can not, the sender is to come again: then those who have it are passed over, and whoever is refused
    is refused at RCPT, where the sender learns of whom that is said. A group that is full itself is not refused there, since its
    members have room: that they have the message counts.
    """
    if None in results:
        results = [None if each and deliveries.reached_members(each) else each for each in results]
    replies = [reply_for(each) for each in results if each]
    if not replies:
        return None
    passing = next((reply for reply in replies if reply.code < 500), None)
    if passing is not None:
        return passing
    first = replies[0]
    if len(replies) == len(results):
        return first
    return Reply(451, f"4{first.enhanced[1:]}", f"Not everybody has it, please send it again: {first.text}")


class SubmittedMail:
    """Mail of people who signed in, to anybody."""

    def __init__(self, sign_in: SignIn, recipients: Recipients, posting: Posting) -> None:
        self._sign_in = sign_in
        self._recipients = recipients
        self._posting = posting

    async def sign_in(self, session: Session, name: str, password: str) -> Caller:
        """See ``Receiver``."""
        return await self._sign_in.authenticate(name, password, session.peer)

    async def accept_sender(self, session: Session, envelope: Envelope) -> Reply | None:
        """See ``Receiver``. Everybody sends under their own addresses alone."""
        await self._posting.require_sender(_account(session), envelope.sender)
        return None

    async def accept_recipients(self, session: Session, envelope: Envelope, addresses: Sequence[str]) -> Sequence[Reply | None]:
        """See ``Receiver``. Who does not exist here is refused at once; what else goes wrong, a delivery report tells."""
        del session, envelope
        found = await self._recipients.find(addresses)
        return [_unreachable(address, each) for address, each in zip(addresses, found, strict=True)]

    async def deliver(self, session: Session, envelope: Envelope, message: bytes) -> Sequence[Reply]:
        """See ``Receiver``."""
        protocol = session.protocol(utf8=envelope.utf8)
        post = Post(envelope.sender, envelope.recipients, message, protocol=protocol, host=session.host)
        submission_id = await self._posting.submit(_account(session), post)
        return [Reply(250, "2.0.0", f"Submitted, {text_of(submission_id)}")]


def _account(session: Session) -> Caller:
    if session.account is None:
        raise PermissionDenied("SENDER_NOT_ALLOWED", "sign in first")
    return session.account


def _unreachable(address: str, found: Recipient | RookeryError) -> Reply | None:
    if address.lower() == POSTMASTER:
        return reply_for(InvalidArgument("ADDRESS_INVALID", "say which domain's postmaster is meant"))
    if isinstance(found, Recipient) or found.reason == "RELAYING_DENIED":
        return None
    return reply_for(found)
