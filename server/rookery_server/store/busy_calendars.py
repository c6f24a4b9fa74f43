"""The appointments that may take their owner's time: those in the mailbox's calendar folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, literal_column, select

from rookery.v1.folder_pb2 import FOLDER_ROLE_CALENDAR
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_server.store.calendars import SpanRow
from rookery_server.store.direct import Direct
from rookery_server.store.items import LIVE
from rookery_server.store.tables import folder, item

if TYPE_CHECKING:
    from sqlalchemy import Connection

# The numbers themselves, not parameters: only so are partial indexes used.
_calendar = (
    select(folder.c.id)
    .where(
        folder.c.mailbox_id == bindparam("mailbox"),
        folder.c.role == literal_column(str(FOLDER_ROLE_CALENDAR)),
        folder.c.role != literal_column("0"),
    )
    .scalar_subquery()
)
_taking = Direct(
    select(*(item.c[name] for name in SpanRow._fields)).where(
        item.c.mailbox_id == bindparam("mailbox"),
        item.c.folder_id == _calendar,
        item.c.life == literal_column(str(LIVE)),
        item.c.kind == literal_column(str(ITEM_KIND_APPOINTMENT)),
        item.c.span_end > bindparam("begin"),
        item.c.span_start < bindparam("end"),
    )
)


def taking(connection: Connection, mailbox_id: int, *, begin: int, end: int) -> list[SpanRow]:
    """The live appointments in the calendar whose spans reach into a time, in no particular order."""
    return [SpanRow._make(row) for row in _taking.all(connection, {"mailbox": mailbox_id, "begin": begin, "end": end})]
