"""Two accounts can not reach each other's items by any call of the contract.

Every RPC is called by the one with everything of the other's filled in. Whatever the answer is, it must not hold what belongs to
the other, and afterwards the other's mailbox must be as it was. A new RPC fails this test until it has a line in ``REQUESTS``.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message_factory import GetMessageClass

from rookery.v1 import (
    admin_service_pb2 as admin,
)
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
    search_service_pb2 as search,
)
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server import config
from rookery_server.bootstrap import Server

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.message import Message

SECRET = b"TOPSECRET-e7b1"
PASSWORD = "correct horse battery"
WRONG = "wrong wrong wrong"
FILES = (admin, auth, content, folder, items, mailbox, search)
IDS = RandomIds(SystemClock())


@dataclass
class Person:
    """Somebody signed in, and what is theirs."""

    address: str
    tokens: auth.Tokens
    identity: auth.Identity
    folder: bytes = b""
    item: bytes = b""
    upload: bytes = b""

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.tokens.access_token}")]


def methods() -> dict[str, MethodDescriptor]:
    return {
        f"{service.full_name.removeprefix('rookery.v1.')}/{method.name}": method
        for module in FILES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


async def call(channel: grpc.aio.Channel, name: str, request: Message, metadata: list[tuple[str, str]]) -> list[Message]:
    """Calls an RPC of any kind; gives the responses."""
    method = methods()[name]
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


def _requests() -> dict[str, Callable[[Person, Person], Message]]:
    """What the thief sends, by RPC: (owner, thief) -> request. None of them may show or change what is the owner's."""
    op = IDS.new
    piece = {"total_bytes": 4, "data": b"evil"}
    stolen = item.Attachment(name="x")

    def update(owner: Person) -> items.UpdateItemRequest:
        request = items.UpdateItemRequest(mailbox_id=owner.identity.mailbox_id, operation_id=op())
        request.item.id = owner.item
        request.item.summary.subject = "evil"
        request.update_mask.paths.append("summary.subject")
        return request

    def with_attachment(owner: Person, **where: bytes) -> items.CreateItemRequest:
        request = items.CreateItemRequest(operation_id=op(), **where)  # type: ignore[arg-type]
        request.item.summary.kind = item.ITEM_KIND_NOTE
        request.item.content.attachments.append(stolen)
        request.item.content.attachments[0].upload_id = owner.upload
        return request

    return {
        "AuthService/Login": lambda owner, _: auth.LoginRequest(
            address=owner.address, password="wrong wrong wrong", operation_id=op()
        ),
        "AuthService/Refresh": lambda _, thief: auth.RefreshRequest(refresh_token=thief.tokens.access_token),
        "AuthService/WhoAmI": lambda *_: auth.WhoAmIRequest(),
        "AuthService/ListSessions": lambda *_: auth.ListSessionsRequest(),
        "AuthService/RevokeSession": lambda owner, _: auth.RevokeSessionRequest(
            session_id=owner.identity.session_id, operation_id=op()
        ),
        "AuthService/ChangePassword": lambda *_: auth.ChangePasswordRequest(
            old_password=WRONG, new_password="evil evil evil", operation_id=op()
        ),
        "AdminService/CreateAccount": lambda *_: admin.CreateAccountRequest(
            operation_id=op(), account=admin.Account(address="evil@rookery.example", administrator=True), password="evil evil evil"
        ),
        "AdminService/GetAccount": lambda owner, _: admin.GetAccountRequest(account_id=owner.identity.account_id),
        "AdminService/ListAccounts": lambda *_: admin.ListAccountsRequest(),
        "AdminService/UpdateAccount": lambda _, thief: admin.UpdateAccountRequest(
            operation_id=op(),
            account=admin.Account(id=thief.identity.account_id, administrator=True),
            update_mask=FieldMask(paths=["administrator"]),
        ),
        "AdminService/SetPassword": lambda owner, _: admin.SetPasswordRequest(
            operation_id=op(), account_id=owner.identity.account_id, password="evil evil evil"
        ),
        "AdminService/DeleteAccount": lambda owner, _: admin.DeleteAccountRequest(
            operation_id=op(), account_id=owner.identity.account_id
        ),
        "AdminService/CreateAlias": lambda _, thief: admin.CreateAliasRequest(
            operation_id=op(), alias=admin.Alias(address="root@rookery.example", account_id=thief.identity.account_id)
        ),
        "AdminService/ListAliases": lambda *_: admin.ListAliasesRequest(),
        "AdminService/DeleteAlias": lambda *_: admin.DeleteAliasRequest(operation_id=op(), address="alias@rookery.example"),
        "AdminService/CreateDomain": lambda *_: admin.CreateDomainRequest(
            operation_id=op(), domain=admin.Domain(name="evil.example")
        ),
        "AdminService/ListDomains": lambda *_: admin.ListDomainsRequest(),
        "AdminService/DeleteDomain": lambda *_: admin.DeleteDomainRequest(operation_id=op(), name="rookery.example"),
        "AdminService/GetStatistics": lambda *_: admin.GetStatisticsRequest(),
        "MailboxService/ListMailboxes": lambda *_: mailbox.ListMailboxesRequest(),
        "MailboxService/GetMailbox": lambda owner, _: mailbox.GetMailboxRequest(mailbox_id=owner.identity.mailbox_id),
        "FolderService/CreateFolder": lambda owner, _: folder.CreateFolderRequest(
            operation_id=op(), folder=folder.Folder(name="evil", parent_id=owner.folder)
        ),
        "FolderService/GetFolder": lambda owner, _: folder.GetFolderRequest(folder_id=owner.folder),
        "FolderService/ListFolders": lambda owner, _: folder.ListFoldersRequest(mailbox_id=owner.identity.mailbox_id),
        "FolderService/UpdateFolder": lambda owner, _: folder.UpdateFolderRequest(
            operation_id=op(), folder=folder.Folder(id=owner.folder, name="evil"), update_mask=FieldMask(paths=["name"])
        ),
        "FolderService/DeleteFolder": lambda owner, _: folder.DeleteFolderRequest(operation_id=op(), folder_id=owner.folder),
        "FolderService/EmptyFolder": lambda owner, _: folder.EmptyFolderRequest(operation_id=op(), folder_id=owner.folder),
        "ItemService/CreateItem": lambda owner, _: with_attachment(owner),
        "ItemService/GetItem": lambda owner, _: items.GetItemRequest(item_id=owner.item),
        "ItemService/BatchGetItems": lambda owner, _: items.BatchGetItemsRequest(item_ids=[owner.item], view=items.ITEM_VIEW_FULL),
        "ItemService/ListItems": lambda owner, _: items.ListItemsRequest(folder_id=owner.folder),
        "ItemService/UpdateItem": lambda owner, _: update(owner),
        "ItemService/SetItemState": lambda owner, _: items.SetItemStateRequest(
            operation_id=op(), item_ids=[owner.item], add_categories=["evil"]
        ),
        "ItemService/MoveItems": lambda owner, thief: items.MoveItemsRequest(
            operation_id=op(), item_ids=[owner.item], folder_id=thief.folder
        ),
        "ItemService/CopyItems": lambda owner, thief: items.CopyItemsRequest(
            operation_id=op(), item_ids=[owner.item], folder_id=thief.folder
        ),
        "ItemService/DeleteItems": lambda owner, _: items.DeleteItemsRequest(
            operation_id=op(), item_ids=[owner.item], mode=items.DELETE_MODE_PERMANENT
        ),
        "ItemService/RestoreItems": lambda owner, thief: items.RestoreItemsRequest(
            operation_id=op(), item_ids=[owner.item], folder_id=thief.folder
        ),
        "ContentService/Upload": lambda owner, _: content.UploadRequest(
            mailbox_id=owner.identity.mailbox_id, upload_id=IDS.new(), **piece
        ),
        "ContentService/WriteUpload": lambda owner, _: content.WriteUploadRequest(
            piece=content.UploadRequest(mailbox_id=owner.identity.mailbox_id, upload_id=owner.upload, **piece)
        ),
        "ContentService/GetUpload": lambda owner, _: content.GetUploadRequest(upload_id=owner.upload),
        "ContentService/DownloadAttachment": lambda owner, _: content.DownloadAttachmentRequest(
            item_id=owner.item, attachment_id=1
        ),
        "ContentService/DownloadDocument": lambda owner, _: content.DownloadDocumentRequest(item_id=owner.item),
        "ContentService/ReadContent": lambda owner, _: content.ReadContentRequest(item_id=owner.item, attachment_id=1),
        "ContentService/Import": lambda owner, _: content.ImportRequest(
            operation_id=op(), folder_id=owner.folder, format=item.DOCUMENT_FORMAT_MESSAGE, data=b"Subject: evil\r\n\r\n"
        ),
        "ContentService/ImportItem": lambda owner, _: content.ImportItemRequest(
            document=content.ImportRequest(operation_id=op(), format=item.DOCUMENT_FORMAT_MESSAGE, upload_id=owner.upload)
        ),
        "SearchService/Search": lambda owner, _: search.SearchRequest(query="TOPSECRET", folder_ids=[owner.folder]),
        "AuthService/Logout": lambda *_: auth.LogoutRequest(),
    }


REQUESTS = _requests()


def _mailbox_named(owner: Person, request: Message) -> bool:
    """Fills the owner's mailbox in where the request has room for it and names none yet."""
    for field in request.DESCRIPTOR.fields:
        if field.name == "mailbox_id" and not getattr(request, "mailbox_id"):  # noqa: B009 - Message has no such attribute
            setattr(request, "mailbox_id", owner.identity.mailbox_id)  # noqa: B010
            return True
        if field.message_type is not None and not field.is_repeated and field.message_type.full_name.endswith("Request"):
            return _mailbox_named(owner, getattr(request, field.name))
    return False


@pytest.fixture
async def server(tmp_path: pathlib.Path) -> AsyncIterator[Server]:
    settings = config.load({"data": str(tmp_path / "data"), "listen": "127.0.0.1:0", "log_level": "error"}, {})
    started = Server(settings)
    await started.start()
    yield started
    await started.stop(1)


@pytest.fixture
async def channel(server: Server) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(server.address) as opened:
        yield opened


async def person(administrator: grpc.aio.Channel, channel: grpc.aio.Channel, name: str) -> Person:
    address = f"{name}@rookery.example"
    account = admin.CreateAccountRequest(operation_id=IDS.new(), account=admin.Account(address=address), password=PASSWORD)
    await call(administrator, "AdminService/CreateAccount", account, [])
    login = auth.LoginRequest(address=address, password=PASSWORD, device_name="test", operation_id=IDS.new())
    answer: Any = (await call(channel, "AuthService/Login", login, []))[0]
    return Person(address, answer.tokens, answer.identity)


async def furnish(channel: grpc.aio.Channel, somebody: Person, text: bytes) -> None:
    """A folder, an upload that is not used yet, and an item with an attachment."""
    created: Any = await call(
        channel,
        "FolderService/CreateFolder",
        folder.CreateFolderRequest(operation_id=IDS.new(), folder=folder.Folder(name=text.decode())),
        somebody.metadata,
    )
    somebody.folder = created[0].folder.id
    for last in (False, True):
        somebody.upload = IDS.new()
        piece = content.UploadRequest(upload_id=somebody.upload, total_bytes=len(text), data=text)
        await call(channel, "ContentService/Upload", piece, somebody.metadata)
        if last:
            break
        record = item.Item(folder_id=somebody.folder)
        record.summary.kind = item.ITEM_KIND_MESSAGE
        record.summary.subject = text.decode()
        record.content.body.text = text.decode()
        record.content.attachments.add(name="secret.txt", upload_id=somebody.upload)
        made: Any = await call(
            channel, "ItemService/CreateItem", items.CreateItemRequest(operation_id=IDS.new(), item=record), somebody.metadata
        )
        somebody.item = made[0].item.id


async def outcome(
    channel: grpc.aio.Channel, name: str, request: Message, metadata: list[tuple[str, str]]
) -> tuple[list[Message], grpc.StatusCode, str]:
    """The responses, or none and how the call was refused."""
    try:
        return await asyncio.wait_for(call(channel, name, request, metadata), 30), grpc.StatusCode.OK, ""
    except grpc.aio.AioRpcError as refused:
        return [], refused.code(), refused.details() or ""


async def everything_of(channel: grpc.aio.Channel, somebody: Person) -> bytes:
    """A digest of all that somebody's mailbox shows."""
    shown = []
    for name, request in (
        ("MailboxService/GetMailbox", mailbox.GetMailboxRequest()),
        ("FolderService/ListFolders", folder.ListFoldersRequest()),
        ("ItemService/ListItems", items.ListItemsRequest(folder_id=somebody.folder, view=items.ITEM_VIEW_FULL)),
        ("ContentService/GetUpload", content.GetUploadRequest(upload_id=somebody.upload)),
        ("ContentService/DownloadAttachment", content.DownloadAttachmentRequest(item_id=somebody.item, attachment_id=1)),
        ("AuthService/ListSessions", auth.ListSessionsRequest()),
    ):
        shown.extend(part.SerializeToString(deterministic=True) for part in await call(channel, name, request, somebody.metadata))
    return hashlib.sha256(b"\0".join(shown)).digest()


def test_every_rpc_of_the_contract_has_a_request_to_steal_with() -> None:
    assert set(REQUESTS) == set(methods())


async def test_no_call_reaches_into_another_account(server: Server, channel: grpc.aio.Channel, tmp_path: pathlib.Path) -> None:
    async with grpc.aio.insecure_channel(f"unix:{tmp_path}/data/rookery.sock") as administrator:
        domain = admin.CreateDomainRequest(operation_id=IDS.new(), domain=admin.Domain(name="rookery.example"))
        await call(administrator, "AdminService/CreateDomain", domain, [])
        owner, thief = await person(administrator, channel, "owner"), await person(administrator, channel, "thief")
        await furnish(channel, owner, SECRET)
        await furnish(channel, thief, b"harmless")
        before = await everything_of(channel, owner)
        answered = set()
        for name, build in REQUESTS.items():
            for named in (False, True):
                request = build(owner, thief)
                if named and not _mailbox_named(owner, request):
                    continue
                responses, code, details = await outcome(channel, name, request, thief.metadata)
                assert code not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}, (name, details)
                assert SECRET.decode() not in details
                if code == grpc.StatusCode.OK:
                    answered.add(name)
                for response in responses:
                    assert SECRET not in response.SerializeToString(), name
                    assert owner.identity.account_id not in response.SerializeToString(), name
        assert await everything_of(channel, owner) == before
        # The thief's own business goes on; nothing of the administration does.
        assert "AuthService/WhoAmI" in answered
        assert not {name for name in answered if name.startswith("AdminService/")}


async def test_every_rpc_but_signing_in_asks_who_calls(server: Server, channel: grpc.aio.Channel) -> None:
    nobody = Person(
        "nobody@rookery.example", auth.Tokens(access_token="forged"), auth.Identity(mailbox_id=IDS.new()), *[IDS.new()] * 3
    )
    for name, build in REQUESTS.items():
        for metadata in ([], nobody.metadata):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await asyncio.wait_for(call(channel, name, build(nobody, nobody), metadata), 30)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED, name
