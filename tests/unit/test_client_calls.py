from __future__ import annotations

import asyncio
import socket

import grpc
import pytest
from google.rpc import code_pb2

from rookery.v1.folder_pb2 import CreateFolderResponse, Folder, ListFoldersResponse
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import (
    BatchGetItemsResponse,
    CopyItemsResponse,
    ListItemsResponse,
    SetItemStateResponse,
)
from rookery_client import Client, RetryPolicy
from rookery_client.connection import error_of_status, open_channel
from rookery_client.connection.channel import is_loopback
from rookery_core import errors
from rookery_core.rules.ids import require_minted
from tests.support.client_fakes import QUICK, client_of, failing_first, refuse, serve, status_of, tokens


async def test_a_call_is_tried_again_with_the_same_operation_id_while_the_server_is_unavailable():
    seen = []
    handler = failing_first(2, code_pb2.UNAVAILABLE, "DATABASE_BUSY", lambda r: CreateFolderResponse(folder=r.folder), seen)
    async with client_of({"FolderService.CreateFolder": handler}) as client:
        folder = await client.folders.create("Projects")
    assert folder.name == "Projects"
    assert len(seen) == 3
    assert len({request.operation_id for request in seen}) == 1
    require_minted(seen[0].operation_id, "operation_id")


async def test_two_calls_have_two_operation_ids():
    seen = []
    handler = failing_first(0, 0, "", lambda r: CreateFolderResponse(folder=r.folder), seen)
    async with client_of({"FolderService.CreateFolder": handler}) as client:
        await client.folders.create("A")
        await client.folders.create("B")
    assert seen[0].operation_id != seen[1].operation_id


async def test_the_attempts_have_an_end():
    seen = []
    handler = failing_first(99, code_pb2.UNAVAILABLE, "DATABASE_BUSY", lambda r: CreateFolderResponse(), seen)
    async with client_of({"FolderService.CreateFolder": handler}) as client:
        with pytest.raises(errors.Unavailable) as caught:
            await client.folders.create("A")
    assert caught.value.reason == "DATABASE_BUSY"
    assert len(seen) == QUICK.attempts


async def test_a_refusal_is_not_tried_again():
    seen = []
    handler = failing_first(1, code_pb2.ALREADY_EXISTS, "FOLDER_NAME_TAKEN", lambda r: CreateFolderResponse(), seen)
    async with client_of({"FolderService.CreateFolder": handler}) as client:
        with pytest.raises(errors.AlreadyExists, match="no"):
            await client.folders.create("A")
    assert len(seen) == 1


async def test_a_call_ends_at_its_deadline_with_all_its_attempts():
    async def never(request, context):
        await asyncio.sleep(60)

    async with client_of({"FolderService.ListFolders": never}, deadline=0.2) as client:
        with pytest.raises(errors.Unavailable) as caught:
            await client.folders.list()
    assert caught.value.reason == "DEADLINE_EXCEEDED"


async def test_a_server_that_starts_late_is_found():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def folders(request, context):
        return ListFoldersResponse(folders=[Folder(name="Inbox")])

    patient = RetryPolicy(attempts=40, first_delay=0.05, longest_delay=0.2)
    async with Client.connect(f"127.0.0.1:{port}", tokens=tokens("1"), retry=patient) as client:
        asking = asyncio.create_task(client.folders.list())
        await asyncio.sleep(0.2)
        server, _ = await serve({"FolderService.ListFolders": folders}, port)
        try:
            assert [folder.name for folder in await asking] == ["Inbox"]
        finally:
            await server.stop(None)


async def test_where_nobody_listens_the_error_names_the_server():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{probe.getsockname()[1]}"
    async with Client.connect(server, tokens=tokens("1"), retry=QUICK) as client:
        with pytest.raises(errors.Unavailable, match=server) as caught:
            await client.folders.list()
    assert caught.value.reason == "SERVER_UNREACHABLE"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (code_pb2.INVALID_ARGUMENT, errors.InvalidArgument),
        (code_pb2.NOT_FOUND, errors.NotFound),
        (code_pb2.ALREADY_EXISTS, errors.AlreadyExists),
        (code_pb2.FAILED_PRECONDITION, errors.FailedPrecondition),
        (code_pb2.ABORTED, errors.Stale),
        (code_pb2.OUT_OF_RANGE, errors.OutOfRange),
        (code_pb2.UNAUTHENTICATED, errors.Unauthenticated),
        (code_pb2.PERMISSION_DENIED, errors.PermissionDenied),
        (code_pb2.RESOURCE_EXHAUSTED, errors.ResourceExhausted),
        (code_pb2.DATA_LOSS, errors.DataLoss),
    ],
)
async def test_each_status_becomes_its_exception_with_reason_metadata_and_field(code, kind):
    async def handler(request, context):
        await refuse(context, code, "FIELD_INVALID", "the name is too long", field="folder.name", limit="255")

    async with client_of({"FolderService.CreateFolder": handler}) as client:
        with pytest.raises(kind) as caught:
            await client.folders.create("A" * 300)
    error = caught.value
    assert type(error) is kind
    assert (error.reason, error.message, error.field) == ("FIELD_INVALID", "the name is too long", "folder.name")
    assert error.metadata == {"limit": "255"}


async def test_an_error_without_details_is_still_one_of_ours():
    async def broken(request, context):
        await context.abort(grpc.StatusCode.INTERNAL, "oh")

    async with client_of({"FolderService.ListFolders": broken}) as client:
        with pytest.raises(errors.RookeryError, match="oh") as caught:
            await client.folders.list()
        assert caught.value.reason == "SERVER_FAILED"
        with pytest.raises(errors.RookeryError, match="older version"):
            await client.mailboxes.get()


def test_an_error_of_another_domain_has_no_reason_of_ours():
    status = status_of(code_pb2.NOT_FOUND, "X", "gone")
    assert error_of_status(status).reason == "X"
    status.ClearField("details")
    assert error_of_status(status).reason == "SERVER_FAILED"


async def test_every_call_carries_the_access_token():
    seen = []

    async def folders(request, context):
        seen.extend(value for key, value in context.invocation_metadata() if key == "authorization")
        return ListFoldersResponse()

    async with client_of({"FolderService.ListFolders": folders}) as client:
        await client.folders.list()
    assert seen == ["Bearer access-1"]


async def test_more_than_500_ids_travel_in_batches_with_operation_ids_of_their_own():
    seen = []

    def answer(request):
        return SetItemStateResponse(changed=len(request.item_ids) - 1, missing_ids=request.item_ids[:1], revision=len(seen))

    ids = [number.to_bytes(16, "big") for number in range(1201)]
    async with client_of({"ItemService.SetItemState": failing_first(0, 0, "", answer, seen)}) as client:
        response = await client.items.set_state(ids, read=True)
    assert [len(request.item_ids) for request in seen] == [500, 500, 201]
    assert len({request.operation_id for request in seen}) == 3
    assert response.changed == 1198
    assert list(response.missing_ids) == [ids[0], ids[500], ids[1000]]
    assert response.revision == 3


async def test_minted_ids_of_copies_follow_their_batches():
    seen = []
    ids = [number.to_bytes(16, "big") for number in range(501)]
    new = [number.to_bytes(16, "big") for number in range(1000, 1501)]
    async with client_of({"ItemService.CopyItems": failing_first(0, 0, "", lambda r: CopyItemsResponse(), seen)}) as client:
        await client.items.copy(ids, b"f" * 16, new_ids=new)
    assert [list(request.new_ids) for request in seen] == [new[:500], new[500:]]


async def test_batch_get_asks_again_for_what_did_not_fit():
    async def handler(request, context):
        found, rest = request.item_ids[:200], request.item_ids[200:]
        return BatchGetItemsResponse(items=[Item(id=found_id) for found_id in found], remaining_ids=rest)

    ids = [number.to_bytes(16, "big") for number in range(777)]
    async with client_of({"ItemService.BatchGetItems": handler}) as client:
        response = await client.items.batch_get(ids)
    assert [item.id for item in response.items] == ids
    assert not response.remaining_ids


async def test_a_list_goes_on_over_an_empty_page():
    pages = {"": ([1, 2], "b"), "b": ([], "c"), "c": ([3], "")}

    async def handler(request, context):
        uids, token = pages[request.page_token]
        return ListItemsResponse(items=[Item(uid=uid) for uid in uids], next_page_token=token)

    async with client_of({"ItemService.ListItems": handler}) as client:
        assert [item.uid async for item in client.items.list(b"f" * 16)] == [1, 2, 3]


def test_delays_double_up_to_a_limit_and_half_of_each_is_chance():
    policy = RetryPolicy(attempts=9, first_delay=1.0, longest_delay=5.0)
    assert [policy.delay(failures, 1.0) for failures in (1, 2, 3, 4, 5)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert policy.delay(3, 0.0) == 2.0


@pytest.mark.parametrize("server", ["localhost:1", "127.9.9.9:1", "[::1]:1", "unix:/run/rookery.sock"])
def test_loopback_is_recognised(server):
    assert is_loopback(server)


@pytest.mark.parametrize("server", ["example.org:1", "10.0.0.1:1", "[2001:db8::1]:1", "localhost.example.org:1"])
async def test_plain_text_to_another_machine_is_refused_unless_asked_for(server):
    assert not is_loopback(server)
    with pytest.raises(errors.InvalidArgument, match="TLS"):
        open_channel(server, tls=False)
    await open_channel(server, tls=False, insecure=True).close()
    await open_channel(server).close()


@pytest.mark.parametrize("server", ["", "host", "host:", "host:0", "host:70000", "host:x", ":1"])
async def test_an_address_that_is_none_is_refused(server):
    with pytest.raises(errors.InvalidArgument, match="HOST:PORT"):
        open_channel(server)


async def test_unreadable_authorities_are_refused(tmp_path):
    with pytest.raises(errors.InvalidArgument, match="authorities"):
        open_channel("localhost:1", ca_file=tmp_path / "none.pem")
