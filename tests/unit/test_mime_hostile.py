"""Reading messages that were made to hurt: any bytes at all, and input that invites quadratic work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rookery_core.formats import mime
from rookery_core.formats.mime_structure import DEPTH_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

FRAGMENTS = [
    b"From: ", b"To: ", b"Subject: ", b"Date: ", b"Received: ; ", b"References: <", b"Message-ID: <a@b>", b"Content-Type: ",
    b"multipart/mixed; boundary=b", b"multipart/digest; boundary=b", b"multipart/alternative; boundary=b", b"text/html",
    b"text/plain; charset=utf-7", b"; charset=zlib", b"; charset=utf-16", b"message/rfc822", b"text/calendar; method=REPLY",
    b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"x-uuencode", b"Content-Disposition: attachment; filename*0*=",
    b"utf-8''%ff", b"=?utf-8?q?=C3?=", b"=?utf-7?b?2D0?=", b"=?iso-2022-jp?b?GyRC?=", b"\n", b"\r\n", b"\n\n", b"\r", b" ", b"\t",
    b"--b", b"--b--", b"--",
    b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"+2D0-", b"begin 644 x\n", b"end\n", b"(", b")", b'"', b"<", b">",
    b",", b";", b":", b"\\", b"=", b"<!--", b"<style>", b"&#xd800;", b"a@b", b"1 Jan 99999 99:99", b"From x\n", b"\x1b$B",
]  # fmt: skip

anything = st.one_of(st.binary(max_size=300), st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))


@settings(max_examples=600, deadline=None)
@given(raw=anything)
@example(raw=b"Content-Type: text/plain; charset=utf-7\n\n+2D0-")
@example(raw=b"Content-Type: text/html\n\n&#xd800;&#0;")
@example(raw=b"Subject: =?utf-7?q?+2D0-?=")
@example(raw=b"\n\n\n")
@example(raw=b"Content-Type: multipart/mixed; boundary=b\n\n--b")
def test_any_bytes_become_records_that_serialise_with_parts_inside_the_message(raw: bytes) -> None:
    message = mime.parse(raw)
    message.summary.SerializeToString()
    message.content.SerializeToString()
    assert "\0" not in message.content.body.text + message.content.body.html + message.summary.subject
    for part in message.parts:
        assert 0 <= part.offset <= part.offset + part.length <= len(raw)
        assert len(mime.decode_part(raw[part.offset : part.offset + part.length], part.encoding)) == part.size


@settings(max_examples=300, deadline=None)
@given(data=anything, encoding=st.sampled_from(["identity", "base64", "quoted-printable", "uuencode", "other"]))
def test_any_bytes_decode_to_some_bytes(data: bytes, encoding: str) -> None:
    assert isinstance(mime.decode_part(data, encoding), bytes)


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "parameters": lambda n: b"Content-Type: text/plain" + b";" * n,
    "blank parameters": lambda n: b"Content-Type: text/plain" + b"; " * n,
    "escapes": lambda n: b'Content-Type: text/plain; a="' + b'\\"' * n,
    "one long line": lambda n: b"Subject: " + b"a" * (8 * n),
    "folds": lambda n: b"Subject: a" + b"\n b" * n,
    "empty folds": lambda n: b"Subject: a" + b"\n " * n,
    "recipients": lambda n: b"To: " + b"a@b," * n,
    "angles": lambda n: b"To: " + b"<" * n,
    "comments": lambda n: b"To: " + b"(" * n,
    "quotes": lambda n: b"To: " + b'" ' * n,
    "colons": lambda n: b"To: " + b"a:" * n,
    "half words": lambda n: b"Subject: " + b"=?a?b?" * n,
    "encoded words": lambda n: b"Subject: " + b"=?utf-8?q?a?= " * n,
    "ids": lambda n: b"References: " + b"<a@b> " * n,
    "half ids": lambda n: b"Message-ID: " + b"<a(" * n,
    "dates": lambda n: b"Date: " + b"1 Jan " * n,
    "received": lambda n: b"Received: " + b"; " * n,
    "odd lines": lambda n: b"A: b\n" + b"x\nA: b\n" * n,
    "fields": lambda n: b"A: b\n" * n,
    "boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * n,
    "near boundaries": lambda n: b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"--bb\n" * n,
    "unknown boundaries": lambda n: b"Content-Type: multipart/mixed\n\n" + b"--x y\n" * n,
    "angles in html": lambda n: b"Content-Type: text/html\n\n" + b"<" * n,
    "comments in html": lambda n: b"Content-Type: text/html\n\n" + b"<!--" * n,
    "styles in html": lambda n: b"Content-Type: text/html\n\n" + b"<style>" * n,
    "padding": lambda n: b"Content-Type: a/b\nContent-Transfer-Encoding: base64\n\n" + b"=a" * n,
    "line ends": lambda n: b"\n" * n,
    "returns": lambda n: b"\r" * n,
}


def _seconds(raw: bytes) -> float:
    best = float("inf")
    for _ in range(3):
        begin = time.thread_time()
        mime.parse(raw)
        best = min(best, time.thread_time() - begin)
    return best


@pytest.mark.parametrize("kind", HOSTILE)
def test_work_grows_with_the_size_of_hostile_input_and_not_with_its_square(kind: str) -> None:
    # Eight times the input is eight times the work; 64 times would be its square. Half of that is far from either.
    small, large = _seconds(HOSTILE[kind](20_000)), _seconds(HOSTILE[kind](160_000))
    assert large < 32 * max(small, 0.000_5)


def test_parts_beyond_the_limits_stay_unread_and_the_message_says_so() -> None:
    many = mime.parse(b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: a/b\n\nx\n" * 3000 + b"--b--\n")
    assert len(many.content.attachments) == 1000
    assert any("1,000 parts" in each for each in many.content.message.defects)

    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(500))
    deep = mime.parse(nested)
    assert any(str(DEPTH_LIMIT) in each for each in deep.content.message.defects)
    assert len(deep.content.attachments) == 1


def test_recipients_references_headers_and_defects_are_bounded() -> None:
    people = b", ".join(b"p%d@b.test" % n for n in range(11_000))
    message = mime.parse(
        b"To: " + people + b"\nReferences: " + b"".join(b"<%d@b>" % n for n in range(900)) + b"\n" + b"X: y\n" * 2000
    )
    assert len(message.content.recipients) == 10_000
    references = list(message.content.message.references)
    assert (len(references), references[0], references[-1]) == (200, "0@b", "899@b")
    assert len(message.content.message.headers) == 1000
    assert len(message.content.message.defects) <= 20


def test_unknown_charsets_are_never_looked_up_as_modules() -> None:
    message = mime.parse(b"Content-Type: text/plain; charset=os.path\nSubject: =?__main__?q?ok?=\n\nplain")
    assert (message.summary.subject, message.content.body.text) == ("ok", "plain")
