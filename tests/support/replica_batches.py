"""A mailbox's side of a replica: makes batches of what a test says has happened there, and answers to operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2, error_details_pb2, status_pb2

from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import Item, ItemKind, ItemState
from rookery.v1.item_service_pb2 import (
    CopyItemsRequest,
    CreateItemRequest,
    DeleteItemsRequest,
    DeleteMode,
    MoveItemsRequest,
    SetItemStateRequest,
    UpdateItemRequest,
)
from rookery.v1.submission_service_pb2 import CancelSubmissionRequest, ResendSubmissionRequest, SubmitRequest
from rookery.v1.sync_pb2 import (
    FolderRemoval,
    ItemChange,
    ItemPlace,
    ItemRemoval,
    PushOutcome,
    PushResult,
    RemovalReason,
    SyncOperation,
    SyncProgress,
)
from tests.support.replica_filling import DELETED, DRAFTS, FULL, INBOX, PROJECTS, RECOVERED, batch_of, entry_of

if TYPE_CHECKING:
    from rookery_client.replica.replica import Applied, Replica
    from tests.support.fakes import SequentialIds

GONE = RemovalReason.REMOVAL_REASON_DELETED
LEFT = RemovalReason.REMOVAL_REASON_LEFT_SCOPE
ROLES = {
    INBOX: FolderRole.FOLDER_ROLE_INBOX,
    DRAFTS: FolderRole.FOLDER_ROLE_DRAFTS,
    DELETED: FolderRole.FOLDER_ROLE_DELETED,
    RECOVERED: FolderRole.FOLDER_ROLE_RECOVERED,
    PROJECTS: FolderRole.FOLDER_ROLE_UNSPECIFIED,
}


class Sender:
    """The mailbox as far as a test needs it: revisions count up, and each call is one batch for the replica."""

    def __init__(self, replica: Replica, ids: SequentialIds) -> None:
        self.replica = replica
        self.ids = ids
        self.revision = 1
        names = {INBOX: "Inbox", DRAFTS: "Drafts", DELETED: "Deleted Items", RECOVERED: "Recovered Items", PROJECTS: "Projects"}
        self.folders = [Folder(id=key, name=name, role=ROLES[key], revision=1) for key, name in names.items()]
        self.send(folders=self.folders)

    def next(self) -> int:
        """Another revision."""
        self.revision += 1
        return self.revision

    def send(self, *, caught_up: bool = True, accept: bool = False, **entries: Any) -> Applied:
        """Hands a batch to the replica."""
        batch = batch_of(revision=self.revision, caught_up=caught_up, **entries)
        return self.replica.apply(batch, accept_deletions=accept)

    def message(self, subject: str, text: str = "", *, folder: bytes = INBOX, read: bool = True) -> Item:
        """A new message at its own revision; not sent yet."""
        revision = self.next()
        item = Item(id=self.ids.new(), folder_id=folder, revision=revision, content_revision=revision, uid=revision)
        item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_MESSAGE, subject
        item.summary.received.FromMicroseconds(1_700_000_000_000_000 + revision * 60_000_000)
        item.state.read = read
        item.content.body.text = text
        return item

    def put(self, *items: Item, extent: Any = FULL, caught_up: bool = True) -> Applied:
        """Sends items whole."""
        return self.send(items=[entry_of(item, extent) for item in items], caught_up=caught_up)

    def mail(self, subject: str, text: str = "", **options: Any) -> Item:
        """A new message, sent."""
        item = self.message(subject, text, **options)
        self.put(item)
        return item

    def mark(self, item: Item, *, caught_up: bool = True, **state: Any) -> int:
        """The item's state is another one; gives the revision."""
        revision = self.next()
        self.send(changes=[ItemChange(item_id=item.id, revision=revision, state=ItemState(**state))], caught_up=caught_up)
        return revision

    def move(self, item: Item, folder_id: bytes, *, caught_up: bool = True) -> int:
        """The item is elsewhere; gives the revision."""
        revision = self.next()
        place = ItemPlace(folder_id=folder_id, uid=revision)
        self.send(changes=[ItemChange(item_id=item.id, revision=revision, place=place)], caught_up=caught_up)
        return revision

    def remove(self, *items: Item, reason: Any = GONE, accept: bool = False, caught_up: bool = True) -> Applied:
        """Items are gone."""
        revision = self.next()
        gone = [ItemRemoval(item_id=item.id, revision=revision, reason=reason) for item in items]
        return self.send(removals=gone, accept=accept, caught_up=caught_up)

    def remove_folder(self, folder_id: bytes, *, accept: bool = False, caught_up: bool = True) -> Applied:
        """A folder is gone."""
        gone = [FolderRemoval(folder_id=folder_id, revision=self.next())]
        return self.send(removed_folders=gone, accept=accept, caught_up=caught_up)

    def answer(self, operation: SyncOperation, **fields: Any) -> int:
        """Says that an operation was carried out, at a revision of its own, which is given."""
        fields.setdefault("revision", self.next())
        fields.setdefault("outcome", PushOutcome.PUSH_OUTCOME_APPLIED)
        self.replica.answered([PushResult(operation_id=operation.operation_id, **fields)])
        return int(fields["revision"])

    def refuse(self, operation: SyncOperation, reason: str) -> None:
        """Says that an operation was not carried out."""
        self.replica.answered([refusal(operation, reason, self.revision)])


def refusal(operation: SyncOperation, reason: str, revision: int = 1) -> PushResult:
    """The answer to an operation that is not carried out."""
    error = status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=reason)
    error.details.add().Pack(error_details_pb2.ErrorInfo(domain="rookery", reason=reason))
    outcome = PushOutcome.PUSH_OUTCOME_REJECTED
    return PushResult(operation_id=operation.operation_id, outcome=outcome, revision=revision, error=error)


def progress(done: int, total: int) -> SyncProgress:
    return SyncProgress(done=done, total=total)


def create(subject: str, *, folder: bytes = INBOX, item_id: bytes = b"", text: str = "") -> SyncOperation:
    item = Item(id=item_id, folder_id=folder)
    item.summary.kind, item.summary.subject, item.content.body.text = ItemKind.ITEM_KIND_MESSAGE, subject, text
    return SyncOperation(create_item=CreateItemRequest(item=item))


def rename(item_id: bytes, subject: str) -> SyncOperation:
    request = UpdateItemRequest(item=Item(id=item_id))
    request.item.summary.subject = subject
    request.update_mask.paths.append("summary.subject")
    return SyncOperation(update_item=request)


def rewrite(item_id: bytes, text: str) -> SyncOperation:
    request = UpdateItemRequest(item=Item(id=item_id))
    request.item.content.body.text = text
    request.update_mask.paths.append("content.body")
    return SyncOperation(update_item=request)


def mark(*item_ids: bytes, **marks: Any) -> SyncOperation:
    return SyncOperation(set_item_state=SetItemStateRequest(item_ids=item_ids, **marks))


def move(folder_id: bytes, *item_ids: bytes) -> SyncOperation:
    return SyncOperation(move_items=MoveItemsRequest(item_ids=item_ids, folder_id=folder_id))


def copy(folder_id: bytes, *item_ids: bytes) -> SyncOperation:
    return SyncOperation(copy_items=CopyItemsRequest(item_ids=item_ids, folder_id=folder_id))


def delete(*item_ids: bytes, mode: Any = DeleteMode.DELETE_MODE_RECOVERABLE) -> SyncOperation:
    return SyncOperation(delete_items=DeleteItemsRequest(item_ids=item_ids, mode=mode))


def submit(item_id: bytes, **fields: Any) -> SyncOperation:
    return SyncOperation(submit=SubmitRequest(item_id=item_id, **fields))


def call_back(submission_id: bytes) -> SyncOperation:
    return SyncOperation(cancel_submission=CancelSubmissionRequest(submission_id=submission_id))


def resend(submission_id: bytes) -> SyncOperation:
    return SyncOperation(resend_submission=ResendSubmissionRequest(submission_id=submission_id))
