"""Delivery reports: ours are read by programs and by people, others' are read whatever they look like."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery_core.formats import delivery_report_reading, mbox, mime
from rookery_core.formats.delivery_report import (
    DELAYED,
    DELIVERED,
    EXPANDED,
    FAILED,
    DeliveryReport,
    RecipientReport,
    Returned,
    compose,
)
from rookery_core.rules import mail_status
from tests.support import corpus

NOW = 1_700_000_000
ORIGINAL = (
    b"From: ann@a.test\r\nTo: bob@b.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <m@a.test>\r\n"
    b"References: <root@a.test> <mid@a.test>\r\n\r\nthe text\r\n"
)
FAILURE = RecipientReport(
    address="bob@b.test",
    original="bob@alias.test",
    action=FAILED,
    status="5.1.1",
    diagnostic="550 5.1.1 no such user",
    remote_host="mx.b.test",
    last_attempt=NOW - 60,
)


def report(*recipients: RecipientReport) -> DeliveryReport:
    return DeliveryReport("mail.a.test", recipients, arrival=NOW - 3600, envelope_id="env+1", message_id="m@a.test")


def composed(written: DeliveryReport, original: bytes = ORIGINAL, *, whole: bool = False) -> bytes:
    raw = compose(written, Returned("ann@a.test", "report@mail.a.test", NOW, original, whole=whole))
    assert raw.isascii() and b"\0" not in raw and max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    assert email.message_from_bytes(raw, policy=email.policy.default).defects == []
    return raw


def test_a_report_is_read_again_field_by_field() -> None:
    delay = RecipientReport(
        "c@b.test", DELAYED, "4.4.1", diagnostic="connection refused", retry_until=NOW + 86400, last_attempt=NOW
    )
    written = report(
        FAILURE, delay, RecipientReport("d@b.test", DELIVERED, "2.0.0"), RecipientReport("l@b.test", EXPANDED, "2.0.0")
    )
    assert delivery_report_reading.read(composed(written)) == written


def test_the_standard_library_reads_it_too() -> None:
    read = email.message_from_bytes(composed(report(FAILURE)), policy=email.policy.default)
    assert read.get_content_type() == "multipart/report" and read.get_param("report-type") == "delivery-status"
    assert (read["from"].addresses[0].addr_spec, read["to"].addresses[0].addr_spec) == ("MAILER-DAEMON@mail.a.test", "ann@a.test")
    assert (read["subject"], read["auto-submitted"]) == ("Not delivered: Grüße", "auto-replied")
    people, programs, original = read.iter_parts()
    assert people.get_content_type() == "text/plain" and original.get_content_type() == "text/rfc822-headers"
    about_message, about_bob = programs.get_payload()
    assert about_message["reporting-mta"] == "dns; mail.a.test" and about_message["original-envelope-id"] == "env+1"
    assert (about_bob["action"], about_bob["status"], about_bob["remote-mta"]) == ("failed", "5.1.1", "dns; mx.b.test")
    assert about_bob["diagnostic-code"] == "smtp; 550 5.1.1 no such user"
    assert "the text" not in original.get_payload()


def test_people_are_told_in_plain_words() -> None:
    words = mime.parse(composed(report(FAILURE, RecipientReport("c@b.test", DELAYED, "4.4.1", retry_until=NOW)))).content.body.text
    for part in (
        "Subject: Grüße",
        "bob@alias.test",
        "There is no mailbox with this address.",
        "Said by mx.b.test: 550",
        "given up on",
    ):
        assert part in words
    assert words.index("bob@alias.test") < words.index("c@b.test") and words.count("final") == 1
    many = mime.parse(composed(report(*[RecipientReport(f"{n}@b.test", FAILED, "5.0.0") for n in range(2000)])))
    assert "1,950 more" in many.content.body.text and many.content.body.text.count("@b.test") == 50


def test_a_report_joins_the_conversation_of_what_it_reports() -> None:
    mine = mime.parse(ORIGINAL)
    parsed = mime.parse(composed(report(FAILURE)))
    assert parsed.summary.conversation_id == mine.summary.conversation_id
    assert parsed.content.message.in_reply_to == "m@a.test"
    assert parsed.summary.message.is_report and parsed.summary.message_class == "REPORT.IPM.Note.NDR"


def test_the_whole_message_comes_back_where_that_is_asked_for() -> None:
    parts = list(email.message_from_bytes(composed(report(FAILURE), whole=True)).get_payload())
    assert parts[2].get_content_type() == "message/rfc822" and parts[2].get_payload()[0].get_payload() == "the text\r\n"
    eight_bit = ORIGINAL.replace(b"the text", b"gr\xc3\xbcn")
    part = email.message_from_bytes(composed(report(FAILURE), eight_bit, whole=True)).get_payload()[2]
    assert part.get_content_type() == "message/global"
    raw = composed(report(FAILURE), eight_bit, whole=True)
    found = mime.parse(raw)
    brought = next(
        each for each, record in zip(found.parts, found.content.attachments, strict=True) if record.media_type == "message/global"
    )
    assert mime.decode_part(raw[brought.offset : brought.offset + brought.length], brought.encoding) == eight_bit


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (b"Message-ID: <m@a.test>\nSubject: gr\xc3\xbcn\n\n", "message/global-headers"),
        (b"Message-ID: <m@a.test>\nSubject: gr\xfcn\n\n", "text/rfc822-headers"),
        (b"Message-ID: <m@a.test>\nSubject: " + b"x" * 5000 + b"\n\n", "text/rfc822-headers"),
        (b"Message-ID: <m@a.test>\nSubject: a\0b\r\n\r\n\xff", "text/rfc822-headers"),
        (b"Message-ID: <m@a.test>\nSubject: cut off", "text/rfc822-headers"),
    ],
)
def test_any_header_comes_back_in_7_bits(header: bytes, kind: str) -> None:
    for whole in (False, True):
        raw = composed(report(FAILURE), header, whole=whole)
        read = delivery_report_reading.read(raw)
        assert read is not None and read.message_id == "m@a.test"
    part = email.message_from_bytes(composed(report(FAILURE), header)).get_payload()[2]
    assert part.get_content_type() == kind


def test_recipients_beyond_ascii_are_reported_in_the_form_for_them() -> None:
    written = report(RecipientReport("jdöe@xn--mchine-bua.test", FAILED, "5.6.7", diagnostic="550 5.6.7 é"))
    raw = composed(written)
    assert b"message/global-delivery-status" in raw
    read = delivery_report_reading.read(raw)
    assert read is not None and read.recipients[0].address == "jdöe@xn--mchine-bua.test"
    assert read.recipients[0].diagnostic == "550 5.6.7 ?"
    assert mime.parse(raw).summary.message.is_report


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60), st.text(max_size=200), st.text(max_size=60), st.binary(max_size=200))
def test_nothing_in_a_report_can_add_to_it(address: str, diagnostic: str, host: str, original: bytes) -> None:
    hostile = RecipientReport(address, FAILED, "5.0.0", original=address, diagnostic=diagnostic, remote_host=host)
    raw = composed(DeliveryReport(host or "h", (hostile,), envelope_id=diagnostic), original, whole=True)
    read = email.message_from_bytes(raw)
    assert len(read.get_payload()) == 3 and set(read.keys()) <= {
        "Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "MIME-Version",
        "Content-Type",
    }  # fmt: skip
    found = delivery_report_reading.read(raw)
    assert found is None or len(found.recipients) == 1


def wrapped(status: str, original: str = "Message-ID: <m@a.test>\n") -> bytes:
    return (
        "From: MAILER-DAEMON@b.test\nSubject: Undelivered\nContent-Type: multipart/report; boundary=b\n\n"
        f"--b\n\nwords\n--b\nContent-Type: message/delivery-status\n\n{status}\n"
        f"--b\nContent-Type: message/rfc822\n\n{original}\ntext\n--b--\n"
    ).encode()


def outcome(status: str) -> list[tuple[str, str, str]]:
    found = delivery_report_reading.read(wrapped(status))
    assert found is not None and found.message_id == "m@a.test"
    return [(each.address, each.action, each.status) for each in found.recipients]


def test_reports_that_keep_to_the_rules_only_half_are_read() -> None:
    assert outcome("Final-Recipient: rfc822;a@b.test\nAction: failed\nStatus: 5.1.1 (no such user)\n") == [
        ("a@b.test", "failed", "5.1.1")
    ]
    assert outcome("Final-Recipient: <a@b.test>\nStatus: 4.2.2\n") == [("a@b.test", "delayed", "4.2.2")]
    assert outcome("Original-Recipient: rfc822; A <a@B.test>\nAction: Delayed (still trying)\n") == [
        ("a@b.test", "delayed", "4.0.0")
    ]
    assert outcome("Final-Recipient: rfc822;a@b.test\nDiagnostic-Code: smtp; 552-5.2.2 full\n") == [("a@b.test", "failed", "5.2.2")]
    assert outcome("Final-Recipient: rfc822;a@b.test\nDiagnostic-Code: 452 too much\n") == [("a@b.test", "delayed", "4.0.0")]
    assert outcome("Final-Recipient: rfc822;a@b.test\nAction: relayed\n") == [("a@b.test", "relayed", "2.0.0")]
    assert outcome("Final-Recipient: rfc822;a@b.test\nAction: delayed\nStatus: 5.4.1\n") == [("a@b.test", "delayed", "4.4.1")]
    assert outcome("Final-Recipient: utf-8; j\\x{E9}@b.test\nAction: failed\nStatus: 5.0.0\n") == [("jé@b.test", "failed", "5.0.0")]
    one = "Final-Recipient: rfc822;{}@b.test\nAction: failed\nStatus: 5.0.0\n"
    run_together = "Reporting-MTA: dns; x\n" + one.format("a") + one.format("b") + one.format("c")
    assert [each[0] for each in outcome(run_together)] == ["a@b.test", "b@b.test", "c@b.test"]


def test_an_envelope_id_comes_back_as_it_was_given() -> None:
    for value, expected in (("a+2Bb", "a+b"), ("100%", "100%"), ("plain", "plain"), ("+C3+BC", "ü")):
        found = delivery_report_reading.read(
            wrapped(f"Original-Envelope-Id: {value}\n\nFinal-Recipient: rfc822;a@b.test\nAction: failed\n")
        )
        assert found is not None and found.envelope_id == expected


QMAIL = """Hi. This is the qmail-send program at mail.b.test.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<bob@b.test>:
192.0.2.1 does not like recipient.
Remote host said: 550 5.1.1 <bob@b.test>: no such user

<carol@c.test>:
Sorry, no mailbox here by that name. (#5.7.2)

--- Below this line is a copy of the message.

Return-Path: <ann@a.test>
Message-ID: <m@a.test>
From: dave@d.test
"""
EXIM = """This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  bob@b.test
    host mx.b.test [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<bob@b.test>:
    550 5.1.1 no such user
  carol@c.test: retry timeout exceeded

------ This is a copy of the message, including all the headers. ------

Message-ID: <m@a.test>
"""
EXCHANGE = """Your message

  To:      bob@b.test
  Subject: hello

did not reach the following recipient(s):

bob@b.test on Tue, 14 Nov 2023 22:13:20 +0100
    The recipient name is not recognized
    <mail.b.test #5.1.1>
"""

CAROL = ("carol@c.test", "5.0.0")


@pytest.mark.parametrize(
    ("fields", "text", "expected", "message_id"),
    [
        ("From: Mailer-Daemon\nSubject: failure notice", QMAIL, [("bob@b.test", "5.1.1"), ("carol@c.test", "5.7.2")], "m@a.test"),
        ("From: Mailer-Daemon@x.test\nSubject: Mail delivery failed", EXIM, [("bob@b.test", "5.1.1"), CAROL], "m@a.test"),
        ("From: x@x.test\nX-Failed-Recipients: bob@b.test\nSubject: y", EXIM, [("bob@b.test", "5.1.1")], "m@a.test"),
        ("From: postmaster@b.test\nSubject: Undeliverable: hello", EXCHANGE, [("bob@b.test", "5.1.1")], ""),
    ],
)  # fmt: skip
def test_bounces_of_other_kinds_are_read_by_their_words(
    fields: str, text: str, expected: list[tuple[str, str]], message_id: str
) -> None:
    found = delivery_report_reading.read(f"{fields}\n\n{text}".encode())
    assert found is not None and found.message_id == message_id
    assert [(each.address, each.status) for each in found.recipients] == expected
    assert all(each.action == FAILED for each in found.recipients)


def test_words_alone_make_no_bounce() -> None:
    assert delivery_report_reading.read(f"From: bob@b.test\nSubject: failure notice\n\n{QMAIL}".encode()) is None
    assert delivery_report_reading.read(f"From: postmaster@b.test\nSubject: lunch\n\n{QMAIL}".encode()) is None
    assert delivery_report_reading.read(b"From: postmaster@b.test\nSubject: failure notice\n\nnobody is named") is None
    assert delivery_report_reading.read(b"") is None


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=400))
def test_no_report_is_too_broken_to_be_looked_at(data: bytes) -> None:
    delivery_report_reading.read(wrapped("").replace(b"--b\nContent-Type: message/rfc822", data))
    found = delivery_report_reading.read(b"From: MAILER-DAEMON@b.test\nSubject: failure notice\n\n" + data)
    assert found is None or all(each.action in {FAILED, DELAYED} for each in found.recipients)


def test_all_reports_of_the_corpus_and_nothing_else_are_recognised() -> None:
    expected = {
        "multi_address_bounce1.eml": [FAILED] * 5,
        "multi_address_bounce2.eml": [FAILED] * 5,
        "multipart_report_multiple_status.eml": [FAILED],
        "raw_email_with_mimepart_without_content_type.eml": [DELAYED],
        "report_422.eml": [DELAYED],
        "report_530.eml": [FAILED],
    }
    corpus.require("mime.tar.gz")
    reports = {path.name: delivery_report_reading.read(path.read_bytes()) for path in corpus.files("mime")}
    assert {name: [each.action for each in found.recipients] for name, found in reports.items() if found} == expected
    assert all(found.message_id for found in reports.values() if found)
    with corpus.mbox().open("rb") as stream:
        found = [read for each in mbox.read(stream) if (read := delivery_report_reading.read(each.raw))]
    assert [(each.recipients[0].address, each.recipients[0].action) for each in found] == [
        ("meow1p654@epoq.demon.co.uk", FAILED),
        ("khera@kcilink.com", DELAYED),
    ]


def test_status_codes_are_found_in_replies_and_said_in_words() -> None:
    assert mail_status.status_of_reply("550-5.1.1 no\n550 5.1.1 such user") == "5.1.1"
    assert mail_status.status_of_reply("550 mailbox 192.0.2.1 is full") == "5.0.0"
    assert mail_status.status_of_reply("421 5.1.1 contradicts itself") == "4.0.0"
    assert (mail_status.status_of_reply("hello"), mail_status.status_in("host 5.1.1.1 said")) == ("", "")
    assert mail_status.explanation("5.2.2") == "The mailbox is full." == mail_status.explanation("4.2.2")
    assert mail_status.explanation("5.2.99") == mail_status.explanation("5.2.0")
    assert mail_status.explanation("5.99.1") == "The message could not be delivered."
    assert mail_status.explanation("2.0.0") == "Delivered."


@pytest.mark.parametrize(
    ("line", "status", "rest"),
    [
        ("5.1.1 no such user", "5.1.1", "no such user"),
        ("5.7.26: not proved", "5.7.26", "not proved"),
        ("2.0.0", "2.0.0", ""),
        ("4.07.1 later", "4.7.1", "later"),
        ("3.1.1 what", "", "3.1.1 what"),
        ("5.1.1.1 what", "", "5.1.1.1 what"),
        ("5.1.1234 what", "", "5.1.1234 what"),
        ("no 5.1.1", "", "no 5.1.1"),
        ("", "", ""),
    ],
)
def test_an_enhanced_code_is_taken_off_a_line(line: str, status: str, rest: str) -> None:
    assert mail_status.split(line) == (status, rest)
