"""Parts of messages: their names, their sizes, their limits."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.formats import mime, mime_transfer

if TYPE_CHECKING:
    from rookery_core.formats.mime import ParsedMessage


def _message(header: str, body: str = "text\n") -> ParsedMessage:
    return mime.parse(f"{header}\n\n{body}".encode())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('filename="C:\\\\dir\\\\file.txt"', "file.txt"),
        ("filename*=utf-8''../../etc/%E2%82%AC.txt", "€.txt"),
        ("filename*0=long; filename*1=er.txt", "longer.txt"),
        ('filename="=?iso-8859-1?q?gr=FCn?=.txt"', "grün.txt"),
        ('filename=".."', ""),
        ('filename="a' + "b" * 300 + '.txt"', "a" + "b" * 250 + ".txt"),
        ('filename="gpj\u202e.exe"', "gpj.exe"),
    ],
)
def test_file_names_are_decoded_and_carry_no_path(given: str, expected: str) -> None:
    message = _message(f"Content-Type: application/pdf\nContent-Disposition: attachment; {given}")
    assert message.content.attachments[0].name == expected


def test_a_body_beyond_the_limit_is_cut_and_marked() -> None:
    message = _message("Content-Type: text/plain; charset=utf-8", "é" * (5 * 1024 * 1024))
    assert message.content.body.truncated
    assert len(message.content.body.text.encode()) <= 8 * 1024 * 1024
    assert not _message("Subject: short").content.body.truncated


@given(
    st.one_of(
        st.binary(max_size=300).map(base64.encodebytes),
        st.binary(max_size=300).map(lambda data: base64.b64encode(data).replace(b"A", b"\r\nA")),
        st.text(alphabet="ABab01+/=-_ \r\n\t!", max_size=80).map(str.encode),
    ),
    st.sampled_from(["identity", "base64", "quoted-printable", "uuencode"]),
)
def test_the_size_of_an_encoded_part_is_what_decoding_it_gives(encoded: bytes, encoding: str) -> None:
    assert mime_transfer.decoded_size(encoded, encoding) == len(mime_transfer.decode_part(encoded, encoding))
