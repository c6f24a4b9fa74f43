"""Appointments by the time that they may take."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, literal_column, select

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.items import LIVE
from rookery_server.store.tables import item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class SpanRow(NamedTuple):
    """Where an appointment may show, and which version of it."""

    id: bytes
    content: int
    span_start: int


_PLACE = operator.attrgetter("span_start", "id")
_spans = Direct(
    select(*(item.c[name] for name in SpanRow._fields)).where(
        item.c.mailbox_id == bindparam("mailbox"),
        item.c.folder_id == bindparam("folder"),
        # The numbers themselves, not parameters: only so are partial indexes used.
        item.c.life == literal_column(str(LIVE)),
        item.c.kind == literal_column(str(ITEM_KIND_APPOINTMENT)),
        item.c.span_end >= bindparam("ends_from"),
        item.c.span_start < bindparam("starts_before"),
    )
)
_summaries = ByKeys(select(item.c.id, item.c.summary).where(item.c.mailbox_id == bindparam("mailbox")), item.c.id)


def spans(
    connection: Connection,
    mailbox_id: int,
    folder_ids: Sequence[bytes],
    *,
    ends_from: int,
    starts_before: int,
) -> list[SpanRow]:
    """Live appointments of the folders whose spans end at ``ends_from`` or later and begin before ``starts_before``.

    Ascending by ``span_start``.
    """
    times = {"ends_from": ends_from, "starts_before": starts_before}
    found = [
        SpanRow._make(row)
        for folder_id in folder_ids
        for row in _spans.all(connection, {"mailbox": mailbox_id, "folder": folder_id, **times})
    ]
    return sorted(found, key=_PLACE)


def summaries(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> dict[bytes, bytes]:
    """The encoded summaries of items; at most 500 ids."""
    return {row[0]: row[1] for row in _summaries.all(connection, item_ids, {"mailbox": mailbox_id})}
