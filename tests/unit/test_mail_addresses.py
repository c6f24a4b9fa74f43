"""Addresses of envelopes: which are ones, how they compare, and what a header makes of any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.errors import InvalidArgument
from rookery_core.rules import mail_addresses


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("ann@example.org", "ann", "example.org"),
        (" Ann+tag@EXAMPLE.org ", "Ann+tag", "example.org"),
        ('"ann"@example.org', "ann", "example.org"),
        ('"a n\\n"@example.org', '"a nn"', "example.org"),
        ('"a\\"b"@example.org', '"a\\"b"', "example.org"),
        ('"a..b"@docomo.test', '"a..b"', "docomo.test"),
        ('""@example.org', '""', "example.org"),
        ("jdöe@mächine.test", "jdöe", "xn--mchine-bua.test"),
        ("x@straße.test", "x", "xn--strae-oqa.test"),
        ("x@漢字。test", "x", "xn--p8s937b.test"),
        ("x@[192.0.2.1]", "x", "[192.0.2.1]"),
        ("x@[IPV6:2001:DB8:0::1]", "x", "[IPv6:2001:db8::1]"),
        ("x@localhost", "x", "localhost"),
    ],
)
def test_an_address_is_brought_into_one_form(text: str, local: str, domain: str) -> None:
    found = mail_addresses.parse(text, "to")
    assert (found.local, found.domain) == (local, domain)
    assert mail_addresses.parse(found.text, "to") == found
    assert found.needs_smtputf8 == (not local.isascii())


@pytest.mark.parametrize(
    "text",
    [
        "", "ann", "@example.org", "ann@", "a..b@example.org", ".a@example.org", "a b@example.org", "a,b@example.org",
        "a@b@example.org", "a@exam ple.org", "a@-b.org", "a@b-.org", "a@b..org", "a@b.org.", "a@1.2.3.4", "a@b_c.org", "a@[1.2.3]",
        "a@[IPv6:::1%eth0]", "a@[IPv6:x]", "a@[x", "a@a\u200cb.test", "a\u202e@b.org", '"a@b.org', '"a\x80"@b.org',
        "a@b.org\n", "a\r\n@b.org", '"a\nb"@b.org', "a@b.org\0", "a\0@b.org", "a@b.org>\r\nRCPT TO:<c@d.org", "<a@b.org>",
        "x" * 65 + "@b.org", "é" * 33 + "@b.org", "a@" + "b" * 64 + ".org", "a@" + ".".join(["b" * 60] * 5), "a@" + "ü" * 200_000,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_one_line(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        mail_addresses.parse(text, "to")
    assert caught.value.reason == "ADDRESS_INVALID" and caught.value.field == "to"
    assert caught.value.message.isprintable() and len(caught.value.message) < 200


def test_addresses_that_are_one_recipient_have_one_key() -> None:
    assert len({mail_addresses.key_of(text) for text in ("Ann@B.test", "ann@b.test", '"ANN"@b.test', " ann@b.test")}) == 1
    assert mail_addresses.key_of("jdöe@mächine.test") == mail_addresses.key_of("JDÖE@xn--mchine-bua.test")
    assert mail_addresses.key_of("nobody ") == mail_addresses.key_of("Nobody") != mail_addresses.key_of("ann@b.test")


@given(st.text(max_size=80) | st.tuples(st.text(max_size=40), st.text(max_size=40)).map("@".join))
def test_nothing_written_into_a_header_can_end_its_address(text: str) -> None:
    written = mail_addresses.written(text)
    assert written.isprintable() and len(written.encode()) <= 998
    if written:
        local, _, domain = written.rpartition("@")
        assert local and domain and not any(mark in domain for mark in '<>,;:"() ')
        assert local.startswith('"') == local.endswith('"') == any(mark in local for mark in '<>,;:"()[]@\\ ') or '"' in local
        assert mail_addresses.written(written) == written


def test_a_header_can_name_who_can_not_be_written_to() -> None:
    assert mail_addresses.written("a..b@docomo.test") == '"a..b"@docomo.test'
    assert mail_addresses.written("a,b@x_y.test") == '"a,b"@x_y.test'
    assert mail_addresses.written("a@b>,evil@c <d@e") == '"a@b>,evil@c <d"@e'
    assert mail_addresses.written("info@mächine.test") == "info@xn--mchine-bua.test"
    for none in ("", "ann", "a@b\r\n.c", "a@b c", "a@" + "b" * 500, "a@☃\u200d.net"):
        assert mail_addresses.written(none) == ""
