"""Two accounts can not reach each other's items by any call of the contract.

Every RPC is called by the one with everything of the other's filled in (``theft``). Whatever the answer is, it must not hold
what belongs to the other, and afterwards the other's mailbox must be as it was. A new RPC fails this test until it has a request.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message_factory import GetMessageClass

from rookery.v1 import (
    auth_service_pb2 as auth,
)
from rookery.v1 import (
    content_service_pb2 as content,
)
from rookery.v1 import (
    folder_pb2 as folder,
)
from rookery.v1 import (
    item_pb2 as item,
)
from rookery.v1 import (
    item_service_pb2 as items,
)
from rookery.v1 import (
    mailbox_pb2 as mailbox,
)
from rookery.v1 import (
    submission_service_pb2 as submission,
)
from rookery.v1 import (
    sync_pb2 as records,
)
from rookery.v1 import (
    sync_service_pb2 as sync,
)
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from tests.e2e.theft import SERVICES, Mark, of_mailbox, requests, with_same_ids
from tests.support.server import server

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

    from tests.support.server import Running

__all__ = ["server"]

SECRET = b"TOPSECRET-e7b1"
EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
}
SHOWS_THE_OWNER = (
    "ItemService/GetItem",
    "ItemService/BatchGetItems",
    "ItemService/ListItems",
    "ContentService/DownloadAttachment",
    "ContentService/DownloadDocument",
    "ContentService/ReadContent",
    "SearchService/Search",
    "SyncService/Pull",
    "SyncService/PullBatch",
    "SyncService/ListConflicts",
    "SyncService/GetConflict",
    "SubmissionService/GetSubmission",
    "SubmissionService/ListSubmissions",
)
ECHOES = {"missing_ids", "remaining_ids", "source_id", "operation_id", "removals"}
"""Fields of answers that repeat what the request said: the thief's own words."""


def methods() -> dict[str, MethodDescriptor]:
    return {
        f"{service.full_name.removeprefix('rookery.v1.')}/{method.name}": method
        for module in SERVICES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


METHODS = methods()


async def call(channel: grpc.aio.Channel, name: str, request: Message, metadata: list[tuple[str, str]]) -> list[Any]:
    """Calls an RPC of any kind; gives the responses."""
    method = METHODS[name]
    path = f"/rookery.v1.{name}"
    types: dict[str, Any] = {
        "request_serializer": lambda message: message.SerializeToString(),
        "response_deserializer": GetMessageClass(method.output_type).FromString,
    }
    match method.client_streaming, method.server_streaming:
        case False, False:
            return [await channel.unary_unary(path, **types)(request, metadata=metadata)]
        case False, True:
            return [part async for part in channel.unary_stream(path, **types)(request, metadata=metadata)]
        case True, False:
            return [await channel.stream_unary(path, **types)(iter([request]), metadata=metadata)]
        case _:
            return [part async for part in channel.stream_stream(path, **types)(iter([request]), metadata=metadata)]


async def furnished(running: Running, name: str, text: bytes) -> Mark:
    """Somebody with a folder, an upload that is not used yet, an item with an attachment, one in the inbox, and a deleted one."""
    person = await running.add_person(name)
    somebody = Mark(person.address, person.login.tokens, person.login.identity)
    new = running.ids.new

    async def ask(method: str, request: Message) -> Any:
        return (await call(running.channel, method, request, somebody.metadata))[0]

    async def item_of(folder_id: bytes) -> bytes:
        upload = new()
        await ask("ContentService/Upload", content.UploadRequest(upload_id=upload, total_bytes=len(text), data=text))
        record = item.Item(folder_id=folder_id)
        record.summary.kind = item.ITEM_KIND_MESSAGE
        record.summary.subject = record.content.body.text = text.decode()
        record.content.attachments.add(name="secret.txt", upload_id=upload)
        somebody.creation = items.CreateItemRequest(operation_id=new(), item=record)
        return bytes((await ask("ItemService/CreateItem", somebody.creation)).item.id)

    created = folder.CreateFolderRequest(operation_id=new(), folder=folder.Folder(name=text.decode()))
    somebody.folder = (await ask("FolderService/CreateFolder", created)).folder.id
    asked = folder.GetFolderRequest(role=folder.FOLDER_ROLE_INBOX)
    others = [await item_of((await ask("FolderService/GetFolder", asked)).folder.id)]
    somebody.deleted = await item_of(somebody.folder)
    deletion = items.DeleteItemsRequest(operation_id=new(), item_ids=[somebody.deleted], mode=items.DELETE_MODE_RECOVERABLE)
    assert (await ask("ItemService/DeleteItems", deletion)).deleted == 1
    others.append(await item_of(somebody.folder))
    somebody.item = await item_of(somebody.folder)
    somebody.upload = new()
    await ask("ContentService/Upload", content.UploadRequest(upload_id=somebody.upload, total_bytes=len(text), data=text))
    somebody.submission = await submitted(running, somebody, text)
    page = await ask("ItemService/ListItems", items.ListItemsRequest(folder_id=somebody.folder, page_size=1))
    somebody.page_token = page.next_page_token
    somebody.pushed = await conflict_of(running, somebody, text)
    somebody.cursor = (await ask("SyncService/PullBatch", sync.PullBatchRequest())).batch.cursor
    folders = (await ask("FolderService/ListFolders", folder.ListFoldersRequest())).folders
    identity = somebody.identity
    somebody.ids = {identity.account_id, identity.mailbox_id, identity.session_id, somebody.upload, somebody.item}
    somebody.ids |= {somebody.deleted, somebody.submission, *others, *(each.id for each in folders)}
    assert somebody.page_token
    assert all(len(each) == 16 for each in somebody.ids)
    return somebody


async def submitted(running: Running, somebody: Mark, text: bytes) -> bytes:
    """A message to somebody far away, held back for a while; gives the submission's id."""
    record = item.Item(folder_id=somebody.folder)
    record.summary.kind = item.ITEM_KIND_MESSAGE
    record.summary.message.draft = True
    record.summary.subject = record.content.body.text = text.decode()
    record.content.recipients.add().person.address = "far.away@other.test"
    creation = items.CreateItemRequest(operation_id=running.ids.new(), item=record)
    draft = (await call(running.channel, "ItemService/CreateItem", creation, somebody.metadata))[0].item
    request = submission.SubmitRequest(operation_id=running.ids.new(), item_id=draft.id, undo_seconds=600)
    answer = (await call(running.channel, "SubmissionService/Submit", request, somebody.metadata))[0]
    return bytes(answer.submission.id)


async def conflict_of(running: Running, somebody: Mark, text: bytes) -> records.SyncOperation:
    """Edits of the item on two devices, of which the one on the first loses; gives that one."""
    other = await running.sign_in(somebody.address, device="another device")
    edits = []
    for ago, tokens in ((1, other.tokens), (1000, somebody.tokens)):
        edit = records.SyncOperation(operation_id=running.ids.new(), base_revision=1)
        edit.edited.FromMicroseconds(running.clock.now - ago * 1_000_000)
        edit.update_item.item.id = somebody.item
        edit.update_item.item.summary.subject = f"{text.decode()} {ago}"
        edit.update_item.update_mask.paths.append("summary.subject")
        request = sync.PushBatchRequest(push=sync.PushRequest(operations=[edit]))
        metadata = [("authorization", f"Bearer {tokens.access_token}")]
        (answered,) = (await call(running.channel, "SyncService/PushBatch", request, metadata))[0].answer.results
        edits.append((edit, answered.outcome))
    assert [made for _, made in edits] == [records.PUSH_OUTCOME_APPLIED, records.PUSH_OUTCOME_CONFLICT]
    return edits[-1][0]


def leaks(response: Message, owner: Mark) -> list[bytes]:
    """What of the owner's is in a response, but for what the thief had said."""
    shown = type(response)()
    shown.CopyFrom(response)
    _forget_echoes(shown)
    encoded = shown.SerializeToString()
    return [mark for mark in (SECRET, owner.address.encode(), *owner.ids) if mark in encoded]


def _forget_echoes(message: Message) -> None:
    for described, value in message.ListFields():
        if described.name in ECHOES:
            message.ClearField(described.name)
        elif described.message_type is not None and not described.message_type.GetOptions().map_entry:
            for each in value if described.is_repeated else (value,):
                _forget_echoes(each)


async def everything_of(channel: grpc.aio.Channel, somebody: Mark) -> list[tuple[str, bytes]]:
    """All that somebody's mailbox shows, in every folder."""

    async def ask(method: str, request: Message) -> list[Any]:
        return await call(channel, method, request, somebody.metadata)

    (listed,) = await ask("FolderService/ListFolders", folder.ListFoldersRequest())
    lives = (item.ITEM_LIFE_LIVE, item.ITEM_LIFE_RECOVERABLE)
    questions: list[tuple[str, Message]] = [
        ("MailboxService/GetMailbox", mailbox.GetMailboxRequest()),
        ("FolderService/ListFolders", folder.ListFoldersRequest()),
        ("ContentService/GetUpload", content.GetUploadRequest(upload_id=somebody.upload)),
        ("ContentService/DownloadAttachment", content.DownloadAttachmentRequest(item_id=somebody.item, attachment_id=1)),
        ("ContentService/DownloadDocument", content.DownloadDocumentRequest(item_id=somebody.item)),
        ("AuthService/ListSessions", auth.ListSessionsRequest()),
        ("SyncService/ListConflicts", sync.ListConflictsRequest()),
        ("SubmissionService/ListSubmissions", submission.ListSubmissionsRequest()),
        (
            "SyncService/GetConflict",
            sync.GetConflictRequest(item_id=somebody.item, device_id=somebody.identity.session_id),
        ),
        *(
            (
                "ItemService/ListItems",
                items.ListItemsRequest(folder_id=each.id, life=life, view=items.ITEM_VIEW_FULL, page_size=100),
            )
            for each in listed.folders
            for life in lives
        ),
    ]
    return [
        (method, part.SerializeToString(deterministic=True)) for method, request in questions for part in await ask(method, request)
    ]


async def outcome(
    channel: grpc.aio.Channel, name: str, request: Message, metadata: list[tuple[str, str]]
) -> tuple[list[Message], grpc.StatusCode, str]:
    """The responses, or none and how the call was refused."""
    try:
        return await asyncio.wait_for(call(channel, name, request, metadata), 30), grpc.StatusCode.OK, ""
    except grpc.aio.AioRpcError as refused:
        return [], refused.code(), f"{refused.details()} {refused.trailing_metadata()}"


def test_every_rpc_of_the_contract_has_a_request_to_steal_with() -> None:
    ids = RandomIds(SystemClock())
    nobody = Mark("nobody@rookery.test", auth.Tokens(), auth.Identity(mailbox_id=ids.new()))
    assert {name for name, made in requests(ids, nobody, nobody).items() if made} == set(METHODS)


async def test_no_call_reaches_into_another_account(server: Running) -> None:
    owner, thief = await furnished(server, "owner", SECRET), await furnished(server, "thief", b"harmless")
    before = await everything_of(server.channel, owner)
    answered = set()
    for in_the_owner_s_mailbox in (True, False):
        for name, sent in requests(server.ids, owner, thief).items():
            for request in sent:
                if in_the_owner_s_mailbox and (name == "AuthService/Logout" or not of_mailbox(owner, request)):
                    continue
                responses, code, said = await outcome(server.channel, name, request, thief.metadata)
                # Any other refusal would mean that the request was no good, and had shown nothing.
                assert code in EXPECTED or "PAGE_TOKEN_INVALID" in said or "CURSOR_INVALID" in said, (name, request, code, said)
                assert SECRET.decode() not in said, (name, request)
                assert [leaks(response, owner) for response in responses if leaks(response, owner)] == [], (name, request)
                if code == grpc.StatusCode.OK:
                    answered.add(name)
    assert await everything_of(server.channel, owner) == before
    assert (await server.sign_in(owner.address)).identity.account_id == owner.identity.account_id
    # The thief's own business goes on; nothing of the administration does.
    assert {"AuthService/WhoAmI", "MailboxService/GetMailbox", "ItemService/BatchGetItems"} <= answered
    assert not {name for name in answered if name.startswith("AdminService/")}


async def test_what_somebody_makes_under_another_s_ids_is_their_own(server: Running) -> None:
    owner, thief = await furnished(server, "owner", SECRET), await furnished(server, "thief", b"harmless")
    before = await everything_of(server.channel, owner)
    for name, request in with_same_ids(server.ids, owner, thief):
        responses, code, said = await outcome(server.channel, name, request, thief.metadata)
        assert code == grpc.StatusCode.OK, (name, said)
        assert not any(SECRET in response.SerializeToString() for response in responses), name
    asked = requests(server.ids, owner, thief)
    shown = {}
    for name in SHOWS_THE_OWNER:
        for request in asked[name]:
            responses, shown[name], said = await outcome(server.channel, name, request, thief.metadata)
            assert SECRET.decode() not in said, name
            assert not any(SECRET in response.SerializeToString() for response in responses), (name, request)
    assert shown["ItemService/GetItem"] == grpc.StatusCode.OK
    for request in asked["ItemService/DeleteItems"]:
        await call(server.channel, "ItemService/DeleteItems", request, thief.metadata)
    assert await everything_of(server.channel, owner) == before


async def test_the_owner_is_shown_what_the_thief_asked_for(server: Running) -> None:
    owner = await furnished(server, "owner", SECRET)
    asked = requests(server.ids, owner, owner)
    for name in SHOWS_THE_OWNER:
        responses = await call(server.channel, name, asked[name][0], owner.metadata)
        assert any(leaks(response, owner) for response in responses), name


async def test_every_rpc_but_signing_in_asks_who_calls(server: Running) -> None:
    new = server.ids.new
    nobody = Mark(
        "nobody@rookery.test",
        auth.Tokens(access_token="forged"),
        auth.Identity(account_id=new(), mailbox_id=new(), session_id=new()),
        folder=new(),
        item=new(),
        deleted=new(),
        upload=new(),
    )
    for metadata in ([], nobody.metadata):
        for name, sent in requests(server.ids, nobody, nobody).items():
            for request in sent:
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await asyncio.wait_for(call(server.channel, name, request, metadata), 30)
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED, name
