"""Writing messages: what was written is read again, by us and by the standard library, and passes any relay."""

from __future__ import annotations

import email
import email.message
import email.policy

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_ATTACHMENT,
    ATTACHMENT_DISPOSITION_INLINE,
    IMPORTANCE_HIGH,
    ITEM_KIND_MESSAGE,
    RECIPIENT_TYPE_BCC,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
    SENSITIVITY_PRIVATE,
    Attachment,
    Body,
    ItemContent,
    ItemSummary,
    MessageContent,
    MessageSummary,
    Recipient,
)
from rookery.v1.person_pb2 import Person
from rookery_core.formats import mime

NOW = 1_700_000_000


def draft(subject: str = "Hello", *, author: Person | None = None) -> ItemSummary:
    message = MessageSummary(message_id="id@rookery.test", draft=True)
    getattr(message, "from").CopyFrom(author or Person(name="Ann Müller", address="ann@b.test"))
    return ItemSummary(kind=ITEM_KIND_MESSAGE, subject=subject, sent=Timestamp(seconds=NOW), message=message)


def content(text: str = "text", html: str = "") -> ItemContent:
    return ItemContent(
        body=Body(text=text, html=html),
        recipients=[
            Recipient(type=RECIPIENT_TYPE_REPLY_TO, person=Person(address="reply@b.test")),
            Recipient(type=RECIPIENT_TYPE_TO, person=Person(name='Bob "the" Builder, Inc.', address="bob@b.test")),
            Recipient(type=RECIPIENT_TYPE_TO, person=Person(name="undisclosed", address="")),
            Recipient(type=RECIPIENT_TYPE_CC, person=Person(name="漢字 " * 30, address="c@b.test")),
            Recipient(type=RECIPIENT_TYPE_BCC, person=Person(address="secret@b.test")),
        ],
        message=MessageContent(in_reply_to="root@b.test", references=["root@b.test"] + [f"{n}@b.test" for n in range(40)]),
    )


def composed(summary: ItemSummary, body: ItemContent, *attachments: tuple[Attachment, bytes]) -> bytes:
    raw = mime.compose(summary, body, attachments, boundary_seed=b"seed")
    assert raw == mime.compose(summary, body, attachments, boundary_seed=b"seed")
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"") and raw.endswith(b"\r\n")
    assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= 78
    assert all(part.defects == [] for part in email.message_from_bytes(raw, policy=email.policy.default).walk())
    return raw


def test_what_was_composed_is_read_again_field_by_field() -> None:
    summary = draft("Grüße: 漢字 " * 12 + "!")
    summary.importance, summary.sensitivity = IMPORTANCE_HIGH, SENSITIVITY_PRIVATE
    given_content = content("Grüße\nund mehr\n", "<p>Grüße</p>")
    given_content.message.read_receipt_requested = True
    raw = composed(summary, given_content)
    again = mime.parse(raw)
    for name in ("subject", "sent", "importance", "sensitivity"):
        assert getattr(again.summary, name) == getattr(summary, name)
    assert getattr(again.summary.message, "from") == getattr(summary.message, "from")
    assert again.summary.message.message_id == "id@rookery.test"
    expected = {(each.type, each.person.name.strip(), each.person.address) for each in given_content.recipients}
    assert {(each.type, each.person.name, each.person.address) for each in again.content.recipients} == expected
    assert (again.content.body.text, again.content.body.html) == ("Grüße\nund mehr\n", "<p>Grüße</p>")
    assert again.content.message.in_reply_to == "root@b.test"
    assert again.content.message.references == given_content.message.references
    assert again.content.message.read_receipt_requested
    assert list(again.content.message.defects) == []


def test_attachments_keep_their_bytes_names_and_places() -> None:
    html = '<img src="cid:pic@b.test">'
    given_records = [
        (
            Attachment(name="bild.png", media_type="image/png", content_id="pic@b.test", disposition=ATTACHMENT_DISPOSITION_INLINE),
            b"\x89PNG",
        ),
        (Attachment(name="Übersicht " * 20 + "€.pdf", media_type="application/pdf"), bytes(range(256)) * 40),
        (
            Attachment(name='q"u\\o;te.txt', media_type="text/plain", disposition=ATTACHMENT_DISPOSITION_ATTACHMENT),
            b"plain\nlines\n",
        ),
        (Attachment(name="", media_type="no type at all"), b""),
    ]
    raw = composed(draft(), content("text", html), *given_records)
    again = mime.parse(raw)
    data = [mime.decode_part(raw[each.offset : each.offset + each.length], each.encoding) for each in again.parts]
    assert data == [each for _, each in given_records]
    assert [each.name for each in again.content.attachments] == [
        "bild.png",
        ("Übersicht " * 20 + "€.pdf"),
        ['q"u', "o;te.txt"][-1],
        "",
    ]
    assert [each.media_type for each in again.content.attachments] == [
        "image/png",
        "application/pdf",
        "text/plain",
        "application/octet-stream",
    ]
    assert again.content.attachments[0].content_id == "pic@b.test"
    assert again.content.attachments[0].disposition == ATTACHMENT_DISPOSITION_INLINE
    assert (again.content.body.text, again.content.body.html) == ("text", html)
    types = [part.get_content_type() for part in email.message_from_bytes(raw).walk() if part.is_multipart()]
    assert types == ["multipart/mixed", "multipart/alternative", "multipart/related"]


def test_a_forwarded_message_stays_a_message_and_shares_no_boundary_with_its_envelope() -> None:
    inner = composed(draft("inner"), content("text", "<b>html</b>"))
    record = Attachment(name="inner.eml", media_type="message/rfc822", is_message=True)
    raw = composed(draft("outer"), content("text", "<b>html</b>"), (record, inner))
    again = mime.parse(raw)
    assert [each.is_message for each in again.content.attachments] == [True]
    part = again.parts[0]
    nested = mime.parse(raw[part.offset : part.offset + part.length])
    assert (nested.summary.subject, nested.content.body.html) == ("inner", "<b>html</b>")


def test_an_attached_message_of_8_bits_says_so_on_every_level_and_one_that_mail_can_not_carry_goes_as_a_file() -> None:
    record = Attachment(name="inner.eml", media_type="message/rfc822", is_message=True)
    eight_bit = b"Subject: gr\xc3\xbcn\r\n\r\n\xff"
    raw = mime.compose(draft(), content(), [(record, eight_bit)], boundary_seed=b"seed")
    again = mime.parse(raw)
    assert raw[again.parts[0].offset :][: again.parts[0].length] == eight_bit
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["content-transfer-encoding"] == "8bit" and all(part.defects == [] for part in read.walk())
    for broken in (b"Subject: x\r\n\r\n\0", b"Subject: x\r\n\r\n" + b"y" * 1000):
        raw = composed(draft(), content(), (record, broken))
        again = mime.parse(raw)
        part = again.parts[0]
        assert again.content.attachments[0].media_type == "application/octet-stream"
        assert mime.decode_part(raw[part.offset : part.offset + part.length], part.encoding) == broken


def test_no_value_can_add_a_field_or_end_the_header() -> None:
    evil = "x\r\nBcc: all@b.test\n\nbody"
    summary = draft(evil, author=Person(name=evil, address="a@b.test\r\nX-Evil: yes"))
    summary.message.message_id = "id\r\nX-Evil: yes"
    body = ItemContent(recipients=[Recipient(type=RECIPIENT_TYPE_TO, person=Person(name=evil, address="b@b.test"))])
    raw = composed(summary, body, (Attachment(name=evil, media_type="a/b\r\nX-Evil: yes", content_id=evil), b"x"))
    read = email.message_from_bytes(raw)
    assert {name.lower() for name in read} == {"date", "from", "to", "subject", "message-id", "mime-version", "content-type"}
    assert not any("x-evil" in {name.lower() for name in part} for part in read.walk())


def test_lines_that_relays_would_change_are_protected() -> None:
    for text in ("From here\n", "a\n.\nb\n", "blank at the end \n", "x" * 3000 + "\n", "tab\t\n", "bell \x07\n"):
        raw = composed(draft(), content(text))
        body = raw.partition(b"\r\n\r\n")[2]
        assert not body.startswith(b"From ") and b"\nFrom " not in body and b"\r\n.\r\n" not in body
        assert b" \r\n" not in body and b"\t\r\n" not in body
        assert mime.parse(raw).content.body.text == text


@settings(deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=300),
    subject=st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), max_size=120),
    name=st.text(st.characters(categories=["L", "N", "P"]), max_size=80),
)
def test_any_text_subject_and_name_survive(text: str, subject: str, name: str) -> None:
    person = Person(name=f"N{name}", address="a@b.test")
    raw = mime.compose(draft(subject, author=person), content(text), [], boundary_seed=b"")
    assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= 998
    again = mime.parse(raw)
    assert again.content.body.text.removesuffix("\n") == text.removesuffix("\n")
    assert again.summary.subject == subject
    assert getattr(again.summary.message, "from") == person


def test_addresses_that_are_not_ascii_travel_as_utf8() -> None:
    raw = mime.compose(draft(author=Person(name="J", address="jdöe@mächine.test")), content(), [], boundary_seed=b"")
    assert "<jdöe@mächine.test>".encode() in raw
    assert getattr(mime.parse(raw).summary.message, "from").address == "jdöe@mächine.test"
