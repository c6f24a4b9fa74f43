"""A replica as plain dicts, filled by Pull and kept by the contract's rules to the letter."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.rules import calendar_time
from rookery_core.rules.sync_windows import Window
from rookery_server.store.tables import FOREVER

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.services.sync.pull import PullService
    from tests.support.world import Person, World

ROUNDS = 5000


def window(**micros: int) -> sync_pb2.SyncWindow:
    """A window by its limits in microseconds."""
    made = sync_pb2.SyncWindow()
    for name, value in micros.items():
        stamp = Timestamp()
        stamp.FromMicroseconds(value)
        getattr(made, name).CopyFrom(stamp)
    return made


def is_inside(scope: sync_pb2.SyncScope, item: item_pb2.Item) -> bool:
    """Whether a live item is in scope, by its records alone."""
    if scope.folder_ids and item.folder_id not in scope.folder_ids:
        return False
    kind = item.summary.kind
    if scope.kinds and kind not in scope.kinds:
        return False
    first, last = calendar_time.span(item.summary) or (-FOREVER, -FOREVER)
    received = item.summary.received.ToMicroseconds()
    return Window.of(scope.window).holds(kind, received, first, FOREVER if last is None else last)


@dataclass
class Held:
    """An item on the device, without content in ``item``."""

    item: item_pb2.Item
    content: bytes
    extent: int


class Replica:
    """What one device holds."""

    def __init__(self, service: PullService, person: Person, scope: sync_pb2.SyncScope | None = None) -> None:
        self.service = service
        self.person = person
        self.scope = scope or sync_pb2.SyncScope()
        self.items: dict[bytes, Held] = {}
        self.folders: dict[bytes, folder_pb2.Folder] = {}
        self.submissions: dict[bytes, Submission] = {}
        self.cursor = ""
        self.revision = 0
        self.caught_up = False

    async def ask(self, cursor: str | None = None, **fields: Any) -> messages.PullResponse:
        """One batch behind a cursor, the replica's own by default; nothing is applied."""
        request = messages.PullRequest(cursor=self.cursor if cursor is None else cursor, scope=self.scope, **fields)
        encoded = await self.service.pull_batch(self.person.caller, messages.PullBatchRequest(pull=request))
        return messages.PullBatchResponse.FromString(encoded).batch

    async def pull(self) -> messages.PullResponse:
        """Asks for one batch and applies it."""
        batch = await self.ask()
        self.apply(batch)
        return batch

    async def catch_up(self) -> list[messages.PullResponse]:
        """Pulls until the server says that nothing is missing."""
        batches = []
        for _ in range(ROUNDS):
            batches.append(await self.pull())
            if self.caught_up:
                return batches
        raise AssertionError("it does not catch up")

    def apply(self, batch: messages.PullResponse) -> None:
        """One local transaction."""
        for folder in batch.folders:
            self.folders[folder.id] = folder
        for gone in batch.removed_folders:
            self.folders.pop(gone.folder_id, None)
        for told in batch.items:
            held = self.items.get(told.item.id)
            if held is None or held.item.revision < told.item.revision:
                self.items[told.item.id] = Held(told.item, told.content, told.extent)
        for change in batch.changes:
            self._change(change)
        for removal in batch.removals:
            held = self.items.get(removal.item_id)
            if held is not None and held.item.revision <= removal.revision:
                del self.items[removal.item_id]
        for submission in batch.submissions:
            if submission.id not in self.submissions or self.submissions[submission.id].revision < submission.revision:
                self.submissions[submission.id] = submission
        self.cursor, self.revision, self.caught_up = batch.cursor, batch.revision, batch.caught_up

    def _change(self, change: sync_pb2.ItemChange) -> None:
        assert change.item_id in self.items, "a change of an item that the device does not hold"
        item = self.items[change.item_id].item
        if change.revision <= item.revision:
            return
        item.revision = change.revision
        if change.HasField("state"):
            item.ClearField("state")
            item.MergeFrom(item_pb2.Item(state=change.state if change.state.ByteSize() else None))
        if change.HasField("place"):
            item.folder_id, item.uid = change.place.folder_id, change.place.uid

    def set_window(self, wanted: sync_pb2.SyncWindow) -> None:
        """Cares for another time from now on, and drops what is outside."""
        self.scope.window.CopyFrom(wanted)
        self.items = {item_id: held for item_id, held in self.items.items() if is_inside(self.scope, held.item)}

    def copy(self) -> Replica:
        """What is on the device's disk now."""
        other = Replica(self.service, self.person, copy.deepcopy(self.scope))
        other.items, other.folders, other.cursor = copy.deepcopy(self.items), copy.deepcopy(self.folders), self.cursor
        other.submissions = copy.deepcopy(self.submissions)
        return other

    async def require_equal(self, world: World) -> None:
        """The replica has what the mailbox has, told by its lists: the same folders, and in scope the same items."""
        listed = (await world.folders.list_folders(self.person.caller, folder_pb2.ListFoldersRequest())).folders
        assert self.folders == {folder.id: folder for folder in listed}
        expected = {}
        for folder in listed:
            if folder.item_count:
                for item in await world.walk(self.person, folder.id, page_size=500):
                    if is_inside(self.scope, item):
                        expected[item.id] = item
        assert set(self.items) == set(expected)
        for item_id, item in expected.items():
            assert self.items[item_id].item == item
