"""People who write letters, and hand them in until the server has said yes to each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub

if TYPE_CHECKING:
    import random

    from rookery.v1.submission_pb2 import Submission
    from rookery_core.rules.ids import Ids
    from tests.support.server import Person, Running

DOMAINS = tuple(f"{name}.test" for name in ("one", "two", "three", "four"))
LOCAL = "ben@rookery.test"
_AT_ONCE = 6


@dataclass(frozen=True)
class Letter:
    """Two calls, which are repeated as they are until both were answered."""

    creation: item_service_pb2.CreateItemRequest
    submission: messages.SubmitRequest


def letter(ids: Ids, number: int, dice: random.Random) -> Letter:
    """A letter to ben, to two people elsewhere, and now and then to somebody who does not exist there."""
    draft = item_pb2.Item(id=ids.new())
    draft.summary.kind = item_pb2.ITEM_KIND_MESSAGE
    draft.summary.subject, draft.summary.message.draft = f"Letter {number}", True
    draft.content.body.text = f"This is letter {number}.\n"
    first, second = dice.sample(DOMAINS, 2)
    nobody = [f"nobody@{second}"] if dice.random() < 0.1 else []
    for address in (LOCAL, f"cleo@{first}", f"dan@{first}", f"eva@{second}", *nobody):
        draft.content.recipients.add().person.address = address
    creation = item_service_pb2.CreateItemRequest(operation_id=ids.new(), item=draft)
    return Letter(creation, messages.SubmitRequest(operation_id=ids.new(), item_id=draft.id, submission_id=ids.new()))


async def hand_in(server: Running, person: Person, letters: list[Letter]) -> None:
    """Sends letters, some at a time; those that are accepted leave the list. Ends when there are none, or nobody answers."""
    items: Any = ItemServiceStub(server.channel)
    submissions: Any = SubmissionServiceStub(server.channel)
    waiting = list(letters)

    async def post() -> None:
        while waiting:
            next_one = waiting.pop(0)
            await items.CreateItem(next_one.creation, metadata=person.metadata)
            await submissions.Submit(next_one.submission, metadata=person.metadata)
            letters.remove(next_one)

    results = await asyncio.gather(*(post() for _ in range(_AT_ONCE)), return_exceptions=True)
    wrong = [result for result in results if result is not None and not _is_a_dead_server(result)]
    assert not wrong, wrong


def _is_a_dead_server(error: BaseException) -> bool:
    return isinstance(error, grpc.aio.AioRpcError) and error.code() in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
    )


async def within(server: Running, person: Person, role: int) -> list[item_pb2.Item]:
    """All that is in a role folder."""
    folders: Any = FolderServiceStub(server.channel)
    items: Any = ItemServiceStub(server.channel)
    asked = folder_pb2.GetFolderRequest(role=folder_pb2.FolderRole.ValueType(role))
    folder = (await folders.GetFolder(asked, metadata=person.metadata)).folder
    listing = item_service_pb2.ListItemsRequest(folder_id=folder.id, page_size=500)
    found: list[item_pb2.Item] = []
    while True:
        answer = await items.ListItems(listing, metadata=person.metadata)
        found += answer.items
        listing.page_token = answer.next_page_token
        if not listing.page_token:
            return found


async def submitted(server: Running, person: Person, *, unfinished: bool = False) -> list[Submission]:
    """Their submissions."""
    stub: Any = SubmissionServiceStub(server.channel)
    asked = messages.ListSubmissionsRequest(unfinished=unfinished, page_size=500)
    found: list[Submission] = []
    while True:
        answer = await stub.ListSubmissions(asked, metadata=person.metadata)
        found += answer.submissions
        asked.page_token = answer.next_page_token
        if not asked.page_token:
            return found
