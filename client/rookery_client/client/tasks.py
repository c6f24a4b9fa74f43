"""Tasks: completing them, handing them to others, and the list of what is to be done."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import task_service_pb2 as pb
from rookery.v1.task_service_pb2 import TaskSelection
from rookery.v1.task_service_pb2_grpc import TaskServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1.calendar_pb2 import ResponseStatus
    from rookery.v1.item_pb2 import Item
    from rookery.v1.person_pb2 import Person
    from rookery_client.connection import Connection


class Tasks:
    """The TaskService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = TaskServiceStub(connection.channel)

    async def complete(
        self,
        item_id: bytes,
        occurrence: int = 0,
        *,
        completed: datetime.datetime | None = None,
        time_zone: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.CompleteTaskResponse:
        """Completes a task; of one that recurs `occurrence` says which, by ``summary.task.occurrence`` as it was seen.

        If that is completed already, nothing happens. `completed` is now where it is left out; `time_zone` the person's, by its
        IANA name. NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_A_TASK``, ``ITEM_NOT_LIVE``, ``OCCURRENCE_UNKNOWN``.
        """
        request = pb.CompleteTaskRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            item_id=item_id,
            occurrence=occurrence,
            completed=None if completed is None else _timestamp(completed),
            time_zone=time_zone,
        )
        return await self._connection.unary(self._stub.CompleteTask, request)

    async def assign(
        self, item_id: bytes, to: Person, *, comment: str = "", progress_requested: bool = True, mailbox_id: bytes = b""
    ) -> pb.AssignTaskResponse:
        """Hands a task to somebody; the item stays here and, if `progress_requested`, follows what they do.

        The same again sends nothing. NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_A_TASK``, ``ITEM_NOT_LIVE``,
        ``TASK_ASSIGNED``, ``TASK_NOT_ACCEPTED``, ``TO_A_GROUP``; InvalidArgument ``ADDRESS_INVALID``, or
        ``FIELD_INVALID`` for oneself.
        """
        request = pb.AssignTaskRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            item_id=item_id,
            to=to,
            comment=comment,
            progress_requested=progress_requested,
        )
        return await self._connection.unary(self._stub.AssignTask, request)

    async def respond(
        self, item_id: bytes, response: ResponseStatus.ValueType, *, comment: str = "", mailbox_id: bytes = b""
    ) -> pb.RespondToTaskResponse:
        """Answers to a task that was given: ACCEPTED or DECLINED. The item is the task, or the message that brought it.

        NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_ASSIGNED``.
        """
        request = pb.RespondToTaskRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), item_id=item_id, response=response, comment=comment
        )
        return await self._connection.unary(self._stub.RespondToTask, request)

    async def page(
        self,
        *,
        selection: TaskSelection.ValueType = TaskSelection.TASK_SELECTION_OPEN,
        include_flagged: bool = True,
        due_from: datetime.datetime | None = None,
        due_before: datetime.datetime | None = None,
        page_size: int = 0,
        page_token: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.ListTasksResponse:
        """One page of the list: by due time, what has none last. Times that name no zone are local time."""
        request = pb.ListTasksRequest(
            mailbox_id=mailbox_id,
            selection=selection,
            include_flagged=include_flagged,
            due_from=None if due_from is None else _timestamp(due_from),
            due_before=None if due_before is None else _timestamp(due_before),
            page_size=page_size,
            page_token=page_token,
        )
        return await self._connection.unary(self._stub.ListTasks, request)

    async def list(
        self,
        *,
        selection: TaskSelection.ValueType = TaskSelection.TASK_SELECTION_OPEN,
        include_flagged: bool = True,
        due_from: datetime.datetime | None = None,
        due_before: datetime.datetime | None = None,
        page_size: int = 500,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Item]:
        """The tasks, page after page."""
        token = ""
        while True:
            page = await self.page(
                selection=selection,
                include_flagged=include_flagged,
                due_from=due_from,
                due_before=due_before,
                page_size=page_size,
                page_token=token,
                mailbox_id=mailbox_id,
            )
            for item in page.items:
                yield item
            token = page.next_page_token
            if not token:
                return


def _timestamp(time: datetime.datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(time.astimezone(datetime.UTC))
    return found
