"""Contents as the person sees them: what operations made of them, else what the server sent, as far as it is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import zstandard

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_ZSTD
from rookery.v1.item_pb2 import ItemContent
from rookery_core.errors import DataLoss, FailedPrecondition
from rookery_core.rules import limits

if TYPE_CHECKING:
    import sqlite3

    from rookery.v1.item_pb2 import Item
    from rookery_client.replica.view.shown_rows import ShownItem

_HELD = """SELECT l.extent, l.content, c.extent, c.encoding, c.data
    FROM (SELECT ? AS id, ? AS content_revision) AS wanted
    LEFT JOIN local_item AS l ON l.id = wanted.id
    LEFT JOIN content AS c ON c.item_id = wanted.id AND c.content_revision = wanted.content_revision"""


class Held(NamedTuple):
    """A content that is here."""

    extent: int
    """A ContentExtent: FULL, or TEXT where it is the first part only."""
    encoded: bytes
    """An ItemContent."""


def find(connection: sqlite3.Connection, item_id: bytes, content_revision: int) -> Held | None:
    """The content of an item, at this revision; None if it is not here. DataLoss ``CONTENT_DAMAGED`` if it can not be unpacked."""
    local_extent, local, extent, encoding, data = connection.execute(_HELD, (item_id, content_revision)).fetchone()
    if local is not None:
        return Held(local_extent, local)
    return None if data is None else Held(extent, decoded(encoding, data))


def decoded(encoding: int, data: bytes) -> bytes:
    """An encoded ItemContent out of a row. DataLoss ``CONTENT_DAMAGED``."""
    if encoding != CONTENT_ENCODING_ZSTD:
        return data
    try:
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=limits.RECORD_BYTES)
    except zstandard.ZstdError as error:
        raise DataLoss("CONTENT_DAMAGED", f"a content in the replica can not be unpacked: {error}") from error


def full_item(connection: sqlite3.Connection, row: ShownItem) -> Item:
    """The item with its content, whole or as much of it as is here. FailedPrecondition ``NOT_IN_REPLICA`` if nothing is."""
    held = find(connection, row.id, row.content_revision)
    if held is None:
        raise missing(row.item())
    item = row.item()
    item.content.CopyFrom(ItemContent.FromString(held.encoded))
    for attachment in item.content.attachments:
        attachment.ClearField("upload_id")
        attachment.ClearField("copy_of")
    return item


def missing(item: Item) -> FailedPrecondition:
    """The error for an item whose content is not here."""
    named = f"“{item.summary.subject[:60]}”" if item.summary.subject else "the item"
    message = f"the replica holds no more of {named} than what lists show: `rookery sync --depth full` brings it, or go online"
    return FailedPrecondition("NOT_IN_REPLICA", message)
