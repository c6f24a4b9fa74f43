"""Calendars laid out in time and published, and series cut in two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import calendar_service_pb2 as pb
from rookery.v1.calendar_service_pb2_grpc import CalendarServiceStub

if TYPE_CHECKING:
    import datetime
    from collections.abc import Sequence

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery_client.connection import Connection

_PAGE = 5_000


class Calendar:
    """The CalendarService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = CalendarServiceStub(connection.channel)

    async def page(
        self,
        folder_ids: Sequence[bytes],
        begin: datetime.datetime,
        end: datetime.datetime,
        *,
        time_zone: str = "",
        page_size: int = 0,
        page_token: str = "",
        mailbox_id: bytes = b"",
    ) -> pb.ListOccurrencesResponse:
        """One page of what calendars show from ``begin`` to before ``end``, which are aware.

        It may be empty: only an empty ``next_page_token`` ends the list.
        """
        request = pb.ListOccurrencesRequest(
            mailbox_id=mailbox_id,
            folder_ids=folder_ids,
            window_start=_stamp(begin),
            window_end=_stamp(end),
            time_zone=time_zone,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._connection.unary(self._stub.ListOccurrences, request)

    async def occurrences(
        self,
        folder_ids: Sequence[bytes],
        begin: datetime.datetime,
        end: datetime.datetime,
        *,
        time_zone: str = "",
        limit: int = 0,
        mailbox_id: bytes = b"",
    ) -> tuple[list[pb.Occurrence], set[bytes]]:
        """What calendars show, by the beginnings, all pages; at most ``limit``, where it is not 0.

        Beside it the series of which some may be missing: their rules would take too long to compute.
        """
        found: list[pb.Occurrence] = []
        incomplete: set[bytes] = set()
        token = ""
        while True:
            size = min(limit - len(found), _PAGE) if limit else _PAGE
            page = await self.page(
                folder_ids, begin, end, time_zone=time_zone, page_size=size, page_token=token, mailbox_id=mailbox_id
            )
            found.extend(page.occurrences)
            incomplete.update(page.incomplete_item_ids)
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found, incomplete

    async def split(
        self,
        item_id: bytes,
        at: CalendarTime,
        *,
        etag: int = 0,
        new_item_id: bytes = b"",
        mailbox_id: bytes = b"",
    ) -> pb.SplitSeriesResponse:
        """Splits a series before an occurrence, which `at` names by its original start: "this and following".

        `etag`: the content_revision that is meant; Stale ``STALE_ETAG``. FailedPrecondition ``NOT_A_SERIES``, ``NOT_ORGANIZER``;
        InvalidArgument ``NOT_AN_OCCURRENCE``, also for the first; NotFound ``ITEM_NOT_FOUND``.
        """
        ids = self._connection.ids
        request = pb.SplitSeriesRequest(
            mailbox_id=mailbox_id,
            operation_id=ids.new(),
            item_id=item_id,
            etag=etag,
            at=at,
            new_item_id=new_item_id or ids.new(),
        )
        return await self._connection.unary(self._stub.SplitSeries, request)

    async def publish(
        self, folder_id: bytes, detail: pb.PublishedDetail.ValueType, *, mailbox_id: bytes = b""
    ) -> pb.PublishCalendarResponse:
        """Gives a calendar a URL that programs can subscribe to, which this answer alone tells.

        FailedPrecondition ``CALENDARS_NOT_SERVED``; NotFound ``FOLDER_NOT_FOUND``; InvalidArgument ``KIND_MISMATCH``.
        """
        request = pb.PublishCalendarRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), folder_id=folder_id, detail=detail
        )
        return await self._connection.unary(self._stub.PublishCalendar, request)

    async def published(self, *, mailbox_id: bytes = b"") -> pb.ListPublishedCalendarsResponse:
        """The calendars that have URLs, without these."""
        return await self._connection.unary(
            self._stub.ListPublishedCalendars, pb.ListPublishedCalendarsRequest(mailbox_id=mailbox_id)
        )

    async def unpublish(self, calendar_id: bytes, *, mailbox_id: bytes = b"") -> pb.UnpublishCalendarResponse:
        """Takes a URL away. NotFound ``CALENDAR_NOT_FOUND``."""
        request = pb.UnpublishCalendarRequest(mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), id=calendar_id)
        return await self._connection.unary(self._stub.UnpublishCalendar, request)


def _stamp(moment: datetime.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
