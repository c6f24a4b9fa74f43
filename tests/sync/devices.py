"""Devices that push: each with a session of its own, and with what it had seen."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from google.rpc import error_details_pb2
from sqlalchemy import select

from rookery.v1 import content_service_pb2, sync_service_pb2
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import ListEdits, UpdateItemRequest
from rookery.v1.sync_pb2 import CONFLICT_POLICY_FAIL, PushResult, SyncOperation
from rookery_core.rules import units
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.submission.drafts import Drafts
from rookery_server.services.sync.conflicts import ConflictService
from rookery_server.services.sync.push import PushService
from rookery_server.store import mailboxes
from rookery_server.store.tables import item_blob, item_content

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rookery.v1.sync_pb2 import Conflict
    from rookery_server.services.caller import Caller
    from tests.support.world import Person, World


class Fleet:
    """Somebody's devices, and the services that they call."""

    def __init__(self, world: World, person: Person) -> None:
        self.world = world
        self.person = person
        drafts = Drafts(world.database, world.clock, world.ids, max_message_bytes=1 << 20)
        self.push = PushService(world.database, world.long_operations, world.clock, world.ids, drafts, wake=self._wake)
        self.woken = 0
        self.conflict_service = ConflictService(world.database, world.operations, world.clock, world.ids, wake=self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def device(self, session_id: bytes = b"") -> Device:
        """One more device, which has seen nothing yet."""
        return Device(self, dataclasses.replace(self.person.caller, session_id=session_id or self.world.ids.new()))

    async def revision(self) -> int:
        """The mailbox's revision."""
        row = await self.world.database.read(lambda connection: mailboxes.find(connection, self.person.mailbox))
        assert row is not None
        return row.revision

    async def conflicts(self) -> list[Conflict]:
        """The conflicts of the mailbox, newest first."""
        request = sync_service_pb2.ListConflictsRequest()
        return list((await self.conflict_service.list_conflicts(self.person.caller, request)).conflicts)

    async def conflict(self, item_id: bytes, device: Device) -> Conflict:
        """One conflict, with its content."""
        request = sync_service_pb2.GetConflictRequest(item_id=item_id, device_id=device.caller.session_id)
        return (await self.conflict_service.get_conflict(self.person.caller, request)).conflict

    async def restore(self, item_id: bytes, device: Device) -> Item:
        """Restores what a device lost."""
        request = sync_service_pb2.RestoreConflictRequest(
            operation_id=self.world.ids.new(), item_id=item_id, device_id=device.caller.session_id
        )
        answer = await self.conflict_service.restore_conflict(self.person.caller, request)
        return sync_service_pb2.RestoreConflictResponse.FromString(answer).item

    async def upload(self, data: bytes) -> bytes:
        """A finished upload; gives its id."""
        service = UploadService(self.world.database, self.world.clock, self.world.ids, max_message_bytes=1 << 20)
        upload_id = self.world.ids.new()

        async def sent() -> AsyncIterator[content_service_pb2.UploadRequest]:
            yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=len(data), offset=0, data=data)

        assert (await service.upload(self.person.caller, sent())).complete
        return upload_id

    async def versions(self, item_id: bytes) -> tuple[list[int], list[int]]:
        """The revisions under which contents of an item are stored, and those under which it holds blobs."""
        contents = select(item_content.c.revision).where(item_content.c.item_id == item_id)
        held = select(item_blob.c.content_revision).where(item_blob.c.item_id == item_id).distinct()

        def read(connection: Any) -> tuple[list[int], list[int]]:
            return sorted(connection.execute(contents).scalars()), sorted(connection.execute(held).scalars())

        return await self.world.database.read(read)


class Device:
    """A device. What it does carries the revision that it has seen last."""

    def __init__(self, fleet: Fleet, caller: Caller) -> None:
        self.fleet = fleet
        self.caller = caller
        self.base = 0

    async def see(self) -> None:
        """Catches up."""
        self.base = await self.fleet.revision()

    def operation(self, *, at: float | None = None, fail: bool = False, **action: Any) -> SyncOperation:
        """Something done on the device, ``at`` so many seconds before or after now."""
        operation = SyncOperation(operation_id=self.fleet.world.ids.new(), base_revision=self.base, **action)
        if fail:
            operation.conflict_policy = CONFLICT_POLICY_FAIL
        operation.edited.FromMicroseconds(self.fleet.world.clock.now + round((at or 0) * 1_000_000))
        return operation

    def edit(
        self, item: Item, *paths: str, lists: ListEdits | None = None, at: float | None = None, fail: bool = False
    ) -> SyncOperation:
        """An edit, made ``at`` so many seconds before or after now."""
        request = UpdateItemRequest(item=item, list_edits=lists)
        request.update_mask.paths.extend(units.whole_units(paths))
        return self.operation(at=at, fail=fail, update_item=request)

    def rename(self, item_id: bytes, subject: str, *, at: float | None = None, fail: bool = False) -> SyncOperation:
        """An edit of an item's subject."""
        item = Item(id=item_id)
        item.summary.subject = subject
        return self.edit(item, "summary.subject", at=at, fail=fail)

    def rewrite(self, item_id: bytes, text: str, *, at: float | None = None) -> SyncOperation:
        """An edit of an item's text."""
        item = Item(id=item_id)
        item.content.body.text = text
        return self.edit(item, "content.body", at=at)

    async def send(self, *operations: SyncOperation) -> list[PushResult]:
        """Pushes in one request."""
        push = sync_service_pb2.PushRequest(operations=operations)
        response = await self.fleet.push.push_batch(self.caller, sync_service_pb2.PushBatchRequest(push=push))
        return list(response.answer.results)

    async def do(self, operation: SyncOperation) -> PushResult:
        """Pushes one operation."""
        return (await self.send(operation))[0]

    async def stream(self, *requests: Sequence[SyncOperation]) -> list[PushResult]:
        """Pushes as a stream, a message for each list."""

        async def messages() -> Any:
            for operations in requests:
                yield sync_service_pb2.PushRequest(operations=operations)

        return [result async for answer in self.fleet.push.push(self.caller, messages()) for result in answer.results]


def reason(result: PushResult) -> str:
    """Why an operation was rejected."""
    for detail in result.error.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""
