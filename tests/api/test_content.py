"""ContentService over the wire: streams that break, callers without rights, bytes that come back."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from rookery.v1 import content_service_pb2, item_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from tests.support import corpus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from tests.support.server import Person, Running

UploadRequest = content_service_pb2.UploadRequest
ImportDocument = content_service_pb2.ImportDocument
ImportRequest = content_service_pb2.ImportRequest
MESSAGE = b"From: Erika <erika@example.org>\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


@pytest.fixture
async def anna(server: Running) -> Person:
    return await server.add_person("anna")


@pytest.fixture
async def ben(server: Running) -> Person:
    return await server.add_person("ben")


@pytest.fixture
def content(server: Running) -> ContentServiceStub:
    return ContentServiceStub(server.channel)


def reason(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


async def sent(requests: Iterable[ImportRequest]) -> AsyncIterator[ImportRequest]:
    for request in requests:
        yield request


async def bring(server: Running, content: ContentServiceStub, person: Person, data: bytes) -> bytes:
    document = ImportDocument(operation_id=server.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=data)
    request = content_service_pb2.ImportItemRequest(document=document)
    return (await content.ImportItem(request, metadata=person.metadata)).result.item_id


async def test_an_upload_cut_in_the_middle_goes_on_where_the_server_is(
    server: Running, content: ContentServiceStub, anna: Person
) -> None:
    data, upload_id = random.Random(1).randbytes((7 << 20) + 5), server.ids.new()

    def piece(at: int) -> UploadRequest:
        part = data[at : at + (1 << 20)]
        return UploadRequest(upload_id=upload_id, total_bytes=len(data), offset=at, data=part)

    call = content.Upload(metadata=anna.metadata)
    for at in range(0, 6 << 20, 1 << 20):
        await call.write(piece(at))
    asked = content_service_pb2.GetUploadRequest(upload_id=upload_id)
    known = content_service_pb2.GetUploadResponse()
    while not known.received_bytes:  # the first four megabytes become durable while the rest waits in memory
        with contextlib.suppress(grpc.aio.AioRpcError):
            known = await content.GetUpload(asked, metadata=anna.metadata)
    call.cancel()
    assert known.received_bytes == 4 << 20
    rest = content.Upload((piece(at) for at in range(known.received_bytes, len(data), 1 << 20)), metadata=anna.metadata)
    assert (await rest).complete
    document = ImportDocument(operation_id=server.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, upload_id=upload_id)
    request = content_service_pb2.ImportItemRequest(document=document)
    item_id = (await content.ImportItem(request, metadata=anna.metadata)).result.item_id
    asked_for = content_service_pb2.DownloadDocumentRequest(item_id=item_id, offset=3 << 20)
    chunks = [answer.chunk.data async for answer in content.DownloadDocument(asked_for, metadata=anna.metadata)]
    assert b"".join(chunks) == data[3 << 20 :]


async def test_a_truncated_upload_is_no_document(server: Running, content: ContentServiceStub, anna: Person) -> None:
    upload_id = server.ids.new()
    first = UploadRequest(upload_id=upload_id, total_bytes=1000, data=MESSAGE)
    response = await content.Upload(iter([first]), metadata=anna.metadata)
    assert (response.received_bytes, response.complete) == (len(MESSAGE), False)
    document = ImportDocument(operation_id=server.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, upload_id=upload_id)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await content.ImportItem(content_service_pb2.ImportItemRequest(document=document), metadata=anna.metadata)
    assert raised.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert reason(raised.value) == "UPLOAD_INCOMPLETE"


async def test_nobody_reaches_what_is_another_ones(server: Running, content: ContentServiceStub, anna: Person, ben: Person) -> None:
    upload_id = server.ids.new()
    piece = UploadRequest(upload_id=upload_id, total_bytes=len(MESSAGE), data=MESSAGE)
    await content.WriteUpload(content_service_pb2.WriteUploadRequest(piece=piece), metadata=anna.metadata)
    item_id = await bring(server, content, anna, MESSAGE)
    document = ImportDocument(operation_id=server.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, upload_id=upload_id)
    for mailbox_id in (b"", anna.login.identity.mailbox_id):
        known = content_service_pb2.GetUploadRequest(mailbox_id=mailbox_id, upload_id=upload_id)
        calls = (
            content.GetUpload(known, metadata=ben.metadata),
            content.ImportItem(
                content_service_pb2.ImportItemRequest(mailbox_id=mailbox_id, document=document), metadata=ben.metadata
            ),
            content.ReadContent(
                content_service_pb2.ReadContentRequest(mailbox_id=mailbox_id, item_id=item_id), metadata=ben.metadata
            ),
        )
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() == grpc.StatusCode.NOT_FOUND
        stream = content.DownloadDocument(
            content_service_pb2.DownloadDocumentRequest(mailbox_id=mailbox_id, item_id=item_id), metadata=ben.metadata
        )
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            [answer async for answer in stream]
        assert raised.value.code() == grpc.StatusCode.NOT_FOUND


async def test_each_document_of_a_stream_is_answered(server: Running, content: ContentServiceStub, anna: Person) -> None:
    corpus.require("mime.tar.gz")
    raws = [data for path in corpus.files("mime") if (data := path.read_bytes())]
    documents = {
        (operation_id := server.ids.new()): ImportDocument(
            operation_id=operation_id, format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=data
        )
        for data in raws
    }
    broken = server.ids.new()
    documents[broken] = ImportDocument(operation_id=broken, format=item_pb2.DOCUMENT_FORMAT_VCARD, data=b"no card")
    waiting = list(documents.values())
    requests = [ImportRequest(documents=waiting[first : first + 9]) for first in range(0, len(waiting), 9)]
    responses = [response async for response in content.Import(sent(requests), metadata=anna.metadata)]
    answers = {result.operation_id: result for response in responses for result in response.results}
    assert answers.keys() == documents.keys()
    info = error_details_pb2.ErrorInfo()
    assert answers.pop(broken).error.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("DOCUMENT_INVALID", "rookery")
    for operation_id, answer in answers.items():
        asked = content_service_pb2.DownloadDocumentRequest(item_id=answer.item_id)
        chunks = [each.chunk.data async for each in content.DownloadDocument(asked, metadata=anna.metadata)]
        assert b"".join(chunks) == documents[operation_id].data


async def test_a_request_without_documents_is_refused(content: ContentServiceStub, anna: Person) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await content.Import(sent([ImportRequest()]), metadata=anna.metadata).read()
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert reason(raised.value) == "FIELD_INVALID"


async def test_content_needs_a_sign_in(content: ContentServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await content.Import(sent([ImportRequest()])).read()
    assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_an_offset_beyond_the_end_is_out_of_range(server: Running, content: ContentServiceStub, anna: Person) -> None:
    item_id = await bring(server, content, anna, MESSAGE)
    request = content_service_pb2.ReadContentRequest(item_id=item_id, offset=(1 << 64) - 1)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await content.ReadContent(request, metadata=anna.metadata)
    assert raised.value.code() == grpc.StatusCode.OUT_OF_RANGE
    assert reason(raised.value) == "OFFSET_INVALID"
