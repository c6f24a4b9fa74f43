"""Batches: items packed by depth, and responses that stay below a mebibyte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedSyncItem
from rookery.v1 import sync_pb2
from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_UNSPECIFIED, CONTENT_ENCODING_ZSTD
from rookery.v1.item_pb2 import ITEM_LIFE_LIVE, ItemContent
from rookery_server.services.items import item_packing
from rookery_server.services.sync import item_wire
from rookery_server.store import sync_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_server.services.sync.scopes import Scope

BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one page is at most: what a reader's thread does in one go."""

    size: int = BATCH_BYTES
    """Bytes of a batch, but for a single larger item."""
    entries: int = 2000
    """Items of a fill; changes of the tail, of folders, items and departures each."""
    looked_at: int = 20_000
    """Items that a fill passes by, where not all are in scope."""
    submissions: int = 200
    """Submissions, each with up to a thousand recipients."""


_ENVELOPE_BYTES = 2048
"""Kept free for what is not an entry: cursor, progress, revision, epoch."""
ENTRY_BYTES = 112
"""At least what an item takes beside its summary, state and content: ids, numbers, tags and lengths at their longest."""
_FRAME_BYTES = 6
"""Tag and length of an entry, at their longest."""


class Carried(NamedTuple):
    """How much of a content goes along, and in which form."""

    encoding: int
    content: bytes
    extent: int


NOTHING = Carried(CONTENT_ENCODING_UNSPECIFIED, b"", sync_pb2.CONTENT_EXTENT_NONE)
OMITTED = Carried(CONTENT_ENCODING_UNSPECIFIED, b"", sync_pb2.CONTENT_EXTENT_OMITTED)


@dataclass(frozen=True, slots=True)
class ContentForm:
    """What a device wants of each content, and what it can decode."""

    depth: int
    text_bytes: int
    zstd: bool

    @classmethod
    def of(cls, scope: Scope, accepted: Collection[int]) -> ContentForm:
        """By a scope's depth and the encodings that the device can undo besides identity."""
        return cls(scope.depth, scope.text_bytes, CONTENT_ENCODING_ZSTD in accepted)

    @property
    def wants_content(self) -> bool:
        """False where summaries are enough, and no content need be read."""
        return self.depth != sync_pb2.SYNC_DEPTH_SUMMARY

    def carry(self, stored: tuple[int, bytes | None] | None, most: int) -> Carried:
        """What goes along of a content as it is stored (codec, bytes), in at most so many bytes.

        The bytes are None where they are too many to be read; there is nothing stored where there is no content at all.
        """
        codec, data = stored or (CONTENT_ENCODING_IDENTITY, b"")
        if data is None:
            return OMITTED
        if self.depth == sync_pb2.SYNC_DEPTH_TEXT:
            text = _text_part(item_packing.decompress((codec, data)), self.text_bytes)
            carried = Carried(CONTENT_ENCODING_IDENTITY, text, sync_pb2.CONTENT_EXTENT_TEXT)
        elif codec == CONTENT_ENCODING_IDENTITY or self.zstd:
            carried = Carried(codec, data, sync_pb2.CONTENT_EXTENT_FULL)
        else:
            whole = item_packing.decompress((codec, data))
            carried = Carried(CONTENT_ENCODING_IDENTITY, whole, sync_pb2.CONTENT_EXTENT_FULL)
        return carried if len(carried.content) <= most else OMITTED


def carried(
    connection: Connection, mailbox_id: int, rows: Sequence[Sequence[Any]], form: ContentForm
) -> Iterator[tuple[Sequence[Any], Carried]]:
    """Each row (``SyncRow`` or a plain tuple like it) with as much of its content as goes along, in order.

    Contents are read as they are asked for, 16 at a time. None goes along that does not fit into a batch with its summary.
    """
    if not form.wants_content:
        yield from ((row, NOTHING) for row in rows)
        return
    for start in range(0, len(rows), sync_rows.CONTENTS_AT_ONCE):
        portion = rows[start : start + sync_rows.CONTENTS_AT_ONCE]
        found = sync_rows.contents(connection, mailbox_id, [row[1] for row in portion], BATCH_BYTES)
        for row in portion:
            room = BATCH_BYTES - _ENVELOPE_BYTES - ENTRY_BYTES - len(row[6]) - len(row[7])
            yield row, form.carry(found.pop(row[1], None), room)


def sync_item(row: Sequence[Any], content: Carried) -> PackedSyncItem:
    """A SyncItem: a live item's row (``SyncRow``, or a plain tuple like it) as it is stored, and what goes along of its content."""
    packed = PackedSyncItem()
    _fill_in(packed, row, content)
    return packed


def size_of(row: Sequence[Any], content: Carried) -> int:
    """At least the bytes that ``sync_item`` takes within a response."""
    return len(row[6]) + len(row[7]) + len(content.content) + ENTRY_BYTES


def _fill_in(packed: PackedSyncItem, row: Sequence[Any], content: Carried) -> None:
    item = packed.item
    packed.fill_key, item.id, item.folder_id, item.revision, item.content_revision, item.uid, item.state, item.summary = row
    item.life = ITEM_LIFE_LIVE
    packed.content_encoding, packed.content, packed.extent = content


class Batch:
    """One PullResponse in the making: ``response``, and items encoded already. What does not fit is refused, but for the first."""

    def __init__(self, size: int) -> None:
        self.response = PackedPullResponse()
        self._room = size - _ENVELOPE_BYTES
        self._empty = True
        self._encoded: list[bytes] = []

    def _takes(self, size: int) -> bool:
        if size > self._room and not self._empty:
            return False
        self._room -= size
        self._empty = False
        return True

    def add_summaries(self, rows: Sequence[Sequence[Any]]) -> int:
        """Adds items without content until one does not fit; gives how many it took. The hot path of a first fill."""
        encoded, taken = item_wire.encode(rows, self._room, 1 if self._empty else 0)
        self._room -= len(encoded)
        self._empty = self._empty and not taken
        self._encoded.append(encoded)
        return taken

    def add_item(self, row: Sequence[Any], content: Carried) -> bool:
        """Adds an item; False if it does not fit."""
        if not self._takes(size_of(row, content)):
            return False
        _fill_in(self.response.items.add(), row, content)
        return True

    def add(self, entries: Any, entry: Message) -> bool:
        """Adds a folder, change, removal or submission to the response's list of them; False if it does not fit."""
        if not self._takes(entry.ByteSize() + _FRAME_BYTES):
            return False
        entries.append(entry)
        return True

    def encode(self) -> bytes:
        """The encoded PullResponse."""
        return b"".join([*self._encoded, self.response.SerializeToString()])


def _text_part(encoded: bytes, text_bytes: int) -> bytes:
    """Of an encoded ItemContent what depth TEXT keeps, its text cut at a character."""
    content = ItemContent.FromString(encoded)
    content.ClearField("source")
    if content.HasField("message"):
        content.message.ClearField("headers")
    if content.HasField("body"):
        content.body.ClearField("html")
        content.body.text = content.body.text.encode()[:text_bytes].decode(errors="ignore")
    return content.SerializeToString()
