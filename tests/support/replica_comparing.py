"""What Reconcile answers a replica, put together by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.internal.v1.packed_pb2 import PackedReconcileResponse
from rookery.v1.item_pb2 import Item
from rookery.v1.sync_pb2 import ItemRemoval
from rookery.v1.sync_service_pb2 import ReconcileResponse
from tests.support.replica_batches import GONE
from tests.support.replica_filling import entry_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.replica_batches import Sender

PLENTY = (500, 1 << 20)
"""More operations, and bytes of them, than wait anywhere."""


def response(
    *, items: Iterable[Item] = (), gone: Iterable[Item] = (), lost: Iterable[Item] = (), reason: Any = GONE, **fields: Any
) -> PackedReconcileResponse:
    """What Reconcile answers, as it comes from the network: of what was lost the server remembers nothing."""
    removals = [ItemRemoval(item_id=item.id, revision=item.revision, reason=reason) for item in gone]
    removals += [ItemRemoval(item_id=item.id, reason=GONE) for item in lost]
    whole = ReconcileResponse(items=[entry_of(item) for item in items], removals=removals, **fields)
    return PackedReconcileResponse.FromString(whole.SerializeToString())


def changed(mailbox: Sender, item: Item, subject: str) -> Item:
    """The item with another subject, sent."""
    later = Item()
    later.CopyFrom(item)
    later.summary.subject = subject
    later.revision = later.content_revision = mailbox.next()
    mailbox.put(later)
    return later
