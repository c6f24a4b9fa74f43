"""Signatures, judged by dkimpy."""

from __future__ import annotations

import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_core.errors import InvalidArgument
from rookery_server.gateway.dkim import DkimSigner
from rookery_server.gateway.smtp_wire import LineEndings
from rookery_server.services.signing.dkim_keys import Algorithm, DkimKey, dns_record, from_der, generate, require_selector, to_der
from tests.gateway.messages import chunks
from tests.support.fakes import FakeClock

RSA = generate("s2026", Algorithm.RSA)
ED25519 = generate("e2026", Algorithm.ED25519)
MESSAGE = (
    b"From: Anna <anna@example.org>\r\nTo: ben@example.net,\r\n\tcleo@example.net\r\nSubject:  hello   there \r\n"
    b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nX-Other: not signed\r\n\r\n"
    b"Good  morning,\t Ben. \r\n\r\n  indented\r\n.\r\n \r\n\r\n"
)


class KeysOfOne:
    """Those of one domain, example.org."""

    def __init__(self, keys: tuple[DkimKey, ...]) -> None:
        self._keys = keys

    async def is_any_active(self) -> bool:
        return True

    async def active(self, domain: str) -> tuple[DkimKey, ...]:
        return self._keys if domain == "example.org" else ()


async def signed(message: bytes, *keys: DkimKey, size: int = 1 << 18, clock: FakeClock | None = None) -> bytes:
    """The message as it travels, with its signatures."""

    signer = DkimSigner(KeysOfOne(keys or (RSA, ED25519)), clock or FakeClock())
    lines = LineEndings(dots=False)
    return await signer.sign(chunks(message, size)) + lines.encode(message) + lines.finish()


def judged(message: bytes, *, signatures: int = 2) -> list[bool]:
    """What dkimpy thinks of each signature."""
    published = [dns_record("example.org", key) for key in (RSA, ED25519)]
    records = {f"{record.name}.".encode(): record.text.encode() for record in published}
    return [_good(message, place, records) for place in range(signatures)]


def _good(message: bytes, place: int, records: dict[bytes, bytes]) -> bool:
    try:
        return dkim.DKIM(message).verify(idx=place, dnsfunc=lambda name, timeout=5: records[name])
    except dkim.ValidationError:
        return False


async def test_both_signatures_are_good() -> None:
    message = await signed(MESSAGE)
    assert re.findall(rb" a=(\S+);", message) == [b"rsa-sha256", b"ed25519-sha256"]
    assert judged(message) == [True, True]


@pytest.mark.parametrize("size", [1, 2, 3, 64])
async def test_how_the_message_is_cut_into_chunks_makes_no_difference(size: int) -> None:
    assert await signed(MESSAGE, ED25519, size=size) == await signed(MESSAGE, ED25519)


@pytest.mark.parametrize(
    "message",
    [
        b"From: anna@example.org\r\n\r\n",
        b"From: anna@example.org\r\n\r\n\r\n \r\n\t\r\n",
        b"From: anna@example.org\r\n\r\nno end",
        b"From: anna@example.org\n\nbare\nline\rends\n",
        "From: Änna <anna@example.org>\r\nSubject: Grüße\r\n\r\nSchöne Grüße\r\n".encode(),
        b"From: anna@example.org\r\nFrom: eve@example.org\r\nTo: x@y\r\nTo: z@y\r\n\r\nx\r\n",
        b"from: anna@example.org\r\nList-Id: <a.example.org>\r\n\r\n" + b" " * 1000 + b"x" + b"\r\n" * 1000,
    ],
)
async def test_odd_messages_are_signed_rightly(message: bytes) -> None:
    assert judged(await signed(message)) == [True, True]


@settings(max_examples=60)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"\n", b"\r", b"x", b"."]), max_size=40).map(b"".join), st.integers(1, 5))
async def test_any_body_is_signed_rightly(body: bytes, size: int) -> None:
    message = await signed(b"From: anna@example.org\r\n\r\n" + body, ED25519, size=size)
    assert judged(message, signatures=1) == [True]


async def test_a_line_that_is_no_field_is_passed_over_however_long() -> None:
    odd = b"no field Subject: x\r\n" + b"x" * (1 << 20) + b"\r\n"
    message = await signed(b"From: anna@example.org\r\n" + odd + b"Date: today\r\n\r\nHello.\r\n", ED25519)
    [names] = re.findall(rb"\th=([^;]*);", message)
    assert names.replace(b"\r\n\t", b"").split(b":").count(b"subject") == 1, "sealed, and not signed as if it were there"


async def test_a_changed_body_is_noticed() -> None:
    assert judged((await signed(MESSAGE)).replace(b"morning", b"evening")) == [False, False]


@pytest.mark.parametrize("name", [b"From", b"Subject", b"Reply-To", b"To", b"Date", b"Cc", b"Content-Type", b"MIME-Version"])
async def test_a_field_that_somebody_adds_is_noticed(name: bytes) -> None:
    message = await signed(MESSAGE)
    assert judged(message.replace(b"X-Other:", name + b": added\r\nX-Other:", 1)) == [False, False]
    assert judged(name + b": added\r\n" + message) == [False, False]


async def test_what_is_added_on_the_way_does_no_harm() -> None:
    message = b"Received: from a by b\r\nReturn-Path: <x@y>\r\n" + await signed(MESSAGE)
    assert judged(message) == [True, True]


async def test_a_signature_tells_its_time_and_its_lines_are_short() -> None:
    clock = FakeClock(1_795_000_000_000_000)
    message = await signed(MESSAGE, clock=clock)
    header = message[: message.index(b"From:")]
    assert header.count(b"t=1795000000;") == 2
    assert max(map(len, header.split(b"\r\n"))) <= 90


def test_a_key_survives_being_kept() -> None:
    for key in (RSA, ED25519):
        again = from_der(key.selector, to_der(key))
        assert (dns_record("example.org", again), again.algorithm) == (dns_record("example.org", key), key.algorithm)
        assert "private" not in repr(key).lower()


def test_a_dns_record_tells_the_public_key() -> None:
    record = dns_record("example.org", RSA)
    assert record.name == "s2026._domainkey.example.org"
    assert record.text.startswith("v=DKIM1; k=rsa; p=MIIB")
    assert dns_record("example.org", ED25519).text.startswith("v=DKIM1; k=ed25519; p=")


@pytest.mark.parametrize("selector", ["", "a b", "-a", "a..b", "a;b", "ä", "x" * 64, ".".join(["x" * 60] * 4)])
def test_a_selector_is_a_dns_name(selector: str) -> None:
    with pytest.raises(InvalidArgument, match=r"selector|too long"):
        require_selector(selector, "example.org")


def test_a_selector_is_kept_in_lower_case() -> None:
    assert require_selector("S2026.Mail", "example.org") == "s2026.mail"


@pytest.mark.parametrize(
    "der",
    [b"", b"nonsense", X25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())],
    ids=["empty", "nonsense", "for another purpose"],
)
def test_what_is_no_key_is_not_taken_for_one(der: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_der("s", der)


@pytest.mark.parametrize(
    "author",
    [
        "anna@EXAMPLE.org",
        '"Anna, of the (north)" <anna@example.org>',
        "=?utf-8?q?=C3=84nna?=\r\n <anna@example.org>, ben@example.net",
        "Friends: anna@example.org, cleo@example.com;",
    ],
)
async def test_the_first_authors_domain_signs(author: str) -> None:
    message = await signed(f"Sender: eve@example.net\r\nFrom: {author}\r\n\r\nx\r\n".encode(), ED25519)
    assert b" d=example.org;" in message.split(b"\r\nSender:")[0]


@pytest.mark.parametrize(
    "header", [b"From: ben@example.net\r\n", b"From: anna@sub.example.org\r\n", b"From: nobody\r\n", b"From:\r\n", b"X: y\r\n", b""]
)
async def test_mail_of_a_domain_without_keys_leaves_as_it_is(header: bytes) -> None:
    message = header + b"\r\nanna@example.org\r\n"
    assert await signed(message) == message


async def test_a_key_that_can_not_sign_leaves_the_others() -> None:
    broken = DkimKey("broken", object())  # type: ignore[arg-type]
    assert judged(await signed(MESSAGE, broken, ED25519), signatures=1) == [True]
