"""Putting stored bytes into responses, undecoded, and taking records out of rows where a rule needs them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import zstandard

from rookery.internal.v1.packed_pb2 import PackedItem
from rookery.v1.content_service_pb2 import CONTENT_ENCODING_IDENTITY, CONTENT_ENCODING_ZSTD
from rookery.v1.item_pb2 import Item, ItemContent, ItemLife, ItemState, ItemSummary

if TYPE_CHECKING:
    from rookery_server.store.items import PackedRow


class _Coders(threading.local):
    """Coders are dear to make and belong to one thread."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=1)
        self.decompressor = zstandard.ZstdDecompressor()


_coders = _Coders()

_COMPRESS_FROM = 1024
"""Contents below this many bytes are kept as they are: a frame would hardly be smaller."""


def compress(content: bytes) -> tuple[int, bytes]:
    """The codec and the bytes under which an encoded content is kept."""
    if len(content) >= _COMPRESS_FROM:
        smaller = _coders.compressor.compress(content)
        if len(smaller) < len(content):
            return CONTENT_ENCODING_ZSTD, smaller
    return CONTENT_ENCODING_IDENTITY, content


def decompress(stored: tuple[int, bytes] | None) -> bytes:
    """The encoded content out of what ``compress`` gave; empty for None."""
    if stored is None:
        return b""
    codec, data = stored
    return _coders.decompressor.decompress(data) if codec == CONTENT_ENCODING_ZSTD else data


def pack(row: PackedRow, content: bytes | None = None) -> PackedItem:
    """The item as it travels: its stored bytes beside its columns. ``content`` is an encoded ItemContent."""
    packed = PackedItem(
        id=row.id,
        folder_id=row.folder_id,
        revision=row.revision,
        content_revision=row.content,
        uid=row.uid,
        life=row.life,
        state=row.state,
        summary=row.summary,
    )
    if content is not None:
        packed.content = content
    return packed


def unpack(row: PackedRow, content: bytes | None = None) -> Item:
    """The item decoded, for rules that look inside."""
    item = Item(
        id=row.id,
        folder_id=row.folder_id,
        revision=row.revision,
        content_revision=row.content,
        uid=row.uid,
        life=ItemLife.ValueType(row.life),
        state=ItemState.FromString(row.state),
        summary=ItemSummary.FromString(row.summary),
    )
    if content is not None:
        item.content.CopyFrom(ItemContent.FromString(content))
    return item
