"""Sessions with an Exim: what it understands of what is sent, above all of messages in chunks."""

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
from tests.gateway.exim import DOMAIN, MOST_BYTES, NAME, Exim, running_exim
from tests.gateway.messages import ENCRYPTED, OPPORTUNISTIC, chunks, envelope, open_session, session_with, verdicts
from tests.gateway.postfix import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.certificates import Authority, Issued

NUMBERS = itertools.count(1)
CHUNKED, IN_LINES = "chunked", "in lines"
EACH_WAY = pytest.mark.parametrize("way", [CHUNKED, IN_LINES])


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Issued:
    return authority.issue(NAME)


@pytest.fixture(scope="module")
def exim(certificate: Issued) -> Iterator[Exim]:
    with running_exim(certificate) as server:
        yield server


def endpoint(exim: Exim, way: str = CHUNKED) -> Endpoint:
    return Endpoint(NAME, "127.0.0.1", exim.port if way == CHUNKED else exim.lines_port)


def letter(body: bytes = b"Good morning.\r\n") -> tuple[bytes, bytes]:
    """A message, and the line by which it is known again."""
    mark = b"X-Number: %d" % next(NUMBERS)
    return b"From: anna@rookery.test\r\n" + mark + b"\r\nSubject: hello\r\n\r\n" + body, mark


async def test_exim_offers_what_is_used_here(exim: Exim) -> None:
    for way in (CHUNKED, IN_LINES):
        async with session_with(endpoint(exim, way)) as session:
            offered = session.extensions
        assert (offered.pipelining, offered.eight_bit, offered.smtp_utf8, offered.start_tls) == (True,) * 4
        assert (offered.chunking, offered.size_limit, offered.auth) == (way == CHUNKED, MOST_BYTES, frozenset())


@EACH_WAY
@pytest.mark.parametrize("security", [PLAIN, OPPORTUNISTIC], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [1, 100, 1 << 18])
async def test_a_message_arrives_byte_for_byte(exim: Exim, way: str, security: Security, size: int) -> None:
    message, mark = letter(b".\r\n..\r\n.dots\r\n" + "Grüße\r\n".encode() + b"bare\nline\rends\r\n\r\nno end")
    async with session_with(endpoint(exim, way), security) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message, size))
    assert (outcome.verdict, outcome.code) == (Verdict.ACCEPTED, 250)
    kept = exim.kept(mark)
    assert kept.body == b".\n..\n.dots\n" + "Grüße\n".encode() + b"bare\nline\nends\n\nno end\n"
    assert "-body_linecount 9" in kept.about and ("-tls_cipher TLS1.3" in kept.about) == (security is OPPORTUNISTIC)


@EACH_WAY
async def test_a_message_that_smuggles_another_arrives_as_one(exim: Exim, way: str) -> None:
    inner = b"MAIL FROM:<eve@rookery.test>\r\nRCPT TO:<cleo@%s>\r\nDATA\r\nsmuggled\r\n" % DOMAIN.encode()
    body = b"".join(end + inner for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r.\r\n", b"\r\nBDAT 5 LAST\r\n"))
    message, mark = letter(body)
    before = exim.count()
    async with session_with(endpoint(exim, way)) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message, 3))
    assert outcome.verdict is Verdict.ACCEPTED
    assert (exim.kept(mark).body.count(b"smuggled"), exim.count() - before) == (6, 1)


@EACH_WAY
async def test_many_messages_over_one_session_some_for_nobody(exim: Exim, way: str) -> None:
    async with session_with(endpoint(exim, way), ENCRYPTED) as session:
        for number in range(12):
            message, mark = letter(b"%d\r\n" % number * 5000)
            recipients = [f"nobody@{DOMAIN}", f"ben@{DOMAIN}", "somebody@elsewhere.test", f"later@{DOMAIN}"]
            if number % 3 == 2:
                del recipients[1]
            outcomes = await session.send(envelope(*recipients, message=message), chunks(message, 4096))
            taken = [outcome for outcome in outcomes if outcome.verdict is Verdict.ACCEPTED]
            assert [outcome.enhanced for outcome in outcomes if outcome not in taken] == ["5.1.1", "5.7.1", "4.7.1"]
            assert len(taken) == (number % 3 != 2)
            assert not taken or exim.kept(mark).body == b"%d\n" % number * 5000


@EACH_WAY
async def test_an_address_and_a_header_beyond_ascii_arrive(exim: Exim, way: str) -> None:
    message, mark = letter()
    message = "Subject: Grüße\r\n".encode() + message
    mail = envelope(f"bén@{DOMAIN}", sender="änna@bücher.test", message=message, unicode_headers=True)
    async with session_with(endpoint(exim, way)) as session:
        [outcome] = await session.send(mail, chunks(message))
    assert outcome.verdict is Verdict.ACCEPTED
    about = exim.kept(mark).about
    assert f"\nbén@{DOMAIN}\n" in about and "Subject: Grüße\n" in about and "-received_protocol utf8esmtp" in about


@EACH_WAY
async def test_a_large_message_arrives_whole(exim: Exim, way: str) -> None:
    lines = b"".join(b"%06d %s\r\n" % (number, b"x" * 60) for number in range(20_000))
    message, mark = letter(lines)
    async with session_with(endpoint(exim, way), ENCRYPTED) as session:
        [outcome] = await session.send(envelope(f"ben@{DOMAIN}", message=message), chunks(message))
    assert outcome.verdict is Verdict.ACCEPTED
    assert exim.kept(mark).body == lines.replace(b"\r\n", b"\n")


@EACH_WAY
async def test_a_message_above_the_limit_is_refused_even_if_its_size_was_not_told(exim: Exim, way: str) -> None:
    message, _ = letter((b"x" * 70 + b"\r\n") * (MOST_BYTES // 60))
    told, small = envelope(f"ben@{DOMAIN}", message=message), envelope(f"ben@{DOMAIN}")
    async with session_with(endpoint(exim, way)) as session:
        [refused] = await session.send(told, chunks(message))
        [too_long] = await session.send(small, chunks(message))
    assert refused.enhanced == "5.3.4"
    assert verdicts((refused, too_long)) == [Verdict.FAILED] * 2


async def test_signing_in_allows_sending_to_anywhere(exim: Exim) -> None:
    message, mark = letter()
    session = await open_session(endpoint(exim), security=ENCRYPTED, credentials=Credentials(USER, PASSWORD))
    [outcome] = await session.send(envelope("somebody@elsewhere.test", message=message), chunks(message))
    await session.quit()
    assert outcome.verdict is Verdict.ACCEPTED
    assert f"--auth_id {USER}\n" in exim.kept(mark).about
    with pytest.raises(DeliveryStopped, match="refuses our sign-in"):
        await open_session(endpoint(exim), security=ENCRYPTED, credentials=Credentials(USER, "wrong"))
    with pytest.raises(DeliveryStopped, match="no way to sign in"):
        await open_session(endpoint(exim), credentials=Credentials(USER, PASSWORD))


async def test_a_certificate_shown_by_gnutls_is_verified_and_found_in_the_dns(
    exim: Exim, authority: Authority, certificate: Issued
) -> None:
    async with session_with(endpoint(exim), Security(Level.VERIFY, authority.client_context(), NAME)) as session:
        assert session.encryption.startswith("TLSv1.3 ")
    with pytest.raises(DeliveryStopped, match="mismatch"):
        await open_session(endpoint(exim), security=Security(Level.VERIFY, authority.client_context(), "other.test"))
    for usage, source in ((3, certificate.certificate), (2, authority.certificate)):
        records = frozenset([TlsaRecord(usage, 1, 1, hashlib.sha256(public_key(source)).digest())])
        demand = Security(Level.DANE, unverified_context(), NAME, DaneCheck(records, (NAME,), SystemClock()))
        await (await open_session(endpoint(exim), security=demand)).quit()
