"""Reading blobs, a page of chunks a time: no transaction lasts while somebody else takes what was read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rookery_server.store import blobs
from rookery_server.store.blob_chunks import CHUNK_BYTES, Chunk, damaged, decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Connection

    from rookery_server.store.database import Database

PAGE_CHUNKS = 4
"""Chunks in a page: 1 MiB."""


def page(connection: Connection, blob_id: bytes, begin: int, end: int) -> list[Chunk]:
    """The chunks, as stored, that hold the bytes from ``begin`` up to ``end``, but at most a page of them.

    DataLoss ``CONTENT_DAMAGED`` where one is missing: whoever holds a blob keeps it whole.
    """
    first = begin // CHUNK_BYTES * CHUNK_BYTES
    limit = min(PAGE_CHUNKS, -(-(end - first) // CHUNK_BYTES))
    found = blobs.chunks(connection, blob_id, first, limit) if end > begin else []
    for number, chunk in enumerate(found):
        if chunk.offset != first + number * CHUNK_BYTES:
            raise damaged()
    if end > begin and (len(found) < limit or not begin < found[-1].offset + found[-1].size):
        raise damaged()
    return found


async def pages(database: Database, blob_id: bytes, begin: int, end: int) -> AsyncGenerator[list[Chunk], None]:
    """The pages from ``begin`` up to ``end``; while one is used, the next is read already."""
    ahead: asyncio.Task[list[Chunk]] | None = None
    try:
        while begin < end:
            current = await (ahead or _read(database, blob_id, begin, end))
            begin = current[-1].offset + current[-1].size
            ahead = asyncio.ensure_future(_read(database, blob_id, begin, end)) if begin < end else None
            yield current
    finally:
        if ahead is not None:
            ahead.cancel()


async def _read(database: Database, blob_id: bytes, begin: int, end: int) -> list[Chunk]:
    return await database.read(lambda connection: page(connection, blob_id, begin, end))


def cut(chunk: Chunk, begin: int, end: int) -> bytes:
    """The chunk's decoded bytes from ``begin`` up to ``end``, both counted in the blob."""
    data = decode(chunk)
    if begin <= chunk.offset and end >= chunk.offset + chunk.size:
        return data
    return data[max(begin - chunk.offset, 0) : end - chunk.offset]


async def whole(database: Database, blob_id: bytes, begin: int, end: int) -> bytes:
    """The bytes from ``begin`` up to ``end`` in one piece, for those who need them so."""
    return b"".join([await asyncio.to_thread(_join, chunks, begin, end) async for chunks in pages(database, blob_id, begin, end)])


def _join(chunks: list[Chunk], begin: int, end: int) -> bytes:
    return b"".join(cut(chunk, begin, end) for chunk in chunks)
