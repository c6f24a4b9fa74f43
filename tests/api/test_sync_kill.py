"""SIGKILL in the middle of a push, and of a followed pull: what was acknowledged is there, once, and every device goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.sync_pb2 import SyncOperation
from rookery.v1.sync_service_pb2_grpc import SyncServiceStub
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Sequence

    from rookery.v1.sync_service_pb2_grpc import SyncServiceAsyncStub
    from rookery_core.rules.ids import Ids
    from tests.support.server import Person, Running

OPERATIONS = 400
TOGETHER = 5
"""Operations in a request."""
HELD_BACK = 100
"""The last operations, which a stream does not send before it is told to: until then the push is not over."""


def work_of(ids: Ids) -> list[SyncOperation]:
    """Notes, and of each second one also an edit and a move: what is done twice would leave a trace."""
    operations: list[SyncOperation] = []
    trip = ids.new()
    made = folder_pb2.CreateFolderRequest(folder=folder_pb2.Folder(id=trip, name="Trip"))
    operations.append(SyncOperation(operation_id=ids.new(), create_folder=made))
    while len(operations) < OPERATIONS:
        note = item_pb2.Item(id=ids.new())
        note.summary.kind, note.summary.subject = item_pb2.ITEM_KIND_NOTE, f"Note {len(operations)}"
        creation = item_service_pb2.CreateItemRequest(item=note)
        operations.append(SyncOperation(operation_id=ids.new(), create_item=creation))
        edit = item_service_pb2.UpdateItemRequest(item=item_pb2.Item(id=note.id, summary=item_pb2.ItemSummary(subject="Edited")))
        edit.update_mask.paths.append("summary.subject")
        operations.append(SyncOperation(operation_id=ids.new(), update_item=edit))
        copies = item_service_pb2.CopyItemsRequest(item_ids=[note.id], folder_id=trip, new_ids=[ids.new()])
        operations.append(SyncOperation(operation_id=ids.new(), copy_items=copies))
    return operations[:OPERATIONS]


class Pushing:
    """One push stream, and the answers to it by operation id."""

    def __init__(self, operations: Sequence[SyncOperation], *, enough: int) -> None:
        self.answered: dict[bytes, sync_pb2.PushResult] = {}
        self.enough = asyncio.Event()
        """Set when so many are answered, or the stream is over."""
        self.rest = asyncio.Event()
        """Set by the test, when the operations that were held back may go."""
        self.broken = False
        self._operations = operations
        self._enough = enough

    async def run(self, sync: SyncServiceAsyncStub, person: Person) -> None:
        """Sends and listens until the stream ends or breaks."""
        try:
            async for response in sync.Push(self._sent(), metadata=person.metadata):
                for result in response.results:
                    assert result.outcome == sync_pb2.PUSH_OUTCOME_APPLIED and result.operation_id not in self.answered
                    self.answered[result.operation_id] = result
                if len(self.answered) >= self._enough:
                    self.enough.set()
        except grpc.aio.AioRpcError:
            self.broken = True
        finally:
            self.enough.set()

    async def _sent(self) -> AsyncIterator[sync_service_pb2.PushRequest]:
        for first in range(0, len(self._operations) - HELD_BACK, TOGETHER):
            yield sync_service_pb2.PushRequest(operations=self._operations[first : first + TOGETHER])
        await self.rest.wait()
        yield sync_service_pb2.PushRequest(operations=self._operations[-HELD_BACK:])


class Following:
    """A device that follows the mailbox: the items it was told of, and the cursor stored with them."""

    def __init__(self) -> None:
        self.revisions: dict[bytes, int] = {}
        self.told: Counter[tuple[bytes, int]] = Counter()
        """How often each version of an item came."""
        self.begun = asyncio.Event()
        """Set when there is a cursor."""
        self.cursor = ""
        self.base = 0

    async def run(self, sync: SyncServiceAsyncStub, person: Person, *, follow: bool) -> bool:
        """Takes what comes; gives whether the stream broke."""
        request = sync_service_pb2.PullRequest(cursor=self.cursor, follow=follow)
        try:
            async for batch in sync.Pull(request, metadata=person.metadata):
                self._apply(batch)
        except grpc.aio.AioRpcError:
            return True
        return False

    def _apply(self, batch: sync_service_pb2.PullResponse) -> None:
        for told in batch.items:
            self.told[told.item.id, told.item.revision] += 1
            self.revisions[told.item.id] = max(told.item.revision, self.revisions.get(told.item.id, 0))
        for change in batch.changes:
            self.revisions[change.item_id] = max(change.revision, self.revisions[change.item_id])
        assert not batch.removals
        self.cursor = batch.cursor
        self.begun.set()
        if batch.caught_up:
            self.base = batch.revision


async def everything_of(server: Running, person: Person) -> dict[bytes, item_pb2.Item]:
    """The live items by id; each folder counts what is in it."""
    folders, items = FolderServiceStub(server.channel), ItemServiceStub(server.channel)
    found: dict[bytes, item_pb2.Item] = {}
    for folder in (await folders.ListFolders(folder_pb2.ListFoldersRequest(), metadata=person.metadata)).folders:
        request = item_service_pb2.ListItemsRequest(folder_id=folder.id, page_size=500)
        listed: list[item_pb2.Item] = []
        while True:
            page: Any = await items.ListItems(request, metadata=person.metadata)
            listed += page.items
            request.page_token = page.next_page_token
            if not request.page_token:
                break
        assert folder.item_count == len(listed) == len({each.uid for each in listed})
        found |= {each.id: each for each in listed}
    return found


@pytest.mark.parametrize("most", [1, 200])
async def test_a_killed_server_has_every_operation_that_it_answered_once(
    tmp_path: pathlib.Path, database_url: str, most: int
) -> None:
    process = ServerProcess(tmp_path / "data", "--database-url", database_url)
    process.start()
    follower = Following()
    try:
        async with process.connected() as server:
            anna = await server.add_person("anna")
            operations = work_of(server.ids)
            sync = SyncServiceStub(server.channel)
            first = Pushing(operations, enough=most)
            pushing = asyncio.ensure_future(first.run(sync, anna))
            following = asyncio.ensure_future(follower.run(sync, anna, follow=True))
            await first.enough.wait()
            await asyncio.to_thread(process.kill)
            first.rest.set()
            await pushing
            assert first.broken and await following
            assert most <= len(first.answered) <= OPERATIONS - HELD_BACK

        process.start()
        async with process.connected() as server:
            sync = SyncServiceStub(server.channel)
            there = await everything_of(server, anna)
            for result in first.answered.values():
                for item_id in [result.item.id] * result.HasField("item") + [copy.item_id for copy in result.copies]:
                    assert there[item_id].revision >= result.revision
            assert follower.revisions.keys() <= there.keys()  # nobody was told of what did not last

            again = Pushing(operations, enough=OPERATIONS)
            again.rest.set()
            await again.run(sync, anna)
            assert not again.broken and list(again.answered) == [each.operation_id for each in operations]
            for operation_id, result in first.answered.items():
                repeated = again.answered[operation_id]
                assert repeated.duplicate and (repeated.revision, repeated.item) == (result.revision, result.item)
            revisions = [result.revision for result in again.answered.values()]
            assert revisions == sorted(set(revisions))

            whole = await everything_of(server, anna)
            made = [operation.create_item.item.id for operation in operations if operation.HasField("create_item")]
            copied = [copy for operation in operations for copy in operation.copy_items.new_ids]
            assert whole.keys() == {*made, *copied}
            assert not await follower.run(sync, anna, follow=False)
            assert follower.revisions == {item_id: item.revision for item_id, item in whole.items()}
            assert follower.base == revisions[-1]
    finally:
        process.kill()


async def test_a_pull_cut_off_by_a_kill_goes_on_with_its_cursor(tmp_path: pathlib.Path, database_url: str) -> None:
    process = ServerProcess(tmp_path / "data", "--database-url", database_url)
    process.start()
    follower = Following()
    try:
        async with process.connected() as server:
            anna = await server.add_person("anna")
            pushed = Pushing(work_of(server.ids), enough=OPERATIONS)
            pushed.rest.set()
            sync = SyncServiceStub(server.channel)
            await pushed.run(sync, anna)
            following = asyncio.ensure_future(follower.run(sync, anna, follow=True))
            await follower.begun.wait()
            await asyncio.to_thread(process.kill)
            assert await following

        process.start()
        async with process.connected() as server:
            sync = SyncServiceStub(server.channel)
            assert not await follower.run(sync, anna, follow=False)
            whole = await everything_of(server, anna)
            assert follower.revisions == {item_id: item.revision for item_id, item in whole.items()}
            assert set(follower.told.values()) == {1}
    finally:
        process.kill()
