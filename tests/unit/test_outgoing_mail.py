"""What leaves: legal for the strictest relay whatever the item says, and the same to whoever reads it."""

from __future__ import annotations

import email
import email.message
import email.policy
import re
import warnings
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_ATTACHMENT,
    ATTACHMENT_DISPOSITION_INLINE,
    ITEM_KIND_MESSAGE,
    RECIPIENT_TYPE_BCC,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
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
from rookery_core.rules import records

if TYPE_CHECKING:
    from collections.abc import Iterator

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
INJECTED = st.sampled_from(
    [
        "x\r\nBcc: all@b.test", "x\nX-Evil: y", "x\r\n\r\nbody", "a\0b", "=?utf-8?q?x?=", '"', "\\", "<a@b>", "a;b,c:d", "\u2028",
        "é" * 300, "w" * 2000,
    ]
)  # fmt: skip
HOSTILE = ANYTHING | INJECTED
ADDRESSES = HOSTILE | st.tuples(HOSTILE, HOSTILE).map("@".join) | st.just("ann@b.test")
PEOPLE = st.builds(Person, name=HOSTILE, address=ADDRESSES)
KINDS = st.sampled_from([RECIPIENT_TYPE_TO, RECIPIENT_TYPE_CC, RECIPIENT_TYPE_BCC, RECIPIENT_TYPE_REPLY_TO])
FIELDS = {
    "Date", "From", "Sender", "Reply-To", "To", "Cc", "Subject", "Message-ID", "In-Reply-To", "References", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding", "Disposition-Notification-To",
}  # fmt: skip
PART_FIELDS = {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID"}


def item(subject: str, author: Person, body: ItemContent, message_id: str = "id@rookery.test") -> tuple[ItemSummary, ItemContent]:
    message = MessageSummary(message_id=message_id)
    records.author(message).CopyFrom(author)
    return ItemSummary(kind=ITEM_KIND_MESSAGE, subject=subject, sent=Timestamp(seconds=1_700_000_000), message=message), body


def leaving(summary: ItemSummary, content: ItemContent, *attachments: tuple[Attachment, bytes]) -> bytes:
    raw = mime.compose(summary, content, attachments, boundary_seed=b"seed", leaving=True)
    assert b"\0" not in raw and not re.search(rb"\r(?!\n)|(?<!\r)\n", raw) and raw.endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    return raw


def parts_of(raw: bytes) -> list[email.message.EmailMessage]:
    """The parts as the standard library finds them, without a word of complaint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own: it is deprecating what it does itself
        read = email.message_from_bytes(raw, policy=email.policy.default)
        parts = list(read.walk())
        assert [part.defects for part in parts] == [[] for _ in parts]
    return parts


def own_parts(message: email.message.Message) -> Iterator[email.message.Message]:
    """A message and its parts, but not those of messages attached to it: what stands in them is theirs."""
    yield message
    if message.get_content_maintype() == "multipart":
        for part in message.get_payload():
            yield from own_parts(part)


ATTACHMENTS = st.lists(
    st.tuples(
        st.builds(
            Attachment,
            name=HOSTILE,
            media_type=st.sampled_from(["image/png", "text/plain", "multipart/mixed", "message/partial", "message/global"])
            | HOSTILE,
            content_id=HOSTILE,
            disposition=st.sampled_from([ATTACHMENT_DISPOSITION_INLINE, ATTACHMENT_DISPOSITION_ATTACHMENT]),
        ),
        st.binary(max_size=100),
    ),
    max_size=3,
)


@settings(deadline=None, max_examples=150)
@given(
    subject=HOSTILE,
    author=PEOPLE,
    sender=PEOPLE,
    recipients=st.lists(st.builds(Recipient, type=KINDS, person=PEOPLE), max_size=4),
    ids=st.lists(HOSTILE, min_size=3, max_size=5),
    text=ANYTHING | INJECTED,
    html=ANYTHING | INJECTED,
    attachments=ATTACHMENTS,
)
def test_nothing_that_an_item_says_adds_a_field_a_part_or_a_recipient(
    subject: str,
    author: Person,
    sender: Person,
    recipients: list[Recipient],
    ids: list[str],
    text: str,
    html: str,
    attachments: list[tuple[Attachment, bytes]],
) -> None:
    details = MessageContent(in_reply_to=ids[1], references=ids[2:], read_receipt_requested=True)
    summary, content = item(
        subject, author, ItemContent(body=Body(text=text, html=html), recipients=recipients, message=details), ids[0]
    )
    summary.message.sender.CopyFrom(sender)
    raw = leaving(summary, content, *attachments)
    head, *parts = own_parts(email.message_from_bytes(raw))
    assert set(head.keys()) <= FIELDS and len(head.keys()) == len(set(head.keys()))
    assert all(set(part.keys()) <= PART_FIELDS for part in parts)
    again = mime.parse(raw)
    named = [each for each in recipients if each.type != RECIPIENT_TYPE_BCC]
    assert len([each for each in again.content.recipients if each.person.address]) <= len(
        [each for each in named if "@" in each.person.address]
    )
    assert len(again.content.recipients) <= max(len(named), 1) + 1
    assert len(again.content.attachments) == len(attachments)
    data = [mime.decode_part(raw[each.offset : each.offset + each.length], each.encoding) for each in again.parts]
    unencoded = [each.media_type.startswith("message/") for each in again.content.attachments]
    for (_, given_bytes), read, is_message in zip(sorted_as_read(attachments, html), data, unencoded, strict=True):
        assert read == given_bytes or (is_message and read.split() == given_bytes.split())
    if all(mail.isascii() for mail in [author.address, sender.address, *(each.person.address for each in named)]):
        assert raw.isascii()


def sorted_as_read(attachments: list[tuple[Attachment, bytes]], html: str) -> list[tuple[Attachment, bytes]]:
    """What goes beside the HTML comes first."""

    def is_file(each: tuple[Attachment, bytes]) -> bool:
        beside = html and each[0].disposition == ATTACHMENT_DISPOSITION_INLINE and each[0].content_id
        return not (beside and any(letter.isprintable() and letter not in "<> " for letter in each[0].content_id))

    return sorted(attachments, key=is_file)


WORDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40)
NAMES = st.text(st.characters(categories=["L", "N"]) | st.sampled_from(" .,;()'\"_-+&=€漢é"), max_size=90).map(
    lambda name: f"n{name.strip()}.pdf"
)
QUOTING = re.compile(r'["\\\s]')
LOCALS = st.text(st.sampled_from('abcXYZ012.+-_ "\\@,;:<>()[]é漢'), min_size=1, max_size=20)


@settings(deadline=None, max_examples=150)
@given(
    subject=st.lists(WORDS, min_size=1, max_size=12).map(" ".join),
    names=st.lists(WORDS, min_size=3, max_size=3),
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=300),
    html=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=300),
    file_name=NAMES,
    data=st.binary(max_size=200),
)
def test_what_was_put_in_is_read_by_us_and_by_the_standard_library(
    subject: str, names: list[str], text: str, html: str, file_name: str, data: bytes
) -> None:
    people = [Person(name=f"N{name}", address=f"p{number}@b.test") for number, name in enumerate(names)]
    content = ItemContent(
        body=Body(text=text, html=html),
        recipients=[Recipient(type=RECIPIENT_TYPE_TO, person=people[1]), Recipient(type=RECIPIENT_TYPE_CC, person=people[2])],
    )
    summary, content = item(subject, people[0], content)
    raw = leaving(summary, content, (Attachment(name=file_name, media_type="application/pdf"), data))
    again = mime.parse(raw)
    assert again.summary.subject == subject and records.author(again.summary.message) == people[0]
    assert [each.person for each in again.content.recipients] == people[1:]
    assert again.content.body.text.removesuffix("\n") == text.removesuffix("\n")
    assert again.content.body.html.removesuffix("\n") == html.removesuffix("\n")
    assert again.content.attachments[0].name == file_name
    assert raw.isascii() and max(map(len, raw.split(b"\r\n"))) <= 78
    parts = parts_of(raw)
    assert parts[0]["subject"] == subject and parts[-1].get_filename() == file_name and parts[-1].get_payload(decode=True) == data
    read = [mail for field in ("from", "to", "cc") for mail in parts[0][field].addresses]
    # Between two encoded words of a name the library leaves the blank that RFC 2047 section 6.2 takes away.
    assert [(mail.display_name.replace(" ", ""), mail.addr_spec) for mail in read] == [(each.name, each.address) for each in people]
    assert [part.get_content_type() for part in parts] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    assert parts[2].get_payload(decode=True).decode().replace("\r\n", "\n").removesuffix("\n") == text.removesuffix("\n")


@settings(deadline=None)
@given(LOCALS)
def test_any_local_part_stays_one_address(local: str) -> None:
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    content.recipients.add(type=RECIPIENT_TYPE_TO, person=Person(name="N", address=f"{local}@b.test"))
    read = mime.parse(leaving(summary, content)).content.recipients
    assert len(read) == 1
    if read[0].person.address:
        assert QUOTING.sub("", read[0].person.address) == QUOTING.sub("", f"{local}@b.test")


def test_bcc_stays_with_the_sender() -> None:
    body = ItemContent(recipients=[Recipient(type=RECIPIENT_TYPE_BCC, person=Person(name="Secret", address="secret@b.test"))])
    summary, content = item("x", Person(address="a@b.test"), body)
    raw = leaving(summary, content)
    assert b"ecret" not in raw and email.message_from_bytes(raw)["to"] == "undisclosed-recipients:;"
    assert b"Bcc: Secret <secret@b.test>" in mime.compose(summary, content, [], boundary_seed=b"")
    content.recipients.add(type=RECIPIENT_TYPE_CC, person=Person(address="c@b.test"))
    assert email.message_from_bytes(leaving(summary, content))["to"] is None


@pytest.mark.parametrize("media_type", ["message/rfc822", "message/global", "Message/RFC822"])
def test_bcc_of_an_attached_message_stays_with_the_sender_too(media_type: str) -> None:
    attached = b"From: a@b.test\r\nBCC: secret@b.test,\r\n other-secret@b.test\r\nTo: b@b.test\r\n\r\nBcc: not a field\r\n"
    record = Attachment(name="sent.eml", media_type=media_type)
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    raw = leaving(summary, content, (record, attached))
    part = mime.parse(raw).parts[0]
    read = mime.decode_part(raw[part.offset : part.offset + part.length], part.encoding)
    assert read == b"From: a@b.test\r\nTo: b@b.test\r\n\r\nBcc: not a field\r\n"
    assert b"secret" in mime.compose(summary, content, [(record, attached)], boundary_seed=b"") or media_type == "message/global"


def test_an_international_domain_needs_no_smtputf8_but_an_international_name_does() -> None:
    summary, content = item("x", Person(address="info@mächine.test"), ItemContent())
    assert b"From: info@xn--mchine-bua.test\r\n" in leaving(summary, content)
    content.recipients.add(type=RECIPIENT_TYPE_TO, person=Person(address="jdöe@mächine.test"))
    raw = leaving(summary, content)
    assert "To: jdöe@mächine.test\r\n".encode() in raw
    assert mime.parse(raw).content.recipients[0].person.address == "jdöe@mächine.test"


def test_who_has_no_address_is_named_as_an_empty_group() -> None:
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    for person in (Person(name="The team"), Person(address="no address"), Person(name="Bob", address="bob at b.test")):
        content.recipients.add(type=RECIPIENT_TYPE_TO, person=person)
    groups = parts_of(leaving(summary, content))[0]["to"].groups
    assert [(group.display_name, group.addresses) for group in groups] == [
        ("The team", ()),
        ("no address", ()),
        ("Bob bob at b.test", ()),
    ]


def test_a_file_name_beyond_ascii_has_a_plain_one_beside_it() -> None:
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    file = parts_of(leaving(summary, content, (Attachment(name='Übersicht "漢".pdf', media_type="application/pdf"), b"x")))[-1]
    assert file.get_param("name") == "Ubersicht _.pdf" and file.get_filename() == 'Übersicht "漢".pdf'
    long = parts_of(leaving(summary, content, (Attachment(name="x" * 200 + ".pdf", media_type="application/pdf"), b"x")))[-1]
    assert long.get_param("name") == "x" * 56 + ".pdf" and long.get_filename() == "x" * 200 + ".pdf"


@pytest.mark.parametrize(
    ("data", "charset"), [(b"plain", "us-ascii"), ("grün".encode(), "utf-8"), (b"gr\xfcn", None), ("x".encode("utf-16-le"), None)]
)
def test_an_attached_text_says_in_what_it_is_written(data: bytes, charset: str | None) -> None:
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    file = parts_of(leaving(summary, content, (Attachment(name="a.txt", media_type="text/plain"), data)))[-1]
    assert file.get_param("charset") == charset and file.get_payload(decode=True) == data


@pytest.mark.parametrize(
    ("media_type", "data", "sent_as", "encoding"),
    [
        ("message/rfc822", b"Subject: x\n\ny", "message/rfc822", None),
        ("message/rfc822", b"Subject: x\n\n\xff", "message/rfc822", "8bit"),
        ("message/rfc822", b"Subject: x\n\n\0", "application/octet-stream", "base64"),
        ("message/delivery-status", b"Reporting-MTA: dns; x\n\nAction: failed\n", "message/delivery-status", None),
        ("message/delivery-status", b"Reporting-MTA: dns; \xff\n", "application/octet-stream", "base64"),
        ("message/global", b"Subject: \xc3\xbc\n\ny", "message/global", "base64"),
        ("multipart/mixed", b"x", "application/octet-stream", "base64"),
    ],
)
def test_a_message_is_attached_in_an_encoding_that_its_type_allows(
    media_type: str, data: bytes, sent_as: str, encoding: str
) -> None:
    summary, content = item("x", Person(address="a@b.test"), ItemContent())
    head, _, file, *_ = email.message_from_bytes(
        leaving(summary, content, (Attachment(name="a", media_type=media_type), data))
    ).walk()
    assert (file.get_content_type(), file["content-transfer-encoding"]) == (sent_as, encoding)
    assert head["content-transfer-encoding"] == ("8bit" if encoding == "8bit" else None)


def test_ids_beyond_ascii_leave_in_ascii() -> None:
    summary, content = item(
        "x", Person(address="a@b.test"), ItemContent(message=MessageContent(in_reply_to="ü@b.test")), "ü@b.test"
    )
    raw = leaving(summary, content)
    assert raw.isascii() and b"Message-ID: <%C3%BC@b.test>" in raw and b"In-Reply-To: <%C3%BC@b.test>" in raw
