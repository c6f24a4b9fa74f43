"""Scopes: checked once, and the same to Python and to SQL."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import select

from rookery.v1 import item_pb2, sync_pb2
from rookery_core.errors import InvalidArgument
from rookery_server.services.sync.scopes import Scope
from rookery_server.store import sync_rows
from rookery_server.store.items import NOWHERE
from rookery_server.store.tables import item
from tests.sync.mischief import DAY, NOW, Mischief
from tests.sync.replicas import window
from tests.sync.test_pull_random import some_scope

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.world import Person, World

DAY_END = Timestamp(seconds=253_402_300_800)


@pytest.mark.parametrize(
    ("scope", "reason", "field"),
    [
        (sync_pb2.SyncScope(folder_ids=[b"f" * 16] * 1001), "LIMIT_EXCEEDED", "scope.folder_ids"),
        (sync_pb2.SyncScope(folder_ids=[b"f" * 16, b"short"]), "ID_INVALID", "scope.folder_ids[1]"),
        (sync_pb2.SyncScope(kinds=[1, 0]), "FIELD_INVALID", "scope.kinds[1]"),  # type: ignore[list-item]
        (sync_pb2.SyncScope(kinds=[99]), "FIELD_INVALID", "scope.kinds[0]"),  # type: ignore[list-item]
        (sync_pb2.SyncScope(depth=9), "FIELD_INVALID", "scope.depth"),  # type: ignore[arg-type]
        (sync_pb2.SyncScope(text_bytes=(1 << 20) + 1), "LIMIT_EXCEEDED", "scope.text_bytes"),
        (sync_pb2.SyncScope(window=window(events_from=5, events_until=5)), "FIELD_INVALID", "scope.window.events_until"),
        (sync_pb2.SyncScope(window=sync_pb2.SyncWindow(mail_since=DAY_END)), "FIELD_INVALID", "scope.window.mail_since"),
    ],
)
def test_a_scope_that_is_none_is_refused(scope: sync_pb2.SyncScope, reason: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Scope.of(scope)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_what_a_scope_leaves_open_has_one_form() -> None:
    plain = Scope.of(sync_pb2.SyncScope())
    assert plain == Scope.of(sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_SUMMARY, text_bytes=7, window=sync_pb2.SyncWindow()))
    assert plain.holds(b"f" * 16, item_pb2.ITEM_KIND_MESSAGE, -1, 0, 0)


def test_the_digest_tells_all_but_windows_apart() -> None:
    different = [
        sync_pb2.SyncScope(),
        sync_pb2.SyncScope(folder_ids=[b"f" * 16]),
        sync_pb2.SyncScope(kinds=[item_pb2.ITEM_KIND_NOTE]),
        sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_FULL),
        sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT),
        sync_pb2.SyncScope(depth=sync_pb2.SYNC_DEPTH_TEXT, text_bytes=5),
    ]
    digests = {Scope.of(scope).digest() for scope in different}
    assert len(digests) == len(different) and {len(digest) for digest in digests} == {16}
    assert Scope.of(sync_pb2.SyncScope(window=window(mail_since=NOW - DAY))).digest() in digests


def test_no_scope_has_what_is_in_no_folder() -> None:
    for folder_ids in ([], [NOWHERE], [NOWHERE, b"f" * 16]):
        assert not Scope.of(sync_pb2.SyncScope(folder_ids=folder_ids)).has_folder(NOWHERE)


async def test_python_and_sql_agree_on_what_is_in_scope(world: World, anna: Person) -> None:
    chance = random.Random(7)
    mischief = Mischief(world, anna, chance)
    await mischief.begin(items=40)
    names = ("folder_id", "kind", "fill_key", "span_start", "span_end")
    some = 0
    for _ in range(60):
        scope = Scope.of(some_scope(chance, mischief.folder_ids))

        def work(connection: Connection, scope: Scope = scope) -> None:
            nonlocal some
            conditions = sync_rows.in_scope(scope.folder_ids, scope.kinds, scope.window)
            everything = connection.execute(select(item).where(item.c.mailbox_id == anna.number)).mappings().all()
            chosen = connection.execute(select(item.c.id).where(item.c.mailbox_id == anna.number, *conditions)).scalars().all()
            assert {row["id"] for row in everything if scope.holds(*(row[name] for name in names))} == set(chosen)
            some += 0 < len(chosen) < len(everything)

        await world.database.read(work)
    assert some > 30
