"""What is changed in the mailboxes that are measured: operations of Push, and the certainty that they were carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE, Item
from rookery.v1.item_service_pb2 import (
    DELETE_MODE_RECOVERABLE,
    CreateItemRequest,
    DeleteItemsRequest,
    SetItemStateRequest,
    UpdateItemRequest,
)
from rookery.v1.sync_pb2 import PUSH_OUTCOME_APPLIED, PushOutcome, SyncOperation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.sync_pb2 import PushResult
    from rookery_client.client import Client
    from rookery_core.rules.ids import Ids

SEEN = (1 << 62) - 1
"""A base revision that has seen everything: nothing is a conflict."""
TEXT = "We meet on Thursday as always, and the minutes of last time are in the folder. " * 12


def create(ids: Ids, subject: str) -> SyncOperation:
    """A new message of about a kilobyte."""
    item = Item(id=ids.new())
    item.summary.kind, item.summary.subject, item.summary.message.draft = ITEM_KIND_MESSAGE, subject, True
    item.content.body.text = TEXT
    return SyncOperation(operation_id=ids.new(), base_revision=SEEN, create_item=CreateItemRequest(item=item))


def rename(ids: Ids, item_id: bytes, subject: str) -> SyncOperation:
    """Another subject for an item."""
    request = UpdateItemRequest(item=Item(id=item_id))
    request.item.summary.subject = subject
    request.update_mask.paths.append("summary.subject")
    return SyncOperation(operation_id=ids.new(), base_revision=SEEN, update_item=request)


def mark(ids: Ids, item_id: bytes, category: str) -> SyncOperation:
    """A category for an item."""
    request = SetItemStateRequest(item_ids=[item_id], add_categories=[category])
    return SyncOperation(operation_id=ids.new(), base_revision=SEEN, set_item_state=request)


def delete(ids: Ids, item_id: bytes) -> SyncOperation:
    """An item less."""
    request = DeleteItemsRequest(item_ids=[item_id], mode=DELETE_MODE_RECOVERABLE)
    return SyncOperation(operation_id=ids.new(), base_revision=SEEN, delete_items=request)


async def push(client: Client, operations: Sequence[SyncOperation]) -> Sequence[PushResult]:
    """Carries operations out; RuntimeError unless each was applied as it was asked."""
    results = (await client.sync.push(operations)).results
    outcomes = {PushOutcome.Name(result.outcome) for result in results if result.outcome != PUSH_OUTCOME_APPLIED}
    if outcomes or len(results) != len(operations):
        raise RuntimeError(f"{len(results)} of {len(operations)} changes were answered; not applied: {outcomes or 'none'}")
    return results
