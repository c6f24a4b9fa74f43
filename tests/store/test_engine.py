"""What every database promises: snapshots, all or nothing, announcements after the commit, an orderly end."""

from __future__ import annotations

import asyncio
import threading

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from rookery_core.errors import NotFound, Unavailable
from rookery_server.store.database import Database, Transaction, open_database
from tests.support.engine_rows import PATIENCE, add, names
from tests.support.fakes import RecordingNotifier

MAILBOX = bytes(16)


async def test_a_write_gives_its_result_and_is_seen_by_the_next_read(database: Database) -> None:
    assert await database.write(add("a")) == "a"
    assert await database.read(names) == ["a"]


async def test_an_error_of_the_work_reaches_its_caller_and_nothing_of_it_stays(database: Database) -> None:
    def work(transaction: Transaction) -> None:
        add("half")(transaction)
        raise NotFound("ITEM_NOT_FOUND", "There is no such item.")

    with pytest.raises(NotFound):
        await database.write(work)
    assert await database.read(names) == []


async def test_a_violated_constraint_leaves_nothing_and_does_not_disturb_the_next_write(database: Database) -> None:
    def work(transaction: Transaction) -> None:
        add("a")(transaction)
        add("a")(transaction)

    with pytest.raises(IntegrityError):
        await database.write(work)
    await database.write(add("b"))
    assert await database.read(names) == ["b"]


async def test_a_reader_sees_one_snapshot_whatever_is_written_meanwhile(database: Database) -> None:
    looked, written = threading.Event(), threading.Event()

    def work(connection: Connection) -> tuple[list[str], list[str]]:
        before = names(connection)
        looked.set()
        assert written.wait(PATIENCE)
        return before, names(connection)

    await database.write(add("a"))
    reading = asyncio.create_task(database.read(work))
    assert await asyncio.to_thread(looked.wait, PATIENCE)
    await database.write(add("b"))
    written.set()
    assert await reading == (["a"], ["a"])
    assert await database.read(names) == ["a", "b"]


async def test_a_reader_can_not_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"readonly database|read-only transaction"):
        await database.read(lambda connection: connection.execute(text("INSERT INTO domain VALUES ('a', 0)")))
    assert await database.read(names) == []


async def test_a_failing_read_does_not_disturb_the_next(database: Database) -> None:
    for _ in range(10):  # more than there are readers
        with pytest.raises(NotFound):
            await database.read(_refuse)
    assert await database.read(names) == []


def _refuse(_connection: Connection) -> None:
    raise NotFound("ITEM_NOT_FOUND", "There is no such item.")


async def test_work_that_raises_stop_iteration_does_not_leave_anybody_waiting(database: Database) -> None:
    def work(transaction: Transaction) -> str:
        add("undone")(transaction)
        empty: list[str] = []
        return next(iter(empty))

    results = await asyncio.gather(database.write(work), *(database.write(add(str(n))) for n in range(9)), return_exceptions=True)
    assert isinstance(results[0], RuntimeError)
    assert len(await database.read(names)) == 9


async def test_a_change_is_announced_once_it_can_be_read_and_not_before(database: Database, notifier: RecordingNotifier) -> None:
    def work(transaction: Transaction) -> None:
        transaction.announce(MAILBOX, 1)
        transaction.announce(MAILBOX, 2)
        add("a")(transaction)
        seen_within.extend(notifier.published)

    seen_within: list[tuple[bytes, int]] = []
    await database.write(work)
    assert seen_within == []
    assert notifier.published == [(MAILBOX, 2)]


async def test_what_was_rolled_back_is_never_announced(database: Database, notifier: RecordingNotifier) -> None:
    def work(transaction: Transaction) -> None:
        transaction.announce(MAILBOX, 1)
        raise NotFound("ITEM_NOT_FOUND", "There is no such item.")

    with pytest.raises(NotFound):
        await database.write(work)
    await database.write(add("a"))
    assert notifier.published == []


async def test_a_notifier_that_fails_undoes_no_commit(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(RecordingNotifier):
        def publish(self, mailbox_uid: bytes, revision: int) -> None:
            raise OSError("the wire is cut")

    def work(transaction: Transaction) -> None:
        add("a")(transaction)
        transaction.announce(MAILBOX, 1)

    database = open_database(database_url, notifier=Broken())
    await database.write(work)
    assert await database.read(names) == ["a"]
    await database.close()
    assert "could not be announced" in caplog.text


async def test_closing_finishes_what_was_accepted_and_refuses_what_comes_after(database_url: str) -> None:
    database = open_database(database_url, notifier=RecordingNotifier(), writers=1)
    started, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        started.set()
        assert go_on.wait(PATIENCE)
        add("slow")(transaction)

    accepted = [asyncio.create_task(database.write(work)) for work in (slow, add("waiting"))]
    assert await asyncio.to_thread(started.wait, PATIENCE)
    closing = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await database.write(add("late"))
    with pytest.raises(Unavailable):
        await database.read(names)
    assert refused.value.reason == "SERVER_STOPPING"
    go_on.set()
    await asyncio.gather(*accepted)
    await closing
    again = open_database(database_url, notifier=RecordingNotifier())
    assert await again.read(names) == ["slow", "waiting"]
    await again.close()


async def test_closing_twice_is_harmless(database_url: str) -> None:
    database = open_database(database_url, notifier=RecordingNotifier())
    await database.close()
    await database.close()


async def test_a_cancelled_caller_does_not_disturb_the_others(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        started.set()
        assert go_on.wait(PATIENCE)
        add("slow")(transaction)

    running = asyncio.create_task(database.write(slow))
    assert await asyncio.to_thread(started.wait, PATIENCE)
    running.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.gather(*(database.write(add(str(n))) for n in range(20)))
    assert set(await database.read(names)) >= {str(n) for n in range(20)}


async def test_work_may_be_called_from_several_event_loops(database: Database) -> None:
    def other_loop() -> list[str]:
        async def both() -> list[str]:
            await asyncio.gather(*(database.write(add(f"other {n}")) for n in range(50)))
            return await database.read(names)

        return asyncio.run(both())

    other, *_ = await asyncio.gather(asyncio.to_thread(other_loop), *(database.write(add(f"this {n}")) for n in range(50)))
    assert {f"other {n}" for n in range(50)} <= set(other)
    assert len(await database.read(names)) == 100


async def test_a_missing_file_is_refused_with_what_to_do(tmp_path: object) -> None:
    with pytest.raises(Unavailable, match="rookeryd db upgrade"):
        open_database(f"sqlite:///{tmp_path}/none.db", notifier=RecordingNotifier())
