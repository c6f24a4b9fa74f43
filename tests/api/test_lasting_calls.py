"""Streams last: whoever is signed out meanwhile is out of them too."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
import pytest

from rookery.v1 import auth_service_pb2 as auth
from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_client.connection.status import error_of_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.server import Person, Running

SIZE = 24 << 20
MESSAGE = b"From: Erika <erika@example.org>\r\nSubject: Hello\r\n\r\nHow are you?\r\n"
DATA = random.Random(1).randbytes(SIZE)


@pytest.fixture
async def anna(server: Running) -> Person:
    return await server.add_person("anna")


@pytest.fixture
def content(server: Running) -> ContentServiceStub:
    return ContentServiceStub(server.channel)


async def sign_out(server: Running, person: Person) -> None:
    await server.auth.Logout(auth.LogoutRequest(), metadata=person.metadata)


def piece(upload_id: bytes, at: int) -> content_service_pb2.UploadRequest:
    return content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=SIZE, offset=at, data=DATA[at : at + (1 << 20)])


def document(server: Running) -> content_service_pb2.ImportRequest:
    """A request with one document."""
    message = item_pb2.DOCUMENT_FORMAT_MESSAGE
    return content_service_pb2.ImportRequest(
        documents=[content_service_pb2.ImportDocument(operation_id=server.ids.new(), format=message, data=MESSAGE)]
    )


async def attached(server: Running, content: ContentServiceStub, person: Person) -> bytes:
    """An item with a large attachment."""
    upload_id = server.ids.new()
    call = content.Upload(metadata=person.metadata)
    for at in range(0, SIZE, 1 << 20):
        await call.write(piece(upload_id, at))
    await call.done_writing()
    assert (await call).complete
    item = item_pb2.Item()
    item.summary.kind = item_pb2.ITEM_KIND_MESSAGE
    item.content.attachments.add(name="a.bin", upload_id=upload_id)
    request = item_service_pb2.CreateItemRequest(operation_id=server.ids.new(), item=item)
    return (await ItemServiceStub(server.channel).CreateItem(request, metadata=person.metadata)).item.id


async def test_an_upload_ends_when_its_session_does(server: Running, content: ContentServiceStub, anna: Person) -> None:
    upload_id = server.ids.new()

    async def sent() -> AsyncIterator[content_service_pb2.UploadRequest]:
        yield piece(upload_id, 0)
        await sign_out(server, anna)
        yield piece(upload_id, 1 << 20)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await content.Upload(sent(), metadata=anna.metadata)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert error_of_call(caught.value, "the server").reason == "SESSION_REVOKED"


async def test_an_import_ends_when_its_session_does(server: Running, content: ContentServiceStub, anna: Person) -> None:
    call = content.Import(metadata=anna.metadata)
    await call.write(document(server))
    answer = await call.read()
    assert isinstance(answer, content_service_pb2.ImportResponse) and answer.results[0].item_id
    await sign_out(server, anna)
    await call.write(document(server))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert error_of_call(caught.value, "the server").reason == "SESSION_REVOKED"


async def to_the_end(call: Any, received: list[int]) -> None:
    """Reads what comes, and notes how much."""
    while isinstance(response := await call.read(), content_service_pb2.DownloadAttachmentResponse):
        received.append(len(response.chunk.data))


async def test_a_download_ends_when_its_session_does(server: Running, content: ContentServiceStub, anna: Person) -> None:
    item_id = await attached(server, content, anna)
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=1)
    call = content.DownloadAttachment(request, metadata=anna.metadata)
    first = await call.read()
    assert isinstance(first, content_service_pb2.DownloadAttachmentResponse)
    await sign_out(server, anna)
    received = [len(first.chunk.data)]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await to_the_end(call, received)
    assert error_of_call(caught.value, "the server").reason == "SESSION_REVOKED"
    assert sum(received) < SIZE


async def test_an_access_token_that_ends_does_not_end_what_was_begun_with_it(
    server: Running, content: ContentServiceStub, anna: Person
) -> None:
    call = content.Import(metadata=anna.metadata)
    for _ in range(2):
        await call.write(document(server))
        answer = await call.read()
        assert isinstance(answer, content_service_pb2.ImportResponse) and answer.results[0].item_id
        server.clock.advance(seconds=7200)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
