"""One message over an SMTP or LMTP session: MAIL, RCPT for each recipient, and the message by DATA or BDAT.

With PIPELINING (RFC 2920) everything before the message is one write; with CHUNKING as well, the message goes by BDAT. Replies are
matched by their order alone, so a host that says more than it was asked is out of step, and the connection ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.gateway.outcomes import Outcome, Verdict
from rookery_server.gateway.smtp_body import BodyRefused, ChunkedBody, DataBody
from rookery_server.gateway.smtp_connection import ConnectionBroken
from rookery_server.gateway.smtp_extensions import mail_command, obstacle, recipient_command, recipient_obstacles

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_server.gateway.smtp_body import Body
    from rookery_server.gateway.smtp_connection import SmtpConnection
    from rookery_server.gateway.smtp_extensions import Envelope, Extensions
    from rookery_server.gateway.smtp_replies import Reply
    from rookery_server.gateway.smtp_timeouts import Timeouts

_CLOSING = 421
_GO_AHEAD = 354
_TOO_MANY_RECIPIENTS = 552


class _Stopped(Exception):
    """What the host answered settles it for all recipients that have no outcome yet."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Transaction:
    """Sends one message. ``after_failure`` says that the session's last transaction was left open and has to be reset first."""

    def __init__(
        self, connection: SmtpConnection, extensions: Extensions, timeouts: Timeouts, *, lmtp: bool, after_failure: bool
    ) -> None:
        self._connection = connection
        self._extensions = extensions
        self._timeouts = timeouts
        self._lmtp = lmtp
        self._reset_first = after_failure
        self._chunking = extensions.chunking and extensions.pipelining
        self._body: Body | None = None
        self._outcomes: dict[int, Outcome] = {}
        self.left_open = after_failure
        """The host still holds an envelope of it: the session's next transaction has to reset that."""

    async def run(self, envelope: Envelope, message: AsyncIterator[bytes]) -> tuple[Outcome, ...]:
        """An outcome for each recipient, in their order. After an ``elsewhere`` or ambiguous one the connection is closed.

        What the message's iterator raises comes out as it is, after the connection was cut before the message's end.
        """
        everybody = range(len(envelope.recipients))
        if (hindrance := obstacle(self._extensions, envelope)) is not None:
            return tuple(hindrance for _ in everybody)
        self._outcomes = recipient_obstacles(self._extensions, envelope.recipients)
        places = [place for place in everybody if place not in self._outcomes]
        try:
            if places:
                await self._send(envelope, places, message)
        except ConnectionBroken as broken:
            self._connection.abort()
            self._settle(places, self._after_loss(broken))
        except (_Stopped, BodyRefused) as stopped:
            if stopped.reply.code == _CLOSING:
                self._connection.abort()
            self._settle(places, outcome_of(stopped.reply))
        except BaseException:
            self._connection.abort()
            raise
        return tuple(self._outcomes[place] for place in everybody)

    async def _send(self, envelope: Envelope, places: list[int], message: AsyncIterator[bytes]) -> None:
        self._connection.require_quiet()
        accepted = await self._announce(envelope, places)
        if self._chunking:
            if accepted:
                body = ChunkedBody(self._connection, self._timeouts, len(accepted) if self._lmtp else 1)
                await self._deliver(body, accepted, message)
        elif self._extensions.pipelining or accepted:
            await self._send_data(accepted, message)

    async def _announce(self, envelope: Envelope, places: list[int]) -> list[int]:
        """Names sender and recipients; gives the places of those whom the host takes. The others have their outcomes."""
        reset = b"RSET\r\n" if self._reset_first else b""
        mail = mail_command(self._extensions, envelope)
        recipients = [recipient_command(envelope.recipients[place]) for place in places]
        if self._extensions.pipelining:
            data = b"" if self._chunking else b"DATA\r\n"
            self._connection.write(b"".join([reset, mail, *recipients, data]))
        if reset:
            await self._ask(reset, self._timeouts.mail)
        self.left_open = False
        reply = await self._ask(mail, self._timeouts.mail)
        self.left_open = reply.positive
        if not reply.positive:
            self._settle(places, outcome_of(reply))
            if not self._extensions.pipelining:
                return []
        accepted: list[int] = []
        for place, command in zip(places, recipients, strict=True):
            outcome = _recipient_outcome(await self._ask(command, self._timeouts.recipient))
            if outcome.verdict is not Verdict.ACCEPTED:
                self._outcomes.setdefault(place, outcome)
            elif place not in self._outcomes:
                accepted.append(place)
        return accepted

    async def _send_data(self, accepted: list[int], message: AsyncIterator[bytes]) -> None:
        answer = await self._ask(b"DATA\r\n", self._timeouts.data)
        if answer.code != _GO_AHEAD:
            if answer.code < 400:
                raise _out_of_step(answer)
            raise _Stopped(answer)
        self.left_open = False
        if accepted:
            await self._deliver(DataBody(self._connection, self._timeouts), accepted, message)
        else:  # pipelined, and a server that has said 354 waits for the end even so (RFC 2920 section 3.1)
            self._connection.write(b".\r\n")
            await self._read(self._timeouts.final)

    async def _deliver(self, body: Body, accepted: list[int], message: AsyncIterator[bytes]) -> None:
        """Sends the message and reads the answer to its end: one for all, or in LMTP one for each recipient (RFC 2033)."""
        self._body = body
        await body.send(message)
        if self._lmtp:
            for place in accepted:
                self._outcomes[place] = outcome_of(await self._read(self._timeouts.final))
        else:
            self._settle(accepted, outcome_of(await self._read(self._timeouts.final)))
        self.left_open = False

    async def _ask(self, command: bytes, seconds: float) -> Reply:
        """The answer to a command, which is on its way already if the host takes several at once."""
        if not self._extensions.pipelining:
            self._connection.write(command)
        return await self._read(seconds)

    async def _read(self, seconds: float) -> Reply:
        reply = await self._connection.reply(seconds)
        if reply.code == _CLOSING:
            raise _Stopped(reply)
        return reply

    def _settle(self, places: list[int], outcome: Outcome) -> None:
        """Gives it to those who have none yet."""
        for place in places:
            self._outcomes.setdefault(place, outcome)

    def _after_loss(self, broken: ConnectionBroken) -> Outcome:
        if self._body is not None and self._body.arrived:
            text = f"{broken.text}, after the message was sent and before it was acknowledged"
            return Outcome(Verdict.AMBIGUOUS, broken.enhanced, text)
        return Outcome(Verdict.DEFERRED, broken.enhanced, broken.text, elsewhere=True)


def outcome_of(reply: Reply) -> Outcome:
    """What a reply means for those whom it concerns. ConnectionBroken if it is no answer to a command (3xx)."""
    if reply.positive:
        verdict = Verdict.ACCEPTED
    elif reply.code < 400:
        raise _out_of_step(reply)
    else:
        verdict = Verdict.DEFERRED if reply.code < 500 else Verdict.FAILED
    return Outcome(verdict, reply.enhanced, reply.text, reply.code, elsewhere=reply.code == _CLOSING)


def _recipient_outcome(reply: Reply) -> Outcome:
    """As any, but "too many" (552) is for another time (RFC 5321 section 4.5.3.1.10), unless it says that a mailbox is full."""
    if reply.code == _TOO_MANY_RECIPIENTS and (not reply.has_enhanced or reply.enhanced == "5.5.3"):
        return Outcome(Verdict.DEFERRED, "4.5.3", reply.text, reply.code)
    return outcome_of(reply)


def _out_of_step(reply: Reply) -> ConnectionBroken:
    return ConnectionBroken("4.5.0", f"the host is out of step: it says {reply.code} {reply.text}".rstrip())
