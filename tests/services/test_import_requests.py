"""Requests to import: what they may hold, and what becomes of those that are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1.content_service_pb2 import ImportDocument, ImportRequest
from rookery_core.errors import InvalidArgument
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.import_checks import DATA_BYTES, DOCUMENTS_MOST
from rookery_server.services.importing.imports import ImportService
from rookery_server.store.tables import operation
from tests.services.test_imports import mail, message, one, reason, rows, stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import Person, World


@pytest.fixture
def service(world: World) -> ImportService:
    return ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=20 << 20)


@pytest.mark.parametrize(
    ("request_", "reason_"),
    [
        (ImportDocument(data=b""), "DOCUMENT_INVALID"),
        (ImportDocument(data=b"x"), "DOCUMENT_INVALID"),
        (ImportDocument(data=b"x", format=item_pb2.DOCUMENT_FORMAT_VCARD), "DOCUMENT_INVALID"),
        (ImportDocument(data=bytes((4 << 20) + 1), format=item_pb2.DOCUMENT_FORMAT_MESSAGE), "LIMIT_EXCEEDED"),
        (ImportDocument(data=b"x", format=item_pb2.DOCUMENT_FORMAT_MESSAGE, item_id=b"short"), "ID_INVALID"),
        (ImportDocument(data=b"x", format=item_pb2.DOCUMENT_FORMAT_MESSAGE, folder_id=b"short"), "ID_INVALID"),
        (
            ImportDocument(data=b"x", format=item_pb2.DOCUMENT_FORMAT_MESSAGE, received={"seconds": 1 << 60}),  # type: ignore[arg-type]
            "FIELD_INVALID",
        ),
        (
            ImportDocument(data=b"x", format=item_pb2.DOCUMENT_FORMAT_MESSAGE, state=item_pb2.ItemState(categories=["x" * 300])),
            "FIELD_INVALID",
        ),
    ],
)
async def test_a_malformed_request_is_refused_with_its_reason(
    world: World, anna: Person, service: ImportService, request_: ImportDocument, reason_: str
) -> None:
    sent = ImportDocument()
    sent.CopyFrom(request_)
    sent.operation_id = world.ids.new()
    with pytest.raises(InvalidArgument) as raised:
        await one(service, anna, sent)
    assert raised.value.reason == reason_
    assert await rows(world, operation) == 0


@pytest.mark.parametrize(
    ("sizes", "reason_"),
    [([], "FIELD_INVALID"), ([1] * (DOCUMENTS_MOST + 1), "LIMIT_EXCEEDED"), ([DATA_BYTES, 1], "LIMIT_EXCEEDED")],
)
async def test_a_request_that_is_no_request_ends_the_stream_after_the_answers_to_those_before_it(
    world: World, anna: Person, service: ImportService, sizes: list[int], reason_: str
) -> None:
    good, imported = message(world, mail()), list[bytes]()

    async def sent() -> AsyncIterator[ImportRequest]:
        yield ImportRequest(documents=[good])
        yield ImportRequest(documents=[message(world, bytes(size)) for size in sizes])

    async def run() -> None:
        async for response in service.import_stream(anna.caller, sent()):
            imported.extend(result.operation_id for result in response.results)

    with pytest.raises(InvalidArgument) as raised:
        await run()
    assert (raised.value.reason, raised.value.field) == (reason_, "documents")
    assert imported == [good.operation_id]
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    assert (await world.counts(anna, inbox))[0] == 1


async def test_a_document_that_is_too_large_for_a_request_fails_alone_in_one_of_its_own(
    world: World, anna: Person, service: ImportService
) -> None:
    large, small = message(world, bytes(DATA_BYTES + 1)), message(world, mail())
    answers = await stream(service, anna, [large, small], together=1)
    assert reason(answers[large.operation_id]) == "LIMIT_EXCEEDED"
    assert answers[small.operation_id].item_id


async def test_as_many_documents_as_a_request_takes_are_imported(world: World, anna: Person, service: ImportService) -> None:
    documents = [message(world, mail(number)) for number in range(DOCUMENTS_MOST)]
    answers = await stream(service, anna, documents, together=DOCUMENTS_MOST)
    assert all(answers[document.operation_id].item_id for document in documents)


async def test_documents_of_one_commit_are_answered_together(world: World, anna: Person, service: ImportService) -> None:
    async def sent() -> AsyncIterator[ImportRequest]:
        for _ in range(3):
            yield ImportRequest(documents=[message(world, mail(number)) for number in range(50)])

    responses = [response async for response in service.import_stream(anna.caller, sent())]
    assert sum(len(response.results) for response in responses) == 150
    assert len(responses) <= 3


async def test_a_message_above_the_servers_limit_is_refused(world: World, anna: Person) -> None:
    small = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=100)
    with pytest.raises(InvalidArgument) as raised:
        await one(small, anna, message(world, mail() + b"x" * 100))
    assert (raised.value.reason, raised.value.metadata) == ("MESSAGE_TOO_LARGE", {"limit_bytes": "100"})
