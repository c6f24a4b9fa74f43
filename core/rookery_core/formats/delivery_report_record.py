"""A delivery report that was read, as the contract's record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import report_pb2
from rookery_core.formats.delivery_report import DELAYED, DELIVERED, EXPANDED, FAILED, RELAYED

if TYPE_CHECKING:
    from rookery_core.formats.delivery_report import DeliveryReport, RecipientReport

MOST_RECIPIENTS = 1000
_MOST_BYTES = 256 << 10
"""Bytes of all recipients: what devices get of each report, whatever other hosts write."""
_ADDRESS = 320
_NAME = 255
_WORDS = 1000

_ACTIONS = {
    FAILED: report_pb2.REPORTED_ACTION_FAILED,
    DELAYED: report_pb2.REPORTED_ACTION_DELAYED,
    DELIVERED: report_pb2.REPORTED_ACTION_DELIVERED,
    RELAYED: report_pb2.REPORTED_ACTION_RELAYED,
    EXPANDED: report_pb2.REPORTED_ACTION_EXPANDED,
}


def to_record(report: DeliveryReport) -> report_pb2.DeliveryReport:
    """The record, which does not name the submission yet. Recipients beyond 1,000, and what is too long, are cut off."""
    record = report_pb2.DeliveryReport(reporting_host=report.reporting_host[:_NAME], message_id=report.message_id[:_WORDS])
    room = _MOST_BYTES
    for recipient in report.recipients[:MOST_RECIPIENTS]:
        reported = _recipient(recipient)
        room -= reported.ByteSize()
        if room < 0:
            break
        record.recipients.append(reported)
    return record


def _recipient(recipient: RecipientReport) -> report_pb2.ReportedRecipient:
    return report_pb2.ReportedRecipient(
        address=recipient.address[:_ADDRESS],
        original_address=recipient.original[:_ADDRESS],
        action=_ACTIONS[recipient.action],
        status_code=recipient.status,
        remote_host=recipient.remote_host[:_NAME],
        diagnostic=recipient.diagnostic[:_WORDS],
    )
