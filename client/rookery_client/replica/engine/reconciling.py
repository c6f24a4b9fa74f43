"""Reconciling: a replica whose cursor is no good any more is compared with the mailbox, and only what differs travels.

Ranges of ids are compared by digests, wide ones first. A range that differs is cut into narrower ones, and where few items are
left they are told one by one: a leaf, which the server sets right. Where a leaf takes more than one answer, the next question
begins behind what has come. Every range is looked into once, so changes that others make meanwhile do not keep it going: they come
with the cursor of the first answer afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.sync_service_pb2 import ReconcileEntry, ReconcileLeaf, ReconcileRange, ReconcileRequest
from rookery_client.replica.engine.pulling import ENCODINGS
from rookery_client.replica.engine.states import Comparing
from rookery_core.errors import FailedPrecondition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.internal.v1.packed_pb2 import PackedReconcileResponse
    from rookery_client.replica.engine.means import Means
    from rookery_client.replica.replica import Replica

MOST_RANGES = 64
"""Ranges and leaves of one question."""
LEAF_ITEMS = 64
"""A range in which the replica has no more is told item by item."""

_FEW_PARTS = 4
"""Into fewer parts it does not pay to cut a range step by step."""
_ID_BITS = 128


class Span(NamedTuple):
    """The ids greater than `after` up to `through`; from the beginning, or to the end, where empty."""

    after: bytes
    through: bytes

    def holds(self, item_id: bytes) -> bool:
        """Whether an id is one of them."""
        return item_id > self.after and (not self.through or item_id <= self.through)


@dataclass(slots=True)
class _Comparison:
    """How far a comparison is: what is still to be asked, in the order of ids."""

    ranges: list[Span]
    leaves: list[Span] = field(default_factory=list)
    rounds: int = 0
    epoch: bytes = b""
    """The mailbox's in the first answer; the cursor, too, is that of the first answer."""
    cursor: str = ""
    revision: int = 0
    backup_revision: int = 0
    """If the replica is of an older epoch than the mailbox: the revision of the backup that the server was restored from."""

    def question(self) -> tuple[list[Span], list[Span]]:
        """Takes the ranges and the leaves of the next question out."""
        leaves, self.leaves = self.leaves[:MOST_RANGES], self.leaves[MOST_RANGES:]
        room = MOST_RANGES - len(leaves)
        ranges, self.ranges = self.ranges[:room], self.ranges[room:]
        return ranges, leaves

    def ask(self, ranges: Iterable[Span], leaves: Iterable[Span]) -> None:
        """Adds to what is to be asked."""
        self.ranges = sorted([*self.ranges, *ranges])
        self.leaves = sorted([*self.leaves, *leaves])


class Reconciling:
    """Compares and repairs. Broken off at any point, it is simply begun again."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def run(self) -> None:
        """Makes the replica equal to the mailbox, and gives it a cursor to pull with.

        After the server was restored from a backup, changes that were acknowledged after that backup wait to be pushed again.
        FailedPrecondition ``MASS_DELETION``, and what the server refuses.
        """
        bounds = await self._means.do(lambda replica: replica.bounds(MOST_RANGES))
        comparison = _Comparison([Span(*each) for each in bounds])
        await self._round(comparison)
        status = await self._means.do(lambda replica: replica.status())
        while status.items and (comparison.ranges or comparison.leaves):
            await self._round(comparison)
        if not status.items:
            # There is nothing to repair: a fill brings the newest first. It begins before the comparison ends, which then leaves no
            # cursor.
            await self._means.do(lambda replica: replica.restart())
        # What others did since the first answer comes with its cursor.
        await self._means.do(lambda replica: replica.finish_reconcile(comparison.cursor, comparison.epoch, comparison.revision))

    async def _round(self, comparison: _Comparison) -> None:
        means, begin = self._means, not comparison.rounds
        comparison.rounds += 1
        means.tell(Comparing(comparison.rounds))
        ranges, leaves = comparison.question()
        response = await means.transport.reconcile(await means.do(lambda replica: _question(replica, ranges, leaves, begin=begin)))
        if begin:
            await self._begin(comparison, response)
        elif response.epoch != comparison.epoch:
            raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup meanwhile: it is compared anew")
        await self._repair(comparison, response)
        narrower, new_leaves = await means.do(lambda replica: _narrowed(replica, ranges, response))
        again = [rest for index in response.unread_leaves if (rest := _rest(leaves[index], response)).after != rest.through]
        if again and again == leaves:
            # Not even the first of them fits in an answer.
            narrower += _halves(again.pop(0))
        comparison.ask([*narrower, *(ranges[index] for index in response.unread_ranges)], [*new_leaves, *again])

    async def _begin(self, comparison: _Comparison, response: PackedReconcileResponse) -> None:
        """In a new epoch, what was acknowledged after the backup is offered again before anything is taken for deleted."""
        comparison.epoch, comparison.cursor, comparison.revision = response.epoch, response.cursor, response.revision
        status = await self._means.do(lambda replica: replica.status())
        if response.backup_revision and status.epoch != response.epoch:
            comparison.backup_revision = response.backup_revision
            await self._means.do(lambda replica: replica.reoffer(response.backup_revision))

    async def _repair(self, comparison: _Comparison, response: PackedReconcileResponse) -> None:
        if response.items or response.removals or response.folders:
            backup, accept = comparison.backup_revision, self._means.accept_deletions
            await self._means.do(lambda replica: replica.repair(response, backup_revision=backup, accept_deletions=accept))


def _question(replica: Replica, spans: Iterable[Span], leaves: Iterable[Span], *, begin: bool) -> ReconcileRequest:
    identity = replica.identity()
    request = ReconcileRequest(
        mailbox_id=identity.mailbox_id if identity is not None else b"",
        scope=replica.status().scope,
        include_folders=begin,
        accept_encodings=ENCODINGS,
    )
    for after, through in spans:
        count, digest = replica.digest(after, through)
        request.ranges.append(ReconcileRange(after_id=after, through_id=through, count=count, digest=digest))
    for after, through in leaves:
        entries = [ReconcileEntry(item_id=item_id, revision=revision) for item_id, revision in replica.entries(after, through)]
        request.leaves.append(ReconcileLeaf(after_id=after, through_id=through, entries=entries))
    return request


def _narrowed(replica: Replica, spans: list[Span], response: PackedReconcileResponse) -> tuple[list[Span], list[Span]]:
    """Of the ranges that differ: narrower ones, and those that are narrow enough to be leaves."""
    narrower: list[Span] = []
    leaves: list[Span] = []
    # Few ranges are cut into as many parts as one question takes: that many steps are fewer questions than all leaves at once.
    most = MOST_RANGES // max(1, len(response.differing_ranges))
    for index in response.differing_ranges:
        span = spans[index]
        count, _ = replica.digest(*span)
        if count > LEAF_ITEMS:
            parts = -(-count // LEAF_ITEMS)
            narrower += [Span(*bounds) for bounds in replica.bounds(parts if most < _FEW_PARTS else min(parts, most), *span)]
        else:
            leaves.append(span)
    return narrower, leaves


def _rest(leaf: Span, response: PackedReconcileResponse) -> Span:
    """What is still to be set right of a leaf: the server tells of it in the order of ids."""
    came = (entry.item.id for entry in response.items)
    return Span(max((each for each in came if leaf.holds(each)), default=leaf.after), leaf.through)


def _halves(span: Span) -> list[Span]:
    """The same ids in two ranges."""
    low = int.from_bytes(span.after, "big") if span.after else -1
    high = int.from_bytes(span.through, "big") if span.through else (1 << _ID_BITS) - 1
    middle = ((low + high) // 2).to_bytes(_ID_BITS // 8, "big")
    return [Span(span.after, middle), Span(middle, span.through)]
