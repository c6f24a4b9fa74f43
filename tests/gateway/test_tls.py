"""Certificates: who is believed, by the system's way and by DANE's."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from rookery_core.rules.clock import SystemClock
from rookery_server.gateway.certificates import matches_name, public_key
from rookery_server.gateway.dane import DaneCheck
from rookery_server.gateway.outcomes import DeliveryStopped, Verdict
from rookery_server.gateway.resolver import TlsaRecord
from rookery_server.gateway.security import Level, Security, unverified_context
from tests.gateway.certificates import DAY, Authority, Issued
from tests.gateway.messages import chunks, envelope, open_session
from tests.gateway.scripted_server import EXTENSIONS, ScriptedServer

if TYPE_CHECKING:
    from cryptography import x509

STARTTLS = (*EXTENSIONS, "STARTTLS")


def verify(authority: Authority, name: str = "mx.test", *, immediate: bool = False) -> Security:
    return Security(Level.VERIFY, authority.client_context(), name, immediate=immediate)


def dane(*records: TlsaRecord, names: tuple[str, ...] = ("mx.test",)) -> Security:
    return Security(Level.DANE, unverified_context(), names[0], DaneCheck(frozenset(records), names, SystemClock()))


def tlsa(usage: int, selector: int, matching: int, certificate: x509.Certificate) -> TlsaRecord:
    selected = public_key(certificate) if selector else certificate.public_bytes(Encoding.DER)
    data = [selected, hashlib.sha256(selected).digest(), hashlib.sha512(selected).digest()][matching]
    return TlsaRecord(usage, selector, matching, data)


async def attempt(shown: Issued, security: Security) -> str:
    """Whether a host that shows this certificate gets the mail: "delivered", or the reason why not."""
    server = ScriptedServer(extensions=STARTTLS, tls=shown.server_context(), immediate_tls=security.immediate)
    async with server.running():
        try:
            session = await open_session(server.endpoint(), security=security)
        except DeliveryStopped as stopped:
            refusal = stopped.outcome
        else:
            await session.send(envelope(), chunks())
            await session.quit()
            assert server.encrypted == [True]
            return "delivered"
    assert (refusal.verdict, refusal.enhanced, refusal.elsewhere) == (Verdict.DEFERRED, "4.7.5", True)
    assert server.messages == []
    return refusal.text


@pytest.mark.parametrize("immediate", [False, True])
async def test_a_message_in_any_number_of_pieces_goes_through_an_encrypted_session(authority: Authority, immediate: bool) -> None:
    context = authority.issue("mx.test").server_context()
    server = ScriptedServer(extensions=STARTTLS, tls=context, immediate_tls=immediate)
    async with server.running():
        session = await open_session(server.endpoint(), security=verify(authority, immediate=immediate))
        for pieces in range(1, 8):
            message = b"Subject: x\r\n\r\n" + b"a line\r\n" * 10_000
            [outcome] = await session.send(envelope(message=message), chunks(message, len(message) // pieces + 1))
            assert (outcome.verdict, server.messages.pop()) == (Verdict.ACCEPTED, message)
        await session.quit()


async def test_a_valid_certificate_of_the_right_name_is_believed(authority: Authority) -> None:
    assert await attempt(authority.issue("mx.test"), verify(authority)) == "delivered"


async def test_tls_from_the_first_byte(authority: Authority) -> None:
    assert await attempt(authority.issue("mx.test"), verify(authority, immediate=True)) == "delivered"
    assert "mismatch" in await attempt(authority.issue("other.test"), verify(authority, immediate=True))


async def test_a_certificate_of_another_name_is_refused(authority: Authority) -> None:
    assert "ostname mismatch" in await attempt(authority.issue("other.test"), verify(authority))


async def test_a_certificate_of_an_authority_that_is_not_trusted_is_refused(authority: Authority) -> None:
    assert "self-signed" in await attempt(Authority("Strangers").issue("mx.test"), verify(authority))


async def test_a_certificate_that_has_expired_is_refused(authority: Authority) -> None:
    assert "expired" in await attempt(authority.issue("mx.test", valid=(-2 * DAY, -DAY)), verify(authority))


async def test_where_encryption_is_all_that_is_asked_any_certificate_will_do(authority: Authority) -> None:
    for level in (Level.MAY, Level.ENCRYPT):
        shown = Authority("Strangers").issue("other.test", valid=(-2 * DAY, -DAY))
        assert await attempt(shown, Security(level, unverified_context(), "mx.test")) == "delivered"


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
async def test_dane_believes_the_hosts_own_certificate_or_key(authority: Authority, selector: int, matching: int) -> None:
    shown = authority.issue("mx.test")
    assert await attempt(shown, dane(tlsa(3, selector, matching, shown.certificate))) == "delivered"
    other = authority.issue("mx.test")
    assert "DANE" in await attempt(other, dane(tlsa(3, selector, matching, shown.certificate)))


@pytest.mark.parametrize("selector", [0, 1])
@pytest.mark.parametrize("matching", [0, 1, 2])
async def test_dane_believes_what_a_trust_anchor_has_issued(selector: int, matching: int) -> None:
    root = Authority("Root")
    middle = root.below("Middle")
    shown = middle.issue("mx.test")
    for anchor in (root, middle):
        assert await attempt(shown, dane(tlsa(2, selector, matching, anchor.certificate))) == "delivered"
    assert "DANE" in await attempt(shown, dane(tlsa(2, selector, matching, Authority("Root").certificate)))


async def test_names_and_dates_do_not_matter_for_the_hosts_own_key(authority: Authority) -> None:
    shown = authority.issue("other.test", valid=(-2 * DAY, -DAY))
    assert await attempt(shown, dane(tlsa(3, 1, 1, shown.certificate))) == "delivered"


async def test_names_and_dates_matter_below_a_trust_anchor(authority: Authority) -> None:
    anchor = dane(tlsa(2, 0, 1, authority.certificate))
    assert "DANE" in await attempt(authority.issue("other.test"), anchor)
    assert "DANE" in await attempt(authority.issue("mx.test", valid=(-2 * DAY, -DAY)), anchor)
    assert "DANE" in await attempt(authority.issue("mx.test", valid=(DAY, 2 * DAY)), anchor)
    several = dane(tlsa(2, 0, 1, authority.certificate), names=("mx.test", "example.test"))
    assert await attempt(authority.issue("example.test"), several) == "delivered"


async def test_a_certificate_that_merely_lies_beside_the_anchor_is_not_issued_by_it(authority: Authority) -> None:
    strangers = Authority("Strangers").issue("mx.test")
    shown = Issued(strangers.certificate, strangers.key, (authority.certificate,))
    assert "DANE" in await attempt(shown, dane(tlsa(2, 0, 1, authority.certificate)))


async def test_what_is_no_authority_issues_nothing(authority: Authority) -> None:
    no_authority = authority.below("Just a host", ca=False)
    assert "DANE" in await attempt(no_authority.issue("mx.test"), dane(tlsa(2, 0, 1, authority.certificate)))


async def test_one_record_that_matches_is_enough(authority: Authority) -> None:
    shown = authority.issue("mx.test")
    records = [tlsa(3, 1, 1, authority.issue("mx.test").certificate), tlsa(3, 1, 2, shown.certificate)]
    assert await attempt(shown, dane(*records)) == "delivered"


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("mx.test", "MX.test.", True),
        ("*.test", "mx.test", True),
        ("*.test", "a.mx.test", False),
        ("*.test", "test", False),
        ("*.mx.test", "mx.test", False),
        ("m*.test", "mx.test", False),
        ("*", "mx", False),
    ],
)
def test_a_wildcard_stands_for_one_whole_label(pattern: str, host: str, expected: bool) -> None:
    assert matches_name(pattern, host) is expected
