"""A device that repairs its replica with Reconcile, as a client would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from rookery.v1 import sync_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.rules.digests import RangeDigest
from rookery_server.services.sync.scopes import Scope
from rookery_server.store.tables import item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from rookery_server.services.sync.reconcile import ReconcileService
    from tests.support.world import Person, World

Bounds = tuple[bytes, bytes]
EVERYTHING: Bounds = (b"", b"")
ROUNDS = 200


class Device:
    """Revisions by id, and ways to compare them. Narrows to leaves of ``leaf`` entries, in ``fan`` parts a round."""

    def __init__(
        self, service: ReconcileService, person: Person, scope: sync_pb2.SyncScope | None = None, *, leaf: int = 3, fan: int = 4
    ) -> None:
        self.service = service
        self.person = person
        self.scope = scope or sync_pb2.SyncScope()
        self.held: dict[bytes, int] = {}
        self.received: list[bytes] = []
        self.dropped: list[bytes] = []
        self._leaf = leaf
        self._fan = fan

    async def truth(self, world: World) -> dict[bytes, int]:
        """What the device should have."""
        scope = Scope.of(self.scope)

        def work(connection: Connection) -> dict[bytes, int]:
            rows = connection.execute(select(item).where(item.c.mailbox_id == self.person.number, item.c.life == 1)).mappings()
            names = ("folder_id", "kind", "fill_key", "span_start", "span_end")
            return {row["id"]: row["revision"] for row in rows if scope.holds(*(row[name] for name in names))}

        return await world.database.read(work)

    async def copy(self, world: World) -> None:
        """Has everything that it should."""
        self.held = await self.truth(world)

    async def ask(self, **parts: Any) -> messages.ReconcileResponse:
        """One call."""
        request = messages.ReconcileRequest(scope=self.scope, **parts)
        return messages.ReconcileResponse.FromString(await self.service.reconcile(self.person.caller, request))

    def entries(self, bounds: Bounds = EVERYTHING) -> list[tuple[bytes, int]]:
        """What the device has in a range, by id."""
        after, through = bounds
        return sorted(
            (item_id, revision)
            for item_id, revision in self.held.items()
            if after < item_id and (not through or item_id <= through)
        )

    def range(self, bounds: Bounds = EVERYTHING) -> messages.ReconcileRange:
        """A range, condensed."""
        digest = RangeDigest()
        digest.add(self.entries(bounds))
        return messages.ReconcileRange(after_id=bounds[0], through_id=bounds[1], count=digest.count, digest=digest.digest())

    def leaf(self, bounds: Bounds = EVERYTHING) -> messages.ReconcileLeaf:
        """A range, entry by entry."""
        entries = [messages.ReconcileEntry(item_id=item_id, revision=revision) for item_id, revision in self.entries(bounds)]
        return messages.ReconcileLeaf(after_id=bounds[0], through_id=bounds[1], entries=entries)

    def apply(self, answer: messages.ReconcileResponse) -> None:
        """Takes over what an answer says of leaves."""
        for told in answer.items:
            self.received.append(told.item.id)
            self.held[told.item.id] = told.item.revision
        for removal in answer.removals:
            self.dropped.append(removal.item_id)
            self.held.pop(removal.item_id, None)

    async def reconcile(self) -> int:
        """Asks until nothing differs; gives how many calls that took."""
        waiting: list[Bounds] = [EVERYTHING]
        for calls in range(ROUNDS):
            if not waiting:
                return calls
            asked, waiting = sorted(waiting)[:64], sorted(waiting)[64:]
            ranges = [bounds for bounds in asked if len(self.entries(bounds)) > self._leaf]
            leaves = [bounds for bounds in asked if len(self.entries(bounds)) <= self._leaf]
            answer = await self.ask(
                ranges=[self.range(bounds) for bounds in ranges], leaves=[self.leaf(bounds) for bounds in leaves]
            )
            self.apply(answer)
            waiting += [leaves[index] for index in answer.unread_leaves]
            waiting += [ranges[index] for index in answer.unread_ranges]
            for index in answer.differing_ranges:
                waiting += self._parts(ranges[index])
        raise AssertionError("it does not come to an end")

    def _parts(self, bounds: Bounds) -> Iterator[Bounds]:
        """A range, split by count."""
        entries = self.entries(bounds)
        step = -(-len(entries) // self._fan)
        cuts = [entries[place - 1][0] for place in range(step, len(entries), step)]
        return zip([bounds[0], *cuts], [*cuts, bounds[1]], strict=True)
