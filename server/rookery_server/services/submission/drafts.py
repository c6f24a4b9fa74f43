"""From a draft to a plan of its submission: what the unary call and Push have in common, before their transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery_core.errors import Unavailable
from rookery_core.rules import holding
from rookery_core.rules.ids import require_minted
from rookery_server.services.brief import BRIEF_BYTES
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.submission import departing
from rookery_server.services.submission.submission_changes import DraftChanged, Plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rookery.v1.submission_service_pb2 import SubmitRequest
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database

T = TypeVar("T")

_ATTEMPTS = 5
"""How often a draft is written anew that somebody edits while it is being submitted."""


class Drafts:
    """Makes drafts ready to be submitted."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, *, max_message_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._limit = max_message_bytes
        self._blobs = BlobStore(database, clock)

    async def plan(self, caller: Caller, request: SubmitRequest) -> Plan:
        """Checks a draft as it is now and writes the message that it is: the plan of its submission, for ``submit``.

        Errors as the contract has them of Submit. A large message is stored already; where nothing comes of the plan, it is swept
        away later.
        """
        now = self._clock.micros()
        hold_until = holding.hold_until(request, now)
        submission_id = require_minted(request.submission_id, "submission_id") if request.submission_id else self._ids.new()
        ready = await departing.prepare(
            self._database, caller, request, now=now, blob_id=self._ids.new(), max_message_bytes=self._limit
        )
        if ready.blob.size > BRIEF_BYTES:  # a brief one is worth a commit less rather than a lock held for less long
            await self._blobs.stage([ready.blob])
        return Plan(ready, submission_id, request.item_id, now, hold_until, is_named=bool(request.submission_id))


async def until_unchanged(attempt: Callable[[], Awaitable[T]]) -> T:
    """What an attempt gives that plans drafts and submits them, anew where somebody has edited one in between.

    Unavailable ``DATABASE_BUSY`` if that happens again and again.
    """
    for _ in range(_ATTEMPTS):
        try:
            return await attempt()
        except DraftChanged:
            continue
    raise Unavailable("DATABASE_BUSY", "the draft is being edited at this moment: try again")
