from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_server.gateway.smtp_wire import LineEndings


def sent(*chunks: bytes, dots: bool = True) -> bytes:
    lines = LineEndings(dots=dots)
    return b"".join([*(lines.encode(chunk) for chunk in chunks), lines.finish()])


def understood(wire: bytes) -> bytes:
    """What a server makes of it (RFC 5321 section 4.5.2)."""
    assert wire == b"" or wire.endswith(b"\r\n")
    return b"".join(line.removeprefix(b".") for line in wire.splitlines(keepends=True))


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\rb\r", b"a\r\nb\r\n"),
        (b"a\n\rb", b"a\r\n\r\nb\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"no end", b"no end\r\n"),
        (b".", b"..\r\n"),
        (b"..\r\n.\r\na.\r\n", b"...\r\n..\r\na.\r\n"),
        (b"a\n.\r\nMAIL FROM:<x@y>\r\n", b"a\r\n..\r\nMAIL FROM:<x@y>\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n"),
    ],
)
def test_lines_end_in_crlf_and_leading_dots_are_doubled(message: bytes, wire: bytes) -> None:
    assert sent(message) == wire


def test_chunks_of_bdat_keep_their_dots() -> None:
    assert sent(b".a\n", b".b", dots=False) == b".a\r\n.b\r\n"


@given(st.lists(st.lists(st.sampled_from([b"\r", b"\n", b".", b"x", b"\r\n"])).map(b"".join)))
def test_how_a_message_is_cut_into_chunks_makes_no_difference(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert sent(*chunks) == sent(whole)
    assert understood(sent(*chunks)) == sent(whole, dots=False)


@given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\r", b"\n", b".", b"\r\n.\r\n", b"\n.\n", b"\r.\r"])))
def test_no_lone_line_break_leaves_and_no_line_ends_the_message(chunks: list[bytes]) -> None:
    wire = sent(*chunks)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    assert b"." not in wire.split(b"\r\n")
