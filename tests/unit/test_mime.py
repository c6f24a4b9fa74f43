"""Reading messages: the real corpus against the standard library, and the odd ones one by one."""

from __future__ import annotations

import email
import email.message
import email.policy
import functools
import warnings
from typing import TYPE_CHECKING

import pytest

from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_ATTACHMENT,
    ATTACHMENT_DISPOSITION_INLINE,
    IMPORTANCE_HIGH,
    IMPORTANCE_LOW,
    IMPORTANCE_NORMAL,
    IMPORTANCE_UNSPECIFIED,
    ITEM_KIND_MESSAGE,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
    SENSITIVITY_CONFIDENTIAL,
)
from rookery_core.formats import mbox, mime
from tests.support import corpus

if TYPE_CHECKING:
    from rookery.v1.person_pb2 import Person
    from rookery_core.formats.mime import ParsedMessage

FILES = corpus.files("mime", "*.eml")


@functools.cache
def _by_name() -> dict[str, bytes]:
    corpus.require("mime.tar.gz")
    return {path.name: path.read_bytes() for path in FILES}


def parsed(name: str) -> ParsedMessage:
    return mime.parse(_by_name()[name])


def author(message: ParsedMessage) -> Person:
    person: Person = getattr(message.summary.message, "from")
    return person


def people(message: ParsedMessage) -> list[tuple[str, str]]:
    return [(each.person.name, each.person.address) for each in message.content.recipients]


def slices(raw: bytes, message: ParsedMessage) -> list[bytes]:
    """The decoded attachments, cut out of the raw bytes."""
    return [mime.decode_part(raw[each.offset : each.offset + each.length], each.encoding) for each in message.parts]


def assert_sound(raw: bytes, message: ParsedMessage) -> None:
    assert message.summary.SerializeToString() and message.content.SerializeToString()
    assert message.summary.kind == ITEM_KIND_MESSAGE and message.summary.size_bytes == len(raw)
    assert len(message.summary.conversation_id) == 16
    assert len(message.summary.preview) <= 200 and len(message.summary.subject) <= 1000
    assert [each.attachment_id for each in message.parts] == [each.id for each in message.content.attachments]
    for part, record, data in zip(message.parts, message.content.attachments, slices(raw, message), strict=True):
        assert 0 <= part.offset <= part.offset + part.length <= len(raw)
        assert len(data) == part.size == record.size_bytes
    assert "\r" not in message.content.body.text and "\0" not in message.content.body.text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_odd_message_of_the_corpus_becomes_a_sound_item(path) -> None:
    raw = path.read_bytes()
    message = mime.parse(raw)
    assert_sound(raw, message)
    assert message.summary.subject or message.summary.message.message_id or message.content.body.text or author(message).address
    assert message.content.message.headers


def test_the_corpus_is_complete() -> None:
    corpus.require("mime.tar.gz")
    assert len(FILES) == 103


def test_all_real_messages_agree_with_the_standard_library_on_subject_author_and_attached_bytes() -> None:
    count = 0
    with corpus.mbox().open("rb") as stream:
        for each in mbox.read(stream):
            message = mime.parse(each.raw)
            assert_sound(each.raw, message)
            assert message.content.body.text or message.content.body.html or message.content.attachments
            assert message.received is not None
            _compare(each.raw, message)
            count += 1
    assert count == 1650


def _compare(raw: bytes, message: ParsedMessage) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = email.message_from_bytes(raw, policy=email.policy.default)
        if other["subject"] is not None and str(other["subject"]).isascii():
            assert message.summary.subject.split() == str(other["subject"]).split()
        assert author(message).address.lower() == other["from"].addresses[0].addr_spec.lower()
        # Of the two winmail.dat among them nothing is left to attach: they say once more what the text says.
        attached = [leaf for leaf in _leaves(other) if _is_attached(leaf) and leaf.get_content_type() != "application/ms-tnef"]
        assert len(attached) == len(message.parts)
        for leaf, data in zip(attached, slices(raw, message), strict=True):
            if leaf.get_content_maintype() != "message":  # the standard library takes those apart
                assert leaf.get_payload(decode=True) == data


def _leaves(message: email.message.Message) -> list[email.message.Message]:
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        return [leaf for part in message.get_payload() for leaf in _leaves(part)]
    return [message]


def _is_attached(leaf: email.message.Message) -> bool:
    if leaf.get_content_maintype() == "multipart":
        return False
    is_text = leaf.get_content_type() in {"text/plain", "text/html"}
    return not is_text or leaf.get_content_disposition() == "attachment" or bool(leaf.get_filename())


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("bad_encoded_subject.eml", "TEST"),
        ("bad_subject.eml", "MySurvey.com:  You have a survey waiting!  91123105"),
        ("raw_email_with_partially_quoted_subject.eml", 'Re: Test: "漢字" mid "漢字" tail'),
        ("raw_email.eml", "NOTE: 한국말로 하는 것"),
        ("utf8_headers.eml", "Säying Hello"),
        ("invalid_subject_characters.eml", "Formação FrenetikPolis: Mega Campanha Final Verão | Cursos de Setembro"),
        ("raw_email_incorrect_header.eml", "Stop adware/spyware once and for all."),
        ("example13.eml", "Saying Hello"),
        ("example14.eml", "Re: TEST テストテスト"),
        ("weird_to_header.eml", ""),
    ],
)
def test_subjects_are_read_however_they_are_encoded(name: str, subject: str) -> None:
    assert parsed(name).summary.subject == subject


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("attachment_nonascii_filename.eml", [("ciële.txt", "text/plain", 11)]),
        ("attachment_only_email.eml", [("blah.gz", "application/x-gzip", 288)]),
        ("attachment_with_quoted_filename.eml", [("Eelanalüüsi päring.jpg", "image/jpeg", 1952)]),
        ("attachment_with_base64_encoded_name.eml", [("This is a test.pdf", "application/pdf", 399)]),
        ("attachment_with_unquoted_name.eml", [("This is a test.txt", "text/plain", 11)]),
        ("attachment_content_location.eml", [("Photo25.jpg", "image/jpeg", 227)]),
        ("japanese_attachment.eml", [("てすと.txt", "text/plain", 33)]),
        ("japanese_attachment_long_name.eml", [("かきくけこかきくけこかきくけこかきくけこかきくけこ.txt", "text/plain", 18)]),
        ("email_with_similar_boundaries.eml", [("LOGO.png", "application/octetstream", 3)]),
        ("raw_email_with_binary_encoded.eml", [("2013-08-13_19-08-28-1.jpg", "image/jpeg", 24)]),
        (
            "raw_email_with_nested_attachment.eml",
            [("truncated.png", "image/png", 1902), ("smime.p7s", "application/pkcs7-signature", 939)],
        ),
        ("multiple_content_types.eml", []),
    ],
)
def test_attachments_have_their_names_types_and_sizes(name: str, expected: list[tuple[str, str, int]]) -> None:
    assert [(each.name, each.media_type, each.size_bytes) for each in parsed(name).content.attachments] == expected


def test_an_attachment_is_a_slice_of_the_original_bytes() -> None:
    name = "attachment_content_disposition.eml"
    assert slices(_by_name()[name], parsed(name)) == [b'puts "Hello, world!"\r\ngets\r\n']


def test_an_attached_message_is_an_attachment_and_can_be_read_in_turn() -> None:
    name = "attachment_message_rfc822.eml"
    message = parsed(name)
    assert [(each.name, each.is_message) for each in message.content.attachments] == [("ForwardedMessage.eml", True)]
    inner = mime.parse(slices(_by_name()[name], message)[0])
    assert inner.summary.subject == "Another PDF"
    assert [each.name for each in inner.content.attachments] == ["broken.pdf"]


def test_an_image_that_the_html_shows_is_inline_and_gives_no_paper_clip() -> None:
    message = parsed("attachment_message_rfc822_inline_image.eml")
    image, forwarded = message.content.attachments
    assert (image.disposition, image.content_id) == (ATTACHMENT_DISPOSITION_INLINE, "emedfeb92f-a786-4718-a446-98db8afb53fb@kronos")
    assert forwarded.disposition == ATTACHMENT_DISPOSITION_ATTACHMENT
    assert message.summary.has_attachments
    assert not parsed("sig_only_email.eml").summary.has_attachments


def test_text_of_any_charset_is_read() -> None:
    assert parsed("japanese_iso_2022.eml").content.body.text.startswith("すみません。")
    assert parsed("japanese_shift_jis.eml").content.body.text.startswith("あいうえお\n")
    assert parsed("ks_c_5601-1987.eml").content.body.text.startswith("스티해")
    assert "Envoyé par" in parsed("raw_email10.eml").content.body.text  # charset=X-UNKNOWN
    assert "Envoyé par" in parsed("raw_email5.eml").content.body.text  # none
    assert "Jørn Støylen" in parsed("header_fields_with_empty_values.eml").content.body.text


def test_groups_give_their_members_and_an_empty_group_its_name() -> None:
    message = parsed("example04.eml")
    assert [(each.type, each.person.name, each.person.address) for each in message.content.recipients] == [
        (RECIPIENT_TYPE_TO, "Chris Jones", "c@a.test"),
        (RECIPIENT_TYPE_TO, "", "joe@where.test"),
        (RECIPIENT_TYPE_TO, "John", "jdoe@one.test"),
        (RECIPIENT_TYPE_CC, "Undisclosed recipients", ""),
    ]
    assert message.summary.message.display_to == "Chris Jones; joe@where.test; John"


def test_addresses_of_the_rfc_and_of_the_wild_are_read() -> None:
    assert people(parsed("example03.eml"))[-1] == ('Giant; "Big" Box', "sysservices@example.net")
    assert people(parsed("example11.eml")) == [("Mary Smith", "mary@example.net"), ("", "jdoe@test.example")]
    assert author(parsed("example10.eml")).address == "pete@silly.test"
    assert (author(parsed("mix_caps_content_type.eml")).name, author(parsed("mix_caps_content_type.eml")).address) == (
        "Big Bug",
        "bb@bug.com",
    )
    assert people(parsed("raw_email_with_at_display_name.eml"))[1] == ("Mikel@Lindsaar", "raasdnil@gmail.com")
    assert people(parsed("new_line_in_to_header.eml"))[-1] == ("", "cc@c-l-example.com")
    assert author(parsed("bad_subject.eml")).name == "MySurvey.com & Carol Adams"


def test_reports_are_told_from_messages() -> None:
    for name, expected in (
        ("multi_address_bounce1.eml", "REPORT.IPM.Note.NDR"),
        ("report_422.eml", "REPORT.IPM.Note.Delayed"),
        ("raw_email_with_mimepart_without_content_type.eml", "REPORT.IPM.Note.Delayed"),
    ):
        message = parsed(name)
        assert (message.summary.message_class, message.summary.message.is_report) == (expected, True)
    assert parsed("basic_email.eml").summary.message_class == "IPM.Note"


def test_the_bad_message_says_what_was_guessed_and_the_good_one_says_nothing() -> None:
    assert list(parsed("basic_email.eml").content.message.defects) == []
    assert any("Date" in each for each in parsed("raw_email_with_bad_date.eml").content.message.defects)
    assert any("boundary" in each for each in parsed("raw_email4.eml").content.message.defects)
    assert any("no field" in each for each in parsed("raw_email_incorrect_header.eml").content.message.defects)


def test_dates_and_threads_are_read() -> None:
    message = parsed("example07.eml")
    assert message.summary.sent.seconds == 880131600
    assert message.content.message.in_reply_to == "3456@example.net"
    assert list(message.content.message.references) == ["1234@local.machine.example", "3456@example.net"]
    assert message.summary.conversation_id == parsed("example01.eml").summary.conversation_id
    assert parsed("example09.eml").received.seconds == 880128343
    assert parsed("example10.eml").summary.sent.seconds == -27723480


def _message(header: str, body: str = "text\n") -> ParsedMessage:
    return mime.parse(f"From: a@b.test\n{header}\n\n{body}".encode())


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Importance: High", IMPORTANCE_HIGH),
        ("X-Priority: 1 (Highest)", IMPORTANCE_HIGH),
        ("X-Priority: 3", IMPORTANCE_NORMAL),
        ("X-Priority: 5", IMPORTANCE_LOW),
        ("Priority: non-urgent", IMPORTANCE_LOW),
        ("Importance: whatever", IMPORTANCE_UNSPECIFIED),
    ],
)
def test_importance_is_read_in_each_of_its_spellings(field: str, expected: int) -> None:
    assert _message(field).summary.importance == expected


def test_marks_of_the_header_reach_the_summary() -> None:
    message = _message(
        "Sensitivity: Company-Confidential\nList-Id: People of the list <people.list.test>\n"
        "Disposition-Notification-To: a@b.test\nSender: c@d.test\nReply-To: R <r@b.test>"
    )
    assert message.summary.sensitivity == SENSITIVITY_CONFIDENTIAL
    assert message.summary.message.list_id == "people.list.test"
    assert message.summary.message.sender.address == "c@d.test"
    assert message.content.message.read_receipt_requested
    assert message.content.recipients[0].type == RECIPIENT_TYPE_REPLY_TO


def test_headers_are_kept_in_order_unfolded_and_decoded() -> None:
    message = _message("Subject: =?utf-8?q?gr=C3=BC?=\n =?utf-8?q?n?=\nX-Long: one\n\ttwo")
    assert [(each.name, each.value) for each in message.content.message.headers] == [
        ("From", "a@b.test"),
        ("Subject", "grün"),
        ("X-Long", "one two"),
    ]


@pytest.mark.parametrize(
    ("method", "more", "expected"),
    [
        ("REQUEST", "", "IPM.Schedule.Meeting.Request"),
        ("CANCEL", "", "IPM.Schedule.Meeting.Canceled"),
        ("REPLY", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@b.test\n", "IPM.Schedule.Meeting.Resp.Pos"),
        ("REPLY", "ATTENDEE;PARTSTAT=DECLINED:mailto:a@b.test\n", "IPM.Schedule.Meeting.Resp.Neg"),
    ],
)
def test_itip_messages_have_the_class_of_their_method(method: str, more: str, expected: str) -> None:
    body = f"BEGIN:VCALENDAR\nMETHOD:{method}\n{more}END:VCALENDAR\n"
    message = _message("Content-Type: text/calendar", body)
    assert (message.summary.message_class, message.summary.message.has_calendar) == (expected, True)


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        ("Content-Type: application/pkcs7-mime; smime-type=enveloped-data", "AAAA", "IPM.Note.SMIME"),
        (
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"',
            "--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/x; displayed\n--b--\n",
            "REPORT.IPM.Note.IPNRN",
        ),
        (
            'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"',
            "--b\n\ngone\n--b\nContent-Type: message/disposition-notification\n\nDisposition: manual-action/x; deleted\n--b--\n",
            "REPORT.IPM.Note.IPNNRN",
        ),
        (
            "Content-Type: multipart/report; boundary=b",
            "--b\n\nthere\n--b\nContent-Type: message/delivery-status\n\nAction: delivered\n--b--\n",
            "REPORT.IPM.Note.DR",
        ),
        ("Content-Type: text/calendar", "BEGIN:VCALENDAR\nEND:VCALENDAR\n", "IPM.Note"),
    ],
)
def test_the_form_of_a_message_gives_its_class(header: str, body: str, expected: str) -> None:
    assert _message(header, body).summary.message_class == expected


def test_the_messages_of_a_digest_are_attached_messages_named_by_their_subjects() -> None:
    body = "--b\n\nSubject: One/two\n\ntext\n--b\n\nSubject: =?utf-8?q?zwei_?=\n\ntext\n--b--\n"
    message = _message("Content-Type: multipart/digest; boundary=b", body)
    assert [(each.name, each.is_message) for each in message.content.attachments] == [("One_two.eml", True), ("zwei .eml", True)]


def test_an_unknown_charset_is_guessed_and_noted() -> None:
    message = _message("Content-Type: text/plain; charset=x-nobody-knows", "grün\n")
    assert message.content.body.text == "grün\n"
    assert any("charset" in each for each in message.content.message.defects)


def test_a_uuencoded_attachment_is_decoded() -> None:
    raw = b"Content-Type: a/b; name=c\nContent-Transfer-Encoding: x-uuencode\n\nbegin 644 c\n#0V%T\n`\nend\n"
    message = mime.parse(raw)
    assert (slices(raw, message), message.parts[0].encoding) == ([b"Cat"], "uuencode")


def test_html_without_a_declared_charset_is_read_as_it_declares_itself() -> None:
    html = '<html><head><meta charset="koi8-r"></head><body>при</body></html>'.encode("koi8-r")
    message = mime.parse(b"Content-Type: text/html\n\n" + html)
    assert "при" in message.content.body.html and message.summary.preview == "при"


def test_text_before_and_after_an_attachment_is_one_text() -> None:
    message = _message(
        "Content-Type: multipart/mixed; boundary=b",
        "--b\n\nbefore\n--b\nContent-Type: image/png\n\nx\n--b\nContent-Type: text/html\n\n<b>after</b>\n--b--\n",
    )
    assert message.content.body.text == "before\nafter"
    assert message.content.body.html == "<pre>before</pre>\n<b>after</b>"


def test_a_header_without_an_empty_line_after_it_does_not_swallow_the_text() -> None:
    message = mime.parse(b"Subject: hi\nFrom: a@b.test\nHello you,\nhow are you?\nBye\n")
    assert message.content.body.text == "Hello you,\nhow are you?\nBye\n"
    assert message.summary.subject == "hi"


def test_a_missing_or_wrong_boundary_is_guessed() -> None:
    body = "\n--real\nContent-Type: text/plain\n\nhello\n--real--\n"
    for declared in ("", "; boundary=other"):
        message = _message(f"Content-Type: multipart/mixed{declared}", body)
        assert message.content.body.text == "hello"
        assert any("guessed" in each for each in message.content.message.defects)


def test_line_ends_of_bare_cr_are_read_and_offsets_stay_true() -> None:
    raw = b"Subject: old\rContent-Type: multipart/mixed; boundary=b\r\r--b\rContent-Type: a/b\r\rDATA\r--b--\r"
    message = mime.parse(raw)
    assert message.summary.subject == "old"
    assert slices(raw, message) == [b"DATA"]


def test_an_empty_message_is_an_item_too() -> None:
    message = mime.parse(b"")
    assert message.received is None and message.content.body.text == ""
    assert {"no author", "no Date", "no Message-ID"} <= set(message.content.message.defects)
