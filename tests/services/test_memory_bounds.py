"""However many send at once: what waits in memory is bounded, and everybody gets a turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import content_service_pb2, item_pb2
from rookery_server.services.content import uploads
from rookery_server.services.content.byte_budget import ByteBudget
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.importing import imports
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.store.blob_chunks import CHUNK_BYTES
from tests.services.test_uploads import noise, pieces, stored, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import Person, World

MESSAGE = b"From: Erika <erika@example.org>\r\nSubject: Hello\r\n\r\n" + b"How are you?\r\n" * 50


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_when_the_budget_is_spent_waits_and_is_served_in_order() -> None:
    budget, served = ByteBudget(100), []

    async def take(name: str, size: int) -> None:
        await budget.take(size)
        served.append(name)

    await take("first", 60)
    tasks = [asyncio.create_task(take(name, size)) for name, size in (("large", 80), ("small", 10), ("last", 90))]
    await settle()
    assert served == ["first"]
    budget.give(60)
    await settle()
    assert served == ["first", "large", "small"]
    budget.give(80)
    budget.give(10)
    await asyncio.gather(*tasks)
    assert served[-1] == "last"


async def test_who_gives_up_waiting_holds_up_nobody_and_takes_nothing_along() -> None:
    budget = ByteBudget(100)
    await budget.take(60)
    impatient = asyncio.create_task(budget.take(80))
    behind = asyncio.create_task(budget.take(40))
    await settle()
    assert not behind.done()
    impatient.cancel()
    await asyncio.wait_for(behind, 5)
    late = asyncio.create_task(budget.take(100))
    await settle()
    budget.give(60)
    budget.give(40)
    late.cancel()  # it has been given its turn and does not know yet
    with pytest.raises(asyncio.CancelledError):
        await late
    await asyncio.wait_for(budget.take(100), 5)


async def test_more_than_all_is_taken_for_all() -> None:
    budget = ByteBudget(100)
    await asyncio.wait_for(budget.take(1000), 5)
    budget.give(1000)
    await asyncio.wait_for(budget.take(100), 5)


async def test_many_import_streams_share_a_budget_and_all_come_to_their_end(
    world: World, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "MEMORY_BYTES", 3 * len(MESSAGE))
    service = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=1 << 20)
    submit, waiting, most = service._batches.submit, 0, 0

    def counted(*given: object) -> list[asyncio.Future[object]]:
        nonlocal waiting, most
        futures: list[asyncio.Future[object]] = submit(*given)  # type: ignore[assignment, arg-type]
        waiting += len(futures)
        most = max(most, waiting)

        def answered(_: object) -> None:
            nonlocal waiting
            waiting -= 1

        for future in futures:
            future.add_done_callback(answered)
        return futures

    monkeypatch.setattr(service._batches, "submit", counted)

    async def sent() -> AsyncIterator[content_service_pb2.ImportRequest]:
        for number in range(5):
            documents = [
                content_service_pb2.ImportDocument(
                    operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=MESSAGE
                )
                for _ in range(1 + number % 3)
            ]
            yield content_service_pb2.ImportRequest(documents=documents)

    async def whole(person: Person) -> int:
        responses = [response async for response in service.import_stream(person.caller, sent())]
        return sum(bool(result.item_id) for response in responses for result in response.results)

    assert await asyncio.gather(*(whole(person) for person in (anna, ben) for _ in range(4))) == [9] * 8
    assert 0 < most <= 3


async def test_uploads_that_are_too_many_for_memory_are_written_sooner_and_none_waits_for_another(
    world: World, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MEMORY_BYTES", 3 << 20)
    service = UploadService(world.database, world.clock, world.ids, max_message_bytes=20 << 20)
    data, most, stop = noise((3 << 20) + 5), 0, asyncio.Event()

    async def stalled(upload_id: bytes) -> AsyncIterator[content_service_pb2.UploadRequest]:
        nonlocal most
        for piece in pieces(upload_id, data):
            yield piece
            most = max(most, service._waiting.size)
        await stop.wait()

    ids = [world.ids.new() for _ in range(6)]
    held = [asyncio.create_task(service.upload(anna.caller, stalled(upload_id))) for upload_id in ids]
    await asyncio.sleep(0.3)
    late = world.ids.new()
    assert (await asyncio.wait_for(service.upload(ben.caller, stream(pieces(late, data))), 30)).complete
    stop.set()
    assert all(response.complete for response in await asyncio.gather(*held))
    assert most <= (3 << 20) + 7 * (uploads.PIECE_BYTES + CHUNK_BYTES)  # each has a piece in hand, and less than a chunk
    assert service._waiting.size == 0
    for upload_id in ids:
        assert await stored(world, anna, upload_id) == data


async def test_an_upload_that_breaks_off_leaves_nothing_in_memory(world: World, anna: Person) -> None:
    service = UploadService(world.database, world.clock, world.ids, max_message_bytes=20 << 20)

    async def broken() -> AsyncIterator[content_service_pb2.UploadRequest]:
        yield pieces(world.ids.new(), noise(2 << 20))[0]
        assert service._waiting.size == 1 << 20
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await service.upload(anna.caller, broken())
    assert service._waiting.size == 0
