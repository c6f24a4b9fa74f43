"""Tasks completed here: what the server will make of them, by the same rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_TASK, ItemSummary
from rookery.v1.task_pb2 import TASK_STATUS_COMPLETED
from rookery_client.replica.view import local_records
from rookery_client.replica.view.local_item import Life
from rookery_core.rules import task_progress, task_series

if TYPE_CHECKING:
    from rookery.v1.task_service_pb2 import CompleteTaskRequest
    from rookery_client.replica.view.local_item import LocalItem, Surroundings


def apply(request: CompleteTaskRequest, item_id: bytes, item: LocalItem | None, around: Surroundings) -> LocalItem | None:
    """The task itself, or the completed copy that stays of it, after the operation; ``item`` is it before, and may be changed."""
    if item_id != request.item_id:
        return _copy(request, item_id, around) if item is None else item  # the server has made it already
    if item is not None and (summary := _open(request, item)) is not None:
        completed = _completed(request, around)
        following = task_series.following(summary.task, completed, request.time_zone)
        if following is None:
            task_progress.complete(summary.task, completed)
        else:
            summary.task.CopyFrom(following)
        summary.modified.FromMicroseconds(around.edited)
        item.summary = summary.SerializeToString()
    return item


def _copy(request: CompleteTaskRequest, item_id: bytes, around: Surroundings) -> LocalItem | None:
    source = around.source(request.item_id)
    summary = None if source is None else _open(request, source)
    completed = _completed(request, around)
    if source is None or summary is None or task_series.following(summary.task, completed, request.time_zone) is None:
        return None
    copy = local_records.duplicate(source, item_id, source.folder_id, around)
    copy.summary = task_series.completed_copy(summary, completed, item_id).SerializeToString()
    return copy


def _open(request: CompleteTaskRequest, item: LocalItem) -> ItemSummary | None:
    """The task's summary, if it is still the one that was completed, and is not completed yet."""
    summary = ItemSummary.FromString(item.summary) if item.life is Life.LIVE and item.kind == ITEM_KIND_TASK else ItemSummary()
    is_open = summary.task.status != TASK_STATUS_COMPLETED and request.occurrence == summary.task.occurrence
    return summary if summary.kind and is_open else None


def _completed(request: CompleteTaskRequest, around: Surroundings) -> int:
    return int(request.completed.ToMicroseconds()) if request.HasField("completed") else around.edited
