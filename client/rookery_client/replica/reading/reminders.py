"""The list of reminders, as ListReminders gives it, by the same rules: of what the replica holds, as the person sees it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from rookery.v1.folder_pb2 import FOLDER_ROLE_DELETED
from rookery_client.replica.storage import facts
from rookery_client.replica.view import overlay, shown_rows
from rookery_core.rules import reminder_requests, reminders
from rookery_core.rules.reminder_requests import Candidate

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from rookery.v1.reminder_service_pb2 import ListRemindersResponse
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.reminder_requests import Asked


def listed(replica: Replica, asked: Asked, zone: str) -> ListRemindersResponse:
    """What is due, or will be. Dates and floating times are looked at in ``zone``."""
    with replica.database.reading() as connection:
        candidates = sorted(_candidates(connection), key=operator.attrgetter("earliest"))
        revision = facts.number(connection, facts.REVISION)
    return reminder_requests.listed(asked, zone, candidates, revision)


def _candidates(connection: sqlite3.Connection) -> Iterator[Candidate]:
    tree = overlay.shown_folders(connection)
    thrown = tree.with_role(FOLDER_ROLE_DELETED)
    outside = {folder.id for folder in tree.subtree(thrown)} if thrown else set()
    for row in shown_rows.reminding(connection):
        if row.folder_id in outside:
            continue
        item = row.item()
        earliest = reminders.earliest(item.summary, item.state)
        if earliest is not None:
            yield Candidate(earliest, item)
