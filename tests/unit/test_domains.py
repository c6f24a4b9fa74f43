"""Domain names: what is one, and the one form that each has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.rules import domains


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Example.ORG", "example.org"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("straße.test", "xn--strae-oqa.test"),
        ("strasse.test", "strasse.test"),
        ("ΣΊΣΥΦΟΣ.gr", "xn--kxa6akbbkh.gr"),
        ("σίσυφος.gr", "xn--kxa6ajbbmh.gr"),
        ("漢字。test", "xn--p8s937b.test"),
        ("ＡＢ.example", "ab.example"),
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),
        ("XN--Bcher-KVA.example", "xn--bcher-kva.example"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_has_one_form(text: str, name: str) -> None:
    assert domains.to_ascii(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a.", ".a", "a..b", "é..b", "é.", "-a.b", "a-.b", "-é.b", "é-.b", "a b.c", "a_b.c", "1.2.3.4", "é.1", "☃.net",
        "a\u200cb.test", "a\u202e.test", "a\0.b", "a\n.b", "é\n.b", "\ud800.test", "a" * 64 + ".b", "é" * 64 + ".b",
        ".".join(["a" * 60] * 5), ".".join(["é" * 40] * 6), "é" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_domain_is_none(text: str) -> None:
    assert domains.to_ascii(text) == ""


def test_underscores_are_for_those_who_take_what_the_dns_has() -> None:
    assert domains.to_ascii("_dmarc.Old_Host.test", underscores=True) == "_dmarc.old_host.test"
    assert domains.to_ascii("a_b.é.test", underscores=True) == "a_b.xn--9ca.test"
    assert domains.to_ascii("a b.test", underscores=True) == ""


@given(st.text(max_size=80) | st.lists(st.text(max_size=20), max_size=4).map(".".join), st.booleans())
def test_the_one_form_is_its_own(text: str, underscores: bool) -> None:
    name = domains.to_ascii(text, underscores=underscores)
    assert name.isascii() and name == name.lower() and len(name) <= 253
    assert domains.to_ascii(name, underscores=underscores) == name
