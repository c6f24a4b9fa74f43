"""Replicas that need no synchronisation service: filled with records, or with what a server's mailbox lists."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from rookery.internal.v1.packed_pb2 import PackedPullResponse
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.item_service_pb2 import ItemView
from rookery.v1.sync_pb2 import ContentExtent, ItemChange, ItemRemoval, RemovalReason, SyncItem, SyncScope
from rookery.v1.sync_service_pb2 import PullResponse
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Identity, Replica
from tests.support.fakes import FakeClock, SequentialIds

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from rookery_client import Client

EPOCH = b"e" * 16
IDENTITY = Identity(server="127.0.0.1:1", address="anna@example.org", mailbox_id=b"m" * 16, account_id=b"a" * 16)
INBOX, DRAFTS, DELETED, JUNK, CALENDAR, TASKS, CONTACTS, NOTES, RECOVERED, PROJECTS, YEAR = (
    bytes([0x11 * number]) * 16 for number in range(1, 12)
)
FULL, TEXT, NONE = ContentExtent.CONTENT_EXTENT_FULL, ContentExtent.CONTENT_EXTENT_TEXT, ContentExtent.CONTENT_EXTENT_NONE

_FOLDERS = (
    (INBOX, "Inbox", FolderRole.FOLDER_ROLE_INBOX, ItemKind.ITEM_KIND_MESSAGE),
    (DRAFTS, "Drafts", FolderRole.FOLDER_ROLE_DRAFTS, ItemKind.ITEM_KIND_MESSAGE),
    (DELETED, "Deleted Items", FolderRole.FOLDER_ROLE_DELETED, ItemKind.ITEM_KIND_MESSAGE),
    (JUNK, "Junk Email", FolderRole.FOLDER_ROLE_JUNK, ItemKind.ITEM_KIND_MESSAGE),
    (CALENDAR, "Calendar", FolderRole.FOLDER_ROLE_CALENDAR, ItemKind.ITEM_KIND_APPOINTMENT),
    (TASKS, "Tasks", FolderRole.FOLDER_ROLE_TASKS, ItemKind.ITEM_KIND_TASK),
    (CONTACTS, "Contacts", FolderRole.FOLDER_ROLE_CONTACTS, ItemKind.ITEM_KIND_CONTACT),
    (NOTES, "Notes", FolderRole.FOLDER_ROLE_NOTES, ItemKind.ITEM_KIND_NOTE),
    (RECOVERED, "Recovered Items", FolderRole.FOLDER_ROLE_RECOVERED, ItemKind.ITEM_KIND_MESSAGE),
)


def entry_of(item: Item, extent: ContentExtent.ValueType = FULL) -> SyncItem:
    """An item as Pull sends it; its content is cut by whoever asks for less than all of it."""
    entry = SyncItem(item=item, extent=extent, fill_key=item.summary.received.ToMicroseconds())
    if extent != NONE:
        entry.content = item.content.SerializeToString()
    entry.item.ClearField("content")
    return entry


def batch_of(*, revision: int, epoch: bytes = EPOCH, caught_up: bool = True, **entries: Any) -> PackedPullResponse:
    """A batch, as it comes from the network."""
    response = PullResponse(cursor=f"at {revision}", revision=revision, epoch=epoch, caught_up=caught_up, **entries)
    return PackedPullResponse.FromString(response.SerializeToString())


async def batch_of_mailbox(client: Client) -> PackedPullResponse:
    """All of a server's mailbox, with all contents."""
    mailbox, folders = await client.mailboxes.get(), await client.folders.list()
    items = [item for folder in folders async for item in client.items.list(folder.id, view=ItemView.ITEM_VIEW_FULL)]
    return batch_of(folders=folders, items=map(entry_of, items), revision=mailbox.revision, epoch=mailbox.epoch)


class Device:
    """A replica with the usual folders, and short ways to fill it."""

    def __init__(self, path: pathlib.Path, scope: SyncScope | None = None) -> None:
        self.clock = FakeClock()
        self.ids = SequentialIds(self.clock)
        self.replica = Replica.open(path, clock=self.clock, ids=self.ids, create=True)
        self.replica.adopt(IDENTITY)
        self.replica.set_scope(scope or SyncScope())
        self.client = OfflineClient(self.replica, clock=self.clock, ids=self.ids)
        self._revisions = itertools.count(10)
        records = [Folder(id=id_, name=name, role=role, default_kind=kind, revision=1) for id_, name, role, kind in _FOLDERS]
        records.append(Folder(id=PROJECTS, name="Projects", revision=1))
        records.append(Folder(id=YEAR, name="2026", parent_id=PROJECTS, revision=1))
        self._apply(folders=records)

    def message(self, subject: str, text: str = "", *, folder: bytes = INBOX, read: bool = True, **summary: Any) -> Item:
        """A message that is a minute younger than the one before; not in the replica yet."""
        self.clock.advance(seconds=60)
        item = Item(id=self.ids.new(), folder_id=folder)
        item.summary.kind = summary.pop("kind", ItemKind.ITEM_KIND_MESSAGE)
        item.summary.subject = subject
        item.summary.received.FromMicroseconds(self.clock.now)
        item.summary.size_bytes = summary.pop("size", 100)
        author = summary.pop("author", "")
        if author:
            getattr(item.summary.message, "from").name = author
        for name, value in summary.items():
            getattr(item.summary, name).CopyFrom(value)
        item.state.read = read
        item.content.body.text = text
        return item

    def put(self, *items: Item, extent: ContentExtent.ValueType = FULL) -> None:
        """What comes from the server: new items, or ones with another content."""
        revision = next(self._revisions)
        for item in items:
            item.revision = item.content_revision = revision
        self._apply(revision, items=[entry_of(item, extent) for item in items])

    def mark(self, item: Item) -> None:
        """A change of the item's state comes from the server."""
        revision = next(self._revisions)
        self._apply(revision, changes=[ItemChange(item_id=item.id, revision=revision, state=item.state)])

    def remove(self, *items: Item) -> None:
        """The server says that items are gone."""
        revision = next(self._revisions)
        gone = [ItemRemoval(item_id=item.id, revision=revision, reason=RemovalReason.REMOVAL_REASON_DELETED) for item in items]
        self._apply(revision, removals=gone)

    def count(self, **counters: Any) -> None:
        """The inbox's counters come from the server."""
        revision = next(self._revisions)
        _, name, role, kind = _FOLDERS[0]
        inbox = Folder(id=INBOX, name=name, role=role, default_kind=kind, revision=1, contents_revision=revision, **counters)
        self._apply(revision, folders=[inbox])

    def close(self) -> None:
        """Closes the file."""
        self.replica.close()

    def _apply(self, revision: int = 9, **entries: Iterable[Any]) -> None:
        self.replica.apply(batch_of(revision=revision, **entries), accept_deletions=True)
