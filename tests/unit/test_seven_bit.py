"""Messages for hosts without 8BITMIME: all that was said is still said, in 7 bits."""

from __future__ import annotations

import email
import email.policy

from rookery_core.formats import mbox, mime, seven_bit
from tests.support import corpus


def said(raw: bytes) -> tuple[str, str, list[bytes]]:
    """Text, HTML and attached bytes, in which line ends do not count."""
    found = mime.parse(raw)
    data = [mime.decode_part(raw[each.offset : each.offset + each.length], each.encoding) for each in found.parts]
    return found.content.body.text, found.content.body.html, [each.replace(b"\r\n", b"\n") for each in data]


def test_every_message_of_the_corpus_says_the_same_in_7_bits_or_is_left_alone() -> None:
    raws = [path.read_bytes() for path in corpus.files("mime")]
    with corpus.mbox().open("rb") as stream:
        raws += [each.raw for each in mbox.read(stream)]
    changed = 0
    for raw in [raw for raw in raws if not raw.isascii()]:
        made = seven_bit.seven_bit(raw)
        if made is not None:
            assert made.isascii() and max(map(len, made.split(b"\r\n"))) <= 998 and said(made) == said(raw)
            changed += 1
    assert changed > 150


NESTED = (
    b"Subject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n"
    b"--b\n\ngr\xfcn\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n"
    b"Subject: inner\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nb\xc3\xbcro\n"
    b"--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: binary\n\n\xff\xfe\n--b--\n"
)


def test_each_part_is_encoded_on_its_own_and_nothing_says_8bit_any_more() -> None:
    made = seven_bit.seven_bit(NESTED)
    assert made is not None and made.isascii() and b"8bit" not in made.lower()
    read = email.message_from_bytes(made, policy=email.policy.default)
    assert all(part.defects == [] for part in read.walk())
    text, nested, file = read.iter_parts()
    assert text.get_payload(decode=True) == b"gr\xfcn" and file.get_payload(decode=True) == b"\xff\xfe"
    inner = nested.get_content()
    assert inner["subject"] == "inner" and inner["mime-version"] == "1.0" and inner.get_content() == "büro"


def test_a_message_of_7_bits_keeps_its_bytes_but_for_line_ends() -> None:
    raw = b"Subject: x\rContent-Type: text/plain\n\nplain =E4\r\n"
    assert seven_bit.seven_bit(raw) == b"Subject: x\r\nContent-Type: text/plain\r\n\r\nplain =E4\r\n"


def test_lines_that_are_too_long_are_broken() -> None:
    made = seven_bit.seven_bit(b"Subject: x\n\n" + b"y" * 5000 + b"\n")
    assert made is not None and max(map(len, made.split(b"\r\n"))) <= 76
    assert mime.parse(made).content.body.text == "y" * 5000 + "\n"


def test_what_may_not_be_changed_is_not() -> None:
    signed = NESTED.replace(b"multipart/mixed", b"multipart/signed")
    raw_header = b"Subject: gr\xc3\xbcn\n\ntext\n"
    report = b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; m\xc3\xbc\n"
    preamble = NESTED.replace(b"\n\n--b\n\n", b"\n\npre\xe4mble\n--b\n\n", 1)
    deep = b"Content-Type: message/rfc822\n\n" * 40 + b"\n\xe4"
    for raw in (signed, raw_header, report, preamble, deep, b"Content-Transfer-Encoding: base64\n\n\xe4"):
        assert seven_bit.seven_bit(raw) is None
