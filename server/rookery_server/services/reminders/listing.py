"""The list of reminders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules import reminder_requests
from rookery_core.rules.reminder_requests import Candidate
from rookery_core.rules.reminders import HORIZON
from rookery_server.services import access
from rookery_server.services.reminders.mailbox_reminders import owner_zone, reminding
from rookery_server.store.reminders import FIRST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from rookery.v1.reminder_service_pb2 import ListRemindersRequest, ListRemindersResponse
    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database
    from rookery_server.store.reminders import Reminding

_STEP = 200
"""Items that are read at once."""


class ReminderService:
    """Carries out ListReminders."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_reminders(self, caller: Caller, request: ListRemindersRequest) -> ListRemindersResponse:
        """What is due, or will be until a time. NotFound ``MAILBOX_NOT_FOUND``; InvalidArgument."""
        asked = reminder_requests.asked(request, self._clock.micros())

        def work(connection: Connection) -> ListRemindersResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            candidates = _candidates(reminding(connection, mailbox.id), asked.now + HORIZON)
            return reminder_requests.listed(asked, owner_zone(connection, mailbox.id), candidates, mailbox.revision)

        return await self._database.read(work)


def _candidates(items: Reminding, until: int) -> Iterator[Candidate]:
    """The items in the order in which they may be due, read as they are asked for."""
    place, full = FIRST, True
    while full:
        rows = items.by_time(until, place, _STEP)
        yield from (Candidate(row.reminder, row.item) for row in rows)
        full = len(rows) == _STEP
        place = (rows[-1].reminder, rows[-1].id) if rows else place
