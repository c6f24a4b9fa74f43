"""Sessions with a whole Postfix: what it understands of what is sent, and what it refuses."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING

import pytest

from rookery_core.rules.clock import SystemClock
from rookery_server.gateway.certificates import public_key
from rookery_server.gateway.dane import DaneCheck
from rookery_server.gateway.outcomes import DeliveryStopped, Verdict
from rookery_server.gateway.resolver import TlsaRecord
from rookery_server.gateway.security import PLAIN, Level, Security, unverified_context
from rookery_server.gateway.smtp_session import Credentials, Endpoint
from tests.gateway.messages import ENCRYPTED, OPPORTUNISTIC, chunks, envelope, open_session, session_with, verdicts
from tests.gateway.postfix import DOMAIN, MOST_BYTES, NAME, PASSWORD, USER, Postfix, password_checker, running_postfix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.certificates import Authority, Issued

NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Issued:
    return authority.issue(NAME)


@pytest.fixture(scope="module")
def postfix(certificate: Issued) -> Iterator[Postfix]:
    with running_postfix(certificate) as server:
        yield server


@pytest.fixture
def endpoint(postfix: Postfix) -> Endpoint:
    return Endpoint(NAME, "127.0.0.1", postfix.port)


def letter(body: bytes = b"Good morning.\r\n") -> tuple[bytes, bytes]:
    """A message, and the line by which it is known again."""
    mark = b"X-Number: %d" % next(NUMBERS)
    return b"From: anna@rookery.test\r\n" + mark + b"\r\nSubject: hello\r\n\r\n" + body, mark


async def arrived(postfix: Postfix, mark: bytes, box: str = "ben") -> bytes:
    """The body of the message as it lies in the mailbox."""
    count = 1
    while True:
        found = await postfix.mailbox(box, count)
        for message in found:
            if mark + b"\n" in message:
                return message.partition(b"\n\n")[2]
        count = len(found) + 1


async def test_postfix_offers_what_is_used_here(endpoint: Endpoint) -> None:
    async with session_with(endpoint) as session:
        offered = session.extensions
    assert (offered.pipelining, offered.eight_bit, offered.smtp_utf8, offered.chunking, offered.start_tls) == (True,) * 5
    assert offered.size_limit == MOST_BYTES


@pytest.mark.parametrize("security", [PLAIN, OPPORTUNISTIC], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [1, 100, 1 << 18])
async def test_a_message_arrives_byte_for_byte(postfix: Postfix, endpoint: Endpoint, security: Security, size: int) -> None:
    message, mark = letter(b".\r\n..\r\n.dots\r\n" + "Grüße\r\n".encode() + b"bare\nline\rends\r\n\r\nno end")
    async with session_with(endpoint, security) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message, size))
    assert (outcome.verdict, outcome.code, outcome.enhanced) == (Verdict.ACCEPTED, 250, "2.0.0")
    assert "queued as" in outcome.text
    body = await arrived(postfix, mark)
    assert body == b".\n..\n.dots\n" + "Grüße\n".encode() + b"bare\nline\nends\n\nno end\n"


async def test_a_message_that_smuggles_another_arrives_as_one(postfix: Postfix, endpoint: Endpoint) -> None:
    inner = b"MAIL FROM:<eve@rookery.test>\r\nRCPT TO:<cleo@%s>\r\nDATA\r\nsmuggled\r\n" % DOMAIN.encode()
    body = b"".join(end + inner for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n"))
    message, mark = letter(body)
    async with session_with(endpoint) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message, 3))
    assert outcome.verdict is Verdict.ACCEPTED
    assert (await arrived(postfix, mark)).count(b"smuggled") == 5


async def test_many_messages_over_one_session(postfix: Postfix, endpoint: Endpoint) -> None:
    async with session_with(endpoint, ENCRYPTED) as session:
        for _ in range(20):
            message, mark = letter()
            outcomes = await session.send(envelope(f"ben@{DOMAIN}", f"cleo@{DOMAIN}", message=message), chunks(message))
            assert verdicts(outcomes) == [Verdict.ACCEPTED] * 2
    assert await arrived(postfix, mark) == await arrived(postfix, mark, "cleo") == b"Good morning.\n"


async def test_strangers_and_relaying_are_refused_and_others_are_served(postfix: Postfix, endpoint: Endpoint) -> None:
    message, mark = letter()
    async with session_with(endpoint) as session:
        recipients = [f"nobody@{DOMAIN}", f"ben@{DOMAIN}", "somebody@elsewhere.test"]
        outcomes = await session.send(envelope(*recipients, message=message), chunks(message))
        [again] = await session.send(envelope(f"nobody@{DOMAIN}", message=message), chunks(message))
        [after] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message))
    assert [outcome.enhanced for outcome in outcomes] == ["5.1.1", "2.0.0", "5.7.1"]
    assert (again.verdict, after.verdict) == (Verdict.FAILED, Verdict.ACCEPTED)
    await arrived(postfix, mark)


async def test_an_address_beyond_ascii_arrives(postfix: Postfix, endpoint: Endpoint) -> None:
    message, mark = letter()
    async with session_with(endpoint) as session:
        [outcome] = await session.send(envelope(f"bén@{DOMAIN}", message=message), chunks(message))
    assert outcome.verdict is Verdict.ACCEPTED
    assert await arrived(postfix, mark, "b-n") == b"Good morning.\n"


async def test_a_large_message_goes_in_several_chunks(postfix: Postfix, endpoint: Endpoint) -> None:
    lines = b"".join(b"%06d %s\r\n" % (number, b"x" * 60) for number in range(20_000))
    message, mark = letter(lines)
    async with session_with(endpoint, ENCRYPTED) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message))
    assert outcome.verdict is Verdict.ACCEPTED
    assert await arrived(postfix, mark) == lines.replace(b"\r\n", b"\n")


async def test_a_message_above_the_limit_is_refused_even_if_its_size_was_not_told(endpoint: Endpoint) -> None:
    message, _ = letter(b"x" * 70 * 1000 + b"\r\n" * MOST_BYTES)
    told = envelope(f"ben@{DOMAIN}", message=message)
    small = envelope(f"ben@{DOMAIN}")
    async with session_with(endpoint) as session:
        [refused] = await session.send(told, chunks(message))
        [too_long] = await session.send(small, chunks(message))
    assert [(outcome.verdict, outcome.enhanced) for outcome in (refused, too_long)] == [(Verdict.FAILED, "5.3.4")] * 2


async def test_a_certificate_is_verified(endpoint: Endpoint, authority: Authority) -> None:
    async with session_with(endpoint, Security(Level.VERIFY, authority.client_context(), NAME)) as session:
        assert session.encryption.startswith("TLSv1.3 ")
    with pytest.raises(DeliveryStopped, match="mismatch"):
        await open_session(endpoint, security=Security(Level.VERIFY, authority.client_context(), "other.test"))


async def test_a_certificate_is_found_in_the_dns(endpoint: Endpoint, authority: Authority, certificate: Issued) -> None:
    def demand(usage: int, data: bytes) -> Security:
        records = frozenset([TlsaRecord(usage, 1, 1, hashlib.sha256(data).digest())])
        return Security(Level.DANE, unverified_context(), NAME, DaneCheck(records, (NAME,), SystemClock()))

    for usage, source in ((3, certificate.certificate), (2, authority.certificate)):
        session = await open_session(endpoint, security=demand(usage, public_key(source)))
        await session.quit()
        with pytest.raises(DeliveryStopped, match="DANE"):
            await open_session(endpoint, security=demand(usage, b"another key"))


async def test_signing_in_allows_sending_to_anywhere(postfix: Postfix) -> None:
    endpoint = Endpoint(NAME, "127.0.0.1", postfix.submission_port)
    message, _ = letter()
    async with password_checker(postfix):
        session = await open_session(endpoint, security=ENCRYPTED, credentials=Credentials(USER, PASSWORD))
        [outcome] = await session.send(envelope("somebody@elsewhere.test", message=message), chunks(message))
        await session.quit()
        with pytest.raises(DeliveryStopped, match="refuses our sign-in") as stopped:
            await open_session(endpoint, security=ENCRYPTED, credentials=Credentials(USER, "wrong"))
        with pytest.raises(DeliveryStopped, match="no way to sign in"):
            await open_session(endpoint, credentials=Credentials(USER, PASSWORD))
    assert outcome.verdict is Verdict.ACCEPTED
    assert stopped.value.outcome.verdict is Verdict.DEFERRED
