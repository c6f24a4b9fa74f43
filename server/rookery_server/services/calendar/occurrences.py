"""What calendars show in a window of time, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_service_pb2 import ListOccurrencesRequest, ListOccurrencesResponse
from rookery_core.rules.recurrence import agenda, agenda_requests
from rookery_core.rules.recurrence.agenda import Place
from rookery_server.services import access
from rookery_server.services.calendar.kept_calendars import FolderCalendar
from rookery_server.services.folders import folders

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.recurrence.agenda import Page
    from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
    from rookery_server.services.caller import Caller
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.database import Database


class OccurrenceService:
    """Carries out ListOccurrences."""

    def __init__(self, database: Database, page_tokens: PageTokens, parsed: ParsedAppointments) -> None:
        self._database = database
        self._page_tokens = page_tokens
        self._parsed = parsed

    async def list_occurrences(self, caller: Caller, request: ListOccurrencesRequest) -> bytes:
        """A page of what calendars show; the encoded ListOccurrencesResponse."""
        asked = agenda_requests.asked(request)
        query = ListOccurrencesRequest()
        query.CopyFrom(request)
        query.ClearField("page_token")
        query.ClearField("page_size")
        digest = self._page_tokens.digest(caller, request.mailbox_id, query)
        token = self._page_tokens.decode(request.page_token, digest)
        after = None if token is None else Place.read(token.number, token.id, token.text)

        def work(connection: Connection) -> tuple[Page, int]:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            rows = [
                folders.require(connection, mailbox.id, folder_id, f"folder_ids[{index}]")
                for index, folder_id in enumerate(asked.folder_ids)
            ]
            zone = asked.window.viewer_zone
            calendars = [FolderCalendar(connection, mailbox.id, row, zone, self._parsed) for row in rows]
            return agenda.page(calendars, asked.window, after, asked.most), mailbox.revision

        page, revision = await self._database.read(work)
        following = ""
        if page.following is not None:
            place = page.following
            following = self._page_tokens.encode(digest, number=place.begins, text=place.text, item_id=place.item_id)
        rest = ListOccurrencesResponse(next_page_token=following, incomplete_item_ids=page.incomplete, revision=revision)
        return page.encoded + rest.SerializeToString()
