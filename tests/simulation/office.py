"""Who works with the mailbox directly, without a replica: mail arrives, and somebody uses the unary calls in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2, item_service_pb2
from rookery_core.errors import RookeryError
from tests.simulation.people import set_time
from tests.sync.mischief import MODES, Mischief

if TYPE_CHECKING:
    import random

    from tests.simulation.people import Words
    from tests.simulation.server import Server
    from tests.simulation.truth import Truth


class Office(Mischief):
    """Does one thing after the other, to the items of devices too."""

    def __init__(self, server: Server, truth: Truth, words: Words, chance: random.Random) -> None:
        super().__init__(server.life.world, server.person, chance)
        self.server = server
        self.truth = truth
        self.words = words

    async def work(self) -> None:
        """One thing, on the server as it is now."""
        life = self.server.require_alive()
        self.world = life.world
        self.item_ids += self.truth.take_new_items()
        await life.carry_out(self.act())

    async def _update(self) -> None:
        item_id = self._items()[0]
        kind = (await self.world.get(self.person, item_id)).summary.kind
        request = self._request(item_service_pb2.UpdateItemRequest)
        request.item.id = item_id
        request.item.summary.subject = self.words.new("subject")
        request.update_mask.paths.append("summary.subject")
        if kind == item_pb2.ITEM_KIND_APPOINTMENT:
            set_time(request.item.summary, self.chance)
            request.update_mask.paths.extend(("summary.appointment.start", "summary.appointment.end"))
        else:
            request.item.content.body.text = self.words.new("body")
            request.update_mask.paths.append("content.body")
        edits = self.truth.edited_here(self.person.caller.session_id, request, self.server.epochs)
        try:
            response = await self.world.editing.update_item(self.person.caller, request)
        except RookeryError:
            self.truth.withdraw(edits)
            raise
        revision = item_service_pb2.UpdateItemResponse.FromString(response).revision
        for edit in edits:
            edit.acknowledged = revision

    async def _delete(self) -> None:
        item_ids = self._items()
        self.truth.deleted += item_ids
        await self.world.delete(self.person, item_ids, self.chance.choice(MODES))
