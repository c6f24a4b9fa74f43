"""What follows from a record: the parsers and an edit come to the same."""

from __future__ import annotations

import pytest

from rookery.v1.contact_pb2 import ContactContent, ContactEmail, ContactPhone, ContactSummary
from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_INLINE,
    ITEM_KIND_CONTACT,
    ITEM_KIND_NOTE,
    Attachment,
    ItemContent,
    ItemSummary,
)
from rookery.v1.person_pb2 import Person
from rookery_core.formats import mbox, mime, vcard
from rookery_core.rules import records
from tests.support import corpus

ITEM_ID = bytes(range(16))


def edited(raw: bytes) -> tuple[mime.ParsedMessage, ItemSummary, ItemContent]:
    """A message as parsed, and as an edit that changes nothing leaves it."""
    parsed = mime.parse(raw)
    summary, content = ItemSummary(), ItemContent()
    summary.CopyFrom(parsed.summary)
    content.CopyFrom(parsed.content)
    records.complete(summary, content, ITEM_ID)
    return parsed, summary, content


def test_an_edit_of_a_message_of_html_alone_keeps_its_preview() -> None:
    parsed, summary, _ = edited(b"Content-Type: text/html\n\n<style>p {}</style><p>Dear <b>all</b>,</p>")
    assert parsed.summary.preview == summary.preview == "Dear all,"


def test_an_edit_of_a_signed_message_shows_no_paper_clip() -> None:
    head = b'Content-Type: multipart/signed; boundary=x; protocol="application/pgp-signature"\n\n'
    body = b"--x\nContent-Type: text/plain\n\nHi\n--x\nContent-Type: application/pgp-signature\n\n-----\n--x--\n"
    parsed, summary, content = edited(head + body)
    assert len(content.attachments) == 1
    assert not parsed.summary.has_attachments and not summary.has_attachments


def test_an_edit_of_a_message_to_many_shows_the_same_recipients() -> None:
    people = ", ".join(f"Person number {number} <p{number}@example.org>" for number in range(60))
    parsed, summary, _ = edited(f"To: {people}\n\nHi".encode())
    assert parsed.summary.message.display_to == summary.message.display_to
    assert len(summary.message.display_to) == 255 and summary.message.display_to.endswith("…")


def test_an_edit_of_a_message_with_a_very_long_subject_keeps_its_conversation() -> None:
    parsed, summary, _ = edited(b"From: a@b.test\nSubject: " + b"long " * 400 + b"end\n\nHi")
    assert len(summary.subject) == 1000
    assert parsed.summary.conversation_id == summary.conversation_id


def test_completing_a_message_of_the_corpus_changes_nothing() -> None:
    corpus.require("mime.tar.gz")
    raws = [path.read_bytes() for path in corpus.files("mime", "*.eml")]
    with corpus.mbox().open("rb") as stream:
        raws += [message.raw for message in mbox.read(stream)]
    assert len(raws) == 1753
    for raw in raws:
        parsed, summary, content = edited(raw)
        assert summary == parsed.summary
        assert content == parsed.content


def test_a_list_of_people_leaves_out_those_without_a_name_and_an_address() -> None:
    assert records.display([Person(name="Ann"), Person(), Person(address="b@example.org")]) == "Ann; b@example.org"
    assert records.display([Person(name="abcd"), Person(name="efgh")], limit=8) == "abcd; e…"


def test_a_contact_read_and_a_contact_edited_show_the_same() -> None:
    card = b"BEGIN:VCARD\nVERSION:4.0\nFN:A\nEMAIL:a@x.test\nEMAIL;PREF=1:b@x.test\nTEL:1\nTEL;PREF=1:2\nORG:O\nEND:VCARD\n"
    record = vcard.parse(card)
    shown = ContactSummary(email="a@x.test", phone="2", company="O")
    assert record.summary.contact == shown
    records.complete(record.summary, record.content, ITEM_ID)
    shown.file_as = "A"
    assert record.summary.contact == shown


def test_a_contacts_made_name_keeps_to_the_limit_of_a_subject() -> None:
    summary, content = ItemSummary(kind=ITEM_KIND_CONTACT), ItemContent(contact=ContactContent(company="x" * 3000))
    content.contact.emails.append(ContactEmail(address="a@x.test"))
    content.contact.phones.append(ContactPhone(number="1"))
    records.complete(summary, content, ITEM_ID)
    assert summary.subject == "x" * 1000
    assert (summary.contact.email, summary.contact.phone) == ("a@x.test", "1")


@pytest.mark.parametrize(
    ("attachment", "shown"),
    [
        (Attachment(media_type="image/png"), True),
        (Attachment(media_type="image/png", disposition=ATTACHMENT_DISPOSITION_INLINE), False),
        (Attachment(media_type="application/pkcs7-signature"), False),
    ],
)
def test_a_paper_clip_means_a_file(attachment: Attachment, shown: bool) -> None:
    summary, content = ItemSummary(kind=ITEM_KIND_NOTE), ItemContent(attachments=[attachment])
    records.complete(summary, content, ITEM_ID)
    assert summary.has_attachments is shown
