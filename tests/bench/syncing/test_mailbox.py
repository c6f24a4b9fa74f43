from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.store import items, recount, search
from tests.bench.syncing import mailbox
from tests.support.world import World

if TYPE_CHECKING:
    from rookery_server.store.database import Database


async def test_a_mailbox_filled_for_the_benchmark_is_one_that_an_import_could_have_left(
    database: Database, database_url: str
) -> None:
    anna = await World(database).person("anna")
    mailbox.fill(database_url, "anna@rookery.example", count=30, seed=1)
    assert await database.read(lambda connection: recount.differences(connection, anna.number)) == []
    held = await database.read(lambda connection: items.recount(connection, anna.number))
    assert [(count, unread) for count, unread, _ in held.values()] == [(30, 6)]
    assert await database.read(search.behind) == []
