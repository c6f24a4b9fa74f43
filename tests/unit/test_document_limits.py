"""Documents that say more than an item holds: the record keeps to the limits, the document keeps the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.item_pb2 import DOCUMENT_FORMAT_ICALENDAR, DOCUMENT_FORMAT_VCARD, ItemState
from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar, mbox, mime, vcard
from rookery_core.rules import limits, names, validation
from rookery_server.services.importing import documents
from tests.support import corpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.item_pb2 import DocumentFormat
    from rookery_core.formats.item_record import ItemRecord
    from rookery_server.services.items.item_writer import PreparedItem


def event(*lines: str, start: str = "DTSTART:20240301T100000Z") -> bytes:
    main = ("BEGIN:VCALENDAR", "VERSION:2.0", "BEGIN:VEVENT", "UID:1", start)
    return "\r\n".join((*main, *lines, "END:VEVENT", "END:VCALENDAR", "")).encode()


def card(*lines: str) -> bytes:
    return "\r\n".join(("BEGIN:VCARD", "VERSION:4.0", "FN:A", *lines, "END:VCARD", "")).encode()


def read(document_format: DocumentFormat.ValueType, raw: bytes) -> PreparedItem:
    marks = documents.Marks(ItemState(), None)
    return documents.prepare(documents.parse(document_format, raw), raw, marks, item_id=bytes(16), now=0, blob_id=bytes(16))


def rendered(record: ItemRecord) -> str:
    render = vcard.render if record.content.source.format == DOCUMENT_FORMAT_VCARD else icalendar.render
    return render(record.summary, record.state, record.content).decode().replace("\r\n ", "")


def exceptions(count: int) -> list[str]:
    lines = ["RRULE:FREQ=HOURLY"]
    for number in range(count):
        stamp = f"2024{number // 600 + 1:02}{number % 600 // 24 + 1:02}T{number % 24:02}0000Z"
        lines += ["END:VEVENT", "BEGIN:VEVENT", "UID:1", f"RECURRENCE-ID:{stamp}", "STATUS:CANCELLED"]
    return lines


LARGE = {
    "a long place": event("LOCATION:" + "x" * 1500),
    "a long subject": event("SUMMARY:" + "x" * 1500),
    "a long link": event("URL:https://" + "x" * 2500),
    "a long zone": event(start=f"DTSTART;TZID={'z' * 300}:20240301T100000"),
    "a zone that no one can print": event(start="DTSTART;TZID=My\u00a0zone:20240301T100000"),
    "a time before all times": event("CREATED;TZID=Asia/Tokyo:00010101T000000"),
    "many rules": event(*["RRULE:FREQ=DAILY"] * 60, *["EXRULE:FREQ=DAILY"] * 60),
    "a long rule": event("RRULE:FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 500)),
    "many dates": event("RDATE:" + ",".join(["20240301T100000Z"] * 5100), "EXDATE:" + ",".join(["20240301T100000Z"] * 5100)),
    "many attendees": event(*[f"ATTENDEE:mailto:{number}@x.test" for number in range(5100)]),
    "many exceptions": event(*exceptions(5100)),
    "a long place of an exception": event(
        "END:VEVENT",
        "BEGIN:VEVENT",
        "UID:1",
        "DTSTART:20240302T100000Z",
        "RECURRENCE-ID:20240302T100000Z",
        "LOCATION:" + "x" * 1500,
    ),
    "odd categories": event("CATEGORIES:\u200b,\u2028," + "ß" * 300 + "," + "x" * 300),
    "a task's long place": event("LOCATION:" + "x" * 1500).replace(b"VEVENT", b"VTODO"),
    "many numbers": card(*["TEL:1"] * 200, *["EMAIL:a@x.test"] * 200, *["IMPP:xmpp:a"] * 200, *["X-CHILD:A"] * 200),
    "many members": card("KIND:group", *[f"MEMBER:mailto:{number}@x.test" for number in range(5100)]),
    "a long name": card("N:;" + "x" * 1500 + ";;;").replace(b"FN:A\r\n", b""),
}


@pytest.mark.parametrize("raw", LARGE.values(), ids=LARGE)
def test_what_is_imported_keeps_to_what_is_asked_of_a_client(raw: bytes) -> None:
    record = (vcard if b"VCARD" in raw else icalendar).parse(raw)
    validation.validate_item(record.summary, record.content)
    assert validation.validate_state(record.state) == list(record.state.categories)
    assert read(record.content.source.format, raw).columns["external_id"]
    assert rendered(record) == raw.decode()


@pytest.mark.parametrize("raw", LARGE.values(), ids=LARGE)
def test_another_subject_takes_nothing_else_from_a_document_that_says_too_much(raw: bytes) -> None:
    record = (vcard if b"VCARD" in raw else icalendar).parse(raw)
    record.summary.subject = "Another"
    unchanged = [line for line in raw.decode().split("\r\n") if not line.startswith(("SUMMARY", "FN"))]
    after = set(rendered(record).split("\r\n"))
    assert [line for line in unchanged if line not in after] == []


def test_an_edit_of_a_list_leaves_what_lies_beyond_its_limit() -> None:
    series = icalendar.parse(event(*[f"RRULE:FREQ=DAILY;INTERVAL={number}" for number in range(1, 53)]))
    del series.summary.appointment.recurrence.rules[1:]
    assert [line for line in rendered(series).split("\r\n") if line.startswith("RRULE")] == [
        f"RRULE:FREQ=DAILY;INTERVAL={number}" for number in (1, 51, 52)
    ]
    meeting = icalendar.parse(event(*[f"ATTENDEE:mailto:{number}@x.test" for number in range(limits.ATTENDEES + 2)]))
    del meeting.content.appointment.attendees[1:]
    assert rendered(meeting).count("ATTENDEE") == 3
    group = vcard.parse(card("KIND:group", *[f"MEMBER:mailto:{number}@x.test" for number in range(limits.MEMBERS + 2)]))
    del group.content.distribution_list.members[1:]
    assert rendered(group).count("MEMBER") == 3
    parent = vcard.parse(card(*[f"X-CHILD:{number}" for number in range(102)]))
    del parent.content.contact.children[1:]
    assert rendered(parent).count("X-CHILD") == 3
    dates = [
        f"20240{day // 28 + 1}{day % 28 + 1:02}T{hour:02}{minute:02}00Z"
        for day in range(9)
        for hour in range(24)
        for minute in range(24)
    ]
    free = icalendar.parse(event("EXDATE:" + ",".join(dates[: limits.DATES + 2])))
    del free.summary.appointment.recurrence.excluded_dates[1:]
    assert rendered(free).count("EXDATE") == 3


def test_an_unprintable_zone_is_written_as_the_document_calls_it() -> None:
    record = icalendar.parse(event(start="DTSTART;TZID=My\u00a0zone:20240301T100000"))
    assert record.summary.appointment.start.time_zone == "My zone"
    record.summary.appointment.start.local = "2024-03-02T10:00:00"
    assert "DTSTART;TZID=My\u00a0zone:20240302T100000" in rendered(record)


def test_a_document_that_says_what_an_item_can_not_hold_is_refused_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECORD_BYTES", 10)
    for form, raw in ((DOCUMENT_FORMAT_ICALENDAR, event()), (DOCUMENT_FORMAT_VCARD, card("TEL:1"))):
        with pytest.raises(InvalidArgument) as error:
            read(form, raw)
        assert (error.value.reason, error.value.field) == ("DOCUMENT_INVALID", "document")


def items_of_the_corpus() -> Iterator[ItemRecord]:
    corpus.require("mime.tar.gz")
    for path in [*corpus.files("calendars", "*.ics"), *corpus.files("contacts", "*.vcf")]:
        form = vcard if path.suffix == ".vcf" else icalendar
        try:
            for document in form.split(path.read_bytes()).documents:
                yield form.parse(document)
        except InvalidArgument:
            continue


def test_every_calendar_item_and_contact_of_the_corpus_can_be_edited() -> None:
    found = list(items_of_the_corpus())
    assert len(found) > 90
    for record in found:
        validation.validate_item(record.summary, record.content)
        assert validation.validate_state(record.state) == list(record.state.categories)


def test_every_message_of_the_corpus_can_be_edited() -> None:
    corpus.require("mime.tar.gz")
    raws = [path.read_bytes() for path in corpus.files("mime", "*.eml")]
    with corpus.mbox().open("rb") as stream:
        raws += [message.raw for message in mbox.read(stream)]
    assert len(raws) == 1753
    for raw in raws:
        parsed = mime.parse(raw)
        validation.validate_item(parsed.summary, parsed.content)


def test_a_message_that_says_too_much_everywhere_can_be_edited() -> None:
    text = b"\x80" * 3_000_000
    parts = [
        b'Content-Type: text/plain; charset="windows-1252"\n\n' + text,
        b"Content-Type: text/html; charset=windows-1252\n\n" + text,
    ]
    name, content_id = "\u20ac" * 300, "\u20ac" * 1000
    parts += [f'Content-Type: application/{"x" * 100}; name="{name}"\nContent-ID: {content_id}\n\nA'.encode() for _ in range(1100)]
    people = b",".join(b"\x80" * 150 + b" <%d@x.test>" % number for number in range(11_000))
    header = b"Subject: " + b"\x80" * 2000 + b"\nTo: " + people[: 2 << 20] + b"\nContent-Type: multipart/mixed; boundary=b\n\n"
    parsed = mime.parse(header + b"".join(b"--b\n" + part + b"\n" for part in parts) + b"--b--\n")
    validation.validate_item(parsed.summary, parsed.content)
    assert len(parsed.content.body.text.encode()) > limits.BODY_BYTES - 4
    assert len(parsed.content.attachments) == limits.ATTACHMENTS - 2
    assert len(parsed.content.recipients) > 9000


def test_headers_beyond_a_mebibyte_stay_in_the_message() -> None:
    fields = b"".join(b"X-%d: %s\n" % (number, b"\xe9" * 60_000) for number in range(30))
    parsed = mime.parse(fields + b"\nHi")
    assert len(parsed.content.message.headers) == 17
    assert "more than 1 MiB of header fields; the rest stays unread" in parsed.content.message.defects


@pytest.mark.parametrize(
    ("text", "name"),
    [("  A \n b ", "A b"), ("\u2028", ""), ("x" * 300, "x" * 255), ("ß" * 300, "ß" * 127), ("a\x07b", "ab")],
)
def test_any_text_of_a_document_makes_a_category_that_can_be_kept_or_none(text: str, name: str) -> None:
    assert names.shortened_category(text) == name
    assert names.categories([name] if name else []) == ([name] if name else [])
