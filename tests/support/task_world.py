"""A world in which tasks are handed around: to people here by the queue, to people elsewhere by mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import update

from rookery.v1 import item_pb2, item_service_pb2, task_service_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, CalendarTime
from rookery.v1.item_pb2 import Item
from rookery.v1.person_pb2 import Person as Named
from rookery_core.formats import imip, itip
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.tasks.tasks import TaskService
from rookery_server.store.tables import mailbox
from tests.support.mail import OUTBOX, SENT
from tests.support.meeting_world import TASKS, MeetingWorld

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import ResponseStatus
    from rookery.v1.submission_pb2 import Submission
    from rookery_core.rules.scheduling.itip import Itip
    from rookery_server.store.database import Database
    from tests.support.world import Person


class TaskWorld(MeetingWorld):
    """Where tasks are handed around."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.tasks = TaskService(database, self.operations, PageTokens(b"k" * 32), wake=self.wake)

    async def task(self, person: Person, *rules: str) -> Item:
        """A new task of somebody's."""
        item = Item(summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Write the report"))
        item.summary.task.due.CopyFrom(CalendarTime(local="2025-12-01"))
        item.summary.task.recurrence.rules.extend(rules)
        item.content.body.text = "By Friday, please."
        return await self.create(person, item)

    async def assign(self, person: Person, item_id: bytes, to: str, **fields: Any) -> task_service_pb2.AssignTaskResponse:
        """AssignTask."""
        fields = {"operation_id": self.ids.new(), "progress_requested": True, **fields}
        request = task_service_pb2.AssignTaskRequest(item_id=item_id, to=Named(address=to), **fields)
        return task_service_pb2.AssignTaskResponse.FromString(await self.tasks.assign_task(person.caller, request))

    async def answer(
        self, person: Person, item_id: bytes, response: ResponseStatus.ValueType, **fields: Any
    ) -> task_service_pb2.RespondToTaskResponse:
        """RespondToTask."""
        fields = {"operation_id": self.ids.new(), "response": response, **fields}
        request = task_service_pb2.RespondToTaskRequest(item_id=item_id, **fields)
        return task_service_pb2.RespondToTaskResponse.FromString(await self.tasks.respond_to_task(person.caller, request))

    async def progress(self, person: Person, item_id: bytes, percent: int) -> None:
        """Somebody comes so far, and whoever is told hears of it."""
        item = Item(id=item_id)
        item.summary.task.percent_complete = percent
        mask = FieldMask(paths=["summary.task.percent_complete"])
        request = item_service_pb2.UpdateItemRequest(operation_id=self.ids.new(), item=item, update_mask=mask)
        await self.editing.update_item(person.caller, request)
        await self.settle()

    async def own(self, person: Person, role: int = TASKS) -> Item:
        """The only item in a role folder."""
        [item] = await self.within(person, role)
        return item

    async def handed(self, giver: Person, to: Person, name: str) -> tuple[Item, Item]:
        """A task that one has given to another, who has accepted it; both copies."""
        item = await self.task(giver)
        await self.assign(giver, item.id, f"{name}@rookery.example")
        await self.settle()
        await self.answer(to, (await self.own(to)).id, RESPONSE_STATUS_ACCEPTED)
        await self.settle()
        return await self.get(giver, item.id), await self.own(to)

    async def letter(self, person: Person, submission: Submission) -> Itip:
        """What a letter says that was sent."""
        part = imip.calendar_part(await self.message(person, submission.id))
        assert part is not None
        return itip.read(part)

    async def sent(self, person: Person) -> int:
        """How many letters somebody has sent, or is about to."""
        return len(await self.within(person, SENT)) + len(await self.within(person, OUTBOX))

    async def leave_room(self, person: Person, size: int) -> None:
        """Makes the quota of a mailbox so many bytes more than it uses."""
        quota = mailbox.c.used_bytes + size
        change = update(mailbox).where(mailbox.c.id == person.number).values(quota_bytes=quota)
        await self.database.write(lambda transaction: transaction.connection.execute(change).rowcount)
