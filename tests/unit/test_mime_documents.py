"""Recognising files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.formats.documents import HEAD_BYTES, sniff
from tests.support import corpus


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x", b"From ann@b.test Tue May 10 11:28:07 2005\nA: b\n", "mbox"),
        ("x.eml", b"From ann@b.test Tue May 10 11:28:07 2005\nA: b\n", "message"),
        ("x.txt", b"Received: from a\n by b\nSubject: x\n\n", "message"),
        ("x.txt", b"BEGIN:VCALENDAR\r\n", "icalendar"),
        ("x.vcf", b"\xef\xbb\xbf\r\nbegin:vcalendar\r\n", "icalendar"),
        ("x", b"BEGIN:VCARD\n", "vcard"),
        ("x", "\ufeffBEGIN:VCARD\n".encode("utf-16-le"), "vcard"),
        ("mail.mbox", b"", "mbox"),
        ("cal.ICS", b"rubbish", "icalendar"),
        ("x.txt", b"Dear all: hello\n", "unknown"),
        ("x.eml", b"\x89PNG\0\0", "unknown"),
        ("", b"", "unknown"),
    ],
)
def test_content_decides_and_the_name_helps(name: str, head: bytes, expected: str) -> None:
    assert sniff(name, head) == expected


def test_the_files_of_the_corpus_are_recognised_without_their_names() -> None:
    corpus.require("mime.tar.gz")
    found = [sniff("", path.read_bytes()) for path in corpus.files("mime", "*.eml")]
    assert found.count("message") + found.count("mbox") == len(found) == 103
    with corpus.mbox().open("rb") as stream:
        assert sniff("", stream.read(HEAD_BYTES)) == "mbox"
    assert {sniff("", path.read_bytes()) for path in corpus.files("contacts", "*.vcf")} == {"vcard"}


@given(st.text(max_size=20), st.binary(max_size=100))
def test_any_bytes_are_something(name: str, head: bytes) -> None:
    assert sniff(name, head) in {"mbox", "message", "icalendar", "vcard", "unknown"}
