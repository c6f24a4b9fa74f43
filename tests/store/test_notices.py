"""Server processes on one PostgreSQL database hear of each other's commits."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url

from rookery_core.errors import NotFound
from rookery_server.services.announcements import Announcements
from rookery_server.store.database import open_database
from rookery_server.store.postgresql_notices import CHANNEL, GAP_SECONDS, Notices
from tests.support.engine_rows import PATIENCE, add
from tests.support.fakes import RecordingNotifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rookery_server.store.database import Database, Transaction
    from tests.support.postgres import PostgresCluster

pytestmark = pytest.mark.postgresql

MAILBOX = b"m" * 16
OTHER = b"o" * 16


async def until(happened: Callable[[], bool]) -> None:
    """Waits for what must happen."""
    ends = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < ends, "it did not happen"
        await asyncio.sleep(0.005)


def announcing(mailbox_uid: bytes, revision: int) -> Callable[[Transaction], None]:
    """Work that changes a mailbox."""
    return lambda transaction: transaction.announce(mailbox_uid, revision)


@pytest.fixture
async def here(postgresql_url: str, notifier: RecordingNotifier) -> AsyncIterator[Database]:
    """A database whose notifier listens already."""
    opened = open_database(postgresql_url, notifier=notifier)
    await until(lambda: notifier.gaps == 1)
    yield opened
    await opened.close()


@pytest.fixture
async def there(postgresql_url: str, here: Database, far: RecordingNotifier) -> AsyncIterator[Database]:
    """The same database, as another process has it open."""
    opened = open_database(postgresql_url, notifier=far)
    await until(lambda: far.gaps == 1)
    yield opened
    await opened.close()


@pytest.fixture
def far() -> RecordingNotifier:
    """What the other process is told."""
    return RecordingNotifier()


@pytest.fixture
def reached(postgresql_url: str) -> Callable[[], psycopg.Connection[tuple[object, ...]]]:
    """Opens a connection as it is used for notices."""
    url = make_url(postgresql_url)
    return partial(psycopg.connect, host=str(url.query["host"]), user=url.username, dbname=url.database, autocommit=True)


@pytest.fixture
def wire(reached: Callable[[], psycopg.Connection[tuple[object, ...]]]) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A program that hears what is said between the processes."""
    with reached() as connection:
        connection.execute(f"LISTEN {CHANNEL}".encode())
        yield connection


def said(wire: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """What was said before now."""
    wire.execute("SELECT 1")  # whatever was committed before comes with the answer
    return [notice.payload for notice in wire.notifies(timeout=0)]


async def test_what_one_process_commits_the_other_hears(
    here: Database, there: Database, notifier: RecordingNotifier, far: RecordingNotifier
) -> None:
    await here.write(announcing(MAILBOX, 7))
    await until(lambda: far.relayed == [(MAILBOX, 7)])
    await there.write(announcing(OTHER, 1 << 62))
    await until(lambda: notifier.relayed == [(OTHER, 1 << 62)])


async def test_when_one_process_rings_the_others_hear_it(
    here: Database, there: Database, notifier: RecordingNotifier, far: RecordingNotifier
) -> None:
    here.ring()
    await until(lambda: far.rings == [set()])
    await here.write(announcing(MAILBOX, 7))
    many = {f"{number}.{'x' * 240}.example" for number in range(70)}
    here.ring(many)
    await until(lambda: set().union(*far.rings) == many and far.relayed == [(MAILBOX, 7)])
    there.ring({"[IPv6:2001:db8::1]"})
    await until(lambda: notifier.rings == [{"[IPv6:2001:db8::1]"}])


async def test_a_process_is_told_of_its_own_commits_once(
    here: Database, there: Database, notifier: RecordingNotifier, far: RecordingNotifier
) -> None:
    await here.write(announcing(MAILBOX, 7))
    await until(lambda: far.relayed == [(MAILBOX, 7)])
    await there.write(announcing(OTHER, 1))  # whatever this process said comes before the answer to it
    await until(lambda: notifier.relayed != [])
    assert (notifier.published, notifier.relayed) == ([(MAILBOX, 7)], [(OTHER, 1)])


async def test_what_was_rolled_back_no_process_hears_of(here: Database, there: Database, far: RecordingNotifier) -> None:
    def work(transaction: Transaction) -> None:
        transaction.announce(MAILBOX, 7)
        raise NotFound("ITEM_NOT_FOUND", "There is no such item.")

    with pytest.raises(NotFound):
        await here.write(work)
    await here.write(add("unannounced"))
    await here.write(announcing(OTHER, 1))
    await until(lambda: far.relayed != [])
    assert far.relayed == [(OTHER, 1)]


async def test_what_is_said_while_a_process_speaks_is_heard_at_once(
    postgresql_url: str, wire: psycopg.Connection[tuple[object, ...]]
) -> None:
    class Crossing(psycopg.Connection[tuple[object, ...]]):
        """Another process speaks a moment before this one does, so that both come with one answer."""

        def execute(self, query: Any, *arguments: Any, **options: Any) -> psycopg.Cursor[tuple[object, ...]]:
            if "pg_notify" in str(query):
                wire.execute("SELECT pg_notify(%s, %s)", (CHANNEL, f"{OTHER.hex()}:5"))
            return super().execute(query, *arguments, **options)

    url, notifier = make_url(postgresql_url), RecordingNotifier()
    connect = partial(Crossing.connect, host=str(url.query["host"]), user=url.username, dbname=url.database, autocommit=True)
    notices = Notices(connect, notifier)
    await until(lambda: notifier.gaps == 1)
    notices.announce({MAILBOX: 7})
    await until(lambda: notifier.relayed == [(OTHER, 5)])
    notices.close()


async def test_a_thousand_announcements_of_a_moment_are_a_few_notices(
    wire: psycopg.Connection[tuple[object, ...]], reached: Callable[[], psycopg.Connection[tuple[object, ...]]]
) -> None:
    notifier = RecordingNotifier()
    notices = Notices(reached, notifier)
    await until(lambda: notifier.gaps == 1)
    begun = time.monotonic()
    for revision in range(1, 1001):
        notices.announce({MAILBOX: revision, OTHER: revision})
    notices.close()
    windows = (time.monotonic() - begun) / GAP_SECONDS
    heard = said(wire)
    assert heard[-1] == f"{MAILBOX.hex()}:1000,{OTHER.hex()}:1000"
    assert len(heard) <= windows + 2


async def test_a_commit_that_changes_a_thousand_mailboxes_is_told_whole(
    here: Database, there: Database, far: RecordingNotifier, wire: psycopg.Connection[tuple[object, ...]]
) -> None:
    changed = {number.to_bytes(16, "big"): (1 << 63) + number for number in range(1000)}

    def work(transaction: Transaction) -> None:
        for mailbox_uid, revision in changed.items():
            transaction.announce(mailbox_uid, revision)

    await here.write(work)
    await until(lambda: len(far.relayed) == 1000)
    assert dict(far.relayed) == changed
    heard = said(wire)
    assert len(heard) == 8
    assert max(map(len, heard)) < 8000


async def test_a_lost_connection_is_opened_again_and_what_was_missed_is_looked_for(
    here: Database, there: Database, postgres_cluster: PostgresCluster, notifier: RecordingNotifier, far: RecordingNotifier
) -> None:
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'rookery-notices'"
    assert len(postgres_cluster.execute(ended)) == 2
    await here.write(announcing(MAILBOX, 7))
    await until(lambda: (notifier.gaps, far.gaps) == (2, 2))
    await here.write(announcing(MAILBOX, 8))
    await until(lambda: (MAILBOX, 8) in far.relayed)
    await there.write(announcing(OTHER, 1))
    await until(lambda: (OTHER, 1) in notifier.relayed)


async def test_what_others_say_on_the_channel_disturbs_nobody(
    here: Database, there: Database, far: RecordingNotifier, wire: psycopg.Connection[tuple[object, ...]]
) -> None:
    for payload in ("", "hello", "zz:1", f"{MAILBOX.hex()}:many", f"{MAILBOX.hex()}"):
        wire.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))
    await here.write(announcing(MAILBOX, 7))
    await until(lambda: (MAILBOX, 7) in far.relayed)
    assert far.relayed == [(MAILBOX, 7)]
    assert far.gaps == 1


async def test_closing_tells_what_was_committed_last(
    postgresql_url: str, here: Database, notifier: RecordingNotifier, far: RecordingNotifier
) -> None:
    other = open_database(postgresql_url, notifier=far)
    await until(lambda: far.gaps == 1)
    writes = [asyncio.create_task(other.write(announcing(MAILBOX, revision))) for revision in range(1, 51)]
    await asyncio.sleep(0)
    await other.close()
    await asyncio.gather(*writes)
    await until(lambda: notifier.relayed != [] and max(notifier.relayed) == (MAILBOX, 50))


async def test_only_those_who_ask_for_it_hear_of_other_processes(postgresql_url: str, here: Database) -> None:
    near: list[tuple[bytes, int]] = []
    everywhere: list[tuple[bytes, int]] = []
    gaps: list[int] = []
    announcements = Announcements()
    announcements.listen(lambda *told: near.append(told))
    announcements.listen_everywhere(lambda *told: everywhere.append(told), lambda: gaps.append(1))
    other = open_database(postgresql_url, notifier=announcements)
    await until(lambda: gaps == [1])
    await here.write(announcing(MAILBOX, 7))
    await until(lambda: everywhere == [(MAILBOX, 7)])
    await other.write(announcing(OTHER, 8))
    await until(lambda: everywhere == [(MAILBOX, 7), (OTHER, 8)])
    assert near == [(OTHER, 8)]
    await other.close()


def test_a_server_that_can_not_be_reached_is_asked_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    enough = threading.Event()

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        if len(caplog.records) == 3:
            enough.set()
        raise psycopg.OperationalError("nobody answers")

    notices = Notices(connect, RecordingNotifier())
    notices.announce({MAILBOX: 1})
    assert enough.wait(PATIENCE)
    notices.close()
    notices.close()
    pauses = [re.search(r"again in ([0-9.]+) s: nobody answers", record.getMessage()) for record in caplog.records]
    assert [pause.group(1) for pause in pauses if pause][:4] == ["0.1", "0.2", "0.4", "0.8"]
