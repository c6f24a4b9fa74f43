"""What an import does inside its transaction: many documents, each an operation of its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery.v1.content_service_pb2 import ImportResult
from rookery_core.errors import AlreadyExists, InvalidArgument, RookeryError
from rookery_core.rules import homes
from rookery_server.services import access, operations
from rookery_server.services.change import MailboxChange
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.folders import folders
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.store import item_blobs, items, ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.content_service_pb2 import ImportDocument
    from rookery_server.services.caller import Caller
    from rookery_server.services.importing.documents import PreparedDocument
    from rookery_server.store.database import Transaction


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """Why a document is refused before anything of the mailbox is looked at."""

    error: RookeryError
    definitive: bool
    """Whether the operation is refused for good, and the ledger keeps that; else the request itself is wrong."""


@dataclasses.dataclass(slots=True)
class Member:
    """A document of a batch. Either ``document`` or ``refusal`` is set."""

    head: ImportDocument
    """The document as it was asked for, without its data."""
    item_id: bytes
    """Minted by the client, or by the server before the transaction."""
    request_hash: bytes
    sha256: bytes
    """Of the document's bytes."""
    document: PreparedDocument | None = None
    refusal: Refusal | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a document."""

    result: ImportResult
    """Without ``error``: that is for whoever sends it."""
    error: RookeryError | None = None


def commit(transaction: Transaction, caller: Caller, mailbox_uid: bytes, members: Sequence[Member], now: int) -> list[Outcome]:
    """Imports a batch; gives the outcomes in the same order. A refused document leaves no trace but its entry in the ledger."""
    mailbox = access.open_mailbox(transaction.connection, caller, mailbox_uid, lock=True)
    batch = _Batch(MailboxChange(transaction, mailbox, caller, now), members)
    outcomes = [batch.take(member) for member in members]
    batch.write()
    return outcomes


class _Batch:
    """The documents of one transaction: first each is looked at, in order, then all are written at once."""

    def __init__(self, change: MailboxChange, members: Sequence[Member]) -> None:
        self._change = change
        self._connection = change.connection
        self._mailbox_id = change.mailbox.id
        operation_ids = [member.head.operation_id for member in members]
        self._known = ledger.find_many(self._connection, change.caller.account_id, operation_ids)
        minted = [member.item_id for member in members if member.head.item_id]
        self._taken, self._retired = items.known(self._connection, self._mailbox_id, minted) if minted else (set(), set())
        self._folders: dict[tuple[bytes, int], bytes] = {}
        self._there = self._look_for_existing(members)
        self._entries: dict[bytes, ledger.Entry] = {}
        self._new: list[tuple[Member, NewItem]] = []
        self._size = 0

    def take(self, member: Member) -> Outcome:
        """Decides what becomes of one document."""
        operation_id = member.head.operation_id
        if member.refusal is not None and not member.refusal.definitive:
            return self._refused(member, member.refusal.error)
        entry = self._known.get(operation_id) or self._entries.get(operation_id)
        if entry is not None:
            return self._replayed(member, entry)
        try:
            result = self._import(member)
        except RookeryError as error:
            if error.definitive and not isinstance(error, InvalidArgument):
                refusal = operations.encode_refusal(error)
                self._entries[operation_id] = ledger.Entry(member.request_hash, refusal, None)
            return self._refused(member, error)
        self._entries[operation_id] = ledger.Entry(member.request_hash, None, result.SerializeToString())
        return Outcome(result)

    def write(self) -> None:
        """Writes what was decided."""
        change = self._change
        if self._new:
            blobs = [member.document.blob for member, _ in self._new if member.document and member.document.blob]
            ids = BlobStore.link(self._connection, blobs, change.now)
            item_writer.insert(change, [_with_blob(member, new, ids) for member, new in self._new])
        if self._entries:
            key = {"account_id": change.caller.account_id, "created": change.now}
            ledger.record(
                self._connection,
                [{**key, "id": operation_id, **entry._asdict()} for operation_id, entry in self._entries.items()],
            )
        change.finish()

    def _replayed(self, member: Member, entry: ledger.Entry) -> Outcome:
        try:
            return Outcome(ImportResult.FromString(operations.replay(entry, member.request_hash)))
        except RookeryError as error:
            return self._refused(member, error)

    def _refused(self, member: Member, error: RookeryError) -> Outcome:
        result = ImportResult(operation_id=member.head.operation_id, revision=self._change.current_revision)
        return Outcome(result, error)

    def _import(self, member: Member) -> ImportResult:
        head, document = member.head, member.document
        if member.refusal is not None:
            raise member.refusal.error
        if document is None:
            raise ValueError("a document that is not refused was read")
        folder_id = self._folder(head.folder_id, document.kind)
        result = ImportResult(operation_id=head.operation_id, item_id=member.item_id)
        key = (folder_id, _identity(member, document))
        if head.skip_existing and key in self._there:
            result.item_id, result.existed, result.revision = self._there[key], True, self._change.current_revision
            return result
        self._require_free(member)
        size = document.item.columns["size_bytes"]
        self._change.require_room(self._size + size)
        self._size += size
        self._change.begin("item.import", head.operation_id)
        result.revision = self._change.revision
        self._new.append((member, NewItem(member.item_id, folder_id, result.revision, document.item)))
        self._taken.add(member.item_id)
        self._there.setdefault(key, member.item_id)
        return result

    def _folder(self, folder_id: bytes, kind: int) -> bytes:
        key = (folder_id, 0 if folder_id else kind)
        if key not in self._folders:
            if folder_id:
                row = folders.require(self._connection, self._mailbox_id, folder_id)
            else:
                row = folders.require_role(self._connection, self._mailbox_id, homes.home_of(kind, incoming=True))
            self._folders[key] = row.id
        return self._folders[key]

    def _require_free(self, member: Member) -> None:
        if member.item_id in self._taken:
            raise AlreadyExists("ID_TAKEN", "an item has this id already", field="item_id")
        if member.item_id in self._retired:
            raise AlreadyExists("ID_RETIRED", "an item with this id was purged; ids are never used again", field="item_id")

    def _look_for_existing(self, members: Sequence[Member]) -> dict[tuple[bytes, bytes | str], bytes]:
        """Live items with the same bytes or UID, by folder, for those documents that ask for it."""
        wanted: dict[bytes, list[bytes | str]] = {}
        for member in members:
            if member.head.skip_existing and member.document is not None:
                try:
                    folder_id = self._folder(member.head.folder_id, member.document.kind)
                except RookeryError:
                    continue  # it is refused for that when its turn comes
                wanted.setdefault(folder_id, []).append(_identity(member, member.document))
        there: dict[tuple[bytes, bytes | str], bytes] = {}
        for folder_id, identities in wanted.items():
            hashes = [identity for identity in identities if isinstance(identity, bytes)]
            uids = [identity for identity in identities if isinstance(identity, str)]
            if hashes:
                messages = item_blobs.originals(self._connection, self._mailbox_id, folder_id, hashes)
                there.update({(folder_id, sha256): item_id for sha256, item_id in messages.items()})
            if uids:
                others = items.find_external(self._connection, self._mailbox_id, folder_id, uids)
                there.update({(folder_id, uid): item_id for uid, item_id in others.items()})
        return there


def _identity(member: Member, document: PreparedDocument) -> bytes | str:
    """What two documents have in common that are the same item: a message's bytes, else the UID."""
    if document.kind == item_pb2.ITEM_KIND_MESSAGE or not document.external_id:
        return member.sha256
    return document.external_id


def _with_blob(member: Member, new: NewItem, ids: dict[bytes, bytes]) -> NewItem:
    """The item holding the blob that has its bytes."""
    if member.document is None or member.document.blob is None:
        return new
    return new.holding(ids[member.document.blob.sha256])
