"""Two people with their mailboxes, and the services that work on them, over a real database."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery_server.services.caller import Caller
from rookery_server.services.folders.folder_removal import FolderRemoval
from rookery_server.services.folders.folders import ROLES, FolderService, create_role_folders
from rookery_server.services.items.item_editing import ItemEditing
from rookery_server.services.items.item_marks import ItemMarks
from rookery_server.services.items.item_places import ItemPlaces
from rookery_server.services.items.item_reading import ItemReading
from rookery_server.services.items.item_removal import ItemRemoval
from rookery_server.services.long_operations import LongOperations
from rookery_server.services.operations import Operations
from rookery_server.services.page_tokens import PageTokens
from rookery_server.store import items, mailboxes
from rookery_server.store.tables import account, address, domain
from tests.support.fakes import FakeClock, SequentialIds

if TYPE_CHECKING:
    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction


@dataclass
class Person:
    """Somebody with a mailbox."""

    caller: Caller
    mailbox: bytes
    number: int


class World:
    """The services, wired over one database, and short ways to call them."""

    def __init__(self, database: Database, clock: FakeClock | None = None, ids: SequentialIds | None = None) -> None:
        self.database = database
        self.clock = clock or FakeClock()
        self.ids = ids or SequentialIds(self.clock)
        self._names = itertools.count(1)
        self.operations = Operations(database, self.clock)
        self.long_operations = LongOperations(database, self.operations, self.clock)
        self.folders = FolderService(database, self.operations, self.ids)
        self.folder_removal = FolderRemoval(self.long_operations)
        self.reading = ItemReading(database, PageTokens(b"k" * 32))
        self.editing = ItemEditing(self.operations, self.ids, wake=self.wake)
        self.marks = ItemMarks(self.operations)
        self.places = ItemPlaces(self.operations, self.ids)
        self.removal = ItemRemoval(self.operations)

    def wake(self) -> None:
        """There may be something for the queue to do; here nobody carries mail."""

    async def person(self, name: str, *, quota: int = 0) -> Person:
        """A new account with its mailbox and role folders."""
        account_id, mailbox_uid, epoch = self.ids.new(), self.ids.new(), self.ids.new()
        now = self.clock.micros()

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            if not connection.execute(select(domain.c.name)).first():
                connection.execute(insert(domain), {"name": "rookery.example", "created": now})
            row: dict[str, Any] = {"kind": 1, "display_name": name, "administrator": False, "disabled": False, "created": now}
            connection.execute(insert(account), {"id": account_id, "password_hash": None, **row})
            text = f"{name}@rookery.example"
            connection.execute(
                insert(address),
                {"key": text, "text": text, "domain": "rookery.example", "account_id": account_id, "is_primary": True},
            )
            counters = {"revision": 1, "oldest_revision": 1, "used_bytes": 0, "item_count": 0, "folder_count": len(ROLES)}
            number = mailboxes.create(
                connection, {"uid": mailbox_uid, "account_id": account_id, "epoch": epoch, "quota_bytes": quota, **counters}
            )
            create_role_folders(connection, number, self.ids, revision=1, now=now)
            return number

        number = await self.database.write(work)
        return Person(Caller(account_id, self.ids.new(), administrator=False), mailbox_uid, number)

    async def folder_of(self, person: Person, role: int) -> bytes:
        """The id of a role folder."""
        request = folder_pb2.GetFolderRequest(role=folder_pb2.FolderRole.ValueType(role))
        return (await self.folders.get_folder(person.caller, request)).folder.id

    async def folder(self, person: Person, name: str, parent: bytes = b"") -> folder_pb2.Folder:
        """A new folder."""
        request = folder_pb2.CreateFolderRequest(operation_id=self.ids.new(), folder=folder_pb2.Folder(name=name, parent_id=parent))
        return folder_pb2.CreateFolderResponse.FromString(await self.folders.create_folder(person.caller, request)).folder

    async def counts(self, person: Person, folder_id: bytes) -> tuple[int, int, int]:
        """Items, unread and bytes, as the folder's counters have them."""
        found = (await self.folders.get_folder(person.caller, folder_pb2.GetFolderRequest(folder_id=folder_id))).folder
        return found.item_count, found.unread_count, found.size_bytes

    async def item(self, person: Person, folder_id: bytes, subject: str = "", **summary: Any) -> item_pb2.Item:
        """A new message (or an item of another ``kind``)."""
        summary.setdefault("kind", item_pb2.ITEM_KIND_MESSAGE)
        record = item_pb2.Item(
            folder_id=folder_id,
            summary=item_pb2.ItemSummary(subject=subject or f"Message {next(self._names)}", **summary),
            content=item_pb2.ItemContent(body=item_pb2.Body(text="Hello.\n\nHow are you?\n")),
        )
        return await self.create(person, record)

    async def create(self, person: Person, record: item_pb2.Item) -> item_pb2.Item:
        """The record as an item."""
        request = item_service_pb2.CreateItemRequest(operation_id=self.ids.new(), item=record)
        response = await self.editing.create_item(person.caller, request)
        return item_service_pb2.CreateItemResponse.FromString(response).item

    async def get(self, person: Person, item_id: bytes) -> item_pb2.Item:
        """The item, whole."""
        response = await self.reading.get_item(person.caller, item_service_pb2.GetItemRequest(item_id=item_id))
        return item_service_pb2.GetItemResponse.FromString(response).item

    async def page(self, person: Person, folder_id: bytes, **request: Any) -> item_service_pb2.ListItemsResponse:
        """One page of a folder."""
        response = await self.reading.list_items(person.caller, item_service_pb2.ListItemsRequest(folder_id=folder_id, **request))
        return item_service_pb2.ListItemsResponse.FromString(response)

    async def walk(self, person: Person, folder_id: bytes, **request: Any) -> list[item_pb2.Item]:
        """A folder, page by page."""
        found: list[item_pb2.Item] = []
        token = ""
        while True:
            page = await self.page(person, folder_id, page_token=token, **request)
            found.extend(page.items)
            token = page.next_page_token
            if not token:
                return found

    async def delete(self, person: Person, item_ids: list[bytes], mode: int) -> item_service_pb2.DeleteItemsResponse:
        """Deletes items."""
        request = item_service_pb2.DeleteItemsRequest(
            operation_id=self.ids.new(), item_ids=item_ids, mode=item_service_pb2.DeleteMode.ValueType(mode)
        )
        return item_service_pb2.DeleteItemsResponse.FromString(await self.removal.delete_items(person.caller, request))

    async def check_counters(self, person: Person) -> None:
        """Counters equal a recount, in every folder and in the mailbox."""
        counted = await self.database.read(lambda connection: items.recount(connection, person.number))
        listed = (await self.folders.list_folders(person.caller, folder_pb2.ListFoldersRequest())).folders
        for folder in listed:
            found = (folder.item_count, folder.unread_count, folder.size_bytes)
            assert found == counted.get(folder.id, (0, 0, 0)), folder.name
        row = await self.database.read(lambda connection: mailboxes.find(connection, person.mailbox))
        assert row is not None
        assert row.item_count == sum(count for count, _, _ in counted.values())
        assert row.folder_count == len(listed)
