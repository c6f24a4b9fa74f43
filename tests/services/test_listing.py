"""Listing a folder: orders, pages, tokens, restrictions."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument, NotFound
from rookery_server.services.items import item_matching, item_packing
from rookery_server.store import item_contents
from tests.support import statements

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.world import Person, World

SUBJECTS = ["Zebra", "apple", "Äpfel", "Re: apple", "banana", "", "Ωmega", "Banana"]


async def fill(world: World, person: Person, count: int = 23) -> bytes:
    """A folder of messages with few distinct values, so that every order has ties."""
    folder = await world.folder(person, "Full")
    chance = random.Random(4)
    for number in range(count):
        author = {"name": chance.choice(["Ben", "anna", ""]), "address": f"x{number % 3}@a.b"}
        await world.item(
            person,
            folder.id,
            chance.choice(SUBJECTS),
            received=Timestamp(seconds=1_700_000_000 + chance.randrange(5) * 3600),
            importance=item_pb2.Importance.ValueType(chance.randrange(4)),
            message=item_pb2.MessageSummary(**{"from": author}),
        )
    return folder.id


def at_least(importance: int) -> Restriction:
    compare = Restriction.Compare(operator=Restriction.Compare.OPERATOR_GREATER_OR_EQUAL)
    compare.ref.field = "summary.importance"
    compare.value.int32 = importance
    return Restriction(compare=compare)


def body_has(text: str) -> Restriction:
    match = Restriction.Content(ref=PropertyRef(field="content.body.text"), match=Restriction.Content.MATCH_WORD, text=text)
    return Restriction(content=match)


@pytest.mark.parametrize("direction", [1, 2])
@pytest.mark.parametrize("sort", item_service_pb2.SortKey.values())
async def test_pages_of_every_order_join_to_the_whole_folder(world: World, anna: Person, sort: int, direction: int) -> None:
    folder = await fill(world, anna)
    order = {
        "sort_key": item_service_pb2.SortKey.ValueType(sort),
        "sort_direction": item_service_pb2.SortDirection.ValueType(direction),
    }
    whole = (await world.page(anna, folder, page_size=500, **order)).items
    paged = await world.walk(anna, folder, page_size=4, **order)
    assert [item.id for item in paged] == [item.id for item in whole]
    assert len({item.id for item in whole}) == 23
    reverse = {**order, "sort_direction": item_service_pb2.SortDirection.ValueType(3 - direction)}
    assert [item.id for item in await world.walk(anna, folder, page_size=7, **reverse)] == [item.id for item in reversed(whole)]


async def test_newest_come_first_unless_asked_otherwise(world: World, anna: Person) -> None:
    folder = await fill(world, anna)
    received = [item.summary.received.seconds for item in await world.walk(anna, folder)]
    assert received == sorted(received, reverse=True)


async def test_subjects_sort_without_their_reply_prefixes_and_case(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Some")
    for subject in ("banana", "Re: apple", "Banana", "Apple"):
        await world.item(anna, folder.id, subject)
    ascending = {"sort_key": item_service_pb2.SORT_KEY_SUBJECT, "sort_direction": item_service_pb2.SORT_DIRECTION_ASCENDING}
    subjects = [item.summary.subject.casefold().removeprefix("re: ") for item in await world.walk(anna, folder.id, **ascending)]
    assert subjects == ["apple", "apple", "banana", "banana"]


async def test_what_comes_and_goes_between_pages_shifts_nothing(world: World, anna: Person) -> None:
    folder = await fill(world, anna)
    first = await world.page(anna, folder, page_size=10)
    await world.item(anna, folder)  # newer than all: belongs before the first page
    await world.delete(anna, [first.items[-1].id, first.items[0].id], item_service_pb2.DELETE_MODE_PERMANENT)
    rest = await world.page(anna, folder, page_size=500, page_token=first.next_page_token)
    assert len(rest.items) == 13
    assert {item.id for item in rest.items}.isdisjoint(item.id for item in first.items)


async def test_a_restriction_in_sql_and_one_on_records_give_the_same_on_any_page_size(world: World, anna: Person) -> None:
    folder = await fill(world, anna)
    everything = await world.walk(anna, folder)
    important = [item.id for item in everything if (item.summary.importance or 2) >= 2]
    for size in (1, 3, 500):
        assert [item.id for item in await world.walk(anna, folder, page_size=size, restriction=body_has("hello"))] == [
            item.id for item in everything
        ]
        found = [item.id for item in await world.walk(anna, folder, page_size=size, restriction=at_least(2))]
        assert set(found) <= set(important)
    assert await world.walk(anna, folder, restriction=body_has("nowhere")) == []


async def test_a_page_token_belongs_to_its_query_and_its_reader(world: World, anna: Person, ben: Person) -> None:
    folder = await fill(world, anna)
    other = await world.folder(anna, "Other")
    token = (await world.page(anna, folder, page_size=5)).next_page_token
    for request in (
        {"folder_id": other.id, "page_token": token},
        {"folder_id": folder, "page_token": token, "sort_key": item_service_pb2.SORT_KEY_SIZE},
        {"folder_id": folder, "page_token": token[:-2] + ("AA" if token[-2:] != "AA" else "BB")},
        {"folder_id": folder, "page_token": "nonsense"},
        {"folder_id": folder, "page_token": token, "restriction": at_least(2)},
    ):
        with pytest.raises(InvalidArgument) as refused:
            await world.page(anna, **request)  # type: ignore[arg-type]
        assert refused.value.reason == "PAGE_TOKEN_INVALID"
    with pytest.raises(InvalidArgument):
        await world.page(ben, folder, page_token=token)


async def test_the_full_view_brings_content_and_long_pages_stop_at_a_mebibyte(world: World, anna: Person) -> None:
    folder = await world.folder(anna, "Large")
    for _ in range(5):
        body = item_pb2.Body(text="x" * 400_000)
        record = item_pb2.Item(
            folder_id=folder.id,
            summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_NOTE),
            content=item_pb2.ItemContent(body=body),
        )
        await world.create(anna, record)
    page = await world.page(anna, folder.id, view=item_service_pb2.ITEM_VIEW_FULL)
    assert len(page.items) == 2
    assert len(page.items[0].content.body.text) == 400_000
    assert len(await world.walk(anna, folder.id, view=item_service_pb2.ITEM_VIEW_FULL)) == 5


async def test_contents_are_read_in_portions_as_they_are_needed(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await world.folder(anna, "Noise")
    chance = random.Random(3)
    for _ in range(6):
        body = item_pb2.Body(text=chance.randbytes(200_000).hex())
        summary = item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_NOTE)
        await world.create(anna, item_pb2.Item(folder_id=folder.id, summary=summary, content=item_pb2.ItemContent(body=body)))
    monkeypatch.setattr(item_contents, "PORTION_BYTES", 500_000)
    decoded: list[int] = []
    monkeypatch.setattr(item_packing, "decompress", _counting(item_packing.decompress, decoded))
    # The page ends in the second portion of two; the third is left alone. SQLite is asked for each content by itself.
    assert await _portions_read(world, anna, folder.id) == (4 if world.database.dialect == "sqlite" else 2)
    assert len(decoded) == 3


def _counting(decompress: Callable[[tuple[int, bytes] | None], bytes], seen: list[int]) -> Callable[..., bytes]:
    def counted(stored: tuple[int, bytes] | None) -> bytes:
        content = decompress(stored)
        seen.append(len(content))
        return content

    return counted


async def _portions_read(world: World, person: Person, folder: bytes) -> int:
    """How often a page of the full view asks for contents."""
    with statements.noted() as texts:
        page = await world.page(person, folder, view=item_service_pb2.ITEM_VIEW_FULL)
    assert len(page.items) == 2
    assert page.next_page_token
    return sum("item_content.codec" in text for text in texts)


@pytest.mark.parametrize("budget", [1, 100, 400])
async def test_a_page_that_has_looked_at_much_content_ends_early_and_the_next_goes_on(
    world: World, anna: Person, monkeypatch: pytest.MonkeyPatch, budget: int
) -> None:
    monkeypatch.setattr(item_matching, "DECODED_BYTES", budget)
    folder = await fill(world, anna)
    everything = [item.id for item in await world.walk(anna, folder)]
    first = await world.page(anna, folder, restriction=body_has("nowhere"))
    assert (len(first.items), bool(first.next_page_token)) == (0, True)
    assert await world.walk(anna, folder, restriction=body_has("nowhere")) == []
    assert [item.id for item in await world.walk(anna, folder, restriction=body_has("hello"), page_size=5)] == everything


async def test_a_page_looks_no_further_than_it_has_to(world: World, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = await fill(world, anna)
    decoded: list[int] = []
    monkeypatch.setattr(item_packing, "decompress", _counting(item_packing.decompress, decoded))
    page = await world.page(anna, folder, restriction=body_has("hello"), page_size=3)
    assert (len(page.items), len(decoded)) == (3, 3)
    assert page.next_page_token


async def test_a_folder_that_is_not_there_or_not_ones_own_is_not_listed(world: World, anna: Person, ben: Person) -> None:
    inbox = await world.folder_of(ben, folder_pb2.FOLDER_ROLE_INBOX)
    for folder in (inbox, world.ids.new()):
        with pytest.raises(NotFound):
            await world.page(anna, folder)
    with pytest.raises(InvalidArgument) as refused:
        await world.page(anna, b"short")
    assert refused.value.reason == "ID_INVALID"


async def test_a_page_has_a_limit(world: World, anna: Person) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await world.page(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX), page_size=501)
    assert refused.value.reason == "LIMIT_EXCEEDED"
