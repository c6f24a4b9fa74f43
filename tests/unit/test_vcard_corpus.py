"""Every contact file of the corpus goes in and comes out with its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.contact_pb2 import PhoneKind
from rookery_core.formats import contentlines, vcard
from rookery_core.rules import records
from tests.support import corpus

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.contact_pb2 import ContactContent

FILES = corpus.files("contacts", "*.vcf")
CARDS = {"John_Doe_ANDROID": 6, "gmail-list": 3, "rfc2426-example": 2}

pytestmark = pytest.mark.skipif(not FILES, reason="no ../shared/corpus/contacts.tar.gz beside this checkout")


def named(path: pathlib.Path) -> str:
    return path.stem


def cards(path: pathlib.Path) -> list[vcard.ItemRecord]:
    return [vcard.parse(card) for card in vcard.split(path.read_bytes()).documents]


def contact(name: str) -> ContactContent:
    return cards(next(path for path in FILES if path.stem == name))[0].content.contact


def rendered(record: vcard.ItemRecord) -> bytes:
    return vcard.render(record.summary, record.state, record.content)


def lines(card: bytes) -> list[tuple[object, ...]]:
    (component,), notes = contentlines.read(card)
    assert not notes
    return [(line.group, line.name, sorted(line.params.items()), line.value) for line in component.lines()]


def test_the_corpus_has_its_files() -> None:
    assert len(FILES) == 18


@pytest.mark.parametrize("path", FILES, ids=named)
def test_every_card_of_a_file_becomes_a_contact(path: pathlib.Path) -> None:
    found = cards(path)
    assert len(found) == CARDS.get(path.stem, 1)
    assert not vcard.split(path.read_bytes()).skipped
    for record in found:
        assert record.summary.subject
        assert record.summary.SerializeToString() and record.content.SerializeToString()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_an_unchanged_contact_gives_back_its_very_card(path: pathlib.Path) -> None:
    for record in cards(path):
        assert rendered(record) == record.content.source.data
        assert vcard.parse(rendered(record)) == record


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_new_title_and_note_change_no_other_line(path: pathlib.Path) -> None:
    for record in cards(path):
        before = lines(rendered(record))
        record.content.contact.job_title = "Duke; of, York"
        record.content.body.text = "One\nTwo"
        after = lines(rendered(record))
        assert [line for line in after if line[1] not in ("TITLE", "NOTE")] == [
            line for line in before if line[1] not in ("TITLE", "NOTE")
        ]
        again = vcard.parse(rendered(record))
        again.content.source.CopyFrom(record.content.source)
        assert again == record


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_record_alone_says_the_same_in_a_new_card(path: pathlib.Path) -> None:
    for record in cards(path):
        record.content.ClearField("source")
        card = rendered(record)
        assert b"VERSION:4.0" in card
        again = vcard.parse(card)
        again.content.ClearField("source")
        for each in (record, again):  # as the server keeps it: with what follows from the rest
            records.complete(each.summary, each.content, bytes(16))
        assert again == record


def test_outlooks_quoted_printable_labels_and_photo_are_read() -> None:
    outlook = contact("outlook-2007")
    assert outlook.addresses[0].label == "222 Broadway\nNew York, NY 99999\nUSA"
    assert outlook.photo.media_type == "image/jpeg" and outlook.photo.data.startswith(b"\xff\xd8")
    assert (outlook.manager, outlook.assistant, outlook.spouse) == ("TheManagerName", "TheAssistantName", "TheSpouse")
    assert (outlook.anniversary.year, outlook.anniversary.month, outlook.anniversary.day) == (2012, 8, 1)


def test_apples_labels_tell_what_a_line_is() -> None:
    gmail = contact("John_Doe_GMAIL")
    assert gmail.spouse == "Jenny" and gmail.anniversary.year == 1975
    assert [phone.number for phone in contact("John_Doe_IPHONE").phones if phone.kind == PhoneKind.PHONE_KIND_ASSISTANT] == [
        "905-222-1234"
    ]


def test_androids_folded_quoted_printable_is_one_text() -> None:
    android = cards(next(path for path in FILES if path.stem == "John_Doe_ANDROID"))[3]
    assert set(android.summary.subject) == {"Ñ", " "} and android.summary.subject.count("Ñ") == 11
    assert set(android.content.body.text) == {"Ñ", " ", "\n"}
