"""The commands of a connection, in the order in which they come (RFC 5321, RFC 2033, RFC 3207, RFC 4954)."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import structlog

from rookery_server.smtp import sign_in
from rookery_server.smtp.conversation import Farewell, about
from rookery_server.smtp.receiving import Kind, Reply
from rookery_server.smtp.syntax import BadSyntax, parse_hello
from rookery_server.smtp.transaction import Transactions
from rookery_server.smtp.wire import BadLine, Hangup, Stopping, TooSlow

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from rookery_server.smtp.conversation import Conversation
    from rookery_server.smtp.memory import Memory
    from rookery_server.smtp.receiving import Receiver

_LINGER_SECONDS = 1.0
# What other protocols begin with, where somebody else's program was talked into connecting here.
_FOREIGN = re.compile(rb"(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|DELETE|PATCH|TRACE) \S+ HTTP/|(?:Host|User-Agent|Content-Type): ?\S")

_ALONE = (b"DATA", b"RSET", b"QUIT", b"STARTTLS")

_OK = Reply(250, "2.0.0", "OK")
_BYE = Reply(221, "2.0.0", "Bye")
_HELP = Reply(214, "2.0.0", "See RFC 5321")
_CAN_NOT_VERIFY = Reply(252, "2.0.0", "Send a message, and see")
_SLOW = Reply(421, "4.4.2", "Too slow, closing the connection")
_STOPPING = Reply(421, "4.3.2", "This server is stopping, please come back later")

_log = structlog.get_logger("rookery.smtp")


class Dialogue:
    """One connection's, from greeting to farewell."""

    def __init__(
        self,
        conversation: Conversation,
        receiver: Receiver,
        memory: Memory,
        *,
        tls: ssl.SSLContext | None,
        implicit_tls: bool,
        plaintext_passwords: bool,
    ) -> None:
        self._conversation = conversation
        self._wire = conversation.wire
        self._session = conversation.session
        self._limits = conversation.limits
        self._receiver = receiver
        self._tls = tls
        self._implicit_tls = implicit_tls
        self._plaintext_passwords = plaintext_passwords
        transactions = self._transactions = Transactions(conversation, receiver, memory)
        self._commands: dict[bytes, Callable[[bytes], Awaitable[None]]] = {
            b"EHLO": partial(self._hello, b"EHLO"),
            b"HELO": partial(self._hello, b"HELO"),
            b"LHLO": partial(self._hello, b"LHLO"),
            b"STARTTLS": self._start_tls,
            b"AUTH": self._sign_in,
            b"MAIL": transactions.mail,
            b"RCPT": transactions.rcpt,
            b"DATA": transactions.data,
            b"BDAT": transactions.bdat,
            b"RSET": self._rset,
            b"NOOP": self._noop,
            b"HELP": self._help,
            b"VRFY": self._vrfy,
            b"EXPN": self._expn,
            b"QUIT": self._quit,
        }

    async def run(self) -> None:
        """Talks until one of both has enough."""
        try:
            await self._greet()
            while True:
                await self._turn()
        except Farewell as farewell:
            await self._take_leave(farewell.reply, farewell.why)
        except Stopping:
            await self._take_leave(_STOPPING, "")
        except TooSlow:
            await self._take_leave(_SLOW, "too slow")
        except Hangup as hangup:
            if hangup.__cause__ is not None:
                self._refused(f"TLS failed: {hangup.__cause__}")
        finally:
            self._transactions.reset()
            await self._wire.close()

    async def _take_leave(self, reply: Reply, why: str) -> None:
        self._transactions.reset()  # at once, not when the client has heard of it: its message takes memory from others
        self._conversation.say(reply)
        if why:
            self._refused(why)
        await self._wire.leave(_LINGER_SECONDS if why else 0.0)

    def _refused(self, why: str) -> None:
        self._conversation.counters.refused_connections += 1
        _log.info("mail session refused", **about(self._session), why=why)

    async def _greet(self) -> None:
        if self._implicit_tls and self._tls is not None:
            self._session.tls = await self._wire.start_tls(self._tls, self._limits.handshake_seconds)
        pause = 0.0 if self._session.trusted else self._limits.greeting_pause
        if pause and not await self._wire.silence(pause):
            raise Farewell(Reply(554, "5.5.0", "Who talks before the greeting is not heard"), "talked before the greeting")
        protocol = "LMTP" if self._session.kind is Kind.LMTP else "ESMTP"
        self._conversation.say(Reply(220, "", f"{self._session.host} {protocol} Rookery"))

    async def _turn(self) -> None:
        """One command."""
        try:
            await self._obey(await self._wire.line(self._limits.command_seconds))
        except BadLine as error:
            self._conversation.fault(500, "5.5.2", str(error))

    async def _obey(self, line: bytes) -> None:
        name, _, argument = line.partition(b" ")
        verb = name.upper()
        command = self._commands.get(verb)
        argument = argument.strip(b" ")
        if command is None:
            self._unknown(line)
        elif argument and verb in _ALONE:
            self._conversation.fault(501, "5.5.4", f"{verb.decode()} stands alone")
        else:
            await command(argument)

    def _unknown(self, line: bytes) -> None:
        if _FOREIGN.match(line):
            raise Farewell(Reply(554, "5.5.1", "This is a mail server"), "speaks another protocol")
        self._conversation.fault(500, "5.5.2", "Not a command that is known here")

    async def _help(self, _: bytes) -> None:
        self._conversation.say(_HELP)
        self._conversation.idle_command()

    async def _noop(self, _: bytes) -> None:
        self._conversation.say(_OK)
        self._conversation.idle_command()

    async def _vrfy(self, argument: bytes) -> None:
        if not argument:
            return self._conversation.fault(501, "5.5.4", "VRFY whom?")
        self._conversation.say(_CAN_NOT_VERIFY)
        return self._conversation.idle_command()

    async def _expn(self, _: bytes) -> None:
        self._conversation.fault(502, "5.5.1", "Lists are not shown")

    async def _quit(self, _: bytes) -> None:
        raise Farewell(_BYE)

    async def _rset(self, _: bytes) -> None:
        self._transactions.reset()
        self._conversation.say(_OK)
        self._conversation.idle_command()

    async def _hello(self, verb: bytes, argument: bytes) -> None:
        """Begins anew, with extensions or without (RFC 5321 section 4.1.4; RFC 2033 section 4.1)."""
        talk, session = self._conversation, self._session
        if (verb == b"LHLO") != (session.kind is Kind.LMTP):
            return talk.fault(500, "5.5.1", "This is LMTP: LHLO" if verb != b"LHLO" else "This is SMTP: EHLO")
        try:
            name = parse_hello(argument)
        except BadSyntax as error:
            return talk.fault(501, "5.5.4", f"Can not read that: {error}")
        self._transactions.reset()
        session.hello = name
        session.extended = verb != b"HELO"
        lines = [session.host, *(self._extensions() if session.extended else ())]
        self._wire.say("".join(f"250{'-' if line is not lines[-1] else ' '}{line}\r\n" for line in lines).encode())
        return talk.idle_command()

    def _extensions(self) -> list[str]:
        found = ["PIPELINING", f"SIZE {self._limits.message_bytes}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"]
        if self._session.kind is not Kind.SUBMISSION:
            found.append("BINARYMIME")
        if self._tls is not None and not self._session.tls:
            found.append("STARTTLS")
        if self._session.kind is Kind.SUBMISSION and self._passwords_are_safe():
            found.append(f"AUTH {' '.join(sign_in.MECHANISMS)}")
        return found

    def _passwords_are_safe(self) -> bool:
        return bool(self._session.tls) or self._plaintext_passwords

    async def _start_tls(self, _: bytes) -> None:
        """Encrypts, and forgets all that was said before (RFC 3207 section 4.2)."""
        talk, session = self._conversation, self._session
        if self._tls is None:
            return talk.fault(502, "5.5.1", "No encryption here")
        if session.tls:
            return talk.fault(503, "5.5.1", "Encrypted already")
        self._require_silence("STARTTLS")
        talk.say(Reply(220, "2.0.0", "Go ahead"))
        self._transactions.reset()
        session.hello, session.extended, session.account = "", False, None
        session.tls = await self._wire.start_tls(self._tls, self._limits.handshake_seconds)
        return None

    async def _sign_in(self, argument: bytes) -> None:
        talk, session = self._conversation, self._session
        if session.kind is not Kind.SUBMISSION:
            return talk.fault(502, "5.5.1", "Nobody signs in here")
        if not self._passwords_are_safe():
            return talk.fault(538, "5.7.11", "Encrypt first (STARTTLS)")
        if not session.extended or session.account is not None or self._transactions.under_way:
            return talk.fault(503, "5.5.1", "Not now: EHLO comes first, MAIL afterwards, and once is enough")
        self._require_silence("AUTH")
        try:
            name, password = await sign_in.exchange(self._wire, argument, self._limits.command_seconds)
        except sign_in.NotSignedIn as failure:
            return talk.fault(failure.reply.code, failure.reply.enhanced, failure.reply.text)
        account = await talk.ask(self._receiver.sign_in(session, name, password))
        if isinstance(account, Reply):
            _log.info("mail sign-in refused", **about(session), reply=account.line())
            talk.say(account)
            return talk.sign_in_failed()
        session.account = account
        return talk.say(Reply(235, "2.7.0", "Welcome"))

    def _require_silence(self, command: str) -> None:
        """What comes behind a command that changes everything was not meant for what is then (RFC 3207 section 6)."""
        if self._wire.has_input:
            raise Farewell(Reply(554, "5.5.0", f"Wait for the answer to {command}"), f"pipelined behind {command}")
