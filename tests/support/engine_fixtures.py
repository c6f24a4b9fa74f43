"""An engine with its replica over a mailbox in memory: what the tests of the engine begin with."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import Attachment, Item, ItemKind, ItemSummary
from rookery.v1.item_service_pb2 import CreateItemRequest, DeleteItemsRequest, SetItemStateRequest, UpdateItemRequest
from rookery.v1.sync_pb2 import SyncDepth, SyncOperation, SyncScope
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from tests.support.fakes import FakeClock, SequentialIds
from tests.support.sync_fakes import INBOX

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

    from rookery_client.replica.engine.states import EngineState
    from tests.support.sync_fakes import SmallMailbox

IDENTITY = Identity(server="127.0.0.1:1", address="anna@example.org", mailbox_id=b"m" * 16, account_id=b"a" * 16)
"""Whose replicas the tests keep."""


class Device:
    """One device: a replica in a file, and engines that are run on it one after the other."""

    def __init__(self, path: pathlib.Path, mailbox: SmallMailbox) -> None:
        self.mailbox = mailbox
        self.clock = FakeClock()
        self.ids = SequentialIds(self.clock, stream=int.from_bytes(path.name.encode()[:1], "big"))
        self.replica = Replica.open(path, clock=self.clock, ids=self.ids, create=True)
        self.replica.adopt(IDENTITY)
        self.replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
        self.states: list[EngineState] = []
        self.slept: list[float] = []

    def engine(self, **options: Any) -> Engine:
        """A new engine on the replica. What it sleeps is noted, and is over at once."""
        return Engine(
            self.replica,
            self.mailbox,
            clock=self.clock,
            ids=self.ids,
            chance=lambda: 1.0,
            sleep=self._sleep,
            on_state=self.states.append,
            **options,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001)

    async def sync(self, **options: Any) -> None:
        """Runs an engine once. A replica that it replaced is the device's own then."""
        engine = self.engine(**options)
        try:
            await engine.run_once()
        finally:
            self.replica = engine.replica

    def subjects(self) -> list[str]:
        """The subjects of all items as the person sees them, sorted."""
        with self.replica.database.reading() as connection:
            rows = connection.execute("SELECT summary FROM shown_item").fetchall()
        return sorted(ItemSummary.FromString(summary).subject for (summary,) in rows)

    def create(self, subject: str) -> bytes:
        """Records a new message; gives its id."""
        item = Item(id=self.ids.new(), folder_id=INBOX)
        item.summary.kind = ItemKind.ITEM_KIND_MESSAGE
        item.summary.subject = subject
        self.replica.record(SyncOperation(create_item=CreateItemRequest(item=item)))
        return item.id

    def with_attachment(self, data: bytes) -> tuple[bytes, bytes]:
        """Records a new message with an attachment; gives the ids of operation and upload."""
        upload_id = self.ids.new()
        item = Item(id=self.ids.new(), folder_id=INBOX)
        item.summary.kind = ItemKind.ITEM_KIND_MESSAGE
        item.content.attachments.append(Attachment(name="a.bin", media_type="application/octet-stream", upload_id=upload_id))
        operation = SyncOperation(operation_id=self.ids.new(), create_item=CreateItemRequest(item=item))
        self.replica.record(operation, {upload_id: data})
        return operation.operation_id, upload_id

    def rename(self, item_id: bytes, subject: str) -> None:
        """Records another subject."""
        request = UpdateItemRequest(item=Item(id=item_id, summary=ItemSummary(subject=subject)))
        request.update_mask.paths.append("summary.subject")
        self.replica.record(SyncOperation(update_item=request))

    def mark(self, item_id: bytes, *, read: bool = True) -> None:
        """Records a mark."""
        self.replica.record(SyncOperation(set_item_state=SetItemStateRequest(item_ids=[item_id], read=read)))

    def delete(self, item_id: bytes) -> None:
        """Records a deletion."""
        self.replica.record(SyncOperation(delete_items=DeleteItemsRequest(item_ids=[item_id], mode=2)))

    def damage(self, table: str) -> None:
        """Writes nonsense over the root of a table, or an index, in the replica's file."""
        damage(self.replica.path, table)

    def reopen_damaged(self, table: str) -> None:
        """The same between two runs of the program: nothing of the file is in memory."""
        path = self.replica.path
        self.replica.close()
        self.damage(table)
        self.replica = Replica.open(path, clock=self.clock, ids=self.ids)

    @contextlib.contextmanager
    def no_room(self) -> Iterator[None]:
        """The disk is full, as SQLite sees it."""
        writer = self.replica.database._writer
        (pages,) = writer.execute("PRAGMA page_count").fetchone()
        writer.execute(f"PRAGMA max_page_count = {pages + 8}").close()
        try:
            yield
        finally:
            writer.execute("PRAGMA max_page_count = 1000000000").close()


def damage(path: pathlib.Path, table: str) -> None:
    """Writes nonsense over the root of a table, or an index, in a replica's file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xa5" * size)


async def until(holds: Callable[[], bool]) -> None:
    """Waits until it holds; fails after 20 seconds."""
    async with asyncio.timeout(20):
        while True:
            if holds():
                return
            await asyncio.sleep(0.002)


def threads() -> int:
    """Threads of workers that run."""
    return sum(thread.name.startswith("replica") for thread in threading.enumerate())
