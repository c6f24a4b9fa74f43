"""Reading blobs, a page of chunks a time: no transaction lasts while somebody else takes what was read."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from rookery_server.store import blobs
from rookery_server.store.blob_chunks import CHUNK_BYTES, Chunk, damaged, decode

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from sqlalchemy import Connection

    from rookery_server.store.database import Database

T = TypeVar("T")

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


def at_once(connection: Connection, blob_id: bytes, size: int) -> bytes:
    """A blob that is no larger than a page."""
    return _join(page(connection, blob_id, 0, size), 0, size)


async def pages(database: Database, blob_id: bytes, begin: int, end: int) -> AsyncGenerator[list[Chunk], None]:
    """The pages from ``begin`` up to ``end``; while one is used, the next is read already."""
    async with aclosing(made_pages(database, blob_id, begin, end, _as_stored, at_once=1)) as found:
        async for chunks in found:
            yield chunks


async def made_pages(
    database: Database, blob_id: bytes, begin: int, end: int, make: Callable[[list[Chunk]], T], *, at_once: int
) -> AsyncGenerator[T, None]:
    """What ``make`` makes of each page from ``begin`` up to ``end``, in the thread that reads it.

    Up to ``at_once`` pages come from one read: going to the reader's thread and back costs as much as a page does. While they are
    used, the next are read already, so twice as many are in memory.
    """

    def read(start: int) -> Coroutine[Any, Any, tuple[list[T], int]]:
        return database.read(lambda connection: _made(connection, blob_id, start, end, make, at_once))

    ready: deque[T] = deque()
    ahead: asyncio.Task[tuple[list[T], int]] | None = None
    try:
        while ready or ahead is not None or begin < end:
            if ahead is None and begin < end:
                ahead = asyncio.ensure_future(read(begin))
            if ready:
                yield ready.popleft()
            elif ahead is not None:
                made, begin = await ahead
                ahead = None
                ready.extend(made)
    finally:
        if ahead is not None:
            ahead.cancel()


def _made(
    connection: Connection, blob_id: bytes, begin: int, end: int, make: Callable[[list[Chunk]], T], at_once: int
) -> tuple[list[T], int]:
    """What is made of some pages, and where the next one begins. The chunks of each are given up before the next is read."""
    made: list[T] = []
    while begin < end and len(made) < at_once:
        chunks = page(connection, blob_id, begin, end)
        begin = chunks[-1].offset + chunks[-1].size
        made.append(make(chunks))
    return made, begin


def _as_stored(chunks: list[Chunk]) -> list[Chunk]:
    return chunks


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
