"""The TaskService, answered by a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import task_service_pb2 as pb
from rookery.v1.item_pb2 import ITEM_KIND_TASK
from rookery.v1.sync_pb2 import SyncOperation
from rookery_client.replica.offline import pages
from rookery_client.replica.reading import tasks
from rookery_core.rules import checks, task_series
from rookery_core.rules.ids import require_id

if TYPE_CHECKING:
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.replica import Replica
    from rookery_core.rules import to_do


class OfflineTasks:
    """Gives the responses that the server would give, but for what it will send. What it would refuse is refused here."""

    def __init__(self, replica: Replica, reader: Reader, notes: Notes) -> None:
        self._replica = replica
        self._reader = reader
        self._notes = notes

    def complete_task(self, request: pb.CompleteTaskRequest) -> pb.CompleteTaskResponse:
        """Completes a task; what is completed already is left as it is."""
        item = self._reader.item(require_id(request.item_id, "item_id"), full=False)
        response = pb.CompleteTaskResponse(item=item, revision=self._reader.revision())
        if item.summary.kind == ITEM_KIND_TASK and task_series.is_completed(item.summary.task, request.occurrence):
            return response
        operation = SyncOperation(operation_id=request.operation_id, complete_task=request)
        self._record(operation)
        response.item.CopyFrom(self._reader.item(request.item_id, full=False))
        for copy in self._reader.items([task_series.copy_id(request.item_id, request.occurrence)]):
            response.completed_copy.CopyFrom(copy)
        return response

    def assign_task(self, request: pb.AssignTaskRequest) -> pb.AssignTaskResponse:
        """Hands a task to somebody, who hears of it with the next sync."""
        recorded = self._record(SyncOperation(operation_id=request.operation_id, assign_task=request))
        item = self._reader.item(recorded.assign_task.item_id, full=False)
        return pb.AssignTaskResponse(item=item, revision=self._reader.revision())

    def respond_to_task(self, request: pb.RespondToTaskRequest) -> pb.RespondToTaskResponse:
        """Answers to a task that was given."""
        recorded = self._record(SyncOperation(operation_id=request.operation_id, respond_to_task=request))
        item = self._reader.item(recorded.respond_to_task.item_id, full=False)
        return pb.RespondToTaskResponse(item=item, revision=self._reader.revision())

    def list_tasks(self, request: pb.ListTasksRequest) -> pb.ListTasksResponse:
        """A page of the list."""
        checks.moments(request, "", ("due_from", "due_before"))
        digest = pages.digest_of(request)
        size = pages.size_of(request.page_size, "items")
        found, last = tasks.page(self._replica, request, _after(request.page_token, digest), size)
        self._notes.add(*self._reader.limits())
        following = "" if last is None else pages.token_of(digest, (":".join(map(str, last[:3])), last[3]))
        return pb.ListTasksResponse(items=found, next_page_token=following, revision=self._reader.revision())

    def _record(self, operation: SyncOperation) -> SyncOperation:
        """Puts the operation into the outbox; gives it as it stands there."""
        recorded = self._replica.record(operation)
        self._notes.count_change()
        return recorded


def _after(page_token: str, digest: bytes) -> to_do.Place | None:
    token = pages.decoded(page_token, digest)
    if token is None:
        return None
    no_due, due, importance = (int(part) for part in token.text.split(":"))
    return no_due, due, importance, token.id
