"""Tasks: completing them, handing them to others, and the list of what is to be done."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rookery.internal.v1.packed_pb2 import PackedListItemsResponse
from rookery.v1 import folder_pb2, task_service_pb2
from rookery.v1.item_service_pb2 import ITEM_VIEW_SUMMARY
from rookery_core.rules import checks, to_do
from rookery_core.rules.scheduling.assigning import check_assign, check_respond
from rookery_core.rules.stamps import Edit, clamped
from rookery_server.services import access
from rookery_server.services.items import item_packing, item_reading
from rookery_server.services.tasks import assigning, completing
from rookery_server.services.tasks.completing import Done
from rookery_server.store import folders, items
from rookery_server.store import to_do as to_do_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import PackedItem, PageToken
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.database import Database

Request = TypeVar(
    "Request",
    task_service_pb2.CompleteTaskRequest,
    task_service_pb2.AssignTaskRequest,
    task_service_pb2.RespondToTaskRequest,
)


class TaskService:
    """Carries out the calls of ``rookery.v1.TaskService``.

    ``wake`` is called after each commit that may give the queue of outgoing mail something to do.
    """

    def __init__(self, database: Database, operations: Operations, page_tokens: PageTokens, *, wake: Callable[[], None]) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._wake = wake

    async def complete_task(self, caller: Caller, request: task_service_pb2.CompleteTaskRequest) -> bytes:
        """Completes a task; the encoded CompleteTaskResponse."""
        checks.moments(request, "", ("completed",))
        return await self._run(caller, request, "task.complete", partial(_complete, request=request))

    async def assign_task(self, caller: Caller, request: task_service_pb2.AssignTaskRequest) -> bytes:
        """Hands a task to somebody; the encoded AssignTaskResponse."""
        check_assign(request.to, request.comment)
        return await self._run(caller, request, "task.assign", partial(_assign, request=request))

    async def respond_to_task(self, caller: Caller, request: task_service_pb2.RespondToTaskRequest) -> bytes:
        """Answers to a task that was given; the encoded RespondToTaskResponse."""
        check_respond(request.response, request.comment)
        return await self._run(caller, request, "task.respond", partial(_respond, request=request))

    async def list_tasks(self, caller: Caller, request: task_service_pb2.ListTasksRequest) -> bytes:
        """A page of the list; the encoded ListTasksResponse."""
        standings = to_do.selected(request)
        checks.moments(request, "", ("due_from", "due_before"))
        size = item_reading.page_size(request.page_size)
        query = task_service_pb2.ListTasksRequest()
        query.CopyFrom(request)
        query.ClearField("page_token")
        query.ClearField("page_size")
        digest = self._page_tokens.digest(caller, request.mailbox_id, query)
        after = _place_in(self._page_tokens.decode(request.page_token, digest))

        def work(connection: Connection) -> tuple[list[PackedItem], to_do.Place | None, int]:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            wanted = to_do_rows.Wanted(
                standings, request.include_flagged, _thrown_away(connection, mailbox.id), *to_do.window(request)
            )
            found = to_do_rows.page(connection, mailbox.id, wanted, after=after, limit=size + 1)
            packed = item_reading.pack_rows(connection, mailbox.id, [row for _, row in found[:size]], ITEM_VIEW_SUMMARY)
            last = found[len(packed) - 1][0] if len(packed) < len(found) else None
            return packed, last, mailbox.revision

        packed, last, revision = await self._database.read(work)
        following = ""
        if last is not None:
            no_due, due, importance, item_id = last
            following = self._page_tokens.encode(digest, text=f"{no_due}:{due}:{importance}", item_id=item_id)
        return PackedListItemsResponse(items=packed, next_page_token=following, revision=revision).SerializeToString()

    async def _run(self, caller: Caller, request: Request, name: str, work: Callable[[MailboxChange], Message]) -> bytes:
        try:
            return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, name, request, work)
        finally:  # whoever hangs up meanwhile may have sent something
            self._wake()


def _complete(change: MailboxChange, request: task_service_pb2.CompleteTaskRequest) -> task_service_pb2.CompleteTaskResponse:
    row = item_reading.require_item(change.connection, change.mailbox.id, request.item_id)
    completed = clamped(request.completed.ToMicroseconds(), change.now) if request.HasField("completed") else change.now
    edit = Edit(change.now, change.caller.session_id, change.current_revision)
    done = completing.complete(change, row, Done(request.occurrence, completed, request.time_zone), edit)
    response = task_service_pb2.CompleteTaskResponse(item=item_packing.unpack(done.row), revision=change.current_revision)
    copy = items.packed(change.connection, change.mailbox.id, done.copy_id) if done.copy_id else None
    if copy is not None:
        response.completed_copy.CopyFrom(item_packing.unpack(copy))
    return response


def _assign(change: MailboxChange, request: task_service_pb2.AssignTaskRequest) -> task_service_pb2.AssignTaskResponse:
    row, submissions = assigning.assign(change, request)
    item = item_packing.unpack(row)
    return task_service_pb2.AssignTaskResponse(item=item, submissions=submissions, revision=change.current_revision)


def _respond(change: MailboxChange, request: task_service_pb2.RespondToTaskRequest) -> task_service_pb2.RespondToTaskResponse:
    row, submissions = assigning.respond(change, request, assigning.given(change, request.item_id))
    item = item_packing.unpack(row)
    return task_service_pb2.RespondToTaskResponse(item=item, submissions=submissions, revision=change.current_revision)


def _thrown_away(connection: Connection, mailbox_id: int) -> list[bytes]:
    """Deleted Items and the folders below: what lies there nobody has to do."""
    deleted = folders.find_role(connection, mailbox_id, folder_pb2.FOLDER_ROLE_DELETED)
    return [] if deleted is None else [row.id for row in folders.subtree(connection, mailbox_id, deleted.id)]


def _place_in(token: PageToken | None) -> to_do.Place | None:
    if token is None:
        return None
    no_due, due, importance = (int(part) for part in token.text.split(":"))
    return no_due, due, importance, token.id
