"""SIGKILL while mail is being sent: what was accepted arrives, once, and lies in Sent Items, once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub
from rookery_core.formats import mime
from rookery_server.bootstrap import CAPTURED
from tests.support.mail import until
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    import pathlib

    from rookery_core.rules.ids import Ids
    from tests.support.server import Person, Running

LETTERS = 60
KILLS = 4


@dataclass(frozen=True)
class Letter:
    """Two calls, which are repeated as they are until both were answered."""

    creation: item_service_pb2.CreateItemRequest
    submission: messages.SubmitRequest


def letter(ids: Ids, number: int) -> Letter:
    draft = item_pb2.Item(id=ids.new())
    draft.summary.kind = item_pb2.ITEM_KIND_MESSAGE
    draft.summary.subject, draft.summary.message.draft = f"Letter {number}", True
    draft.content.body.text = f"This is letter {number}.\n"
    for address in ("ben@rookery.test", "far@other.test"):
        draft.content.recipients.add().person.address = address
    creation = item_service_pb2.CreateItemRequest(operation_id=ids.new(), item=draft)
    return Letter(creation, messages.SubmitRequest(operation_id=ids.new(), item_id=draft.id))


async def send(server: Running, person: Person, letters: list[Letter], *, pace: float) -> None:
    """Sends letters, four at a time; those that are accepted leave the list. Ends when the server does not answer."""
    items: Any = ItemServiceStub(server.channel)
    submissions: Any = SubmissionServiceStub(server.channel)
    waiting = list(letters)

    async def post() -> None:
        while waiting:
            next_one = waiting.pop(0)
            await items.CreateItem(next_one.creation, metadata=person.metadata)
            await submissions.Submit(next_one.submission, metadata=person.metadata)
            letters.remove(next_one)
            await asyncio.sleep(pace)

    results = await asyncio.gather(*(post() for _ in range(4)), return_exceptions=True)
    assert all(result is None or isinstance(result, grpc.aio.AioRpcError) for result in results), results


async def subjects(server: Running, person: Person, role: int) -> list[str]:
    folders: Any = FolderServiceStub(server.channel)
    items: Any = ItemServiceStub(server.channel)
    asked = folder_pb2.GetFolderRequest(role=folder_pb2.FolderRole.ValueType(role))
    folder = (await folders.GetFolder(asked, metadata=person.metadata)).folder
    listing = item_service_pb2.ListItemsRequest(folder_id=folder.id, page_size=500)
    return sorted(item.summary.subject for item in (await items.ListItems(listing, metadata=person.metadata)).items)


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_killed_server_delivers_what_it_had_accepted_once(tmp_path: pathlib.Path, seed: int) -> None:
    dice = random.Random(seed)
    process = ServerProcess(tmp_path / "data")
    process.start()
    try:
        async with process.connected() as server:
            anna, ben = await server.add_person("anna"), await server.add_person("ben")
            letters = [letter(server.ids, number) for number in range(LETTERS)]
        for _ in range(KILLS):
            async with process.connected() as server:
                sending = asyncio.create_task(send(server, anna, letters, pace=0.1))
                await asyncio.sleep(dice.uniform(0.05, 0.6))
                await asyncio.to_thread(process.kill)
                await sending
            await asyncio.to_thread(process.start)
        async with process.connected() as server:
            await send(server, anna, letters, pace=0)
            assert letters == []
            submissions: Any = SubmissionServiceStub(server.channel)

            async def all_through() -> bool:
                asked = messages.ListSubmissionsRequest(unfinished=True)
                return not (await submissions.ListSubmissions(asked, metadata=anna.metadata)).submissions

            await until(all_through)
            expected = sorted(f"Letter {number}" for number in range(LETTERS))
            assert await subjects(server, ben, folder_pb2.FOLDER_ROLE_INBOX) == expected
            assert await subjects(server, anna, folder_pb2.FOLDER_ROLE_SENT) == expected
            for emptied in (folder_pb2.FOLDER_ROLE_DRAFTS, folder_pb2.FOLDER_ROLE_OUTBOX, folder_pb2.FOLDER_ROLE_INBOX):
                assert await subjects(server, anna, emptied) == []
    finally:
        process.kill()
    captured = [path.read_bytes() for path in (tmp_path / "data" / CAPTURED).glob("*.eml")]
    assert sorted(mime.parse(data).summary.subject for data in captured) == expected
