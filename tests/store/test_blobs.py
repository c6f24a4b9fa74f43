"""Blobs: stored once, in chunks, and kept from the sweep while somebody is about to hold them."""

from __future__ import annotations

import asyncio
import hashlib
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, update

from rookery_core.errors import DataLoss
from rookery_server.services.content import blob_reading
from rookery_server.store import blob_chunks, blobs
from rookery_server.store.blob_chunks import CHUNK_BYTES, Chunk, PreparedBlob, decode, encode, prepare
from rookery_server.store.tables import blob, blob_chunk
from tests.support.fakes import SequentialIds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.database import Database

NOW = 1_750_000_000_000_000


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


async def put(database: Database, *prepared: PreparedBlob, now: int = NOW) -> dict[bytes, bytes]:
    return await database.write(lambda transaction: blobs.put(transaction.connection, prepared, now))


async def count(database: Database, table: Any) -> int:
    def work(connection: Connection) -> int:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    return await database.read(work)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 17])
def test_chunks_give_back_what_was_cut(size: int) -> None:
    for data in (noise(size), b"a line of text\r\n" * (size // 16) + b"x" * (size % 16)):
        chunks = encode(data)
        assert b"".join(decode(chunk) for chunk in chunks) == data
        assert [chunk.offset for chunk in chunks] == list(range(0, size, CHUNK_BYTES))


def test_a_chunk_is_compressed_only_where_that_saves_something() -> None:
    [text] = encode(b"a line of text\r\n" * 100)
    [random_bytes] = encode(noise(5000))
    assert (text.codec, len(text.data) < 100) == (2, True)
    assert (random_bytes.codec, random_bytes.data) == (1, noise(5000))


@pytest.mark.parametrize("place", [0, 10, -5, -1])
def test_a_damaged_chunk_is_told_and_never_handed_out(place: int) -> None:
    [chunk] = encode(b"a line of text\r\n" * 1000)
    broken = bytearray(chunk.data)
    broken[place] ^= 0x40
    with pytest.raises(DataLoss, match="damaged") as raised:
        decode(chunk._replace(data=bytes(broken)))
    assert raised.value.reason == "CONTENT_DAMAGED"


def test_a_chunk_of_another_size_is_damaged() -> None:
    with pytest.raises(DataLoss):
        decode(Chunk(0, 5, 1, b"four"))


async def test_the_same_bytes_are_stored_once(database: Database) -> None:
    ids = SequentialIds()
    first, again, other = prepare(b"the same", ids.new()), prepare(b"the same", ids.new()), prepare(b"another", ids.new())
    one = await put(database, first)
    two = await put(database, again, other, now=NOW + 5)
    assert one == {first.sha256: first.id}
    assert two == {first.sha256: first.id, other.sha256: other.id}
    assert await count(database, blob) == 2
    assert await count(database, blob_chunk) == 2
    touched = await database.read(lambda c: c.execute(select(blob.c.touched).where(blob.c.id == first.id)).scalar_one())
    assert touched == NOW + 5


async def test_a_batch_that_holds_the_same_bytes_twice_stores_them_once(database: Database) -> None:
    ids = SequentialIds()
    found = await put(database, prepare(b"twice", ids.new()), prepare(b"twice", ids.new()))
    assert list(found) == [hashlib.sha256(b"twice").digest()]
    assert await count(database, blob) == 1


async def test_any_slice_of_a_blob_can_be_read(database: Database) -> None:
    data = noise(5 * CHUNK_BYTES // 2) + b"compressible " * 90_000
    prepared = prepare(data, SequentialIds().new())
    await put(database, prepared)
    for begin, end in ((0, len(data)), (1, 2), (CHUNK_BYTES - 1, CHUNK_BYTES + 1), (CHUNK_BYTES, 2 * CHUNK_BYTES), (7, 7)):
        assert await blob_reading.whole(database, prepared.id, begin, end) == data[begin:end]


async def test_a_missing_chunk_is_told(database: Database) -> None:
    prepared = prepare(noise(3 * CHUNK_BYTES), SequentialIds().new())
    await put(database, prepared)
    await database.write(
        lambda transaction: transaction.connection.execute(blob_chunk.delete().where(blob_chunk.c.offset == CHUNK_BYTES))
    )
    with pytest.raises(DataLoss):
        await blob_reading.whole(database, prepared.id, 0, prepared.size)


async def test_the_checksum_tells_when_a_stored_byte_changed(database: Database) -> None:
    prepared = prepare(b"a line of text\r\n" * 1000, SequentialIds().new())
    await put(database, prepared)
    broken = prepared.chunks[0].data[:-1] + b"\0"
    await database.write(lambda transaction: transaction.connection.execute(update(blob_chunk).values(data=broken)))
    with pytest.raises(DataLoss):
        await blob_reading.whole(database, prepared.id, 0, prepared.size)


async def test_many_writers_of_the_same_bytes_agree_on_one_blob(database: Database) -> None:
    ids = SequentialIds()
    prepared = [[prepare(b"shared %d" % n, ids.new()) for n in order] for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)) * 3]
    found = await asyncio.gather(*(put(database, *batch) for batch in prepared))
    assert all(result == found[0] for result in found)
    assert await count(database, blob) == 3
    assert await count(database, blob_chunk) == 3


def test_compressors_are_not_shared_between_threads() -> None:
    data = [b"%d " % n * 50_000 for n in range(4)]
    results: dict[int, bool] = {}

    def work(number: int) -> None:
        results[number] = all(b"".join(map(decode, encode(data[number]))) == data[number] for _ in range(20))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), True)
    assert blob_chunks.CHUNK_BYTES == 262_144
