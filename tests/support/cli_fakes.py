"""A server with one mailbox in memory, in a thread of its own, for tests of the command `rookery`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2

from rookery.v1 import auth_service_pb2 as auth
from rookery.v1 import content_service_pb2 as content
from rookery.v1 import item_service_pb2 as service
from rookery.v1.folder_pb2 import CreateFolderResponse, Folder, FolderRole, ListFoldersResponse, UpdateFolderResponse
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.mailbox_pb2 import GetMailboxResponse, Mailbox
from rookery.v1.search_service_pb2 import SearchResponse
from rookery.v1.submission_service_pb2 import ListSubmissionsResponse
from tests.support.client_fakes import refresh, refuse, serve, status_of, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.submission_pb2 import Submission

INBOX, CALENDAR, PROJECTS, YEAR = (bytes([0x11 * number]) * 16 for number in (1, 2, 3, 4))
ONE, TWO = b"\x01" * 16, b"\x02" * 16
ONE_TEXT = "01010101-0101-0101-0101-010101010101"
EVIL_NAME = "../../evil\x1b]0;x\x07.txt"
IDENTITY = auth.Identity(account_id=b"a" * 16, address="anna@example.org", display_name="Anna Ada", session_id=b"s" * 16)


class Box:
    """The mailbox, and everything that it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.owner_name = ""
        self.aliases: list[str] = []
        self.ended = False
        self.folders = [
            Folder(
                id=INBOX, name="Inbox", role=FolderRole.FOLDER_ROLE_INBOX, default_kind=ItemKind.ITEM_KIND_MESSAGE, item_count=2
            ),
            Folder(id=CALENDAR, name="Kalender", role=FolderRole.FOLDER_ROLE_CALENDAR, default_kind=ItemKind.ITEM_KIND_APPOINTMENT),
            Folder(id=PROJECTS, name="Projects"),
            Folder(id=YEAR, name="2026", parent_id=PROJECTS),
        ]
        self.items: dict[bytes, Item] = {}
        self.submissions: list[Submission] = []
        self.documents: dict[bytes, bytes] = {}
        self.attachments: dict[tuple[bytes, int], bytes] = {}

    def of(self, kind: type) -> list[Any]:
        """The requests of one type."""
        return [request for request in self.asked if isinstance(request, kind)]

    async def login(self, request, context):
        self.asked.append(request)
        if request.password != "correct horse":
            await refuse(context, code_pb2.UNAUTHENTICATED, "CREDENTIALS_INVALID", "address or password is wrong")
        return auth.LoginResponse(tokens=tokens("1"), identity=IDENTITY)

    async def refresh(self, request, context):
        self.asked.append(request)
        return await refresh(request, context)

    async def logout(self, request, context):
        self.asked.append(request)
        return auth.LogoutResponse()

    async def who(self, request, context):
        if self.ended:
            await refuse(context, code_pb2.UNAUTHENTICATED, "SESSION_REVOKED", "the session was ended")
        return auth.WhoAmIResponse(identity=IDENTITY)

    async def sessions(self, request, context):
        return auth.ListSessionsResponse(sessions=[auth.Session(id=b"s" * 16, device_name="laptop", current=True)])

    async def mailbox(self, request, context):
        address, name = "anna@example.org", self.owner_name
        known = Mailbox(id=b"m" * 16, address=address, display_name=name, aliases=self.aliases, revision=77, item_count=2)
        return GetMailboxResponse(mailbox=known)

    async def list_folders(self, request, context):
        return ListFoldersResponse(folders=self.folders)

    async def create_folder(self, request, context):
        self.asked.append(request)
        folder = Folder(id=bytes([len(self.folders)]) * 16, name=request.folder.name, parent_id=request.folder.parent_id)
        self.folders.append(folder)
        return CreateFolderResponse(folder=folder)

    async def update_folder(self, request, context):
        self.asked.append(request)
        return UpdateFolderResponse(folder=request.folder)

    async def list_items(self, request, context):
        self.asked.append(request)
        found = [item for item in self.items.values() if item.folder_id == request.folder_id]
        return service.ListItemsResponse(items=found)

    async def get_item(self, request, context):
        self.asked.append(request)
        if request.item_id not in self.items:
            await refuse(context, code_pb2.NOT_FOUND, "ITEM_NOT_FOUND", "the mailbox has no such item")
        return service.GetItemResponse(item=self.items[request.item_id])

    async def create_item(self, request, context):
        self.asked.append(request)
        item = Item()
        item.CopyFrom(request.item)
        item.id = b"n" * 16
        return service.CreateItemResponse(item=item)

    async def update_item(self, request, context):
        self.asked.append(request)
        return service.UpdateItemResponse(item=request.item)

    async def set_state(self, request, context):
        self.asked.append(request)
        missing = [item_id for item_id in request.item_ids if item_id not in self.items]
        return service.SetItemStateResponse(changed=len(request.item_ids) - len(missing), missing_ids=missing, revision=78)

    async def move(self, request, context):
        self.asked.append(request)
        return service.MoveItemsResponse(moved=len(request.item_ids))

    async def delete(self, request, context):
        self.asked.append(request)
        return service.DeleteItemsResponse(deleted=len(request.item_ids))

    async def list_submissions(self, request, context):
        self.asked.append(request)
        found = [each for each in self.submissions if request.item_id in {b"", each.item_id}]
        return ListSubmissionsResponse(submissions=found)

    async def search(self, request, context):
        self.asked.append(request)
        return SearchResponse(items=list(self.items.values()), incomplete=True)

    async def import_(self, requests, context):
        async for request in requests:
            self.asked += request.documents
            response = content.ImportResponse()
            for document in request.documents:
                result = response.results.add(operation_id=document.operation_id, item_id=b"i" * 16)
                if b"refuse me" in document.data:
                    result.ClearField("item_id")
                    result.error.CopyFrom(status_of(code_pb2.INVALID_ARGUMENT, "DOCUMENT_INVALID", "what is this?"))
            yield response

    async def document(self, request, context):
        data = self.documents[request.item_id]
        chunk = content.ContentChunk(size_bytes=len(data), data=data)
        yield content.DownloadDocumentResponse(info=content.ContentInfo(total_bytes=len(data)), chunk=chunk)

    async def attachment(self, request, context):
        data = self.attachments[request.item_id, request.attachment_id]
        chunk = content.ContentChunk(size_bytes=len(data), data=data)
        yield content.DownloadAttachmentResponse(info=content.ContentInfo(total_bytes=len(data)), chunk=chunk)

    @property
    def handlers(self) -> dict[str, Any]:
        """The calls by name."""
        return {
            "AuthService.Login": self.login,
            "AuthService.Refresh": self.refresh,
            "AuthService.Logout": self.logout,
            "AuthService.WhoAmI": self.who,
            "AuthService.ListSessions": self.sessions,
            "MailboxService.GetMailbox": self.mailbox,
            "FolderService.ListFolders": self.list_folders,
            "FolderService.CreateFolder": self.create_folder,
            "FolderService.UpdateFolder": self.update_folder,
            "ItemService.ListItems": self.list_items,
            "ItemService.GetItem": self.get_item,
            "ItemService.CreateItem": self.create_item,
            "ItemService.UpdateItem": self.update_item,
            "ItemService.SetItemState": self.set_state,
            "ItemService.MoveItems": self.move,
            "ItemService.DeleteItems": self.delete,
            "SearchService.Search": self.search,
            "SubmissionService.ListSubmissions": self.list_submissions,
            "ContentService.Import": self.import_,
            "ContentService.DownloadDocument": self.document,
            "ContentService.DownloadAttachment": self.attachment,
        }


@contextlib.contextmanager
def served(box: Box) -> Iterator[str]:
    """Serves the box on loopback from another thread; gives "HOST:PORT"."""
    ready, stop = threading.Event(), threading.Event()
    address: list[str] = []

    async def run() -> None:
        server, port = await serve(box.handlers)
        address.append(f"127.0.0.1:{port}")
        ready.set()
        await asyncio.to_thread(stop.wait)
        await server.stop(None)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert ready.wait(20)
        yield address[0]
    finally:
        stop.set()
        thread.join(20)


def shown(result: tuple[int, bytes, str]) -> Any:
    """The JSON that a command printed; the command must have succeeded."""
    status, out, error = result
    assert status == 0, error
    return json.loads(out)
