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

ImportDocument = content_service_pb2.ImportDocument
ImportRequest = content_service_pb2.ImportRequest
MESSAGES = 700
TOGETHER = 20
"""Messages in a request."""
HELD_BACK = 100
"""The last messages, which a stream does not send before it is told to: until then the import is not over."""


def documents_of(ids: Ids, count: int) -> list[ImportDocument]:
    return [
        ImportDocument(
            operation_id=ids.new(),
            format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
            data=b"From: a@example.org\r\nSubject: %d\r\n\r\n" % number + b"A line of this message.\r\n" * (number % 300),
        )
        for number in range(count)
    ]


class Importing:
    """One import stream, and what the server has acknowledged of it: item ids by operation id."""

    def __init__(self, documents: Sequence[ImportDocument], *, enough: int) -> None:
        self.acknowledged: dict[bytes, bytes] = {}
        self.enough = asyncio.Event()
        """Set when so many are acknowledged, or the stream is over."""
        self.rest = asyncio.Event()
        """Set by the test, when the messages that were held back may go."""
        self.broken = False
        self._documents = documents
        self._enough = enough

    async def run(self, content: ContentServiceStub, person: Person) -> None:
        """Sends and listens until the stream ends or breaks."""
        try:
            async for response in content.Import(self._sent(), metadata=person.metadata):
                assert not any(result.HasField("error") for result in response.results)
                self.acknowledged |= {result.operation_id: result.item_id for result in response.results}
                if len(self.acknowledged) >= self._enough:
                    self.enough.set()
        except grpc.aio.AioRpcError:
            self.broken = True
        finally:
            self.enough.set()

    async def _sent(self) -> AsyncIterator[ImportRequest]:
        for first in range(0, len(self._documents) - HELD_BACK, TOGETHER):
            yield ImportRequest(documents=self._documents[first : min(first + TOGETHER, len(self._documents) - HELD_BACK)])
        await self.rest.wait()
        yield ImportRequest(documents=self._documents[-HELD_BACK:])


async def import_until_killed(
    process: ServerProcess, server: Running, person: Person, documents: Sequence[ImportDocument], most: int
) -> dict[bytes, bytes]:
    """Kills the server as soon as it has acknowledged ``most``, while the stream is open; gives what it had acknowledged."""
    importing = Importing(documents, enough=most)
    running = asyncio.ensure_future(importing.run(ContentServiceStub(server.channel), person))
    await importing.enough.wait()
    await asyncio.to_thread(process.kill)
    importing.rest.set()
    await running
    assert importing.broken
    assert most <= len(importing.acknowledged) <= len(documents) - HELD_BACK
    return importing.acknowledged


@pytest.mark.parametrize("most", [1, 300])
async def test_a_killed_server_has_every_message_that_it_acknowledged(tmp_path: pathlib.Path, database_url: str, most: int) -> None:
    process = ServerProcess(tmp_path / "data", "--database-url", database_url)
    process.start()
    try:
        async with process.connected() as server:
            anna = await server.add_person("anna")
            documents = documents_of(server.ids, MESSAGES)
            first = await import_until_killed(process, server, anna, documents, most)

        process.start()
        async with process.connected() as server:
            content = ContentServiceStub(server.channel)
            for document in documents:
                if item_id := first.get(document.operation_id):
                    read = content_service_pb2.ReadContentRequest(item_id=item_id)
                    response = await content.ReadContent(read, metadata=anna.metadata)
                    assert response.chunk.data == document.data
            again = Importing(documents, enough=len(documents))
            again.rest.set()
            await again.run(content, anna)
            assert not again.broken
            assert again.acknowledged.keys() == {document.operation_id for document in documents}
            assert first.items() <= again.acknowledged.items()
            asked = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
            inbox = (await FolderServiceStub(server.channel).GetFolder(asked, metadata=anna.metadata)).folder
            assert (inbox.item_count, inbox.size_bytes) == (MESSAGES, sum(len(document.data) for document in documents))
    finally:
        process.kill()
