"""An SMTP or LMTP session: a connection that was greeted, encrypted and signed in, and carries one message after the other.

Ours, because the libraries at hand send each command on its own: a message takes as many round trips as it has commands, where
pipelining takes two.
"""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rookery_server.gateway.outcomes import DeliveryStopped, Outcome, Verdict, deferred, failed
from rookery_server.gateway.security import PLAIN, CertificateRefused
from rookery_server.gateway.smtp_connection import ConnectionBroken, SmtpConnection
from rookery_server.gateway.smtp_extensions import Extensions, read_extensions
from rookery_server.gateway.smtp_transaction import Transaction, outcome_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from rookery_server.gateway.security import Security
    from rookery_server.gateway.smtp_extensions import Envelope
    from rookery_server.gateway.smtp_replies import Reply
    from rookery_server.gateway.smtp_timeouts import Timeouts

_MORE = 334


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of one host."""

    name: str
    address: str
    port: int = 25
    lmtp: bool = False

    def __str__(self) -> str:
        return f"{self.name}[{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in at a smarthost."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Own:
    """Who opens a session."""

    name: str
    """What this server calls itself to others, a name in the DNS; ASCII."""
    may_answer: bool = False
    """A host of this name may be at the other side: one that an administrator chose, such as another server on this machine."""


class _TlsFailed(Exception):
    """The host offers TLS and can not do it."""


class SmtpSession:
    """Made by ``open``. Carries one message at a time."""

    def __init__(self, connection: SmtpConnection, endpoint: Endpoint, timeouts: Timeouts) -> None:
        self._connection = connection
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._left_open = False
        self.extensions = Extensions()
        """What the host said it can do."""
        self.encryption = ""
        """Protocol and cipher, as ``TLSv1.3 TLS_AES_256_GCM_SHA384``; empty in plain text."""
        self.messages = 0
        """How many were sent, or tried."""

    @classmethod
    async def open(
        cls, endpoint: Endpoint, *, own: Own, security: Security, timeouts: Timeouts, credentials: Credentials | None = None
    ) -> SmtpSession:
        """A session ready for messages. Raises DeliveryStopped.

        Where encryption is not demanded, a host that offers it and fails at it is tried again in plain text.
        """
        try:
            return await cls._open(endpoint, own, security, timeouts, credentials)
        except _TlsFailed as failure:
            if not security.required:
                return await cls.open(endpoint, own=own, security=PLAIN, timeouts=timeouts, credentials=credentials)
            raise DeliveryStopped(_fault("4.7.5", str(failure)).at(str(endpoint))) from None

    @classmethod
    async def _open(
        cls, endpoint: Endpoint, own: Own, security: Security, timeouts: Timeouts, credentials: Credentials | None
    ) -> SmtpSession:
        connection: SmtpConnection | None = None
        try:
            connection = await SmtpConnection.open(
                endpoint.address,
                endpoint.port,
                tls=security.context if security.immediate else None,
                server_name=security.server_name,
                connect_seconds=timeouts.connect,
                tls_seconds=timeouts.tls,
            )
            session = cls(connection, endpoint, timeouts)
            await session._begin(own, security, credentials)
        except ConnectionBroken as broken:
            raise DeliveryStopped(_fault(broken.enhanced, broken.text).at(str(endpoint))) from None
        except DeliveryStopped as stopped:
            if connection is not None:
                connection.leave()
            raise DeliveryStopped(stopped.outcome.at(str(endpoint))) from None
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
        return session

    @property
    def endpoint(self) -> Endpoint:
        """Whom it is with."""
        return self._endpoint

    @property
    def usable(self) -> bool:
        """It can carry another message, as far as can be seen from here."""
        return self._connection.quiet

    async def send(self, envelope: Envelope, message: AsyncIterator[bytes]) -> tuple[Outcome, ...]:
        """Sends a message; gives an outcome for each recipient, in their order. Only what ``message`` raises is raised."""
        transaction = Transaction(
            self._connection, self.extensions, self._timeouts, lmtp=self._endpoint.lmtp, after_failure=self._left_open
        )
        self.messages += 1
        outcomes = await transaction.run(envelope, message)
        self._left_open = transaction.left_open
        return tuple(outcome.at(str(self._endpoint)) for outcome in outcomes)

    async def quit(self) -> None:
        """Takes leave, and closes the connection whatever the host says to that."""
        try:
            if self.usable:
                await self._command(b"QUIT", self._timeouts.quit)
        except ConnectionBroken:
            return
        finally:
            self._connection.close()

    def abort(self) -> None:
        """Closes the connection at once."""
        self._connection.abort()

    async def _begin(self, own: Own, security: Security, credentials: Credentials | None) -> None:
        if security.immediate:
            self._require_certificate(security)
        greeting = await self._connection.reply(self._timeouts.greeting)
        if not greeting.positive:
            raise _host_refuses(greeting)
        await self._hello(own)
        if security.context is not None and not security.immediate:
            await self._encrypt(own, security, security.context)
        if credentials is not None:
            await self._sign_in(credentials)

    async def _hello(self, own: Own) -> None:
        """EHLO, or HELO for hosts that do not know it; LHLO in LMTP."""
        name = own.name.encode("ascii")
        reply = await self._command((b"LHLO " if self._endpoint.lmtp else b"EHLO ") + name, self._timeouts.hello)
        if reply.positive:
            _require_stranger(reply, own)
            self.extensions = read_extensions(reply)
            return
        if reply.code < 500 or self._endpoint.lmtp:
            raise _host_refuses(reply)
        reply = await self._command(b"HELO " + name, self._timeouts.hello)
        if not reply.positive:
            raise _host_refuses(reply)
        self.extensions = Extensions()

    async def _encrypt(self, own: Own, security: Security, context: ssl.SSLContext) -> None:
        if not self.extensions.start_tls:
            if security.required:
                raise deferred("4.7.4", f"the host offers no encryption, which “{security.level.value}” demands", elsewhere=True)
            return
        reply = await self._command(b"STARTTLS", self._timeouts.tls)
        if not reply.positive:
            if security.required:
                raise deferred("4.7.4", f"the host refuses encryption: {reply.code} {reply.text}", elsewhere=True)
            return
        try:
            await self._connection.start_tls(context, security.server_name, self._timeouts.tls)
        except ConnectionBroken as broken:
            raise _TlsFailed(broken.text) from None
        self._require_certificate(security)
        await self._hello(own)  # what was said in plain text counts no more (RFC 3207 section 4.2)

    def _require_certificate(self, security: Security) -> None:
        peer = self._connection.tls
        if peer is None:
            raise ConnectionBroken("4.7.5", "the connection was lost after the TLS handshake")
        if security.check is not None:
            try:
                security.check.require(peer)
            except CertificateRefused as refusal:
                raise deferred("4.7.5", str(refusal), elsewhere=True) from None
        cipher = peer.cipher()
        self.encryption = f"{peer.version()} {cipher[0] if cipher else ''}".strip()

    async def _sign_in(self, credentials: Credentials) -> None:
        """AUTH PLAIN, or LOGIN where there is no other (RFC 4954). A refusal is a matter of our settings, so mail waits."""
        if not self.encryption and not ipaddress.ip_address(self._endpoint.address).is_loopback:
            raise deferred("4.7.0", "the connection is not encrypted: the password is not sent", elsewhere=True)
        user, password = credentials.user.encode(), credentials.password.encode()
        if "PLAIN" in self.extensions.auth:
            reply = await self._command(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password), self._timeouts.auth)
        elif "LOGIN" in self.extensions.auth:
            reply = await self._command(b"AUTH LOGIN", self._timeouts.auth)
            for answer in (user, password):
                if reply.code != _MORE:
                    break
                reply = await self._command(base64.b64encode(answer), self._timeouts.auth)
        else:
            raise deferred("4.7.0", "the host offers no way to sign in that is known here (PLAIN or LOGIN)", elsewhere=True)
        if not reply.positive:
            raise deferred("4.7.0", f"the host refuses our sign-in: {reply.code} {reply.text}", elsewhere=True)

    async def _command(self, command: bytes, seconds: float) -> Reply:
        self._connection.require_quiet()
        self._connection.write(command + b"\r\n")
        return await self._connection.reply(seconds)


def _fault(enhanced: str, text: str) -> Outcome:
    return Outcome(Verdict.DEFERRED, enhanced, text, elsewhere=True)


def _require_stranger(reply: Reply, own: Own) -> None:
    """DeliveryStopped if the host calls itself as we do: by whatever way, what is sent to it comes to this server.

    A name of one word, such as "localhost", says nothing: many machines have it.
    """
    words = reply.lines[0].split()
    if not own.may_answer and "." in own.name and words and words[0].lower() == own.name.lower():
        raise failed("5.4.6", "the mail would come back: the host is this server itself", elsewhere=True)


def _host_refuses(reply: Reply) -> DeliveryStopped:
    """The host takes no mail, from us or at all. If it said so with 5xx and no other host takes it, that is the end of it."""
    return DeliveryStopped(replace(outcome_of(reply), elsewhere=True))
