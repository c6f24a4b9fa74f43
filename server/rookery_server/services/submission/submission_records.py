"""Submissions as the contract has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.person_pb2 import Person
from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DeliveryState,
    Submission,
    SubmissionRecipient,
    SubmissionState,
)
from rookery_core.rules import submission_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_server.store.submissions import RecipientRow, SubmissionRow


def to_message(row: SubmissionRow, recipients: Sequence[RecipientRow], now: int) -> Submission:
    """The record as it is at a time, in microseconds."""
    message = as_stored(row, recipients)
    message.state = submission_states.state_at(message, now)
    return message


def as_stored(row: SubmissionRow, recipients: Sequence[RecipientRow]) -> Submission:
    """The record as devices keep it, which does not change but with its revision."""
    message = Submission(
        id=row.id,
        item_id=row.item_id,
        revision=row.revision,
        state=SubmissionState.ValueType(row.state),
        sender=row.sender,
        recipients=map(recipient_message, recipients),
    )
    message.submitted.FromMicroseconds(row.submitted)
    if row.hold_until is not None:
        message.hold_until.FromMicroseconds(row.hold_until)
    return message


def recipient_message(row: RecipientRow) -> SubmissionRecipient:
    """The record of one recipient."""
    message = SubmissionRecipient(
        person=Person(name=row.name, address=row.address),
        state=DeliveryState.ValueType(row.state),
        remote_host=row.host,
        reply=row.reply,
        status_code=row.status_code,
        attempts=row.attempts,
        report_item_id=row.report_item_id or b"",
    )
    if row.state == DELIVERY_STATE_DEFERRED and row.next_attempt is not None:
        message.next_attempt.FromMicroseconds(row.next_attempt)
    message.changed.FromMicroseconds(row.changed)
    return message
