"""What calendars show in a window of time, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.calendar_service_pb2 import ListOccurrencesRequest, ListOccurrencesResponse
from rookery_core.rules.recurrence import agenda, agenda_requests
from rookery_core.rules.recurrence.agenda import Candidate, Place
from rookery_server.services import access
from rookery_server.services.calendar.parsed_series import ParsedSeries
from rookery_server.services.folders import folders
from rookery_server.store import calendars

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.recurrence.agenda import Page
    from rookery_server.services.caller import Caller
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.calendars import SpanRow
    from rookery_server.store.database import Database

_STEP = 200
"""Appointments that are read at once."""


class OccurrenceService:
    """Carries out ListOccurrences."""

    def __init__(self, database: Database, page_tokens: PageTokens) -> None:
        self._database = database
        self._page_tokens = page_tokens
        self._parsed = ParsedSeries()

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
            for index, folder_id in enumerate(asked.folder_ids):
                folders.require(connection, mailbox.id, folder_id, f"folder_ids[{index}]")
            ends_from, starts_before = agenda.spans(asked.window, after)
            rows = calendars.spans(connection, mailbox.id, asked.folder_ids, ends_from=ends_from, starts_before=starts_before)
            candidates = self._candidates(connection, mailbox.id, rows)
            return agenda.page(candidates, asked.window, after, asked.most), mailbox.revision

        page, revision = await self._database.read(work)
        following = ""
        if page.following is not None:
            place = page.following
            following = self._page_tokens.encode(digest, number=place.begins, text=place.text, item_id=place.item_id)
        return ListOccurrencesResponse(
            occurrences=page.occurrences,
            next_page_token=following,
            incomplete_item_ids=page.incomplete,
            revision=revision,
        ).SerializeToString()

    def _candidates(self, connection: Connection, mailbox_id: int, rows: Sequence[SpanRow]) -> Iterator[Candidate]:
        """The appointments of the rows, read as they are asked for."""
        for begin in range(0, len(rows), _STEP):
            some = rows[begin : begin + _STEP]
            entries = {row.id: self._parsed.find(mailbox_id, row) for row in some}
            missing = [item_id for item_id, entry in entries.items() if entry is None]
            encoded = calendars.summaries(connection, mailbox_id, missing) if missing else {}
            for row in some:
                entry = entries[row.id] or self._parsed.read(mailbox_id, row, encoded[row.id])
                if entry is not None:
                    yield Candidate(row.span_start, entry)
