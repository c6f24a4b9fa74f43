"""Sending with the SDK: what goes over the wire."""

from __future__ import annotations

import datetime as dt

import pytest
from google.rpc import code_pb2

from rookery.v1 import submission_service_pb2 as pb
from rookery.v1.submission_pb2 import Submission
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import require_minted
from tests.support.client_fakes import client_of, failing_first

ITEM, SUBMISSION = b"i" * 16, b"s" * 16
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def echoed(response):
    return lambda request: response(submission=Submission(id=request.submission_id))


async def test_a_draft_is_handed_over_once_however_often_that_is_tried():
    seen = []
    handler = failing_first(2, code_pb2.UNAVAILABLE, "DATABASE_BUSY", echoed(pb.SubmitResponse), seen)
    async with client_of({"SubmissionService.Submit": handler}) as client:
        submission = await client.submissions.submit(ITEM, etag=7, undo_seconds=20)
    assert len(seen) == 3 and len({request.SerializeToString() for request in seen}) == 1
    request = seen[0]
    assert (request.item_id, request.etag, request.undo_seconds) == (ITEM, 7, 20) and not request.HasField("send_at")
    assert require_minted(request.operation_id, "operation_id") != require_minted(request.submission_id, "submission_id")
    assert submission.id == request.submission_id


async def test_a_time_of_sending_means_that_moment_in_whichever_zone():
    seen = []
    handler = failing_first(0, 0, "", echoed(pb.SubmitResponse), seen)
    async with client_of({"SubmissionService.Submit": handler}) as client:
        await client.submissions.submit(ITEM, send_at=NOON, submission_id=SUBMISSION)
        await client.submissions.submit(ITEM, send_at=NOON.astimezone().replace(tzinfo=None))
    assert [request.send_at.ToJsonString() for request in seen] == ["2026-03-01T11:00:00Z"] * 2
    assert seen[0].submission_id == SUBMISSION


@pytest.mark.parametrize(
    ("call", "method", "response"),
    [("cancel", "CancelSubmission", pb.CancelSubmissionResponse), ("resend", "ResendSubmission", pb.ResendSubmissionResponse)],
)
async def test_calling_back_and_sending_again_name_the_submission(call, method, response):
    seen = []
    handler = failing_first(1, code_pb2.UNAVAILABLE, "DATABASE_BUSY", echoed(response), seen)
    async with client_of({f"SubmissionService.{method}": handler}) as client:
        assert (await getattr(client.submissions, call)(SUBMISSION)).id == SUBMISSION
    assert len(seen) == 2 and len({request.operation_id for request in seen}) == 1


async def test_a_refusal_is_raised():
    handler = failing_first(1, code_pb2.FAILED_PRECONDITION, "SUBMISSION_FINAL", echoed(pb.CancelSubmissionResponse), [])
    async with client_of({"SubmissionService.CancelSubmission": handler}) as client:
        with pytest.raises(FailedPrecondition) as caught:
            await client.submissions.cancel(SUBMISSION)
    assert caught.value.reason == "SUBMISSION_FINAL"


async def test_submissions_are_read_one_by_one_and_page_by_page():
    asked = []

    def page(request):
        asked.append(request)
        following = "" if request.page_token else "next"
        return pb.ListSubmissionsResponse(submissions=[Submission(id=request.page_token.encode())], next_page_token=following)

    handlers = {
        "SubmissionService.GetSubmission": failing_first(0, 0, "", echoed(pb.GetSubmissionResponse), []),
        "SubmissionService.ListSubmissions": failing_first(0, 0, "", page, []),
    }
    async with client_of(handlers) as client:
        assert (await client.submissions.get(SUBMISSION)).id == SUBMISSION
        found = [each.id async for each in client.submissions.list(item_id=ITEM, unfinished=True, page_size=1)]
    assert found == [b"", b"next"]
    assert {(each.item_id, each.unfinished, each.page_size) for each in asked} == {(ITEM, True, 1)}
