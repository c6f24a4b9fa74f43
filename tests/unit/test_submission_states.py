"""Where a submission stands at a time."""

from __future__ import annotations

import pytest

from rookery.v1 import submission_pb2 as records
from rookery_core.rules.submission_states import state_at

HELD, PENDING = records.SUBMISSION_STATE_HELD, records.SUBMISSION_STATE_PENDING
FINAL, CANCELLED = records.SUBMISSION_STATE_FINAL, records.SUBMISSION_STATE_CANCELLED


@pytest.mark.parametrize(
    ("state", "hold_until", "expected"),
    [
        (HELD, 1001, HELD),
        (HELD, 1000, PENDING),
        (HELD, 1, PENDING),
        (HELD, None, HELD),  # it waits for somebody to release it
        (PENDING, None, PENDING),
        (FINAL, 1, FINAL),
        (FINAL, 2000, FINAL),
        (CANCELLED, 2000, CANCELLED),
    ],
)
def test_what_is_held_until_a_time_is_on_its_way_from_then_on(
    state: records.SubmissionState.ValueType, hold_until: int | None, expected: records.SubmissionState.ValueType
) -> None:
    submission = records.Submission(state=state)
    if hold_until is not None:
        submission.hold_until.FromMicroseconds(hold_until)
    assert state_at(submission, 1000) == expected
