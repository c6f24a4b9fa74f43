"""Bulk imports, read by worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery.v1.content_service_pb2 import ImportDocument, ImportRequest, ImportResult
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import Person, World


def document(world: World, number: int) -> ImportDocument:
    mail = f"From: Erika <erika@example.org>\r\nSubject: Number {number}\r\n\r\nHello {number}\r\n"
    return ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=mail.encode())


async def bulk(service: ImportService, person: Person, documents: list[ImportDocument]) -> dict[bytes, ImportResult]:
    async def sent() -> AsyncIterator[ImportRequest]:
        yield ImportRequest(documents=documents)

    responses = [response async for response in service.import_stream(person.caller, sent())]
    return {result.operation_id: result for response in responses for result in response.results}


async def test_a_bulk_import_read_by_worker_processes_is_the_same_as_one_read_here(world: World, anna: Person) -> None:
    readers = DocumentReaders(1)
    service = ImportService(world.database, world.clock, world.ids, readers, max_message_bytes=1 << 20)
    try:
        subjects = []
        while readers._pool is None or not readers._ready or not readers._ready.done():
            requests = [document(world, (len(subjects) + number)) for number in range(10)]
            subjects.extend(requests)
            await bulk(service, anna, requests)
        answers = await bulk(service, anna, [document(world, 10_000 + number) for number in range(12)])
        broken = ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_VCARD, data=b"no card")
        mixed = [broken, *(document(world, 20_000 + number) for number in range(12))]
        others = await bulk(service, anna, mixed)
        assert others[broken.operation_id].error.details
        for answer in [*answers.values(), *(answer for key, answer in others.items() if key != broken.operation_id)]:
            assert not answer.HasField("error")
            item = await world.get(anna, answer.item_id)
            assert item.summary.subject
            assert item.content.message.has_original
        # The workers die: the next bulk is read here, the one after by new ones.
        for process in list(readers._pool._processes.values()):
            process.kill()
        again = await bulk(service, anna, [document(world, 30_000 + number) for number in range(12)])
        assert len(again) == 12
        assert not any(answer.HasField("error") for answer in again.values())
    finally:
        readers.close()
