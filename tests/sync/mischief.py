"""People at work: random operations on a mailbox, foreseeable by their seed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery_core.errors import RookeryError
from rookery_core.rules import calendar_time
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    import random

    from tests.support.world import Person, World

DAY = 86_400_000_000
NOW = FakeClock().now
KINDS = (item_pb2.ITEM_KIND_MESSAGE, item_pb2.ITEM_KIND_APPOINTMENT, item_pb2.ITEM_KIND_NOTE)
MODES = (
    item_service_pb2.DELETE_MODE_TO_DELETED_ITEMS,
    item_service_pb2.DELETE_MODE_RECOVERABLE,
    item_service_pb2.DELETE_MODE_PERMANENT,
)
_FOLDERS = (folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_ARCHIVE, folder_pb2.FOLDER_ROLE_DELETED)


class Mischief:
    """Does one thing after the other, to items and folders alike. What the mailbox refuses was tried."""

    def __init__(self, world: World, person: Person, chance: random.Random) -> None:
        self.world = world
        self.person = person
        self.chance = chance
        self.folder_ids: list[bytes] = []
        self.item_ids: list[bytes] = []
        self._acts = [
            *[self._create] * 4,
            *[self._mark] * 3,
            *[self._move] * 5,
            *[self._update] * 3,
            *[self._delete] * 3,
            *[self._restore] * 2,
            self._copy,
            self._create_folder,
            self._change_folder,
            self._delete_folder,
            self._empty_folder,
        ]

    async def begin(self, items: int) -> None:
        """Gives the mailbox some folders and items."""
        self.folder_ids = [await self.world.folder_of(self.person, role) for role in _FOLDERS]
        for _ in range(3):
            await self._create_folder()
        for _ in range(items):
            await self._create()

    async def act(self) -> None:
        """Does one thing."""
        self.world.clock.advance(seconds=1)
        try:
            await self.chance.choice(self._acts)()
        except RookeryError:
            return

    def _folder(self) -> bytes:
        return self.chance.choice(self.folder_ids)

    def _items(self) -> list[bytes]:
        """Some items, live or not, the latest rather than others."""
        recent = self.item_ids[-12:]
        return self.chance.sample(recent, min(len(recent), self.chance.choice((1, 1, 1, 2, 5))))

    def _summary(self, kind: int) -> item_pb2.ItemSummary:
        summary = item_pb2.ItemSummary(kind=item_pb2.ItemKind.ValueType(kind), subject=f"{self.chance.randrange(1000)}")
        # Few different times: items that came at once share a fill key.
        summary.received.FromMicroseconds(NOW - self.chance.randrange(8) * DAY)
        if kind == item_pb2.ITEM_KIND_APPOINTMENT:
            start = dt.datetime(2025, 6, 15, tzinfo=dt.UTC) + dt.timedelta(days=self.chance.randrange(-8, 8))
            summary.appointment.start.CopyFrom(calendar_time.at(start, "Etc/UTC"))
            summary.appointment.end.CopyFrom(calendar_time.at(start + dt.timedelta(hours=1), "Etc/UTC"))
        return summary

    async def _create(self) -> None:
        record = item_pb2.Item(folder_id=self._folder(), summary=self._summary(self.chance.choice(KINDS)))
        record.content.body.text = "Hello. " * self.chance.randrange(300)
        self.item_ids.append((await self.world.create(self.person, record)).id)

    async def _mark(self) -> None:
        request = self._request(item_service_pb2.SetItemStateRequest, item_ids=self._items(), read=self.chance.random() < 0.5)
        await self.world.marks.set_item_state(self.person.caller, request)

    async def _move(self) -> None:
        request = self._request(item_service_pb2.MoveItemsRequest, item_ids=self._items(), folder_id=self._folder())
        await self.world.places.move_items(self.person.caller, request)

    async def _copy(self) -> None:
        request = self._request(item_service_pb2.CopyItemsRequest, item_ids=self._items(), folder_id=self._folder())
        answer = item_service_pb2.CopyItemsResponse.FromString(await self.world.places.copy_items(self.person.caller, request))
        self.item_ids += [copy.item_id for copy in answer.copies]

    async def _update(self) -> None:
        item_id = self._items()[0]
        kind = (await self.world.get(self.person, item_id)).summary.kind
        request = self._request(item_service_pb2.UpdateItemRequest)
        request.item.id = item_id
        request.item.summary.CopyFrom(self._summary(kind))
        request.update_mask.paths.append("summary.subject")
        if kind == item_pb2.ITEM_KIND_APPOINTMENT:
            request.update_mask.paths.extend(("summary.appointment.start", "summary.appointment.end"))
        await self.world.editing.update_item(self.person.caller, request)

    async def _delete(self) -> None:
        await self.world.delete(self.person, self._items(), self.chance.choice(MODES))

    async def _restore(self) -> None:
        folder_id = self.chance.choice((b"", self._folder()))
        request = self._request(item_service_pb2.RestoreItemsRequest, item_ids=self._items(), folder_id=folder_id)
        await self.world.removal.restore_items(self.person.caller, request)

    async def _create_folder(self) -> None:
        parent_id = self.chance.choice((b"", *self.folder_ids))
        self.folder_ids.append((await self.world.folder(self.person, f"Folder {len(self.folder_ids)}", parent_id)).id)

    async def _change_folder(self) -> None:
        request = self._request(folder_pb2.UpdateFolderRequest)
        request.folder.id, request.folder.parent_id = self._folder(), self.chance.choice((b"", self._folder()))
        request.folder.name = f"Renamed {self.chance.randrange(1000)}"
        request.update_mask.paths.extend(self.chance.choice((["name"], ["parent_id"])))
        await self.world.folders.update_folder(self.person.caller, request)

    async def _delete_folder(self) -> None:
        request = self._request(folder_pb2.DeleteFolderRequest, folder_id=self._folder())
        await self.world.folder_removal.delete_folder(self.person.caller, request)

    async def _empty_folder(self) -> None:
        permanent = self.chance.random() < 0.5
        request = self._request(folder_pb2.EmptyFolderRequest, folder_id=self._folder(), permanent=permanent)
        await self.world.folder_removal.empty_folder(self.person.caller, request)

    def _request(self, message: Any, **fields: Any) -> Any:
        return message(operation_id=self.world.ids.new(), **fields)
