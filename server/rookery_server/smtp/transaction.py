"""MAIL, RCPT, DATA and BDAT: one message after the other from envelope to delivery (RFC 5321, RFC 2033, RFC 3030)."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import structlog

from rookery_server.smtp.conversation import Farewell, about
from rookery_server.smtp.envelopes import read_mail, read_rcpt
from rookery_server.smtp.errors import BROKEN
from rookery_server.smtp.incoming_data import DotReader, IncomingMessage, too_large, with_line_ends
from rookery_server.smtp.receiving import Kind, Reply
from rookery_server.smtp.syntax import BadSyntax
from rookery_server.smtp.wire import TooSlow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.smtp.conversation import Conversation
    from rookery_server.smtp.memory import Memory
    from rookery_server.smtp.receiving import Envelope, Receiver

_SENDER_TAKEN = Reply(250, "2.1.0", "Sender taken")
_RECIPIENT_TAKEN = Reply(250, "2.1.5", "Recipient taken")
_TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients, please send the others in a message of their own")
_RCPT = b"RCPT "
_BURST = 200
"""Recipients that are looked up together at most."""
_CHUNK = re.compile(rb"([0-9]{1,20})(?: +(LAST))?", re.IGNORECASE)

_log = structlog.get_logger("rookery.smtp")


class Transactions:
    """Those of one connection, which has one at a time."""

    def __init__(self, conversation: Conversation, receiver: Receiver, memory: Memory) -> None:
        self._conversation = conversation
        self._receiver = receiver
        self._memory = memory
        self._wire = conversation.wire
        self._session = conversation.session
        self._limits = conversation.limits
        self._loop = asyncio.get_running_loop()
        self._envelope: Envelope | None = None
        self._message: IncomingMessage | None = None  # some of it came by BDAT
        self._spoiled: Reply | None = None  # why a chunk was refused, and with it the message
        self._begun = 0.0
        self._refusals = 0  # of sender, recipients and message
        self._first_refusal: Reply | None = None

    @property
    def under_way(self) -> bool:
        """MAIL was accepted."""
        return self._envelope is not None

    def reset(self) -> None:
        """Forgets a transaction that did not come to its end."""
        if self._envelope is not None and self._message is not None:
            self._tell("mail broken off", self._message.size)
        elif self._envelope is not None and self._first_refusal is not None:
            self._tell("mail refused", 0, self._first_refusal)
        if self._message is not None:
            self._message.close()
        self._envelope = self._message = self._spoiled = self._first_refusal = None
        self._refusals = 0

    async def mail(self, argument: bytes) -> None:
        """Begins one."""
        talk = self._conversation
        if not self._may_begin():
            return
        self.reset()
        try:
            envelope, refusal = read_mail(argument, self._session, self._limits)
        except BadSyntax as error:
            talk.fault(501, "5.5.4", f"Can not read that: {error}")
            return
        refusal = refusal or await talk.ask(self._receiver.accept_sender(self._session, envelope))
        talk.say(refusal or _SENDER_TAKEN)
        if refusal is None:
            self._envelope = envelope
            self._begun = self._loop.time()
        else:
            _log.info("sender refused", **about(self._session), sender=envelope.sender, reply=refusal.line())
            self._note(refusal)
            talk.idle_command()

    def _may_begin(self) -> bool:
        """Whether it is time for MAIL; otherwise that is answered."""
        talk, session = self._conversation, self._session
        if talk.messages >= self._limits.messages and not session.trusted:
            raise Farewell(Reply(421, "4.7.0", "Enough messages for one connection, please open another"), "enough messages")
        if not session.hello:
            talk.fault(503, "5.5.1", f"{'LHLO' if session.kind is Kind.LMTP else 'EHLO'} comes first")
        elif self._envelope is not None:
            talk.fault(503, "5.5.1", "A message is under way already: RSET gives it up")
        elif session.kind is Kind.SUBMISSION and session.account is None:
            talk.fault(530, "5.7.0", "Sign in first (AUTH)" if session.tls else "Encrypt (STARTTLS) and sign in (AUTH) first")
        else:
            return True
        return False

    async def rcpt(self, argument: bytes) -> None:
        """Adds a recipient, and with it those of the following lines that are there already."""
        talk, envelope = self._conversation, self._envelope
        if envelope is None:
            return self._out_of_turn("MAIL comes first")
        if self._message is not None or self._spoiled:
            return talk.fault(503, "5.5.1", "The message has begun already")
        arguments = [argument, *(line[len(_RCPT) :].strip(b" ") for line in self._wire.lines_ahead(_RCPT, _BURST - 1))]
        read = [read_rcpt(each, envelope) for each in arguments]
        asked = [each for each in read if isinstance(each, str)][: self._limits.recipients - len(envelope.recipients)]
        answers = iter(await self._accepted(envelope, asked) if asked else ())
        for each in read:
            refusal = each if isinstance(each, Reply) else next(answers, _TOO_MANY_RECIPIENTS)
            talk.say(refusal or _RECIPIENT_TAKEN)
            if refusal is not None:
                self._note(refusal)
                talk.recipient_refused(refusal)
            elif isinstance(each, str):
                envelope.recipients.append(each)
        return None

    async def _accepted(self, envelope: Envelope, addresses: Sequence[str]) -> Sequence[Reply | None]:
        """A refusal or None for each."""
        answers = await self._conversation.ask(self._receiver.accept_recipients(self._session, envelope, addresses))
        if isinstance(answers, Reply):
            return [answers] * len(addresses)
        return answers if len(answers) == len(addresses) else self._miscounted(len(addresses), len(answers))

    def _miscounted(self, expected: int, given: int) -> Sequence[Reply]:
        _log.error("mail receiver gave another number of answers", **about(self._session), expected=expected, given=given)
        return [BROKEN] * expected

    async def data(self, _: bytes) -> None:
        """Takes the message, and delivers it."""
        talk = self._conversation
        envelope = self._ready()
        if envelope is None:
            return None
        if self._message is not None or self._spoiled or envelope.body == "BINARYMIME":
            return talk.fault(503, "5.5.1", "This message comes by BDAT")
        if self._wire.has_input:
            raise Farewell(Reply(554, "5.5.0", "The message has to wait for the answer to DATA"), "pipelined behind DATA")
        talk.say(Reply(354, "", "Go ahead, and end with a dot on a line of its own"))
        message = self._message = self._new_message()
        reader = DotReader(message, strict=self._session.kind is not Kind.LMTP)
        rest = None
        while rest is None:
            rest = reader.feed(await self._wire.block(self._until()))
            self._require_end(message)
        self._wire.put_back(rest)
        await self._deliver(envelope, message)
        return None

    async def bdat(self, argument: bytes) -> None:
        """Takes a chunk of the message, and with the last one delivers it. The chunk's bytes are read in any case."""
        talk = self._conversation
        match = _CHUNK.fullmatch(argument)
        if match is None:
            # Where the next command begins is not known, and to guess would be to take a message for commands.
            raise Farewell(
                Reply(501, "5.5.4", "BDAT is followed by a number, and by LAST with the last one"), "BDAT without a size"
            )
        length, last = int(match[1]), match[2]
        envelope = None if self._spoiled else self._ready()
        if envelope is None:
            if self._spoiled:
                talk.say(self._spoiled)  # once more: the last answer may be the one that the client goes by
                talk.idle_command()
            await self._pass_over(length)
            return
        message = self._message = self._message or self._new_message()
        left = length
        while left:
            block = await self._wire.block(self._until(), left)
            left -= len(block)
            message.add(block)
            self._require_end(message)
        if last:
            await self._deliver(envelope, message)
        elif message.refusal is not None:
            self._message, self._spoiled = None, message.refusal
            talk.say(message.refusal)
        else:
            talk.say(Reply(250, "2.0.0", f"{length} bytes taken"))
            if not length:
                talk.idle_command()

    async def _pass_over(self, length: int) -> None:
        """Reads what belongs to a chunk that nobody wants (RFC 3030 section 2)."""
        if length > 2 * self._limits.message_bytes:
            raise Farewell(too_large(self._limits.message_bytes), "endless message")
        deadline = self._loop.time() + self._limits.transaction_seconds
        while length:
            length -= len(await self._wire.block(min(deadline, self._loop.time() + self._limits.block_seconds), length))

    def _ready(self) -> Envelope | None:
        """The envelope if a message may come now; otherwise that is answered."""
        if self._envelope is None:
            self._out_of_turn("MAIL and RCPT come first")
        elif not self._envelope.recipients:
            self._out_of_turn("No recipient was taken")
            return None
        return self._envelope

    def _out_of_turn(self, text: str) -> None:
        """Answers what can not come now. What a client sends before it hears of a refusal is no fault (RFC 2920 section 3.1)."""
        if self._refusals:
            self._conversation.say(Reply(503, "5.5.1", text))
            self._conversation.idle_command()
        else:
            self._conversation.fault(503, "5.5.1", text)

    def _note(self, refusal: Reply) -> None:
        """Remembers that something of this message was refused."""
        self._refusals += 1
        self._first_refusal = self._first_refusal or refusal

    def _new_message(self) -> IncomingMessage:
        session = self._session
        return IncomingMessage(self._limits.message_bytes, self._memory.share(session.peer, trusted=session.trusted))

    def _until(self) -> float:
        """When the next block has to be there. Raises TooSlow if the whole transaction takes too long."""
        now = self._loop.time()
        end = self._begun + self._limits.transaction_seconds
        if now > end:
            raise TooSlow
        return min(end, now + self._limits.block_seconds)

    def _require_end(self, message: IncomingMessage) -> None:
        if message.endless:
            raise Farewell(too_large(self._limits.message_bytes), "endless message")

    async def _deliver(self, envelope: Envelope, message: IncomingMessage) -> None:
        """Hands the message over and answers; whatever comes of it, the transaction is over."""
        talk = self._conversation
        expected = len(envelope.recipients) if self._session.kind is Kind.LMTP else 1
        answer: Sequence[Reply] | Reply | None = message.refusal
        try:
            if answer is None:
                is_handed_in = self._session.kind is Kind.SUBMISSION
                data = with_line_ends(message.take()) if is_handed_in else message.take()
                answer = await talk.ask(self._receiver.deliver(self._session, envelope, data))
        finally:
            message.close()
        replies = [answer] * expected if isinstance(answer, Reply) else answer
        if len(replies) != expected:
            replies = self._miscounted(expected, len(replies))
        for reply in replies:
            talk.say(reply)
        talk.message_done()
        self._count(envelope, message.size, replies)
        self._envelope = self._message = None
        self.reset()

    def _count(self, envelope: Envelope, size: int, replies: Sequence[Reply]) -> None:
        """For the counters and the log."""
        counters = self._conversation.counters
        refused = [reply for reply in replies if not reply.positive]
        if len(refused) < len(replies):
            counters.messages += 1
            counters.message_bytes += size
            counters.recipients += len(envelope.recipients) - len(refused)
        for reply in refused:
            self._note(reply)
        self._tell("mail refused" if len(refused) == len(replies) else "mail taken", size, (refused or replies)[0])

    def _tell(self, event: str, size: int, reply: Reply | None = None) -> None:
        """One line in the log for a message: from whom, for how many, how large, what came of it. Nothing of what it says."""
        envelope = self._envelope
        if envelope is not None:
            _log.info(
                event,
                **about(self._session),
                protocol=self._session.protocol(utf8=envelope.utf8),
                sender=envelope.sender,
                recipients=len(envelope.recipients),
                refused=self._refusals,
                size=size,
                reply=reply.line() if reply else "",
                seconds=round(self._loop.time() - self._begun, 4),
            )
