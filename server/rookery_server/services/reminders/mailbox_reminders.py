"""What of a mailbox may have reminders, and the zone in which they are looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.availability_service_pb2 import CalendarSettings
from rookery.v1.folder_pb2 import FOLDER_ROLE_DELETED
from rookery_core.rules.zones import UTC
from rookery_server.store import folders, mailboxes
from rookery_server.store.reminders import Reminding

if TYPE_CHECKING:
    from sqlalchemy import Connection


def owner_zone(connection: Connection, mailbox_id: int) -> str:
    """Where the owner works: the zone for dates and floating times; UTC where none was set."""
    settings = CalendarSettings.FromString(mailboxes.calendar_settings(connection, mailbox_id))
    return settings.working_hours.time_zone or UTC


def thrown_away(connection: Connection, mailbox_id: int) -> frozenset[bytes]:
    """Deleted Items and the folders below: nobody is reminded of what lies there."""
    deleted = folders.find_role(connection, mailbox_id, FOLDER_ROLE_DELETED)
    return frozenset() if deleted is None else frozenset(row.id for row in folders.subtree(connection, mailbox_id, deleted.id))


def reminding(connection: Connection, mailbox_id: int) -> Reminding:
    """The items that may have reminders."""
    return Reminding(connection, mailbox_id, thrown_away(connection, mailbox_id))
