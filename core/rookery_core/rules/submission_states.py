"""Where a submission stands, which is in part a matter of the time: server and replica answer it alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.submission_pb2 import SUBMISSION_STATE_HELD, SUBMISSION_STATE_PENDING

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission, SubmissionState


def state_at(submission: Submission, now: int) -> SubmissionState.ValueType:
    """The state at a time, in microseconds: what is held until a time is on its way from then on, and its record stays the same."""
    if submission.state == SUBMISSION_STATE_HELD and submission.HasField("hold_until"):
        return SUBMISSION_STATE_PENDING if submission.hold_until.ToMicroseconds() <= now else SUBMISSION_STATE_HELD
    return submission.state
