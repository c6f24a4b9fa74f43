"""SIGKILL in the middle of an import: what was acknowledged is there, and the rest can be sent again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc.aio
import pytest

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Sequence

    from rookery_core.rules.ids import Ids
    from tests.support.server import Person

ImportRequest = content_service_pb2.ImportRequest
MESSAGES = 700


def requests_of(ids: Ids, count: int) -> list[ImportRequest]:
    return [
        ImportRequest(
            operation_id=ids.new(),
            format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
            data=b"From: a@example.org\r\nSubject: %d\r\n\r\n" % number + b"A line of this message.\r\n" * (number % 300),
        )
        for number in range(count)
    ]


async def acknowledged(
    content: ContentServiceStub, person: Person, requests: Sequence[ImportRequest], enough: asyncio.Event, most: int
) -> dict[bytes, bytes]:
    """Item ids by operation id, as far as the server answered; ``enough`` is set once ``most`` are there."""
    found: dict[bytes, bytes] = {}

    async def sent() -> AsyncIterator[ImportRequest]:
        for request in requests:
            yield request

    try:
        async for answer in content.Import(sent(), metadata=person.metadata):
            assert not answer.HasField("error")
            found[answer.operation_id] = answer.item_id
            if len(found) >= most:
                enough.set()
    except grpc.aio.AioRpcError:
        enough.set()
    return found


@pytest.mark.parametrize("most", [1, 300])
async def test_a_killed_server_has_every_message_that_it_acknowledged(tmp_path: pathlib.Path, most: int) -> None:
    process = ServerProcess(tmp_path / "data")
    process.start()
    try:
        async with process.connected() as server:
            anna = await server.add_person("anna")
            requests = requests_of(server.ids, MESSAGES)
            enough = asyncio.Event()
            importing = asyncio.ensure_future(acknowledged(ContentServiceStub(server.channel), anna, requests, enough, most))
            await enough.wait()
            await asyncio.to_thread(process.kill)
            first = await importing
        assert most <= len(first)

        process.start()
        async with process.connected() as server:
            content = ContentServiceStub(server.channel)
            for request in requests:
                if item_id := first.get(request.operation_id):
                    read = content_service_pb2.ReadContentRequest(item_id=item_id)
                    response = await content.ReadContent(read, metadata=anna.metadata)
                    assert response.chunk.data == request.data
            second = await acknowledged(content, anna, requests, asyncio.Event(), len(requests))
            assert second.keys() == {request.operation_id for request in requests}
            assert first.items() <= second.items()
            asked = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
            inbox = (await FolderServiceStub(server.channel).GetFolder(asked, metadata=anna.metadata)).folder
            assert (inbox.item_count, inbox.size_bytes) == (MESSAGES, sum(len(request.data) for request in requests))
    finally:
        process.kill()
