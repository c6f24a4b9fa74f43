"""Watch: which mailbox has changed, and new mail, for light clients."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import sync_service_pb2 as messages
from rookery_core.errors import InvalidArgument, NotFound
from rookery_server.services.sync.watch import WatchService
from rookery_server.store import new_messages
from rookery_server.store.sqlite import driver_connection
from tests.sync.acts import mark

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sqlalchemy import Connection

    from rookery_server.services.sync.followers import Followers
    from tests.support.world import Person, World

INBOX = folder_pb2.FOLDER_ROLE_INBOX
QUIET = (
    folder_pb2.FOLDER_ROLE_DRAFTS,
    folder_pb2.FOLDER_ROLE_OUTBOX,
    folder_pb2.FOLDER_ROLE_SENT,
    folder_pb2.FOLDER_ROLE_DELETED,
    folder_pb2.FOLDER_ROLE_JUNK,
)


@pytest.fixture
def service(world: World, followers: Followers) -> WatchService:
    return WatchService(world.database, followers, world.clock, heartbeat_seconds=60)


def watch(service: WatchService, person: Person, **position: Any) -> AsyncGenerator[messages.WatchResponse]:
    """The stream, from a position or from now on."""
    positions = [messages.WatchPosition(**position)] if position else []
    return service.watch(person.caller, messages.WatchRequest(positions=positions))  # type: ignore[return-value]


async def following(stream: AsyncGenerator[messages.WatchResponse]) -> messages.WatchResponse:
    """What comes next."""
    return await asyncio.wait_for(anext(stream), 10)


async def unread(world: World, person: Person, role: int = INBOX, **summary: Any) -> item_pb2.Item:
    """A message as it comes from outside: unread."""
    item = await world.item(person, await world.folder_of(person, role), **summary)
    if item.state.read:
        await mark(world, person, [item.id], read=False)
    return item


async def test_the_first_response_comes_at_once(world: World, anna: Person, service: WatchService) -> None:
    await unread(world, anna)
    async with aclosing(watch(service, anna)) as stream:
        response = await following(stream)
        assert (response.mailbox_id, list(response.new_messages)) == (anna.mailbox, [])
        assert response.revision > 1


async def test_new_mail_is_told_as_it_comes(world: World, anna: Person, service: WatchService) -> None:
    async with aclosing(watch(service, anna)) as stream:
        before = (await following(stream)).revision
        item = await unread(world, anna, subject="Hello")
        found: list[item_pb2.Item] = []
        while not found:
            response = await following(stream)
            assert response.revision > before
            found += response.new_messages
        assert [(new.id, new.summary.subject) for new in found] == [(item.id, "Hello")]
        assert not found[0].HasField("content")


async def test_other_changes_are_told_without_mail(world: World, anna: Person, service: WatchService) -> None:
    item = await unread(world, anna)
    async with aclosing(watch(service, anna)) as stream:
        before = await following(stream)
        await mark(world, anna, [item.id], read=True)
        response = await following(stream)
        assert response.revision == before.revision + 1 and not response.new_messages


async def test_mail_after_a_position_is_told_oldest_first(world: World, anna: Person, service: WatchService) -> None:
    items = [await unread(world, anna) for _ in range(5)]
    since = (await world.get(anna, items[1].id)).content_revision
    async with aclosing(watch(service, anna, mailbox_id=anna.mailbox, revision=since)) as stream:
        response = await following(stream)
        assert [new.id for new in response.new_messages] == [item.id for item in items[2:]]


async def test_only_unread_mail_where_people_wait_for_it_is_told(world: World, anna: Person, service: WatchService) -> None:
    for role in QUIET:
        await unread(world, anna, role)
    read, thrown, note = [await unread(world, anna, kind=kind) for kind in (1, 1, item_pb2.ITEM_KIND_NOTE)]
    await mark(world, anna, [read.id], read=True)
    await world.delete(anna, [thrown.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    wanted = await unread(world, anna, folder_pb2.FOLDER_ROLE_ARCHIVE)
    async with aclosing(watch(service, anna, mailbox_id=anna.mailbox, revision=1)) as stream:
        assert [new.id for new in (await following(stream)).new_messages] == [wanted.id]
    assert note.id


async def test_much_mail_comes_in_several_responses_and_none_is_missed(world: World, anna: Person, service: WatchService) -> None:
    archive = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_ARCHIVE)
    sources = [(await unread(world, anna)).id for _ in range(60)]
    request = item_service_pb2.CopyItemsRequest(operation_id=world.ids.new(), item_ids=sources, folder_id=archive)
    await world.places.copy_items(anna.caller, request)  # 60 more, in one revision
    async with aclosing(watch(service, anna, mailbox_id=anna.mailbox, revision=1)) as stream:
        responses = [await following(stream) for _ in range(3)]
    found = [new.id for response in responses for new in response.new_messages]
    assert [len(response.new_messages) for response in responses] == [50, 50, 20]
    assert len(set(found)) == 120
    for number, response in enumerate(responses):
        # Whoever comes back with the revision of any response misses nothing of what came later.
        told = {new.id for earlier in responses[: number + 1] for new in earlier.new_messages}
        async with aclosing(watch(service, anna, mailbox_id=anna.mailbox, revision=response.revision)) as stream:
            again = await following(stream)
            while again.revision < responses[-1].revision:
                told |= {new.id for new in again.new_messages}
                again = await following(stream)
        assert told | {new.id for new in again.new_messages} == set(found)


async def test_new_mail_is_found_without_looking_at_what_is_read_or_older(world: World, anna: Person) -> None:
    def plan(connection: Connection) -> str:
        asked: list[str] = []
        driver = driver_connection(connection)
        driver.set_trace_callback(asked.append)
        new_messages.after(connection, anna.number, 1, bytes(16), 50)
        driver.set_trace_callback(None)
        [statement] = [each for each in asked if each.startswith("SELECT")]
        return "\n".join(row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}"))

    if world.database.dialect == "sqlite":  # PostgreSQL's plans depend on how much there is
        found = await world.database.read(plan)
        assert "USING INDEX ix_item_unread (mailbox_id=? AND (created,id)>(?,?))" in found
        assert "TEMP B-TREE" not in found


async def test_idle_streams_are_heard_of(world: World, anna: Person, followers: Followers) -> None:
    service = WatchService(world.database, followers, world.clock, heartbeat_seconds=0.01)
    async with aclosing(watch(service, anna)) as stream:
        responses = [await following(stream) for _ in range(3)]
    assert [response.revision for response in responses] == [1, 1, 1]


async def test_foreign_mailboxes_are_not_watched(anna: Person, ben: Person, service: WatchService) -> None:
    with pytest.raises(NotFound) as caught:
        await following(watch(service, ben, mailbox_id=anna.mailbox))
    assert caught.value.reason == "MAILBOX_NOT_FOUND"


async def test_a_request_names_each_mailbox_once_and_not_too_many(anna: Person, service: WatchService) -> None:
    for count, reason in ((2, "FIELD_INVALID"), (101, "LIMIT_EXCEEDED")):
        positions = [messages.WatchPosition(mailbox_id=anna.mailbox)] * count
        with pytest.raises(InvalidArgument) as caught:
            await anext(aiter(service.watch(anna.caller, messages.WatchRequest(positions=positions))))
        assert caught.value.reason == reason


async def test_a_position_ahead_of_the_mailbox_counts_as_now(world: World, anna: Person, service: WatchService) -> None:
    async with aclosing(watch(service, anna, mailbox_id=anna.mailbox, revision=1 << 40)) as stream:
        assert (await following(stream)).revision == 1
        item = await unread(world, anna)
        found: list[item_pb2.Item] = []
        while not found:
            found += (await following(stream)).new_messages
        assert found[0].id == item.id
