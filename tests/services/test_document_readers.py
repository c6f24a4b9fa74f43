"""Bulk imports, read by worker processes."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest
from google.protobuf.message import DecodeError

from rookery.v1 import item_pb2
from rookery.v1.content_service_pb2 import ImportDocument, ImportRequest, ImportResult
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds
from rookery_server.services.importing.document_readers import BULK_DOCUMENTS, DocumentReaders, Task, read_all
from rookery_server.services.importing.imports import ImportService
from rookery_server.services.importing.reading_workers import WorkersEnded
from rookery_server.services.importing.worker_memory import MEMORY_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rookery.v1.item_pb2 import DocumentFormat
    from rookery_server.services.importing.document_readers import Answer
    from rookery_server.services.importing.reading_workers import ReadingWorkers
    from tests.support.world import Person, World

LIMIT = 1 << 20
IDS = RandomIds(SystemClock())
NOW = SystemClock().micros()


def document(world: World, number: int) -> ImportDocument:
    mail = f"From: Erika <erika@example.org>\r\nSubject: Number {number}\r\n\r\nHello {number}\r\n"
    return ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=mail.encode())


async def bulk(service: ImportService, person: Person, documents: list[ImportDocument]) -> dict[bytes, ImportResult]:
    async def sent() -> AsyncIterator[ImportRequest]:
        yield ImportRequest(documents=documents)

    responses = [response async for response in service.import_stream(person.caller, sent())]
    return {result.operation_id: result for response in responses for result in response.results}


@pytest.fixture
def readers() -> Iterator[DocumentReaders]:
    made = DocumentReaders(1)
    yield made
    made.close()


async def workers_of(readers: DocumentReaders) -> ReadingWorkers:
    """The processes, once one of them has started; the first bulk has them started and is read here."""
    await readers.read([task(b"Subject: First\r\n\r\n")] * BULK_DOCUMENTS, LIMIT, NOW)
    workers = readers.workers
    assert workers is not None
    while not workers.ready:  # noqa: ASYNC110 - they tell nobody
        await asyncio.sleep(0.01)
    return workers


def task(raw: bytes, document_format: DocumentFormat.ValueType = item_pb2.DOCUMENT_FORMAT_MESSAGE) -> Task:
    head = ImportDocument(operation_id=IDS.new(), format=document_format)
    return Task(head.SerializeToString(), raw, IDS.new(), IDS.new())


async def test_a_bulk_import_read_by_worker_processes_is_the_same_as_one_read_here(
    world: World, anna: Person, readers: DocumentReaders
) -> None:
    service = ImportService(world.database, world.clock, world.ids, readers, max_message_bytes=LIMIT)
    workers = await workers_of(readers)
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
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    again = await bulk(service, anna, [document(world, 30_000 + number) for number in range(12)])
    assert len(again) == 12
    assert not any(answer.HasField("error") for answer in again.values())
    assert (await workers_of(readers)).pids != workers.pids


@pytest.mark.parametrize("program", ["/nowhere/python", shutil.which("false")])
async def test_where_workers_can_not_be_started_everything_is_read_here(
    readers: DocumentReaders, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    for _ in range(3):
        assert len(await readers.read([task(b"Subject: x\r\n\r\n")] * BULK_DOCUMENTS, LIMIT, NOW)) == BULK_DOCUMENTS
        while readers.workers is not None and readers.workers.pids:  # noqa: ASYNC110 - until the loop has heard of their end
            await asyncio.sleep(0.01)


async def test_a_worker_gives_way_to_the_server(readers: DocumentReaders) -> None:
    (pid,) = (await workers_of(readers)).pids
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)


async def test_workers_that_ended_while_there_was_nothing_to_read_are_replaced(readers: DocumentReaders) -> None:
    workers = await workers_of(readers)
    for pid in workers.pids:
        os.kill(pid, signal.SIGKILL)
    while workers.pids:  # noqa: ASYNC110 - until the loop has heard of it
        await asyncio.sleep(0.01)
    with pytest.raises(WorkersEnded):
        await workers.read([task(b"Subject: x\r\n\r\n")], LIMIT, NOW)
    assert len(await readers.read([task(b"Subject: x\r\n\r\n")] * BULK_DOCUMENTS, LIMIT, NOW)) == BULK_DOCUMENTS
    assert await workers_of(readers) is not workers


async def test_workers_read_what_would_be_read_here(readers: DocumentReaders) -> None:
    tasks = [task(b"From: a@example.org\r\nSubject: %d\r\n\r\n%s\r\n" % (number, b"text " * number)) for number in range(60)]
    tasks += [task(b""), task(b"no card", item_pb2.DOCUMENT_FORMAT_VCARD), task(bytes(LIMIT + 1))]
    workers = await workers_of(readers)
    orders = [tasks[first : first + 9] for first in range(0, len(tasks), 9)]
    found = await asyncio.gather(*(workers.read(order, LIMIT, NOW) for order in orders))
    assert [[plain(answer) for answer in answers or []] for answers in found] == [
        [plain(answer) for answer in read_all(order, LIMIT, NOW)] for order in orders
    ]


async def test_what_a_worker_has_no_room_for_is_read_here(readers: DocumentReaders) -> None:
    workers = await workers_of(readers)
    large = [task(random.Random(number).randbytes(1 << 20)) for number in range(MEMORY_BYTES >> 20)]
    assert await workers.read(large, 2 << 20, NOW) is None
    answers = await readers.read(large, 2 << 20, NOW)
    assert all(answer.document is not None for answer in answers)
    assert readers.workers is workers


async def test_a_batch_on_which_a_worker_fails_is_told_by_what_reads_it_here(readers: DocumentReaders) -> None:
    workers = await workers_of(readers)
    faulty = [task(b"Subject: x\r\n\r\n")._replace(head=b"\xff") for _ in range(BULK_DOCUMENTS)]
    assert await workers.read(faulty, LIMIT, NOW) is None
    with pytest.raises(DecodeError):
        await readers.read(faulty, LIMIT, NOW)
    assert await workers.read([task(b"Subject: x\r\n\r\n")], LIMIT, NOW)


async def test_batches_that_nobody_waits_for_any_more_keep_no_worker(readers: DocumentReaders) -> None:
    workers = await workers_of(readers)
    batch = [task(b"Subject: x\r\n\r\n") for _ in range(100)]
    abandoned = [asyncio.ensure_future(workers.read(batch, LIMIT, NOW)) for _ in range(5)]
    await asyncio.sleep(0)
    for each in abandoned:
        each.cancel()
    answers = await workers.read([task(b"Subject: y\r\n\r\n")], LIMIT, NOW)
    assert answers is not None
    assert answers[0].document is not None
    assert answers[0].document.item.columns["subject_key"] == "y"


async def test_a_worker_ends_with_the_server_whatever_signals_come_before(readers: DocumentReaders) -> None:
    workers = await workers_of(readers)
    (pid,) = workers.pids
    os.kill(pid, signal.SIGTERM)
    os.kill(pid, signal.SIGINT)
    assert await workers.read([task(b"Subject: x\r\n\r\n")], LIMIT, NOW)
    readers.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_worker_ends_by_itself_when_the_server_is_gone(readers: DocumentReaders) -> None:
    (worker,) = (await workers_of(readers))._workers
    asyncio.get_running_loop().remove_reader(worker.line)
    worker.line.shutdown(socket.SHUT_RDWR)
    assert await asyncio.to_thread(worker._process.wait, 20) == 0


def plain(answer: Answer) -> object:
    """An answer as values that can be compared."""
    error = answer.error and (answer.error.reason, answer.error.message)
    document = answer.document
    return answer.sha256, error, document and (document.item, document.blob)
