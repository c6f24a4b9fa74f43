"""What stands in the list of tasks: tasks, and other items that are flagged for follow-up; and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery.v1.item_service_pb2 import SORT_KEY_DUE
from rookery.v1.task_service_pb2 import TaskSelection
from rookery_core.errors import InvalidArgument
from rookery_core.rules import sort_keys, task_progress

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item, ItemState, ItemSummary
    from rookery.v1.task_service_pb2 import ListTasksRequest

OPEN, DONE = 1, 2
"""How an item stands in the list."""

_SELECTED = {
    TaskSelection.TASK_SELECTION_UNSPECIFIED: (OPEN,),
    TaskSelection.TASK_SELECTION_OPEN: (OPEN,),
    TaskSelection.TASK_SELECTION_DONE: (DONE,),
    TaskSelection.TASK_SELECTION_ALL: (OPEN, DONE),
}

Place = tuple[int, int, int, bytes]
"""Where an item comes: 1 if it has no due time, that in microseconds, the importance turned round, the id."""


def standing(summary: ItemSummary, state: ItemState) -> int | None:
    """``OPEN``, ``DONE``, or None for what is not in the list. A task's own flag says nothing beside its status."""
    if summary.kind == item_pb2.ITEM_KIND_TASK:
        return DONE if task_progress.is_over(summary.task) else OPEN
    match state.follow_up.status:
        case item_pb2.FLAG_STATUS_FLAGGED:
            return OPEN
        case item_pb2.FLAG_STATUS_COMPLETED:
            return DONE
        case _:
            return None


def place(due: int, importance: int, item_id: bytes) -> Place:
    """Where an item comes that is due then; ``sort_keys.NO_TIME``: it has no due time."""
    return int(due == sort_keys.NO_TIME), due, -importance, item_id


def place_of(item: Item) -> Place:
    """Where an item comes."""
    due = sort_keys.key_function(SORT_KEY_DUE)(item)
    return place(int(due), sort_keys.importance(item.summary), item.id)


def selected(request: ListTasksRequest) -> tuple[int, ...]:
    """The standings that a list is of. InvalidArgument for a selection that is none."""
    found = _SELECTED.get(request.selection)
    if found is None:
        raise InvalidArgument("FIELD_INVALID", f"there is no selection {request.selection}", field="selection")
    return found


def window(request: ListTasksRequest) -> tuple[int | None, int | None]:
    """From when on, and before when, an item of the list is due, in microseconds; None where that is open."""
    begin = request.due_from.ToMicroseconds() if request.HasField("due_from") else None
    end = request.due_before.ToMicroseconds() if request.HasField("due_before") else None
    return begin, end
