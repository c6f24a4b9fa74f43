"""Somebody's mailbox, and the devices that keep replicas of it: seen and changed over gRPC alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, mailbox_pb2, sync_pb2, sync_service_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.folder_pb2 import Folder
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.mailbox_pb2_grpc import MailboxServiceStub
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub
from rookery.v1.sync_pb2 import SyncOperation
from rookery.v1.sync_service_pb2_grpc import SyncServiceStub
from tests.support.server import bearer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from rookery.v1.submission_pb2 import Submission
    from tests.support.server import Person, Running

TO_BIN = item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS
SOFTLY = item_service_pb2.DELETE_MODE_RECOVERABLE
FOR_EVER = item_service_pb2.DELETE_MODE_PERMANENT
APPLIED, MERGED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED
CONFLICT, REJECTED = sync_pb2.PUSH_OUTCOME_CONFLICT, sync_pb2.PUSH_OUTCOME_REJECTED
DELETED, LEFT_SCOPE = sync_pb2.REMOVAL_REASON_DELETED, sync_pb2.REMOVAL_REASON_LEFT_SCOPE
INBOX, ARCHIVE = folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_ARCHIVE
ROUNDS = 1000


class Refusal(NamedTuple):
    """How something was refused: the status, and what its ErrorInfo and BadRequest say."""

    code: int
    reason: str
    field: str = ""


def explained(status: status_pb2.Status) -> Refusal:
    """What a ``google.rpc.Status`` says."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info if detail.Is(info.DESCRIPTOR) else bad)
    assert info.domain == "rookery" and status.message
    return Refusal(status.code, info.reason, bad.field_violations[0].field if bad.field_violations else "")


async def refusal(call: Awaitable[object]) -> Refusal:
    """How a call is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    packed = dict(caught.value.trailing_metadata() or ()).get("grpc-status-details-bin")
    assert isinstance(packed, bytes), caught.value
    said = explained(status_pb2.Status.FromString(packed))
    assert caught.value.code().value[0] == said.code
    return said


class Home:
    """A mailbox, as its owner sees and changes it in a light client, which keeps no replica."""

    def __init__(self, server: Running, person: Person) -> None:
        self.server = server
        self.person = person
        self.folders = FolderServiceStub(server.channel)
        self.items = ItemServiceStub(server.channel)
        self.content = ContentServiceStub(server.channel)
        self.sync = SyncServiceStub(server.channel)
        self.submissions = SubmissionServiceStub(server.channel)

    async def ask(self, method: Any, request: Any) -> Any:
        """Calls; an operation id is minted where the request has room for one and brings none."""
        if "operation_id" in request.DESCRIPTOR.fields_by_name and not request.operation_id:
            request.operation_id = self.server.ids.new()
        return await method(request, metadata=self.person.metadata)

    async def device(self, name: str, scope: sync_pb2.SyncScope | None = None) -> Device:
        """One more device: with a session of its own, and an empty replica."""
        login = await self.server.sign_in(self.person.address, device=name)
        return Device(self, login.identity.session_id, bearer(login.tokens.access_token), scope)

    async def revision(self) -> int:
        """The mailbox's revision."""
        return int((await self.ask(self.folders.ListFolders, folder_pb2.ListFoldersRequest())).revision)

    async def all_folders(self) -> dict[bytes, Folder]:
        """The folders by id."""
        listed = await self.ask(self.folders.ListFolders, folder_pb2.ListFoldersRequest())
        return {each.id: each for each in listed.folders}

    async def all_items(self) -> dict[bytes, Item]:
        """The live items by id, without contents."""
        found: dict[bytes, Item] = {}
        for folder_id in await self.all_folders():
            request = item_service_pb2.ListItemsRequest(folder_id=folder_id, page_size=500)
            while True:
                page = await self.ask(self.items.ListItems, request)
                found |= {each.id: each for each in page.items}
                request.page_token = page.next_page_token
                if not request.page_token:
                    break
        return found

    async def everything(self) -> list[bytes]:
        """All that the mailbox shows, for comparison: after a refusal it is what it was."""
        stub = MailboxServiceStub(self.server.channel)
        mailbox = await self.ask(stub.GetMailbox, mailbox_pb2.GetMailboxRequest())
        conflicts = await self.ask(self.sync.ListConflicts, sync_service_pb2.ListConflictsRequest())
        shown = [mailbox, conflicts, *(await self.all_folders()).values(), *(await self.all_items()).values()]
        return [each.SerializeToString(deterministic=True) for each in shown]

    async def role(self, role: folder_pb2.FolderRole.ValueType) -> bytes:
        """The id of a role folder."""
        return bytes((await self.ask(self.folders.GetFolder, folder_pb2.GetFolderRequest(role=role))).folder.id)

    async def look_at(self, folder_id: bytes) -> Folder:
        """A folder."""
        found: Folder = (await self.ask(self.folders.GetFolder, folder_pb2.GetFolderRequest(folder_id=folder_id))).folder
        return found

    async def folder(self, name: str, parent_id: bytes = b"") -> bytes:
        """A new folder."""
        request = folder_pb2.CreateFolderRequest(folder=Folder(name=name, parent_id=parent_id))
        return bytes((await self.ask(self.folders.CreateFolder, request)).folder.id)

    async def change_folder(self, folder_id: bytes, **fields: Any) -> None:
        """Renames or moves a folder."""
        request = folder_pb2.UpdateFolderRequest(folder=Folder(id=folder_id, **fields))
        request.update_mask.paths.extend(fields)
        await self.ask(self.folders.UpdateFolder, request)

    async def delete_folder(self, folder_id: bytes) -> None:
        """Deletes a folder."""
        await self.ask(self.folders.DeleteFolder, folder_pb2.DeleteFolderRequest(folder_id=folder_id))

    async def item(self, folder_id: bytes = b"", subject: str = "Hello", text: str = "How are you?", **summary: Any) -> Item:
        """A new message in the inbox (or an item of another kind, in another folder)."""
        summary.setdefault("kind", item_pb2.ITEM_KIND_MESSAGE)
        record = Item(folder_id=folder_id or await self.role(INBOX), summary=item_pb2.ItemSummary(subject=subject, **summary))
        record.content.body.text = text
        made: Item = (await self.ask(self.items.CreateItem, item_service_pb2.CreateItemRequest(item=record))).item
        return made

    async def get(self, item_id: bytes) -> Item:
        """An item, whole."""
        request = item_service_pb2.GetItemRequest(item_id=item_id, view=item_service_pb2.ITEM_VIEW_FULL)
        found: Item = (await self.ask(self.items.GetItem, request)).item
        return found

    async def mark(self, *item_ids: bytes, **state: Any) -> None:
        """Marks items."""
        await self.ask(self.items.SetItemState, item_service_pb2.SetItemStateRequest(item_ids=item_ids, **state))

    async def move(self, folder_id: bytes, *item_ids: bytes) -> None:
        """Moves items."""
        await self.ask(self.items.MoveItems, item_service_pb2.MoveItemsRequest(item_ids=item_ids, folder_id=folder_id))

    async def rename(self, item_id: bytes, subject: str, *, etag: int = 0) -> Item:
        """Changes an item's subject."""
        edited: Item = (await self.ask(self.items.UpdateItem, renaming(item_id, subject, etag=etag))).item
        return edited

    async def delete(self, mode: item_service_pb2.DeleteMode.ValueType, *item_ids: bytes) -> int:
        """Deletes items; gives how many."""
        request = item_service_pb2.DeleteItemsRequest(item_ids=item_ids, mode=mode)
        return int((await self.ask(self.items.DeleteItems, request)).deleted)

    async def restore(self, *item_ids: bytes) -> int:
        """Restores items; gives how many."""
        return int((await self.ask(self.items.RestoreItems, item_service_pb2.RestoreItemsRequest(item_ids=item_ids))).restored)

    async def conflicts(self) -> list[sync_pb2.Conflict]:
        """The versions that lost."""
        return list((await self.ask(self.sync.ListConflicts, sync_service_pb2.ListConflictsRequest())).conflicts)


def renaming(item_id: bytes, subject: str, *, etag: int = 0) -> item_service_pb2.UpdateItemRequest:
    """An edit of an item's subject."""
    request = item_service_pb2.UpdateItemRequest(etag=etag)
    request.item.id, request.item.summary.subject = item_id, subject
    request.update_mask.paths.append("summary.subject")
    return request


@dataclass
class News:
    """What a device was told, in order, until it had caught up."""

    batches: int = 0
    folders: list[Folder] = field(default_factory=list)
    removed_folders: list[bytes] = field(default_factory=list)
    items: list[sync_pb2.SyncItem] = field(default_factory=list)
    changes: list[sync_pb2.ItemChange] = field(default_factory=list)
    removals: list[sync_pb2.ItemRemoval] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)

    def add(self, batch: sync_service_pb2.PullResponse) -> None:
        """Takes over what a batch says."""
        self.batches += 1
        self.folders += batch.folders
        self.removed_folders += [gone.folder_id for gone in batch.removed_folders]
        self.items += batch.items
        self.changes += batch.changes
        self.removals += batch.removals
        self.submissions += batch.submissions

    @property
    def item_ids(self) -> list[bytes]:
        """The items that came whole."""
        return [each.item.id for each in self.items]

    @property
    def dropped(self) -> list[tuple[bytes, int]]:
        """The items to drop, each with the reason."""
        return [(each.item_id, each.reason) for each in self.removals]

    @property
    def of_items(self) -> list[Any]:
        """All that was told of items."""
        return [*self.items, *self.changes, *self.removals]


class Device:
    """A device. It holds what it was told, by the contract's rules, and pushes with what it had seen."""

    def __init__(
        self, home: Home, session_id: bytes, metadata: Sequence[tuple[str, str]], scope: sync_pb2.SyncScope | None
    ) -> None:
        self.home = home
        self.session_id = session_id
        self.metadata = tuple(metadata)
        self.scope = scope or sync_pb2.SyncScope()
        self.cursor = ""
        self.base = 0
        """The mailbox's revision when the device had caught up."""
        self.items: dict[bytes, Item] = {}
        self.folders: dict[bytes, Folder] = {}
        self.submissions: dict[bytes, Submission] = {}

    def request(self, cursor: str | None = None, **fields: Any) -> sync_service_pb2.PullRequest:
        """What it asks with, behind its own cursor unless it is told another."""
        return sync_service_pb2.PullRequest(cursor=self.cursor if cursor is None else cursor, scope=self.scope, **fields)

    async def ask(self, cursor: str | None = None, **fields: Any) -> sync_service_pb2.PullResponse:
        """One batch; nothing is applied."""
        request = sync_service_pb2.PullBatchRequest(pull=self.request(cursor, **fields))
        return (await self.home.sync.PullBatch(request, metadata=self.metadata)).batch

    def stream(self, *, follow: bool = False) -> Any:
        """The call of a stream behind its cursor."""
        return self.home.sync.Pull(self.request(follow=follow), metadata=self.metadata)

    async def news(self) -> News:
        """Catches up, and gives what it was told."""
        told = News()
        while told.batches < ROUNDS:
            batch = await self.ask()
            told.add(batch)
            self.apply(batch)
            if batch.caught_up:
                return told
        raise AssertionError("it does not catch up")

    def apply(self, batch: sync_service_pb2.PullResponse) -> None:
        """One local transaction."""
        self.folders |= {each.id: each for each in batch.folders}
        for gone in batch.removed_folders:
            self.folders.pop(gone.folder_id, None)
        for told in batch.items:
            if self._is_news(told.item.id, told.item.revision):
                self.items[told.item.id] = told.item
        for change in batch.changes:
            if change.item_id in self.items and self._is_news(change.item_id, change.revision):
                self.items[change.item_id] = _changed(self.items[change.item_id], change)
        for removal in batch.removals:
            if removal.item_id in self.items and self._is_news(removal.item_id, removal.revision):
                del self.items[removal.item_id]
        known = {submission_id: each.revision for submission_id, each in self.submissions.items()}
        self.submissions |= {each.id: each for each in batch.submissions if known.get(each.id, 0) < each.revision}
        self.cursor = batch.cursor
        if batch.caught_up:
            self.base = batch.revision

    def _is_news(self, item_id: bytes, revision: int) -> bool:
        return item_id not in self.items or self.items[item_id].revision < revision

    async def require_equal(self) -> None:
        """It holds what the mailbox shows: of items those in the scope's folders."""
        wanted = {
            item_id: item
            for item_id, item in (await self.home.all_items()).items()
            if not self.scope.folder_ids or item.folder_id in self.scope.folder_ids
        }
        assert self.items == wanted
        assert self.folders == await self.home.all_folders()

    def operation(self, *, at: float = 0, **fields: Any) -> SyncOperation:
        """Something that its owner did with it, ``at`` so many seconds after now."""
        fields.setdefault("operation_id", self.home.server.ids.new())
        fields.setdefault("base_revision", self.base)
        operation = SyncOperation(**fields)
        if not operation.HasField("edited"):
            operation.edited.FromMicroseconds(self.home.server.clock.now + round(at * 1_000_000))
        return operation

    def rename(self, item_id: bytes, subject: str, *, at: float = 0, **fields: Any) -> SyncOperation:
        """An edit of an item's subject."""
        return self.operation(at=at, update_item=renaming(item_id, subject), **fields)

    def creation(self, item_id: bytes, subject: str = "Hello", folder_id: bytes = b"", text: str = "") -> SyncOperation:
        """A new note."""
        record = Item(id=item_id, folder_id=folder_id)
        record.summary.kind, record.summary.subject = item_pb2.ITEM_KIND_NOTE, subject
        record.content.body.text = text
        return self.operation(create_item=item_service_pb2.CreateItemRequest(item=record))

    def deletion(self, mode: item_service_pb2.DeleteMode.ValueType, *item_ids: bytes, **fields: Any) -> SyncOperation:
        """A deletion."""
        return self.operation(delete_items=item_service_pb2.DeleteItemsRequest(item_ids=item_ids, mode=mode), **fields)

    async def push(self, *operations: SyncOperation) -> list[sync_pb2.PushResult]:
        """Pushes in one request."""
        request = sync_service_pb2.PushBatchRequest(push=sync_service_pb2.PushRequest(operations=operations))
        return list((await self.home.sync.PushBatch(request, metadata=self.metadata)).answer.results)

    async def do(self, operation: SyncOperation) -> sync_pb2.PushResult:
        """Pushes one operation."""
        (result,) = await self.push(operation)
        assert result.operation_id == operation.operation_id
        return result

    async def push_stream(self, requests: Sequence[sync_service_pb2.PushRequest]) -> list[sync_service_pb2.PushResponse]:
        """Pushes as a stream; gives the answers."""

        async def sent() -> AsyncIterator[sync_service_pb2.PushRequest]:
            for request in requests:
                yield request

        return [answer async for answer in self.home.sync.Push(sent(), metadata=self.metadata)]


def _changed(item: Item, change: sync_pb2.ItemChange) -> Item:
    changed = copy.deepcopy(item)
    changed.revision = change.revision
    if change.HasField("state"):
        changed.ClearField("state")
        changed.MergeFrom(Item(state=change.state if change.state.ByteSize() else None))
    if change.HasField("place"):
        changed.folder_id, changed.uid = change.place.folder_id, change.place.uid
    return changed
