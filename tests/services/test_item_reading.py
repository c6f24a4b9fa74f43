"""Reading one item: with its content and without, from one's own mailbox and no other, in one look at the database."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery_core.errors import InvalidArgument, NotFound
from tests.support.statements import noted

if TYPE_CHECKING:
    from tests.support.world import Person, World


async def read(world: World, person: Person, item_id: bytes, **request: object) -> item_service_pb2.GetItemResponse:
    message = item_service_pb2.GetItemRequest(item_id=item_id, **request)  # type: ignore[arg-type]
    return item_service_pb2.GetItemResponse.FromString(await world.reading.get_item(person.caller, message))


async def letter(world: World, person: Person, text: str) -> item_pb2.Item:
    record = item_pb2.Item(
        folder_id=await world.folder_of(person, folder_pb2.FOLDER_ROLE_INBOX),
        summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject="Lunch?"),
        content=item_pb2.ItemContent(body=item_pb2.Body(text=text)),
    )
    return await world.create(person, record)


async def test_an_item_and_its_mailbox_are_one_statement(world: World, anna: Person) -> None:
    created = await letter(world, anna, "Hello.\n")
    with noted() as statements:
        answer = await read(world, anna, created.id)
    assert len(statements) == 1
    assert answer.item.content.body.text == "Hello.\n"
    assert answer.item.id == created.id
    assert answer.revision == created.revision


async def test_a_content_that_is_not_read_in_passing_comes_whole_all_the_same(world: World, anna: Person) -> None:
    text = random.Random(1).randbytes(150_000).hex()
    created = await letter(world, anna, text)
    answer = await read(world, anna, created.id)
    assert answer.item.content.body.text == text
    assert answer.item.summary == created.summary


async def test_a_summary_comes_without_its_content(world: World, anna: Person) -> None:
    created = await letter(world, anna, "Hello.\n")
    answer = await read(world, anna, created.id, view=item_service_pb2.ITEM_VIEW_SUMMARY)
    assert answer.item.summary == created.summary
    assert not answer.item.HasField("content")


async def test_a_mailbox_may_be_named_but_only_ones_own(world: World, anna: Person, ben: Person) -> None:
    created = await letter(world, anna, "Hello.\n")
    assert (await read(world, anna, created.id, mailbox_id=anna.mailbox)).item.id == created.id
    for mailbox in (anna.mailbox, world.ids.new()):
        with pytest.raises(NotFound) as refused:
            await read(world, ben, created.id, mailbox_id=mailbox)
        assert refused.value.reason == "MAILBOX_NOT_FOUND"
    with pytest.raises(NotFound) as refused:
        await read(world, ben, created.id)
    assert refused.value.reason == "ITEM_NOT_FOUND"


@pytest.mark.parametrize("view", [item_service_pb2.ITEM_VIEW_FULL, item_service_pb2.ITEM_VIEW_SUMMARY])
async def test_unknown_and_malformed_ids_are_refused(world: World, anna: Person, view: int) -> None:
    with pytest.raises(NotFound) as unknown:
        await read(world, anna, world.ids.new(), view=view)
    assert unknown.value.reason == "ITEM_NOT_FOUND"
    for request in ({"item_id": b"short"}, {"item_id": world.ids.new(), "mailbox_id": b"short"}):
        with pytest.raises(InvalidArgument):
            await read(world, anna, view=view, **request)
