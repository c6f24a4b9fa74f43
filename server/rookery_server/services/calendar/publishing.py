"""Calendars that others can subscribe to: given a URL, and taken away again."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from rookery.v1 import calendar_service_pb2 as messages
from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from rookery_core.rules.enums import require_known_enums
from rookery_core.rules.ids import require_id
from rookery_server.services import access
from rookery_server.services.folders import folders
from rookery_server.store import published_calendars
from rookery_server.store.published_calendars import PublishedRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.database import Database

MOST_PUBLISHED = 100
_SECRET_BYTES = 24


class PublishingService:
    """Carries out PublishCalendar and its kin.

    ``base_url`` gives what URLs begin with, "" where this server serves no calendars.
    """

    def __init__(
        self,
        database: Database,
        operations: Operations,
        ids: Ids,
        *,
        base_url: Callable[[], str],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._operations = operations
        self._ids = ids
        self._base_url = base_url
        self._random_bytes = random_bytes

    async def publish_calendar(self, caller: Caller, request: messages.PublishCalendarRequest) -> bytes:
        """Publishes a calendar; the encoded PublishCalendarResponse, the only one that has its URL."""
        require_known_enums(request)
        if request.folder_id:
            require_id(request.folder_id, "folder_id")
        base_url = self._base_url()
        calendar_id, secret = self._ids.new(), new_secret(self._random_bytes)
        detail = request.detail or messages.PUBLISHED_DETAIL_TIMES

        def work(change: MailboxChange) -> messages.PublishCalendarResponse:
            if not base_url:
                message = "this server serves no calendars: its administrator can change that (setting calendars)"
                raise FailedPrecondition("CALENDARS_NOT_SERVED", message)
            row = PublishedRow(
                change.mailbox.id, calendar_id, _folder(change, request.folder_id), digest(secret), detail, change.now, None
            )
            if published_calendars.count(change.connection, change.mailbox.id) >= MOST_PUBLISHED:
                message = f"{MOST_PUBLISHED} calendars are published already: take one back first"
                raise ResourceExhausted("LIMIT_EXCEEDED", message)
            published_calendars.add(change.connection, row)
            record = _to_message(row)
            record.url = f"{base_url}/calendars/{secret}.ics"
            return messages.PublishCalendarResponse(calendar=record, revision=change.current_revision)

        return await self._operations.on_mailbox(
            caller, request.mailbox_id, request.operation_id, "calendar.publish", request, work
        )

    async def list_published_calendars(
        self, caller: Caller, request: messages.ListPublishedCalendarsRequest
    ) -> messages.ListPublishedCalendarsResponse:
        """The calendars that are published."""

        def work(connection: Connection) -> messages.ListPublishedCalendarsResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            rows = published_calendars.of_mailbox(connection, mailbox.id)
            return messages.ListPublishedCalendarsResponse(calendars=map(_to_message, rows), revision=mailbox.revision)

        return await self._database.read(work)

    async def unpublish_calendar(self, caller: Caller, request: messages.UnpublishCalendarRequest) -> bytes:
        """Takes a calendar's URL away; the encoded UnpublishCalendarResponse. NotFound ``CALENDAR_NOT_FOUND``."""
        calendar_id = require_id(request.id, "id")

        def work(change: MailboxChange) -> messages.UnpublishCalendarResponse:
            if not published_calendars.remove(change.connection, change.mailbox.id, calendar_id):
                raise NotFound("CALENDAR_NOT_FOUND", "no calendar is published under this id", field="id")
            return messages.UnpublishCalendarResponse(revision=change.current_revision)

        return await self._operations.on_mailbox(
            caller, request.mailbox_id, request.operation_id, "calendar.unpublish", request, work
        )


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """What nobody guesses, as URLs have it."""
    return base64.urlsafe_b64encode(random_bytes(_SECRET_BYTES)).decode()


def digest(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _folder(change: MailboxChange, folder_id: bytes) -> bytes:
    """The folder that is published. InvalidArgument ``KIND_MISMATCH`` for one that holds no appointments."""
    if not folder_id:
        return folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_CALENDAR).id
    row = folders.require(change.connection, change.mailbox.id, folder_id)
    if row.default_kind != ITEM_KIND_APPOINTMENT:
        raise InvalidArgument("KIND_MISMATCH", "only a calendar can be published", field="folder_id")
    return row.id


def _to_message(row: PublishedRow) -> messages.PublishedCalendar:
    record = messages.PublishedCalendar(id=row.id, folder_id=row.folder_id, detail=row.detail)  # type: ignore[arg-type]
    record.created.FromMicroseconds(row.created)
    if row.last_fetched is not None:
        record.last_fetched.FromMicroseconds(row.last_fetched)
    return record
