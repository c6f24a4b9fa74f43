"""Envelopes, messages and sessions for the tests."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from rookery_server.gateway.outcomes import DeliveryStopped, Outcome, Verdict
from rookery_server.gateway.security import PLAIN, Level, Security, unverified_context
from rookery_server.gateway.smtp_extensions import Envelope
from rookery_server.gateway.smtp_session import Credentials, Endpoint, Own, SmtpSession
from rookery_server.gateway.smtp_timeouts import Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

PATIENT = Timeouts(connect=5, greeting=5, hello=5, tls=5, auth=5, mail=5, recipient=5, data=5, block=5, final=5, quit=1)
HASTY = Timeouts(*[0.3] * 11)
MESSAGE = b"From: anna@rookery.test\r\nTo: ben@mx.test\r\nSubject: hello\r\n\r\nGood morning.\r\n"
OPPORTUNISTIC = Security(Level.MAY, unverified_context(), "mx.test")
ENCRYPTED = Security(Level.ENCRYPT, unverified_context(), "mx.test")


def envelope(*recipients: str, sender: str = "anna@rookery.test", message: bytes = MESSAGE, **more: bool) -> Envelope:
    eight_bit = more.pop("eight_bit", not message.isascii())
    return Envelope(sender, recipients or ("ben@mx.test",), len(message), eight_bit, **more)


async def chunks(message: bytes = MESSAGE, size: int = 1 << 18) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(message), size):
        yield message[start : start + size]


async def open_session(
    endpoint: Endpoint,
    *,
    security: Security = PLAIN,
    timeouts: Timeouts = PATIENT,
    credentials: Credentials | None = None,
) -> SmtpSession:
    own = Own("rookery.test")
    return await SmtpSession.open(endpoint, own=own, security=security, timeouts=timeouts, credentials=credentials)


@contextlib.asynccontextmanager
async def session_with(endpoint: Endpoint, security: Security = PLAIN, timeouts: Timeouts = PATIENT) -> AsyncIterator[SmtpSession]:
    """A session that is left at the end."""
    session = await open_session(endpoint, security=security, timeouts=timeouts)
    try:
        yield session
    finally:
        await session.quit()
        await asyncio.sleep(0)  # TLS takes its leave …
        session.abort()  # … and the host's answer to that is not waited for: the loop is about to end
        await asyncio.sleep(0)


async def try_once(
    endpoint: Endpoint, *recipients: str, message: bytes = MESSAGE, timeouts: Timeouts = PATIENT
) -> tuple[Outcome, ...]:
    """One message over one session, whatever stands in its way."""
    mail = envelope(*recipients, message=message)
    try:
        async with session_with(endpoint, timeouts=timeouts) as session:
            return await session.send(mail, chunks(message))
    except DeliveryStopped as stopped:
        return tuple(stopped.outcome for _ in mail.recipients)


def verdicts(outcomes: tuple[Outcome, ...]) -> list[Verdict]:
    return [outcome.verdict for outcome in outcomes]
