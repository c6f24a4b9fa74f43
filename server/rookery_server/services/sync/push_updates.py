"""Push, for edits of items: merged with what others edited meanwhile, and what loses is kept (SYNC.md, Push rules 2 to 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2, sync_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import merging, records, stamps, units, validation
from rookery_core.rules.ids import require_id
from rookery_server.services.items import attachments, item_packing, item_updates
from rookery_server.services.sync import conflict_versions
from rookery_server.services.sync.conflict_versions import Version, parts_of
from rookery_server.services.sync.push_results import base_of, edit_of, require_peaceful, result
from rookery_server.services.tasks import task_reports
from rookery_server.store import item_stamps, items, submissions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.sync_pb2 import PushResult, SyncOperation
    from rookery_core.rules.ids import Ids
    from rookery_core.rules.merging import Changes
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_updates import Draft, PlannedUpdate
    from rookery_server.services.sync.push_results import Work
    from rookery_server.store.items import PackedRow

_KINDS = {arm: kind for kind, arm in records.DETAILS.items()}


async def update(operation: SyncOperation, ids: Ids) -> Work:
    """An edit of an item's fields and lists."""
    del ids
    require_id(operation.update_item.item.id, "item.id")
    planned = item_updates.plan(operation.update_item, offline=True)

    def work(change: MailboxChange) -> PushResult:
        row = items.packed(change.connection, change.mailbox.id, planned.item_id)
        if row is None:
            return _keep_of_purged(change, operation, planned)
        if row.life != items.LIVE:
            return _keep_whole(change, operation, row, planned.changes)
        item_updates.require_editable(row, planned.etag)
        if _has_left(change, operation, row):
            return _keep_whole(change, operation, row, planned.changes)
        try:
            drafted = item_updates.draft_edit(change, row, planned.changes, edit_of(change, operation))
        except InvalidArgument as error:
            if error.reason == "KIND_MISMATCH" or not _edited_by_others(change, operation, row):
                raise
            return _keep_whole(change, operation, row, planned.changes, valid=False)
        return merge(change, operation, drafted, planned.changes)

    return work


def merge(change: MailboxChange, operation: SyncOperation, drafted: Draft, changes: Changes) -> PushResult:
    """Keeps what lost, on either side, and writes the rest."""
    row, merged = drafted.row, drafted.merged
    conflicting = bool(merged.lost or merged.beaten)
    require_peaceful(operation, conflicting=conflicting)
    written = False
    held = parts_of(drafted.held)
    for device_id, beaten in sorted(merged.beaten.items()):
        written |= conflict_versions.keep(change, row.id, device_id, beaten, Version(drafted.before, held, row.content))
    if merged.lost:
        written |= conflict_versions.keep(change, row.id, drafted.edit.device_id, merged.lost, _losing(drafted, changes))
    if drafted.prepared is not None or merged.stamps:
        # An edit that changes nothing takes a revision too, for its stamps: whoever has not seen it is to find out.
        revision = change.next_revision() if written else change.revision
        row = task_reports.write(change, drafted, revision)
        item_updates.stamp(change, drafted, revision)
    answer = result(change, operation, merged=drafted.is_concurrent, item=item_packing.unpack(row))
    if conflicting:
        _conflicting(answer, merged.lost.union(*merged.beaten.values()))
    return answer


def _losing(drafted: Draft, changes: Changes) -> Version:
    """The item as it would be if the edit had won in the units in which it lost."""
    item = Item()
    item.CopyFrom(drafted.merged.item)
    changes.apply(item, lambda unit: unit in drafted.merged.lost)
    units.ATTACHMENTS.replace(item, [each for each in item.content.attachments if each.id])  # those it adds are there already
    if item.summary.appointment.recurrence != drafted.merged.item.summary.appointment.recurrence:
        own = [entry for unit, entry in units.EXCEPTIONS.by_unit(item).items() if unit in drafted.merged.lost]
        units.EXCEPTIONS.replace(item, own)  # the others were made for the rule that won
    records.complete(item.summary, item.content, item.id)
    parts = parts_of(drafted.held)
    if drafted.prepared is not None:
        parts |= _by_part(drafted.prepared.blobs)
    return Version(item, parts, None)


def _keep_whole(
    change: MailboxChange, operation: SyncOperation, row: PackedRow, changes: Changes, *, valid: bool = True
) -> PushResult:
    """Applies nothing of an edit and keeps all of it: of an item that is deleted, or sent, or that would be none with it.

    Such a last one is not ``valid``; of the others InvalidArgument for what no item can be.
    """
    before, held = item_updates.read(change, row)
    item = Item()
    item.CopyFrom(before)
    changes.apply(item, lambda _: True)
    lost = merging.differing(before, item, changes)
    if not lost and not changes.edits.add_attachments:
        return result(change, operation, item=item_packing.unpack(row))
    require_peaceful(operation, conflicting=True)
    if valid:
        validation.validate_item(item.summary, item.content)
    blobs = attachments.relink(change, before.content, item.content, held)
    records.complete(item.summary, item.content, row.id)
    lost |= _added(before, item)
    conflict_versions.keep(change, row.id, change.caller.session_id, lost, Version(item, parts_of(held) | _by_part(blobs), None))
    return _conflicting(result(change, operation, item=item_packing.unpack(row)), lost)


def _keep_of_purged(change: MailboxChange, operation: SyncOperation, planned: PlannedUpdate) -> PushResult:
    """Keeps what an edit says of an item that is gone: the fields that it names, and no more is known. It is not revived."""
    if planned.item_id not in items.known(change.connection, change.mailbox.id, [planned.item_id])[1]:
        raise NotFound("ITEM_NOT_FOUND", "the mailbox has no such item", field="item.id")
    require_peaceful(operation, conflicting=True)
    item = Item(id=planned.item_id)
    planned.changes.apply(item, lambda _: True)
    item.summary.kind = _kind_of(operation.update_item.item, item)
    blobs = attachments.link(change, item.content, [])
    records.complete(item.summary, item.content, item.id)
    lost = planned.changes.units(Item()) | _added(Item(), item)
    conflict_versions.keep(change, item.id, change.caller.session_id, lost, Version(item, _by_part(blobs), None))
    return _conflicting(result(change, operation), lost)


def _has_left(change: MailboxChange, operation: SyncOperation, row: PackedRow) -> bool:
    """Whether the item was sent and the device has not seen that: edited as a draft, the sender's copy would not be what left."""
    if base_of(change, operation) >= row.content:
        return False
    summary = item_pb2.ItemSummary.FromString(row.summary)
    if not summary.HasField("message") or summary.message.draft:
        return False
    return bool(submissions.newest_of_items(change.connection, change.mailbox.id, [row.id]))


def _kind_of(sent: Item, edited: Item) -> item_pb2.ItemKind.ValueType:
    """The kind of an item of which only an edit is known: as the device says, or by what it edited; a note if nothing tells."""
    if sent.summary.kind:
        return sent.summary.kind
    arm = edited.summary.WhichOneof("detail") or edited.content.WhichOneof("detail")
    if arm is None:
        return item_pb2.ITEM_KIND_MESSAGE if edited.content.recipients else item_pb2.ITEM_KIND_NOTE
    return item_pb2.ItemKind.ValueType(_KINDS[arm])


def _added(before: Item, after: Item) -> set[str]:
    """The units of attachments that got their ids just now."""
    return set(units.ATTACHMENTS.by_unit(after)) - set(units.ATTACHMENTS.by_unit(before))


def _by_part(blobs: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {blob["part"]: blob for blob in blobs}


def _edited_by_others(change: MailboxChange, operation: SyncOperation, row: PackedRow) -> bool:
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    edit = edit_of(change, operation)
    return any(stamps.is_unseen(stamp, edit) for stamp in known.values())


def _conflicting(answer: PushResult, lost: Iterable[str]) -> PushResult:
    answer.outcome = sync_pb2.PUSH_OUTCOME_CONFLICT
    answer.lost_units.extend(sorted(lost))
    return answer
