from __future__ import annotations

import asyncio
import itertools
import random
import time

import pytest
from google.rpc import code_pb2

from rookery.v1 import content_service_pb2 as pb
from rookery_client.client import imports
from rookery_client.client.imports import BUNDLE_BYTES, BUNDLE_DOCUMENTS, IN_FLIGHT
from rookery_core import errors
from tests.support.client_fakes import client_of, refuse, status_of


class Customs:
    """Imports documents into a dict by operation id, answers out of order, breaks streams off after so many answers."""

    def __init__(self, breaks: list[int] | None = None) -> None:
        self.breaks = breaks or []
        self.held: dict[bytes, bytes] = {}
        self.received = 0
        self.requests: list[list[int]] = []
        self.uploads: dict[bytes, bytes] = {}
        self.most_waiting = 0
        self.delay = 0.0

    async def handle(self, requests, context):
        left = self.breaks.pop(0) if self.breaks else None
        waiting: list[pb.ImportDocument] = []
        source = aiter(requests)
        ended = False
        while not ended or waiting:
            try:
                while not ended:
                    request = await asyncio.wait_for(anext(source), 0.02)
                    self.requests.append([len(document.data) for document in request.documents])
                    waiting += request.documents
                    self.received += len(request.documents)
            except TimeoutError:
                pass
            except StopAsyncIteration:
                ended = True
            self.most_waiting = max(self.most_waiting, len(waiting))
            random.Random(len(waiting)).shuffle(waiting)
            response = pb.ImportResponse()
            for document in waiting:
                data = document.data or self.uploads[document.upload_id]
                # Durable before the break: the answer is lost, the document is not.
                self.held[document.operation_id] = data
                if left == 0:
                    if response.results:
                        yield response
                    await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")
                left = None if left is None else left - 1
                response.results.append(self.answer(document, data))
            if waiting:
                yield response
            waiting.clear()
            ended = ended or context.cancelled()

    def answer(self, document, data):
        result = pb.ImportResult(operation_id=document.operation_id)
        if data.startswith(b"bad"):
            result.error.CopyFrom(status_of(code_pb2.INVALID_ARGUMENT, "DOCUMENT_INVALID", "not a message"))
        else:
            result.item_id = document.operation_id
            result.existed = data.startswith(b"old")
        return result

    async def upload(self, requests, context):
        data, upload_id = b"", b""
        async for request in requests:
            upload_id = upload_id or request.upload_id
            data += request.data
        self.uploads[upload_id] = data
        return pb.UploadResponse(received_bytes=len(data), complete=True)

    @property
    def handlers(self):
        return {"ContentService.Import": self.handle, "ContentService.Upload": self.upload}


def documents(count):
    return [(number, pb.ImportDocument(data=b"message %d" % number)) for number in range(count)]


async def test_documents_are_imported_and_answered_with_their_keys():
    customs = Customs()
    async with client_of(customs.handlers) as client:
        results = [result async for result in client.content.import_documents(documents(3 * IN_FLIGHT))]
    assert sorted(result.key for result in results) == list(range(3 * IN_FLIGHT))
    assert all(customs.held[result.item_id] == b"message %d" % result.key for result in results)
    assert customs.most_waiting <= IN_FLIGHT


async def test_large_documents_are_under_way_by_their_bytes(monkeypatch):
    monkeypatch.setattr(imports, "IN_FLIGHT_BYTES", 1000)
    customs = Customs()
    async with client_of(customs.handlers) as client:
        source = [(number, pb.ImportDocument(data=bytes(size))) for number, size in enumerate([300] * 20 + [2000, 300, 10, 2000])]
        results = [result async for result in client.content.import_documents(source)]
    assert sorted(result.key for result in results) == list(range(24))
    assert 1 <= customs.most_waiting <= 3


async def test_documents_that_are_there_together_travel_together():
    customs = Customs()
    async with client_of(customs.handlers) as client:
        results = [result async for result in client.content.import_documents(documents(IN_FLIGHT))]
    assert len(results) == IN_FLIGHT
    assert len(customs.requests) <= IN_FLIGHT // BUNDLE_DOCUMENTS + 2
    assert max(map(len, customs.requests)) == BUNDLE_DOCUMENTS


async def test_a_request_is_filled_up_to_its_bytes_and_a_larger_document_goes_alone():
    customs = Customs()
    sizes = [BUNDLE_BYTES // 2 - 1, BUNDLE_BYTES // 2, 2, 3 * BUNDLE_BYTES, 1, 1]
    source = [(size, pb.ImportDocument(data=bytes(size))) for size in sizes]
    async with client_of(customs.handlers) as client:
        assert len([result async for result in client.content.import_documents(source)]) == len(sizes)
    assert customs.requests == [sizes[:2], [2], [3 * BUNDLE_BYTES], [1, 1]]


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_slow_source_has_what_it_gave_sent_meanwhile(blocks):
    customs = Customs()
    held: list[int] = []

    def blocking():
        for number, document in documents(12):
            held.append(len(customs.held))
            time.sleep(0.05)
            yield number, document

    async def waiting():
        for number, document in documents(12):
            held.append(len(customs.held))
            await asyncio.sleep(0.05)
            yield number, document

    async with client_of(customs.handlers) as client:
        source = blocking() if blocks else waiting()
        assert len([result async for result in client.content.import_documents(source)]) == 12
    assert held[-1] > 0


async def test_nothing_to_import_is_no_error():
    customs = Customs()
    async with client_of(customs.handlers) as client:
        assert [result async for result in client.content.import_documents([])] == []


async def test_after_a_broken_stream_the_unanswered_are_sent_again_under_the_same_operation_ids():
    customs = Customs(breaks=[10, 0, 30, 1])
    async with client_of(customs.handlers) as client:
        results = [result async for result in client.content.import_documents(documents(150))]
    assert sorted(result.key for result in results) == list(range(150))
    assert len(customs.held) == 150
    assert customs.received > 150


async def test_documents_come_from_an_async_source_too():
    async def source():
        for number in range(100):
            await asyncio.sleep(0)
            yield str(number), pb.ImportDocument(data=b"x")

    customs = Customs(breaks=[3])
    async with client_of(customs.handlers) as client:
        results = [result async for result in client.content.import_documents(source())]
    assert {result.key for result in results} == {str(number) for number in range(100)}


async def test_a_refused_document_is_a_result_and_the_others_go_on():
    customs = Customs()
    source = [("a", pb.ImportDocument(data=b"bad")), ("b", pb.ImportDocument(data=b"old")), ("c", pb.ImportDocument(data=b"x"))]
    async with client_of(customs.handlers) as client:
        results = {result.key: result async for result in client.content.import_documents(source)}
    assert isinstance(results["a"].error, errors.InvalidArgument)
    assert results["a"].error.reason == "DOCUMENT_INVALID"
    assert results["b"].existed and not results["b"].error
    assert not results["c"].existed and results["c"].item_id


async def test_a_document_answered_with_unavailable_is_sent_again():
    seen = []

    async def handle(requests, context):
        async for request in requests:
            response = pb.ImportResponse()
            for document in request.documents:
                seen.append(document.operation_id)
                result = response.results.add(operation_id=document.operation_id, item_id=b"i" * 16)
                if len(seen) == 1:
                    result.error.CopyFrom(status_of(code_pb2.UNAVAILABLE, "DATABASE_BUSY", "busy"))
            yield response

    async with client_of({"ContentService.Import": handle}) as client:
        results = [result async for result in client.content.import_documents(documents(3))]
    assert [result.error for result in results] == [None] * 3
    assert seen == [*seen[:3], seen[0]]


async def test_a_large_document_goes_through_an_upload():
    customs = Customs()
    large = b"L" * (5 << 20)
    async with client_of(customs.handlers) as client:
        results = [r async for r in client.content.import_documents([("big", pb.ImportDocument(data=large))])]
    assert results[0].error is None
    assert list(customs.held.values()) == [large]


async def test_a_server_that_stays_away_ends_the_import_with_an_error():
    async def handle(requests, context):
        await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING", "shutting down")
        yield pb.ImportResponse()

    async with client_of({"ContentService.Import": handle}) as client:
        with pytest.raises(errors.Unavailable, match="shutting down"):
            async for _ in client.content.import_documents(documents(3)):
                pass


async def test_an_error_of_the_source_is_raised_after_what_came_before_it():
    def source():
        yield from documents(5)
        raise OSError("disk gone")

    customs = Customs()
    async with client_of(customs.handlers) as client:
        results = client.content.import_documents(source())
        assert sorted([(await anext(results)).key for _ in range(5)]) == [0, 1, 2, 3, 4]
        with pytest.raises(OSError, match="disk gone"):
            await anext(results)


async def test_an_import_may_be_left_in_the_middle():
    customs = Customs()
    async with client_of(customs.handlers) as client:
        results = client.content.import_documents((n, pb.ImportDocument(data=b"x")) for n in itertools.count())
        async for _ in results:
            break
        await results.aclose()
    before = customs.received
    await asyncio.sleep(0.05)
    assert customs.received == before


async def test_the_source_is_not_read_far_ahead_of_the_results():
    taken = []

    def source():
        for number in range(1000):
            taken.append(number)
            yield number, pb.ImportDocument(data=b"x")

    customs = Customs()
    async with client_of(customs.handlers) as client:
        results = client.content.import_documents(source())
        await anext(results)
        await asyncio.sleep(0.1)
        assert len(taken) <= IN_FLIGHT + 3
        await results.aclose()
