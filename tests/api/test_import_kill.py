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
    from tests.support.server import Person, Running

ImportRequest = content_service_pb2.ImportRequest
MESSAGES = 700
HELD_BACK = 100
"""The last messages, which a stream does not send before it is told to: until then the import is not over."""


def requests_of(ids: Ids, count: int) -> list[ImportRequest]:
    return [
        ImportRequest(
            operation_id=ids.new(),
            format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
            data=b"From: a@example.org\r\nSubject: %d\r\n\r\n" % number + b"A line of this message.\r\n" * (number % 300),
        )
        for number in range(count)
    ]


class Importing:
    """One import stream, and what the server has acknowledged of it: item ids by operation id."""

    def __init__(self, requests: Sequence[ImportRequest], *, enough: int) -> None:
        self.acknowledged: dict[bytes, bytes] = {}
        self.enough = asyncio.Event()
        """Set when so many are acknowledged, or the stream is over."""
        self.rest = asyncio.Event()
        """Set by the test, when the messages that were held back may go."""
        self.broken = False
        self._requests = requests
        self._enough = enough

    async def run(self, content: ContentServiceStub, person: Person) -> None:
        """Sends and listens until the stream ends or breaks."""
        try:
            async for answer in content.Import(self._sent(), metadata=person.metadata):
                assert not answer.HasField("error")
                self.acknowledged[answer.operation_id] = answer.item_id
                if len(self.acknowledged) >= self._enough:
                    self.enough.set()
        except grpc.aio.AioRpcError:
            self.broken = True
        finally:
            self.enough.set()

    async def _sent(self) -> AsyncIterator[ImportRequest]:
        for request in self._requests[:-HELD_BACK]:
            yield request
        await self.rest.wait()
        for request in self._requests[-HELD_BACK:]:
            yield request


async def import_until_killed(
    process: ServerProcess, server: Running, person: Person, requests: Sequence[ImportRequest], most: int
) -> dict[bytes, bytes]:
    """Kills the server as soon as it has acknowledged ``most``, while the stream is open; gives what it had acknowledged."""
    importing = Importing(requests, enough=most)
    running = asyncio.ensure_future(importing.run(ContentServiceStub(server.channel), person))
    await importing.enough.wait()
    await asyncio.to_thread(process.kill)
    importing.rest.set()
    await running
    assert importing.broken
    assert most <= len(importing.acknowledged) <= len(requests) - HELD_BACK
    return importing.acknowledged


@pytest.mark.parametrize("most", [1, 300])
async def test_a_killed_server_has_every_message_that_it_acknowledged(tmp_path: pathlib.Path, database_url: str, most: int) -> None:
    process = ServerProcess(tmp_path / "data", "--database-url", database_url)
    process.start()
    try:
        async with process.connected() as server:
            anna = await server.add_person("anna")
            requests = requests_of(server.ids, MESSAGES)
            first = await import_until_killed(process, server, anna, requests, most)

        process.start()
        async with process.connected() as server:
            content = ContentServiceStub(server.channel)
            for request in requests:
                if item_id := first.get(request.operation_id):
                    read = content_service_pb2.ReadContentRequest(item_id=item_id)
                    response = await content.ReadContent(read, metadata=anna.metadata)
                    assert response.chunk.data == request.data
            again = Importing(requests, enough=len(requests))
            again.rest.set()
            await again.run(content, anna)
            assert not again.broken
            assert again.acknowledged.keys() == {request.operation_id for request in requests}
            assert first.items() <= again.acknowledged.items()
            asked = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
            inbox = (await FolderServiceStub(server.channel).GetFolder(asked, metadata=anna.metadata)).folder
            assert (inbox.item_count, inbox.size_bytes) == (MESSAGES, sum(len(request.data) for request in requests))
    finally:
        process.kill()
