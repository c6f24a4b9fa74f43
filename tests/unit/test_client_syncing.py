from __future__ import annotations

import asyncio
import os
from contextlib import aclosing

import pytest
from google.rpc import code_pb2

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import sync_pb2 as sync
from rookery.v1 import sync_service_pb2 as pb
from rookery.v1.item_pb2 import Item, ItemState, ItemSummary
from rookery_client.client import syncing
from rookery_core import errors
from tests.support.client_fakes import client_of, refuse

MAILBOX, ITEM, DEVICE = b"m" * 16, b"i" * 16, b"d" * 16


def batch(number: int, **fields) -> pb.PullResponse:
    return pb.PullResponse(cursor=f"c{number}", revision=number, **fields)


async def test_batches_come_undecoded():
    item = Item(id=ITEM, state=ItemState(read=True), summary=ItemSummary(subject="Hello"))

    async def pull(request, context):
        yield batch(1, items=[sync.SyncItem(item=item, fill_key=5)], caught_up=True)

    async with client_of({"SyncService.Pull": pull}) as client:
        [got] = [each async for each in client.sync.pull(pb.PullRequest())]
    assert got.items[0].item.summary == item.summary.SerializeToString()
    assert got.items[0].item.state == item.state.SerializeToString()
    assert (got.items[0].fill_key, got.caught_up, got.cursor) == (5, True, "c1")


async def test_a_token_that_ends_in_the_middle_of_a_stream_is_renewed_and_the_stream_goes_on():
    seen = []

    async def pull(request, context):
        seen.append((request.cursor, dict(context.invocation_metadata())["authorization"]))
        if len(seen) == 1:
            yield batch(1)
            await refuse(context, code_pb2.UNAUTHENTICATED, "SESSION_EXPIRED")
        yield batch(2, caught_up=True)

    async with client_of({"SyncService.Pull": pull}) as client:
        request = pb.PullRequest(cursor="c0")
        assert [each.cursor async for each in client.sync.pull(request)] == ["c1", "c2"]
    assert seen == [("c0", "Bearer access-1"), ("c1", "Bearer access-2")]
    assert request.cursor == "c0"


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (code_pb2.UNAVAILABLE, "SERVER_STOPPING", errors.Unavailable),
        (code_pb2.FAILED_PRECONDITION, "CURSOR_EXPIRED", errors.FailedPrecondition),
        (code_pb2.UNAUTHENTICATED, "SESSION_REVOKED", errors.Unauthenticated),
    ],
)
async def test_any_other_break_is_for_the_caller(code, reason, kind):
    calls = []

    async def pull(request, context):
        calls.append(request)
        yield batch(1)
        await refuse(context, code, reason)

    async with client_of({"SyncService.Pull": pull}) as client:
        with pytest.raises(kind) as caught:
            [each async for each in client.sync.pull(pb.PullRequest())]
    assert (caught.value.reason, len(calls)) == (reason, 1)


async def test_a_stream_that_falls_silent_is_given_up(monkeypatch):
    monkeypatch.setattr(syncing, "SILENCE_SECONDS", 0.05)

    async def pull(request, context):
        yield batch(1)
        await asyncio.sleep(60)

    async with client_of({"SyncService.Pull": pull}) as client:
        with pytest.raises(errors.Unavailable) as caught:
            [each async for each in client.sync.pull(pb.PullRequest(follow=True))]
    assert caught.value.reason == "DEADLINE_EXCEEDED"


async def test_who_stops_listening_ends_the_call():
    ended = asyncio.Event()

    async def pull(request, context):
        context.add_done_callback(lambda _context: ended.set())
        yield batch(1)
        await asyncio.sleep(60)

    async with client_of({"SyncService.Pull": pull}) as client:
        async with aclosing(client.sync.pull(pb.PullRequest(follow=True))) as stream:
            await anext(stream)
        async with asyncio.timeout(10):
            await ended.wait()


async def test_a_batch_may_be_asked_for_by_itself():
    async def pull_batch(request, context):
        assert request.pull.cursor == "c7"
        return pb.PullBatchResponse(batch=batch(8, caught_up=True))

    async with client_of({"SyncService.PullBatch": pull_batch}) as client:
        got = await client.sync.pull_batch(pb.PullRequest(cursor="c7"))
    assert (got.cursor, got.revision, got.caught_up) == ("c8", 8, True)


async def test_a_lost_answer_to_a_push_is_asked_for_again_with_the_same_operations():
    seen = []

    async def push(request, context):
        seen.append(request)
        if len(seen) == 1:
            await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")
        results = [sync.PushResult(operation_id=each.operation_id, duplicate=True) for each in request.push.operations]
        return pb.PushBatchResponse(answer=pb.PushResponse(results=results, revision=9))

    operations = [sync.SyncOperation(operation_id=bytes([number]) * 16) for number in (1, 2)]
    async with client_of({"SyncService.PushBatch": push}) as client:
        answer = await client.sync.push(operations)
    assert [result.operation_id for result in answer.results] == [each.operation_id for each in operations]
    assert len(seen) == 2 and seen[0] == seen[1]


async def test_what_differs_comes_undecoded():
    async def reconcile(request, context):
        assert len(request.ranges) == 1
        item = sync.SyncItem(item=Item(id=ITEM, summary=ItemSummary(subject="Hello")))
        return pb.ReconcileResponse(items=[item], cursor="c", revision=4)

    async with client_of({"SyncService.Reconcile": reconcile}) as client:
        got = await client.sync.reconcile(pb.ReconcileRequest(ranges=[pb.ReconcileRange(count=1)]))
    assert got.items[0].item.summary == ItemSummary(subject="Hello").SerializeToString()


async def test_a_watch_that_breaks_goes_on_where_it_was():
    seen = []

    async def watch(request, context):
        seen.append([(each.mailbox_id, each.revision) for each in request.positions])
        yield pb.WatchResponse(mailbox_id=MAILBOX, revision=10 + len(seen))
        await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")

    async with client_of({"SyncService.Watch": watch}) as client, aclosing(client.sync.watch({MAILBOX: 5})) as changes:
        assert [(await anext(changes)).revision for _ in range(3)] == [11, 12, 13]
    assert seen[:3] == [[(MAILBOX, 5)], [(MAILBOX, 11)], [(MAILBOX, 12)]]


async def test_conflicts_are_listed_read_restored_and_dismissed():
    kept = sync.Conflict(item_id=ITEM, device_id=DEVICE, units=["body"])
    seen = []

    async def listed(request, context):
        return pb.ListConflictsResponse(conflicts=[kept])

    async def read(request, context):
        assert (request.item_id, request.device_id) == (ITEM, DEVICE)
        return pb.GetConflictResponse(conflict=kept)

    async def restore(request, context):
        seen.append(request)
        return pb.RestoreConflictResponse(item=Item(id=ITEM))

    async def dismiss(request, context):
        seen.append(request)
        return pb.DismissConflictResponse()

    handlers = {"ListConflicts": listed, "GetConflict": read, "RestoreConflict": restore, "DismissConflict": dismiss}
    async with client_of({f"SyncService.{name}": handler for name, handler in handlers.items()}) as client:
        assert list(await client.sync.conflicts()) == [kept]
        assert await client.sync.conflict(ITEM, DEVICE) == kept
        assert (await client.sync.restore_conflict(ITEM, DEVICE)).id == ITEM
        await client.sync.dismiss_conflict(ITEM, DEVICE)
    assert [(each.item_id, each.device_id, len(each.operation_id)) for each in seen] == [(ITEM, DEVICE, 16)] * 2


async def test_an_upload_under_an_id_of_ones_own_goes_on_where_an_earlier_one_stopped():
    data, upload_id, offsets = os.urandom(3 << 20), b"u" * 16, []

    async def how_far(request, context):
        assert request.upload_id == upload_id
        return content.GetUploadResponse(received_bytes=2 << 20, total_bytes=len(data))

    async def upload(requests, context):
        offsets.extend([request.offset async for request in requests])
        return content.UploadResponse(received_bytes=len(data), complete=True)

    async with client_of({"ContentService.GetUpload": how_far, "ContentService.Upload": upload}) as client:
        assert await client.content.upload(data, upload_id=upload_id) == upload_id
    assert offsets[0] == 2 << 20
