"""Search over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, search_service_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.search_service_pb2_grpc import SearchServiceStub
from rookery_client.connection.status import error_of_call
from rookery_core.errors import InvalidArgument, NotFound, RookeryError, Unauthenticated

if TYPE_CHECKING:
    from tests.support.server import Person, Running


async def add_message(server: Running, person: Person, subject: str, text: str) -> item_pb2.Item:
    role = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
    inbox = (await FolderServiceStub(server.channel).GetFolder(role, metadata=person.metadata)).folder
    server.clock.advance(seconds=1)  # type: ignore[union-attr]
    item = item_pb2.Item(
        folder_id=inbox.id,
        summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject=subject),
        content=item_pb2.ItemContent(body=item_pb2.Body(text=text)),
    )
    request = item_service_pb2.CreateItemRequest(operation_id=server.ids.new(), item=item)
    return (await ItemServiceStub(server.channel).CreateItem(request, metadata=person.metadata)).item


async def search(server: Running, person: Person, request: search_service_pb2.SearchRequest) -> search_service_pb2.SearchResponse:
    return await SearchServiceStub(server.channel).Search(request, metadata=person.metadata)


async def refusal(server: Running, person: Person, request: search_service_pb2.SearchRequest) -> RookeryError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await search(server, person, request)
    return error_of_call(caught.value, "the server")


async def test_an_acknowledged_message_is_found_at_once_and_hits_come_in_pages(server: Running) -> None:
    anna = await server.add_person("anna")
    created = []
    for number in range(5):
        created.append(await add_message(server, anna, f"Größe {number}", "the common word"))
        found = await search(server, anna, search_service_pb2.SearchRequest(query=f"grosse {number} common"))
        assert [item.id for item in found.items] == [created[-1].id]
        assert not found.incomplete
    first = await search(server, anna, search_service_pb2.SearchRequest(query='"common word"', page_size=3))
    token = first.next_page_token
    rest = await search(server, anna, search_service_pb2.SearchRequest(query='"common word"', page_size=3, page_token=token))
    assert [item.id for item in (*first.items, *rest.items)] == [item.id for item in reversed(created)]
    assert rest.next_page_token == ""
    assert first.revision == created[-1].revision
    assert first.items[0] == created[-1]


async def test_a_query_that_can_not_be_understood_is_refused_with_its_reason(server: Running) -> None:
    anna = await server.add_person("anna")
    error = await refusal(server, anna, search_service_pb2.SearchRequest(query="one is:blue"))
    assert isinstance(error, InvalidArgument)
    assert (error.reason, error.metadata["position"], error.field) == ("QUERY_INVALID", "5", "query")
    error = await refusal(server, anna, search_service_pb2.SearchRequest(query="one", page_token="forged"))
    assert (type(error), error.reason) == (InvalidArgument, "PAGE_TOKEN_INVALID")


async def test_another_persons_mailbox_is_not_searched(server: Running) -> None:
    anna, ben = await server.add_person("anna"), await server.add_person("ben")
    await add_message(server, anna, "secret", "of Anna")
    assert not (await search(server, ben, search_service_pb2.SearchRequest(query="secret"))).items
    foreign = search_service_pb2.SearchRequest(query="secret", mailbox_id=anna.account.mailbox_id)
    error = await refusal(server, ben, foreign)
    assert (type(error), error.reason) == (NotFound, "MAILBOX_NOT_FOUND")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await SearchServiceStub(server.channel).Search(search_service_pb2.SearchRequest(query="secret"))
    assert isinstance(error_of_call(caught.value, "the server"), Unauthenticated)
