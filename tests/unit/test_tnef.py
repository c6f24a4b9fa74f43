"""winmail.dat: what it holds becomes the message's, and no stream is too broken or too big."""

from __future__ import annotations

import base64
import struct

import pytest
import tnefparse
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1.item_pb2 import ATTACHMENT_DISPOSITION_ATTACHMENT, ATTACHMENT_DISPOSITION_INLINE
from rookery_core.formats import mbox, mime, rtf, tnef
from tests.support import corpus

STRING8, UNICODE, OBJECT, BINARY, LONG, SHORT = 0x1E, 0x1F, 0x0D, 0x102, 3, 2
EMBEDDED = bytes.fromhex("0703020000000000c000000000000046")
STORAGE = bytes.fromhex("0b00000000000000c000000000000046")


def attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)


def prop(kind: int, name: int, value: bytes | int, *, named: bytes = b"") -> bytes:
    head = struct.pack("<HH", kind, name) + named
    if isinstance(value, int):
        return head + struct.pack("<i", value)
    return head + struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)


def props(*all_of_them: bytes) -> bytes:
    return struct.pack("<I", len(all_of_them)) + b"".join(all_of_them)


def stream(*attributes: bytes) -> bytes:
    version = attribute(1, 0x9006, struct.pack("<I", 0x10000))
    return tnef.SIGNATURE + b"\x01\x00" + version + attribute(1, 0x9007, struct.pack("<II", 1252, 0)) + b"".join(attributes)


def file(title: bytes, data: bytes, *details: bytes) -> bytes:
    begin = attribute(2, 0x9002, b"\x01\0" + b"\0" * 12)
    return begin + attribute(2, 0x8010, title + b"\0") + attribute(2, 0x800F, data) + attribute(2, 0x9005, props(*details))


def utf16(text: str) -> bytes:
    return (text + "\0").encode("utf-16-le")


def wide(name: int, text: str) -> bytes:
    return prop(UNICODE, name, utf16(text))


WHOLE = stream(
    attribute(
        1,
        0x9003,
        props(
            prop(LONG, 0x3FDE, 65001),
            prop(SHORT, 0x0017, 1),
            prop(LONG, 0x8001, 7, named=b"g" * 16 + struct.pack("<II", 0, 42)),
            prop(LONG, 0x8002, 7, named=b"g" * 16 + struct.pack("<II", 1, 6) + "ab\0".encode("utf-16-le") + b"\0\0"),
            struct.pack("<HHI", 0x1003, 0x0E0F, 2) + b"\0" * 8,
            wide(0x0037, "Grüße"),
            wide(0x1000, "plain\r\ntext"),
            prop(BINARY, 0x1013, '<p>grün<img src="cid:pic@b"></p>'.encode()),
        ),
    ),
    file(b"LANGER~1.PDF", b"%PDF\0\0\0", wide(0x3707, "Länger als acht.pdf"), prop(STRING8, 0x370E, b"application/pdf\0")),
    file(b"pic.png", b"\x89PNG", wide(0x3712, "pic@b")),
)


def message(data: bytes, *, text: str = "", encoding: str = "base64", name: str = "winmail.dat") -> bytes:
    body = base64.encodebytes(data) if encoding == "base64" else data
    head = b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    plain = f"--b\nContent-Type: text/plain\n\n{text}\n".encode() if text else b""
    fields = f'--b\nContent-Type: application/ms-tnef; name="{name}"\nContent-Transfer-Encoding: {encoding}\n\n'.encode()
    return head + plain + fields + body + b"\n--b--\n"


def contents(raw: bytes) -> list[tuple[str, str, bytes]]:
    found = mime.parse(raw)
    data = [mime.decode_part(raw[part.offset : part.offset + part.length], part.encoding) for part in found.parts]
    assert [len(each) for each in data] == [part.size for part in found.parts]
    assert [part.size for part in found.parts] == [each.size_bytes for each in found.content.attachments]
    assert all(len(part.encoding) <= 20 for part in found.parts)
    return [(each.name, each.media_type, piece) for each, piece in zip(found.content.attachments, data, strict=True)]


def test_what_a_winmail_holds_becomes_the_message() -> None:
    raw = message(WHOLE)
    found = mime.parse(raw)
    assert contents(raw) == [("Länger als acht.pdf", "application/pdf", b"%PDF\0\0\0"), ("pic.png", "image/png", b"\x89PNG")]
    assert (found.content.body.text, found.content.body.html) == ("plain\ntext", '<p>grün<img src="cid:pic@b"></p>')
    assert [each.disposition for each in found.content.attachments] == [
        ATTACHMENT_DISPOSITION_ATTACHMENT,
        ATTACHMENT_DISPOSITION_INLINE,
    ]
    assert found.summary.has_attachments and found.summary.preview == "plain text"
    assert [each for each in found.content.message.defects if "winmail" in each] == []


def test_the_text_beside_a_winmail_stays_the_text() -> None:
    found = mime.parse(message(WHOLE, text="from the sender"))
    assert found.content.body.text == "from the sender" and found.content.body.html.startswith("<p>grün")


def test_another_reader_of_such_streams_finds_the_same() -> None:
    other = tnefparse.TNEF(WHOLE)
    assert [(each.long_filename(), each.data) for each in other.attachments] == [
        ("Länger als acht.pdf", b"%PDF\0\0\0"),
        ("pic.png", b"\x89PNG"),
    ]
    found = tnef.read(WHOLE)
    assert found is not None and (other.body, other.htmlbody) == (found.text.replace("\n", "\r\n"), found.html)


@pytest.mark.parametrize("encoding", ["base64", "8bit", "binary"])
def test_any_transfer_encoding_will_do(encoding: str) -> None:
    data = stream(file(b"a.txt", b"one"))
    assert contents(message(data, encoding=encoding)) == [("a.txt", "text/plain", b"one")]


def test_a_message_that_is_nothing_but_a_winmail_is_read() -> None:
    raw = b"Content-Type: application/ms-tnef\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(WHOLE)
    assert [each[0] for each in contents(raw)] == ["Länger als acht.pdf", "pic.png"]


def test_a_message_inside_brings_its_files_along() -> None:
    inner = stream(attribute(1, 0x9003, props(wide(0x0037, "Forwarded"))), file(b"deep.txt", b"deep"))
    outer = stream(
        file(b"", b"", prop(OBJECT, 0x3701, EMBEDDED + inner)), file(b"ole.bin", b"", prop(OBJECT, 0x3701, STORAGE + b"doc"))
    )
    assert contents(message(outer)) == [
        ("Forwarded.dat", "application/ms-tnef", inner),
        ("deep.txt", "text/plain", b"deep"),
        ("ole.bin", "application/octet-stream", b"doc"),
    ]


def test_rich_text_is_read_where_there_is_no_other() -> None:
    source = rb"{\rtf1\ansi\ansicpg1251{\fonttbl{\f0 Arial;}}{\*\generator x;}\'cf\uc1\u8364?\par {\b bold}\tab "
    source += rb"\{x\}\~\u-10179?\u-8704?}"
    packed = struct.pack("<IIII", len(source) + 12, len(source), 0x414C454D, 0) + source
    assert (
        mime.parse(message(stream(attribute(1, 0x9003, props(prop(BINARY, 0x1009, packed)))))).content.body.text
        == "П€\nbold\t{x}\u00a0😀"
    )


def test_compressed_rich_text_is_unpacked() -> None:
    # MS-OXRTFCP sections 3.1 and 3.2: the specification's own examples, the second with references that overlap themselves.
    simple = bytes.fromhex("2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c090020627705b06c647d0a800fa0")
    assert rtf.decompressed(simple) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    crossing = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert rtf.decompressed(crossing) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"
    assert rtf.decompressed(b"") == rtf.decompressed(b"x" * 40) == b"" and rtf.text_of(b"no rtf") == ""


def test_a_winmail_without_anything_to_show_stays_as_it_is() -> None:
    assert contents(message(stream())) == [("winmail.dat", "application/ms-tnef", stream())]
    assert contents(message(b"rubbish")) == [("winmail.dat", "application/ms-tnef", b"rubbish")]
    assert "a winmail.dat can not be read" in mime.parse(message(b"rubbish")).content.message.defects


def test_a_broken_winmail_stays_beside_what_could_be_taken_out_of_it() -> None:
    cut = WHOLE[:-20]
    assert [each[0] for each in contents(message(cut))] == ["Länger als acht.pdf", "pic.png", "winmail.dat"]
    assert "a winmail.dat breaks off" in mime.parse(message(cut)).content.message.defects
    assert [each[0] for each in contents(message(WHOLE + b"\0" * 300))] == ["Länger als acht.pdf", "pic.png"]


def test_names_in_a_winmail_can_not_deceive() -> None:
    evil = stream(file(b"x", b"1", wide(0x3707, "..\\..\\etc/pass\u202ewd")), file(b"y", b"2", wide(0x370E, "text/html\r\nX: y")))
    assert [each[:2] for each in contents(message(evil))] == [
        ("passwd", "application/octet-stream"),
        ("y", "application/octet-stream"),
    ]


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, len(WHOLE)))
def test_no_stream_is_too_broken(position: int, noise: bytes, end: int) -> None:
    damaged = (WHOLE[:position] + noise + WHOLE[position + len(noise) :])[:end]
    contents(message(damaged, encoding="base64"))


@given(st.binary(max_size=300))
def test_no_rich_text_is_too_broken(noise: bytes) -> None:
    rtf.decompressed(struct.pack("<IIII", 300, 1 << 31, 0x75465A4C, 0) + noise)
    rtf.text_of(b"{\\rtf1" + noise).encode()


HUGE = 0xFFFFFFFF


@pytest.mark.parametrize(
    "bomb",
    [
        stream(attribute(1, 0x9003, struct.pack("<I", HUGE) + b"\0" * 8)),
        stream(attribute(1, 0x9003, struct.pack("<IHHI", 1, 0x1002, 0x1000, HUGE) + b"\0" * 8)),
        stream(attribute(1, 0x9003, struct.pack("<IHHI", 1, 0x001F, 0x1000, HUGE) + b"\0" * 8)),
        stream(attribute(1, 0x9003, struct.pack("<I", HUGE) + struct.pack("<HH", 1, 0x3001) * 200_000)),
        stream(b"".join([attribute(1, 0x8006, b"")] * 200_000)),
        stream(b"".join([attribute(2, 0x9002, b"")] * 200_000)),
    ],
    ids=["properties", "values", "strings", "nulls", "attributes", "files"],
)
def test_a_stream_can_not_ask_for_more_work_than_its_length(bomb: bytes) -> None:
    found = tnef.read(bomb)  # as asked for, this would take hours
    assert found is not None and found.files == [] and contents(message(bomb))[-1][0] == "winmail.dat"


def test_messages_inside_messages_end_somewhere() -> None:
    nested = stream(file(b"core.txt", b"core"))
    for _ in range(200):
        nested = stream(file(b"", b"", prop(OBJECT, 0x3701, EMBEDDED + nested)))
    assert len(contents(message(nested))) == 11


def test_more_rich_text_than_a_body_holds_is_cut() -> None:
    packed, length = bytearray(struct.pack("<IIII", HUGE, HUGE, 0x75465A4C, 0)), 207
    for position in range(300_000):
        packed += b"\xff" if position % 8 == 0 else b""
        packed += struct.pack(">H", (length + 1) % 4096 << 4 | 15)
        length += 17
    assert len(rtf.decompressed(bytes(packed))) == 4 << 20


def test_the_two_winmails_of_the_corpus_say_nothing_new() -> None:
    count = 0
    with corpus.mbox().open("rb") as messages:
        for each in mbox.read(messages):
            if b"application/ms-tnef" in each.raw:
                found = mime.parse(each.raw)
                assert found.content.body.text and not found.content.attachments and not found.content.message.defects
                count += 1
    assert count == 2
