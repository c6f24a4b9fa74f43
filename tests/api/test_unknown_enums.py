"""Numbers that the contract gives no meaning are refused on every engine, and none is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2, item_service_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_core.errors import InvalidArgument
from tests.api.test_auth import refusal

if TYPE_CHECKING:
    from tests.support.server import Person, Running


@pytest.fixture
async def anna(server: Running) -> Person:
    return await server.add_person("anna")


def wrong(kind: type[Any], number: int, path: str) -> Any:
    """A request that is fine but for the enum at a path."""
    request = kind()
    *way, last = path.split(".")
    message = request
    for name in way:
        message = getattr(message, name)
    setattr(message, last, number)
    return request


@pytest.mark.parametrize("number", [99, 70_000, -1])
async def test_an_unknown_number_is_refused_with_its_path_wherever_it_comes_in(server: Running, anna: Person, number: int) -> None:
    items, folders = ItemServiceStub(server.channel), FolderServiceStub(server.channel)
    content = ContentServiceStub(server.channel)
    calls: list[tuple[Any, type[Any], list[str]]] = [
        (items.ListItems, item_service_pb2.ListItemsRequest, ["life", "view", "sort_key", "sort_direction"]),
        (items.GetItem, item_service_pb2.GetItemRequest, ["view"]),
        (items.CreateItem, item_service_pb2.CreateItemRequest, ["item.summary.importance", "item.summary.sensitivity"]),
        (items.SetItemState, item_service_pb2.SetItemStateRequest, ["follow_up.status"]),
        (folders.GetFolder, folder_pb2.GetFolderRequest, ["role"]),
        (folders.CreateFolder, folder_pb2.CreateFolderRequest, ["folder.default_kind"]),
        (content.ImportItem, content_service_pb2.ImportItemRequest, ["document.format", "document.state.follow_up.status"]),
    ]
    for call, kind, paths in calls:
        for path in paths:
            error = await refusal(call(wrong(kind, number, path), metadata=anna.metadata))
            assert isinstance(error, InvalidArgument), path
            assert (error.reason, error.field) == ("FIELD_INVALID", path)


async def test_in_an_import_stream_it_is_that_document_s_refusal_alone(server: Running, anna: Person) -> None:
    call = ContentServiceStub(server.channel).Import(metadata=anna.metadata)
    state = item_pb2.ItemState(follow_up=item_pb2.FollowUp(status=70_000))  # type: ignore[arg-type]
    answers = {}
    for number in range(3):
        document = content_service_pb2.ImportDocument(
            operation_id=server.ids.new(),
            format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
            data=b"Subject: Hello\r\n\r\nHello\r\n",
            state=state if number == 1 else None,
        )
        await call.write(content_service_pb2.ImportRequest(documents=[document]))
        answer = await call.read()
        assert isinstance(answer, content_service_pb2.ImportResponse)
        answers[number] = answer.results[0].HasField("error")
    await call.done_writing()
    assert answers == {0: False, 1: True, 2: False}
