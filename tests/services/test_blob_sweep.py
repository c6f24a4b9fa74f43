"""The sweep takes what nobody holds, and never what somebody is about to hold."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from rookery_core.errors import NotFound
from rookery_server.services.content.blob_sweep import GRACE_MICROS, BlobSweep
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.store import blobs
from rookery_server.store.blob_chunks import prepare
from rookery_server.store.tables import blob, blob_chunk, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_server.store.database import Transaction
    from tests.support.world import Person, World

MESSAGE = b"From: a@example.org\r\nSubject: Kept\r\n\r\nHello\r\n"


@pytest.fixture
def sweep(world: World) -> BlobSweep:
    return BlobSweep(world.database, world.clock)


async def counts(world: World) -> tuple[int, int, int]:
    """Uploads, blobs and chunks."""
    tables = (upload, blob, blob_chunk)
    return await world.database.read(
        lambda c: tuple(int(c.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables)  # type: ignore[arg-type, return-value]
    )


async def begin_upload(world: World, person: Person, sent: bytes, total: int) -> bytes:
    service = UploadService(world.database, world.clock, world.ids, max_message_bytes=1 << 20)
    upload_id = world.ids.new()

    async def pieces() -> AsyncIterator[content_service_pb2.UploadRequest]:
        yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=total, data=sent)

    await service.upload(person.caller, pieces())
    return upload_id


async def import_message(world: World, person: Person) -> bytes:
    service = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=1 << 20)
    document = content_service_pb2.ImportDocument(
        operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=MESSAGE
    )
    response = await service.import_item(person.caller, content_service_pb2.ImportItemRequest(document=document))
    return response.result.item_id


async def test_abandoned_uploads_go_after_a_day_and_not_before(world: World, anna: Person, sweep: BlobSweep) -> None:
    upload_id = await begin_upload(world, anna, b"half", 8)
    await begin_upload(world, anna, b"finished", 8)
    world.clock.advance(days=0.99)
    assert await sweep.sweep() == 0
    assert await counts(world) == (2, 2, 2)
    world.clock.advance(days=0.02)
    assert await sweep.sweep() == 2
    assert await counts(world) == (0, 0, 0)
    service = UploadService(world.database, world.clock, world.ids, max_message_bytes=1 << 20)
    with pytest.raises(NotFound):
        await service.get_upload(anna.caller, content_service_pb2.GetUploadRequest(upload_id=upload_id))


async def test_what_an_item_holds_stays_and_goes_with_the_item(world: World, anna: Person, sweep: BlobSweep) -> None:
    item_id = await import_message(world, anna)
    world.clock.advance(days=400)
    assert await sweep.sweep() == 0
    await world.delete(anna, [item_id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert await sweep.sweep() == 1
    assert await counts(world) == (0, 0, 0)


async def test_bytes_that_two_items_hold_outlive_one_of_them(world: World, anna: Person, ben: Person, sweep: BlobSweep) -> None:
    item_id = await import_message(world, anna)
    await import_message(world, ben)
    world.clock.advance(days=2)
    await world.delete(anna, [item_id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert await sweep.sweep() == 0
    assert (await counts(world))[1] == 1


async def test_a_sweep_takes_no_more_than_its_bound(world: World) -> None:
    prepared = [prepare(b"%d" % number, world.ids.new()) for number in range(7)]
    await world.database.write(lambda transaction: blobs.put(transaction.connection, prepared, 5))
    assert await world.database.write(lambda transaction: blobs.sweep(transaction.connection, 10, 4)) == 4
    assert await world.database.write(lambda transaction: blobs.sweep(transaction.connection, 10, 4)) == 3
    assert await counts(world) == (0, 0, 0)


async def test_a_blob_that_is_being_linked_when_the_sweep_comes_stays(world: World) -> None:
    """The link has touched the row and not committed; the sweep waits for it and looks again."""
    old = prepare(b"old bytes", world.ids.new())
    await world.database.write(lambda transaction: blobs.put(transaction.connection, [old], 5))
    touched, go_on = threading.Event(), threading.Event()

    def link(transaction: Transaction) -> bytes:
        found = blobs.put(transaction.connection, [prepare(b"old bytes", world.ids.new())], GRACE_MICROS * 3)
        touched.set()
        assert go_on.wait(20)
        return found[old.sha256]

    linking = asyncio.ensure_future(world.database.write(link))
    assert await asyncio.to_thread(touched.wait, 20)
    sweeping = asyncio.ensure_future(
        world.database.write(lambda transaction: blobs.sweep(transaction.connection, GRACE_MICROS, 10))
    )
    await asyncio.sleep(0.2)  # on PostgreSQL the sweep now waits for the row's lock, on SQLite for the writer
    assert not sweeping.done()
    go_on.set()
    assert await linking == old.id
    assert await sweeping == 0
    assert (await counts(world))[1:] == (1, 1)


async def test_a_link_that_comes_while_the_sweep_deletes_stores_the_bytes_again(world: World) -> None:
    old = prepare(b"old bytes", world.ids.new())
    await world.database.write(lambda transaction: blobs.put(transaction.connection, [old], 5))
    deleted, go_on = threading.Event(), threading.Event()

    def sweep(transaction: Transaction) -> int:
        gone = blobs.sweep(transaction.connection, GRACE_MICROS, 10)
        deleted.set()
        assert go_on.wait(20)
        return gone

    sweeping = asyncio.ensure_future(world.database.write(sweep))
    assert await asyncio.to_thread(deleted.wait, 20)
    again = prepare(b"old bytes", world.ids.new())
    linking = asyncio.ensure_future(
        world.database.write(lambda transaction: blobs.put(transaction.connection, [again], GRACE_MICROS * 3))
    )
    await asyncio.sleep(0.2)
    assert not linking.done()
    go_on.set()
    assert await sweeping == 1
    assert await linking == {old.sha256: again.id}
    assert (await counts(world))[1:] == (1, 1)
