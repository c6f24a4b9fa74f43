"""Marking items: read, flags, categories, what became of reminders. Marks never conflict with content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2, item_service_pb2
from rookery.v1.item_pb2 import ItemState, ItemSummary
from rookery_core.errors import InvalidArgument
from rookery_core.rules import names, reminder_marks, reminders, validation
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_reading import require_ids
from rookery_server.services.reminders.mailbox_reminders import owner_zone
from rookery_server.store import items

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations


class ItemMarks:
    """Carries out SetItemState."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def set_item_state(self, caller: Caller, request: item_service_pb2.SetItemStateRequest) -> bytes:
        """Marks items, in one revision; those that are so already get none. The encoded SetItemStateResponse."""
        work = plan(request)
        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "item.set_state", request, work)


def plan(request: item_service_pb2.SetItemStateRequest) -> Callable[[MailboxChange], item_service_pb2.SetItemStateResponse]:
    """Checks a request to mark items; gives the work."""
    _require_some_change(request)
    wanted = require_ids(request.item_ids)
    validation.validate_follow_up(request.follow_up, "follow_up")
    reminder_marks.validate(request.reminder, "reminder")
    added = names.categories(list(request.add_categories), "add_categories")
    removed = {names.key(name) for name in request.remove_categories}

    def work(change: MailboxChange) -> item_service_pb2.SetItemStateResponse:
        found = items.marks(change.connection, change.mailbox.id, wanted)
        live = {item_id: row for item_id, row in found.items() if row.life == items.LIVE}
        states = {item_id: _marked(row.state, request, added, removed) for item_id, row in live.items()}
        changed = {item_id: state for item_id, state in states.items() if state is not None}
        if changed:
            _write(change, {item_id: live[item_id] for item_id in changed}, changed)
        return item_service_pb2.SetItemStateResponse(
            changed=len(changed),
            missing_ids=[item_id for item_id in wanted if item_id not in live],
            revision=change.current_revision,
        )

    return work


def _require_some_change(request: item_service_pb2.SetItemStateRequest) -> None:
    """InvalidArgument if the request asks for no change at all."""
    marks = request.HasField("read") or request.HasField("follow_up") or request.HasField("reminder")
    if not (marks or request.add_categories or request.remove_categories):
        message = "say what to change: read, follow_up, add_categories, remove_categories or reminder"
        raise InvalidArgument("FIELD_INVALID", message)


def _marked(stored: bytes, request: item_service_pb2.SetItemStateRequest, added: list[str], removed: set[str]) -> ItemState | None:
    """The state after marking, or None if nothing changes."""
    state = ItemState.FromString(stored)
    if request.HasField("read"):
        state.read = request.read
    if request.HasField("follow_up"):
        state.ClearField("follow_up")
        if request.follow_up.status != item_pb2.FLAG_STATUS_UNSPECIFIED:
            state.follow_up.CopyFrom(request.follow_up)
    if request.HasField("reminder"):
        reminder_marks.mark(state, request.reminder)
    if added or removed:
        kept = [name for name in state.categories if names.key(name) not in removed]
        state.ClearField("categories")
        state.categories.extend(names.categories([*kept, *added], "add_categories"))
    return None if state == ItemState.FromString(stored) else state


def _write(change: MailboxChange, marks: dict[bytes, items.MarkRow], states: dict[bytes, ItemState]) -> None:
    revision = change.revision
    rows: list[dict[str, Any]] = []
    categories: dict[bytes, list[str]] = {}
    zone: str | None = None
    for item_id, state in states.items():
        before = marks[item_id]
        summary = ItemSummary.FromString(before.summary)
        if zone is None and reminders.depends_on_zone(summary, state):
            zone = owner_zone(change.connection, change.mailbox.id)
        columns = item_writer.state_columns(summary, state, zone)
        rows.append({"id": item_id, "state_revision": revision, "revision": revision, **columns})
        change.count(before.folder_id, unread=int(before.is_read) - int(state.read))
        if list(ItemState.FromString(before.state).categories) != list(state.categories):
            categories[item_id] = [names.key(name) for name in state.categories]
    items.change(change.connection, change.mailbox.id, rows)
    if categories:
        items.replace_categories(change.connection, change.mailbox.id, categories)
