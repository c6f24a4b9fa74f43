"""Completing tasks: by CompleteTask, and by devices that were offline when their people did.

Which task of a series was completed is told by its number, so whoever comes second finds that it was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Item, ItemState
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import task_progress, task_series, units
from rookery_core.rules.merging import Changes, Merged
from rookery_server.services.items import item_places, item_updates, item_writer
from rookery_server.services.tasks import task_reports
from rookery_server.store import item_stamps, items

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import ItemSummary
    from rookery_core.rules.stamps import Edit
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.items import PackedRow

_REMINDER = "summary.task.reminder"


class Done(NamedTuple):
    """A task that a person completed."""

    occurrence: int
    """Which of its series."""
    completed: int
    """When, in microseconds; not ahead of the server's clock."""
    time_zone: str
    """The person's."""


class Completion(NamedTuple):
    """What came of it."""

    row: PackedRow
    """The item: the series' next task, or completed."""
    changed: bool
    """False: it had been completed before."""
    copy_id: bytes = b""
    """The completed copy that was made, if there is one."""


def require_task(row: PackedRow, before: Item) -> None:
    """FailedPrecondition ``NOT_A_TASK``, or ``ITEM_NOT_LIVE`` for a deleted one."""
    if before.summary.kind != item_pb2.ITEM_KIND_TASK:
        raise FailedPrecondition("NOT_A_TASK", "the item is no task: what is flagged is marked as done", field="item_id")
    item_updates.require_editable(row, 0)


def edit_of_single(completed: int) -> Changes:
    """Completing a task that does not recur, as an edit that others may meet."""
    wanted = Item()
    task_progress.complete(wanted.summary.task, completed)
    return Changes(wanted, tuple(units.paths_of(units.PROGRESS)))


def complete(change: MailboxChange, row: PackedRow, done: Done, edit: Edit) -> Completion:
    """Completes a live task; of one that recurs a copy stays, and the item moves on. Nothing if it is completed already.

    FailedPrecondition ``NOT_A_TASK``, ``ITEM_NOT_LIVE``, ``OCCURRENCE_UNKNOWN``; ResourceExhausted ``QUOTA_EXCEEDED``.
    """
    before, held = item_updates.read(change, row)
    require_task(row, before)
    if task_series.is_completed(before.summary.task, done.occurrence):
        return Completion(row, changed=False)
    after = Item()
    after.CopyFrom(before)
    following = task_series.following(before.summary.task, done.completed, done.time_zone)
    touched, copy_id = {units.PROGRESS}, b""
    if following is None:
        task_progress.complete(after.summary.task, done.completed)
    else:
        after.summary.task.CopyFrom(following)
        touched |= {units.TIME, units.OCCURRENCE}
        if following.reminder != before.summary.task.reminder:
            touched.add(_REMINDER)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    drafted = item_updates.prepare(change, row, before, held, known, edit, Merged(after, touched, set(), {}))
    if following is not None:
        copy_id = _keep_copy(change, row, before.summary, done)
    row = task_reports.write(change, drafted, change.revision)
    item_updates.stamp(change, drafted, change.revision)
    return Completion(row, changed=True, copy_id=copy_id)


def _keep_copy(change: MailboxChange, row: PackedRow, summary: ItemSummary, done: Done) -> bytes:
    """Puts the completed copy beside the item; gives its id.

    "" if there is or was an item with that id: a device brought the copy back after a restore, before it completed the task again.
    """
    new_id = task_series.copy_id(row.id, done.occurrence)
    if any(items.known(change.connection, change.mailbox.id, [new_id])):
        return b""
    copy = task_series.completed_copy(summary, done.completed, new_id)
    copy.modified.FromMicroseconds(change.now)
    [source] = items.columns(change.connection, change.mailbox.id, [row.id])
    columns = {
        **source,
        **item_writer.summary_columns(copy),
        **item_writer.state_columns(copy, ItemState.FromString(row.state)),
        "external_id": item_writer.external_key(copy.task.task_id),
    }
    change.require_room(columns["size_bytes"])
    item_places.copy_rows(change, [columns], {row.id: new_id}, row.folder_id)
    return new_id
