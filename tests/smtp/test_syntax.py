"""Addresses as they stand between the angle brackets, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_server.smtp.syntax import BadSyntax, parse_hello, parse_mail, parse_rcpt

LONG_LOCAL = "a" * 300


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<anna@rookery.test>", "anna@rookery.test"),
        ("<Anna.Lee+tag@Rookery.Test>", "Anna.Lee+tag@Rookery.Test"),
        ("<!#$%&'*+-/=?^_`{|}~@rookery.test>", "!#$%&'*+-/=?^_`{|}~@rookery.test"),
        ('<"anna"@rookery.test>', "anna@rookery.test"),
        ('<"an\\na"@rookery.test>', "anna@rookery.test"),
        ('<"anna lee"@rookery.test>', '"anna lee"@rookery.test'),
        ('<"a@b"@rookery.test>', '"a@b"@rookery.test'),
        ('<"a\\"b\\\\"@rookery.test>', '"a\\"b\\\\"@rookery.test'),
        ('<"a>b"@rookery.test>', '"a>b"@rookery.test'),
        ('<"a..b"@rookery.test>', '"a..b"@rookery.test'),
        ('<""@rookery.test>', '""@rookery.test'),
        ("<.anna@rookery.test>", '".anna"@rookery.test'),
        ("<anna.@rookery.test>", '"anna."@rookery.test'),
        ("<an..na@rookery.test>", '"an..na"@rookery.test'),
        ("<user%remote@rookery.test>", "user%remote@rookery.test"),
        ("<@one.test,@two.test:anna@rookery.test>", "anna@rookery.test"),
        ("<anna@[192.0.2.1]>", "anna@[192.0.2.1]"),
        ("<anna@[IPv6:2001:db8::1]>", "anna@[IPv6:2001:db8::1]"),
        ("<anna@my_host.test>", "anna@my_host.test"),
        ("<anna@localhost>", "anna@localhost"),
        ("<bénédicte@exämple.test>", "bénédicte@exämple.test"),
        ("<用户@例子.广告>", "用户@例子.广告"),
        (f"<{LONG_LOCAL}@a.test>", f"{LONG_LOCAL}@a.test"),
    ],
)
def test_addresses(path: str, address: str) -> None:
    assert parse_rcpt(f"TO:{path}".encode()).address == address
    assert parse_mail(f"FROM:{path}".encode()).address == address


@pytest.mark.parametrize(
    "path",
    [
        "",
        "<",
        "<>x",
        "< >",
        "<anna>",
        "<@rookery.test>",
        "<anna@>",
        "<anna@rookery.test",
        "anna@rookery.test>",
        "<anna lee@rookery.test>",
        "<anna@rookery.test >",
        "<anna@@rookery.test>",
        "<a@b@rookery.test>",
        '<"anna@rookery.test>',
        '<"an"na"@rookery.test>',
        '<an"na@rookery.test>',
        "<anna@rookery..test>",
        "<anna@rookery.test.>",
        "<anna@-rookery.test>",
        "<anna@[]>",
        "<anna@[1.2.3]>",
        "<anna@[2001:db8::1]>",
        "<anna@[IPv6:192.0.2.1]>",
        "<@one.test:>",
        "<one.test:anna@rookery.test>",
        "<@rookery.test:@evil.test>",
        "<anna\u0085@rookery.test>",
        "<anna\u2028@rookery.test>",
        "<anna@rook\u2029ery.test>",
        '<"an\u0085na"@rookery.test>',
        "<(comment)anna@rookery.test>",
        f"<anna@{'a' * 64}.test>",
        f"<anna@{'a.' * 130}test>",
        f"<{'a' * 315}@a.test>",
    ],
)
def test_what_is_no_address(path: str) -> None:
    with pytest.raises(BadSyntax):
        parse_rcpt(f"TO:{path}".encode())


@given(st.text(max_size=60))
def test_an_address_that_is_read_reads_the_same_again(text: str) -> None:
    try:
        command = parse_mail(f"FROM:<{text}@rookery.test>".encode())
    except (BadSyntax, UnicodeEncodeError):
        return
    assert parse_mail(f"FROM:<{command.address}>".encode()) == command
    assert command.address.splitlines() == [command.address]


@pytest.mark.parametrize("name", ["client.test", "localhost", "[192.0.2.1]", "[IPv6:2001:db8::1]", "my_pc", "a" * 255])
def test_names_behind_ehlo(name: str) -> None:
    assert parse_hello(name.encode()) == name


@pytest.mark.parametrize(
    ("said", "name"),
    [("Anna's PC", "Anna?s?PC"), ("\xe9.test", "?.test"), ("<script>", "?script?"), ("a" * 300, "a" * 255)],
)
def test_a_computer_with_an_odd_name_is_heard_too(said: str, name: str) -> None:
    assert parse_hello(said.encode("latin-1")) == name


def test_who_gives_no_name_is_told_so() -> None:
    with pytest.raises(BadSyntax):
        parse_hello(b" ")
