"""Delivery reports as records: what programs understand of them, within limits."""

from __future__ import annotations

from rookery.v1 import report_pb2
from rookery_core.formats import delivery_report
from rookery_core.formats.delivery_report import DeliveryReport, RecipientReport
from rookery_core.formats.delivery_report_record import MOST_RECIPIENTS, to_record


def test_a_record_says_what_the_report_says() -> None:
    said = RecipientReport(
        "final@other.example",
        delivery_report.DELAYED,
        "4.4.1",
        original="first@other.example",
        diagnostic="451 later",
        remote_host="mx.other.example",
    )
    record = to_record(DeliveryReport("mail.example", (said,), envelope_id="an id", message_id="42@example.org"))
    assert (record.reporting_host, record.message_id, record.submission_id) == ("mail.example", "42@example.org", b"")
    assert list(record.recipients) == [
        report_pb2.ReportedRecipient(
            address="final@other.example",
            original_address="first@other.example",
            action=report_pb2.REPORTED_ACTION_DELAYED,
            status_code="4.4.1",
            remote_host="mx.other.example",
            diagnostic="451 later",
        )
    ]


def test_each_action_has_its_value() -> None:
    recipients = tuple(RecipientReport("a@b.example", action, "2.0.0") for action in delivery_report.ACTIONS)
    actions = [each.action for each in to_record(DeliveryReport("", recipients)).recipients]
    assert sorted(actions) == sorted(set(report_pb2.ReportedAction.values()) - {report_pb2.REPORTED_ACTION_UNSPECIFIED})


def test_however_much_a_report_says_its_record_stays_small() -> None:
    short = RecipientReport("a@b.example", delivery_report.FAILED, "5.1.1")
    assert len(to_record(DeliveryReport("", (short,) * 5000)).recipients) == MOST_RECIPIENTS
    long = RecipientReport("é" * 9000, delivery_report.FAILED, "5.1.1", diagnostic="é" * 9000, remote_host="é" * 9000)
    record = to_record(DeliveryReport("h" * 9000, (long,) * 5000, message_id="m" * 9000))
    assert len(record.recipients) > 50 and record.ByteSize() < 300_000
