"""Session rows, keys and what is forgotten with time, on every engine."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert

from rookery_core.errors import Unavailable
from rookery_server.services import keys
from rookery_server.services.retention import Retention
from rookery_server.store import retention, sessions
from rookery_server.store.sessions import SessionRow
from rookery_server.store.tables import account, change, departure, folder, mailbox, operation, retired_id
from tests.support.fakes import FakeClock, SequentialIds

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction

CLOCK = FakeClock()
IDS = SequentialIds(CLOCK)
DAY = 86_400_000_000


def session_row(account_id: bytes, **values: Any) -> SessionRow:
    now = CLOCK.micros()
    row = SessionRow(IDS.new(), account_id, "laptop", "127.0.0.1", now, now, 1, now + 90 * DAY, False)
    return row._replace(**values)


@pytest.fixture
async def account_id(database: Database) -> bytes:
    return await new_account(database)


async def new_account(database: Database) -> bytes:
    values = {"kind": 1, "display_name": "Anna", "administrator": False, "disabled": False, "created": CLOCK.micros()}
    identifier = IDS.new()
    await database.write(lambda transaction: transaction.connection.execute(insert(account), {"id": identifier, **values}))
    return identifier


async def test_revoking_all_sessions_spares_the_named_one(database: Database, account_id: bytes) -> None:
    rows = [session_row(account_id) for _ in range(3)]

    def work(transaction: Transaction) -> list[SessionRow]:
        for row in rows:
            sessions.add(transaction.connection, row)
        sessions.revoke_all(transaction.connection, account_id, but=rows[1].id)
        return sessions.list_standing(transaction.connection, account_id, CLOCK.micros())

    assert await database.write(work) == [rows[1]]
    assert await database.read(lambda connection: sessions.count_standing(connection, CLOCK.micros())) == 1


async def test_only_sessions_that_ended_long_ago_are_swept(database: Database, account_id: bytes) -> None:
    now = CLOCK.micros()
    expired = session_row(account_id, refresh_expires=now - 2 * DAY)
    revoked = session_row(account_id, revoked=True, last_seen=now - 2 * DAY)
    fresh_revoked = session_row(account_id, revoked=True)
    standing = session_row(account_id)

    def work(transaction: Transaction) -> list[int]:
        connection = transaction.connection
        for row in (expired, revoked, fresh_revoked, standing):
            sessions.add(connection, row)
        return [sessions.remove_dead(connection, now - DAY, 1) for _ in range(3)]

    assert await database.write(work) == [1, 1, 0]
    for row, there in ((expired, False), (revoked, False), (fresh_revoked, True), (standing, True)):
        found = await database.read(partial(sessions.find, session_id=row.id))
        assert (found is not None) == there


async def test_all_who_start_at_once_get_the_same_key(database: Database) -> None:
    numbers = iter(range(1, 9))
    found = await asyncio.gather(
        *(keys.load(database, "test", now=1, random_bytes=lambda size: bytes([next(numbers)]) * size) for _ in range(8))
    )
    assert all(one == found[0] for one in found) and len(found[0][1]) == 32
    assert await keys.load(database, "test", now=2, random_bytes=bytes) == found[0]
    assert await keys.load(database, "other", now=2, random_bytes=lambda size: b"o" * size) == {1: b"o" * 32}


async def mailbox_with_changes(database: Database, account_id: bytes, ages_in_days: list[int]) -> int:
    """A mailbox with a change and a departure at each of these ages, oldest first; revisions from 2, every second one."""
    counters = {"revision": 100, "oldest_revision": 1, "quota_bytes": 0, "used_bytes": 0, "item_count": 0, "folder_count": 0}

    def work(transaction: Transaction) -> int:
        connection = transaction.connection
        values = {"uid": IDS.new(), "account_id": account_id, "epoch": IDS.new(), **counters}
        number = int(connection.execute(insert(mailbox).returning(mailbox.c.id), values).scalar_one())
        for place, age in enumerate(ages_in_days):
            revision = 2 + 2 * place
            line = {"mailbox_id": number, "revision": revision}
            who = {"actor_id": bytes(16), "device_id": bytes(16), "operation_id": bytes(16), "operation": "item.move"}
            connection.execute(insert(change), {**line, **who, "at": CLOCK.micros() - age * DAY})
            connection.execute(insert(departure), {**line, "item_id": IDS.new(), "folder_id": IDS.new(), "uid": 1, "reason": 1})
        return number

    return await database.write(work)


@pytest.mark.parametrize(
    ("ages", "horizon"),
    [([], 0), ([10], 0), ([70], 2), ([90, 80, 70], 6), ([90, 80, 70, 50, 1], 6), ([61, 59, 58, 57], 2), ([59, 58], 0)],
)
async def test_departures_are_forgotten_after_60_days_and_cursors_from_before_are_told(
    database: Database, account_id: bytes, ages: list[int], horizon: int
) -> None:
    number = await mailbox_with_changes(database, account_id, ages)
    before = CLOCK.micros() - 60 * DAY
    assert await database.read(lambda connection: retention.horizon(connection, number, before)) == horizon
    old = sum(age > 60 for age in ages)
    assert await Retention(database, CLOCK).forget_departures() == old
    assert await Retention(database, CLOCK).forget_departures() == 0
    left = await database.read(lambda connection: sorted(connection.execute(departure.select()).scalars().all()))
    assert len(left) == len(ages) - old
    oldest = await database.read(lambda connection: connection.execute(mailbox.select()).mappings().one()["oldest_revision"])
    assert oldest == max(1, horizon)


def folder_row(mailbox_id: int, revision: int, *, deleted: bool) -> dict[str, Any]:
    counters = dict.fromkeys(("item_count", "unread_count", "size_bytes", "role", "default_kind"), 0)
    revisions = {"created": 1, "revision": revision, "contents_revision": revision, "next_uid": 1, "uid_validity": 1}
    names = {"name": f"Folder {revision}", "name_key": f"folder {revision}"}
    own = {"mailbox_id": mailbox_id, "id": IDS.new(), "parent_id": bytes(16), "deleted": int(deleted)}
    return counters | revisions | names | own


async def test_deleted_folders_are_forgotten_after_60_days_and_ids_of_purged_items_never(
    database: Database, account_id: bytes
) -> None:
    number = await mailbox_with_changes(database, account_id, [90, 80, 70, 50])  # revisions 2, 4, 6 and 8
    rows = [folder_row(number, revision, deleted=deleted) for revision in (2, 6, 7, 8) for deleted in (True, False)]

    def work(transaction: Transaction) -> None:
        transaction.connection.execute(insert(folder), rows)
        transaction.connection.execute(insert(retired_id), {"mailbox_id": number, "item_id": IDS.new(), "revision": 2})

    await database.write(work)
    assert await Retention(database, CLOCK).forget_departures() == 3 + 2
    left = await database.read(lambda connection: connection.execute(folder.select()).mappings().all())
    assert {row["revision"] for row in left if row["deleted"]} == {7, 8}
    assert {row["revision"] for row in left if not row["deleted"]} == {2, 6, 7, 8}
    assert len(await database.read(lambda connection: connection.execute(retired_id.select()).all())) == 1


async def test_what_is_forgotten_in_steps_is_told_of_before_the_first_is_gone(database: Database, account_id: bytes) -> None:
    number = await mailbox_with_changes(database, account_id, [90, 80, 70, 50])

    def work(transaction: Transaction) -> tuple[int, int]:
        step = retention.forget_tombstones(transaction.connection, number, 6, 1)
        return step, transaction.connection.execute(mailbox.select()).mappings().one()["oldest_revision"]

    assert [await database.write(work) for _ in range(4)] == [(1, 6), (1, 6), (1, 6), (0, 6)]


async def test_a_mailbox_whose_past_can_not_be_forgotten_does_not_hold_up_the_others(
    database: Database, account_id: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = await mailbox_with_changes(database, account_id, [90])
    await mailbox_with_changes(database, await new_account(database), [90, 80])
    horizon = retention.horizon

    def failing(connection: Connection, mailbox_id: int, before: int) -> int:
        if mailbox_id == stuck:
            raise Unavailable("DATABASE_BUSY", "somebody holds the mailbox")
        return horizon(connection, mailbox_id, before)

    monkeypatch.setattr(retention, "horizon", failing)
    with pytest.raises(Unavailable):
        await Retention(database, CLOCK).forget_departures()
    assert await database.read(lambda connection: connection.execute(departure.select()).scalars().all()) == [stuck]


async def test_the_ledger_forgets_what_is_beyond_its_horizon(database: Database, account_id: bytes) -> None:
    ages = [1, 59, 61, 62, 400]
    entries = [
        {"account_id": account_id, "id": IDS.new(), "request_hash": bytes(32), "created": CLOCK.micros() - age * DAY}
        for age in ages
    ]
    await database.write(lambda transaction: transaction.connection.execute(insert(operation), entries))
    assert await Retention(database, CLOCK).compact_ledger() == 2
    left = await database.read(lambda connection: connection.execute(operation.select()).all())
    assert len(left) == 3
