"""`outbox`, `unsend`, `resend`, and what `show` tells of mail that left and of reports about it."""

from __future__ import annotations

import pytest

from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.report_pb2 import DeliveryReport, ReportedAction, ReportedRecipient
from rookery.v1.submission_pb2 import DeliveryState, Submission, SubmissionState
from rookery.v1.sync_pb2 import SyncOperation
from rookery_client.cli.changes import described
from rookery_client.cli.report_view import authentication
from rookery_client.cli.submission_view import sentence
from tests.support.cli_fakes import shown
from tests.support.cli_mail import (
    CANCELLED,
    DELIVERED,
    FAILED,
    HELD,
    LETTER,
    LETTER_TEXT,
    MADE_TEXT,
    QUEUED,
    SENT_TEXT,
    Post,
    recipient,
    submission,
)

pytest_plugins = ["tests.support.cli_fixtures"]

DEFERRED, EXPIRED, RELAYED = (
    DeliveryState.DELIVERY_STATE_DEFERRED,
    DeliveryState.DELIVERY_STATE_EXPIRED,
    DeliveryState.DELIVERY_STATE_RELAYED,
)
PENDING = SubmissionState.SUBMISSION_STATE_PENDING
REPORT, REPORT_TEXT = b"\x4e" * 16, "4e4e4e4e-4e4e-4e4e-4e4e-4e4e4e4e4e4e"


@pytest.fixture
def box():
    return Post()


def many():
    """One recipient in each state."""
    late = recipient("late@example.org", DEFERRED, reply="451 later", attempts=3, remote_host="mx.example.org")
    late.next_attempt.seconds = 1_790_003_600
    gone = recipient("gone@example.org", FAILED, reply="550 no \x1b[31msuch user", status_code="5.1.1", report_item_id=REPORT)
    others = [recipient("old@example.org", EXPIRED), recipient("far@example.org", RELAYED), recipient("new@example.org", QUEUED)]
    return submission(recipient("ben@example.org", DELIVERED), late, gone, *others, item_id=LETTER)


def test_outbox_lists_what_has_not_arrived_everywhere(run, box):
    box.submissions = [many()]
    status, out, _ = run("outbox")
    text = out.decode()
    assert status == 0 and "Re: Otters" in text and "sent" in text and SENT_TEXT in text
    assert "ben@example.org: delivered, late@example.org: tried again 2026-" in text and "3 more" in text
    assert box.of(pb.ListSubmissionsRequest)[0].unfinished
    document = shown(run("outbox", "--all", "--json"))
    assert not box.of(pb.ListSubmissionsRequest)[1].unfinished
    [found] = document["submissions"]
    assert (found["subject"], found["state"], found["id"]) == ("Re: Otters", "final", SENT_TEXT)
    assert [each["state"] for each in found["recipients"]] == ["delivered", "deferred", "failed", "expired", "relayed", "queued"]
    assert found["recipients"][1]["next_attempt"].startswith("2026-") and found["recipients"][2]["reply"].startswith("550 no")


def test_what_was_called_back_waits_for_nobody(run, box):
    box.submissions = [submission(recipient("b@example.org", QUEUED), state=CANCELLED)]
    text = run("outbox", "--all")[1].decode()
    assert "called back" in text and "b@example.org" in text and "waits" not in text
    box.answers = box.submissions
    text = run("outbox", "show", SENT_TEXT)[1].decode()
    assert "called back" in text and "b@example.org" in text and "waits" not in text


def test_outbox_show_tells_of_each_recipient(run, box):
    box.answers = [many()]
    status, out, _ = run("outbox", "show", SENT_TEXT)
    text = out.decode()
    assert status == 0 and "\x1b" not in text
    assert f"Subject: Re: Otters\nMessage: {LETTER_TEXT}\nFrom: anna@example.org\n" in text
    assert "550 no such user" in text and "5.1.1" in text and "mx.example.org" in text and "given up" in text
    assert f"Report about gone@example.org: rookery show {REPORT_TEXT}" in text
    assert shown(run("outbox", "show", SENT_TEXT, "--json"))["submission"]["subject"] == "Re: Otters"
    assert run("outbox", "show", MADE_TEXT)[2] == "rookery: the mailbox has no such submission\n"
    assert run("outbox", "--json", "show", SENT_TEXT)[0] == 2


def test_unsend_says_where_the_draft_is(run, box):
    box.answers = [submission(recipient("b@example.org", QUEUED), state=CANCELLED)]
    status, out, error = run("unsend", SENT_TEXT)
    assert (status, out) == (0, b"") and f"`rookery send --item {MADE_TEXT}`" in error
    assert box.of(pb.CancelSubmissionRequest)[0].submission_id.hex() == "5e" * 16
    assert shown(run("unsend", SENT_TEXT, "--json"))["submission"]["state"] == "cancelled"


def test_resend_tells_how_it_stands_then(run, box):
    box.answers = [submission(recipient("b@example.org"), recipient("c@example.org", QUEUED))]
    status, _, error = run("resend", SENT_TEXT)
    assert (status, error) == (0, "Sent: 1 delivered here, 1 on its way.\n")
    assert len(box.of(pb.ResendSubmissionRequest)) == 1


def test_the_sentence_for_each_state():
    waits = recipient("b@example.org", QUEUED)
    later = submission(waits, state=HELD)
    later.hold_until.seconds = later.submitted.seconds + 86_400
    assert sentence(later).startswith("Leaves 2026-") and sentence(later).endswith(f"Undo: rookery unsend {SENT_TEXT}")
    assert sentence(submission(waits, state=HELD)).startswith("Held until an administrator releases it.")
    assert sentence(submission(waits, state=PENDING)).startswith("On its way. Undo, while there is time:")
    unsynced = Submission(id=later.id, state=HELD)
    assert sentence(unsynced).startswith("Leaves with the next sync. Undo: rookery --offline unsend")
    unsynced.hold_until.seconds = 1_790_000_000
    assert sentence(unsynced).startswith("Leaves with the next sync, not before 2026-")


def test_changes_that_wait_are_told_in_words():
    for action, words in (("submit", "send"), ("cancel_submission", "call a message back"), ("resend_submission", "again")):
        operation = SyncOperation()
        getattr(operation, action).SetInParent()
        assert words in described(operation) and "_" not in described(operation)


def test_show_tells_what_became_of_what_was_sent(run, box):
    sent = box.items[LETTER]
    box.submissions = [many()]
    assert b"delivered" not in run("show", LETTER_TEXT)[1], "it came from elsewhere: nobody is asked"
    assert box.of(pb.ListSubmissionsRequest) == []
    sent.content.message.has_original = False
    text = run("show", LETTER_TEXT)[1].decode()
    assert "ben@example.org" in text and "given up" in text
    assert [each["id"] for each in shown(run("show", LETTER_TEXT, "--json"))["submissions"]] == [SENT_TEXT]


def test_show_puts_a_report_into_a_table(run, box):
    item = Item(id=REPORT, content_revision=1)
    item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_MESSAGE, "Not delivered"
    item.summary.message.is_report = True
    item.content.message.has_original = True
    failed = ReportedRecipient(address="gone@example.org", action=ReportedAction.REPORTED_ACTION_FAILED, status_code="5.1.1")
    failed.diagnostic, failed.remote_host = "550 no such user", "mx.example.org"
    moved = ReportedRecipient(
        address="new@example.org", original_address="old@example.org", action=ReportedAction.REPORTED_ACTION_DELIVERED
    )
    item.content.message.report.CopyFrom(DeliveryReport(recipients=[failed, moved], submission_id=b"\x5e" * 16))
    item.content.message.authentication_results.append("mx.example.org; dkim=pass header.d=example.org; spf=fail (policy=strict)")
    box.items[REPORT] = item
    text = run("show", REPORT_TEXT)[1].decode()
    rows = [line.split() for line in text.splitlines()]
    assert ["gone@example.org", "failed", "5.1.1", "mx.example.org", "550", "no", "such", "user"] in rows
    assert "new@example.org (you wrote old@example.org)" in text and f"Your message: rookery outbox show {SENT_TEXT}" in text
    assert "Checked: dkim pass, spf fail (mx.example.org)" in text


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        (["mx.example.org; none"], ""),
        (["mx.example.org 1; spf=pass smtp.mailfrom=a.example; dmarc=fail reason=x"], "spf pass, dmarc fail (mx.example.org)"),
        (["a.example; spf=pass", "b.example; DKIM=None"], "spf pass (a.example); dkim none (b.example)"),
        (["a.example; dkim=pass (good; spf=fail) header.d=x"], "dkim pass (a.example)"),
        (["; =; ;;=pass"], ""),
    ],
)
def test_authentication_results_in_a_line(values, line):
    assert authentication(values) == line
