"""The queue of outgoing mail: what is due, who has it, and what a restored backup makes of it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import insert, make_url, select, text, update

from rookery.v1 import submission_pb2 as records
from rookery_server.store import account_removal, backup, blobs, outgoing, postgresql, submissions
from rookery_server.store.blob_chunks import prepare
from rookery_server.store.outgoing import Wanted
from rookery_server.store.submissions import RecipientRow, SubmissionRow
from rookery_server.store.tables import blob, outgoing_recipient, submission
from tests.support.fakes import SequentialIds
from tests.support.rows import add_mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction

NOW = 1_750_000_000_000_000
ANNA, BEN = b"a" * 16, b"b" * 16
IDS = SequentialIds()


def submitted(mailbox_id: int, **values: Any) -> SubmissionRow:
    row = SubmissionRow(
        mailbox_id=mailbox_id,
        id=IDS.new(),
        item_id=IDS.new(),
        origin_id=IDS.new(),
        revision=2,
        state=records.SUBMISSION_STATE_PENDING,
        sender="anna@rookery.example",
        submitted=NOW,
        hold_until=None,
        blob_id=None,
        size_bytes=5,
        eight_bit=False,
        unicode_header=False,
    )
    return row._replace(**values)


def recipient(row: SubmissionRow, position: int, domain: str = "example.org", **values: Any) -> RecipientRow:
    made = RecipientRow(
        mailbox_id=row.mailbox_id,
        submission_id=row.id,
        position=position,
        name="",
        address=f"r{position}@{domain}",
        domain=domain,
        state=records.DELIVERY_STATE_QUEUED,
        attempts=0,
        ambiguous=0,
        queued=NOW,
        next_attempt=NOW,
        lease_owner=None,
        host="",
        reply="",
        status_code="",
        changed=NOW,
        delay_told=False,
        report=0,
    )
    return made._replace(**values)


def add(connection: Connection, *domains: str, at: int = NOW, **values: Any) -> SubmissionRow:
    """A submission of a new mailbox's with a recipient at each domain."""
    row = submitted(values.pop("mailbox_id", 0) or add_mailbox(connection), **values)
    submissions.add(connection, row, [recipient(row, index, name, next_attempt=at) for index, name in enumerate(domains)])
    return row


def claim(
    connection: Connection, domain: str, owner: bytes, now: int = NOW, *, until: int = NOW + 100, most: int = 1, together: int = 9
) -> list[outgoing.Claimed]:
    return outgoing.claim(connection, [Wanted(domain, most)], owner, now, until, together).claimed


def positions(claimed: list[outgoing.Claimed]) -> list[list[int]]:
    return [[row.position for row in each.recipients] for each in claimed]


async def test_every_domain_is_told_with_its_earliest_time(database: Database) -> None:
    def fill(connection: Connection) -> list[outgoing.Due]:
        assert outgoing.due(connection) == []
        add(connection, "b.example", "a.example", at=NOW + 5)
        add(connection, "b.example", outgoing.HERE, at=NOW)
        return outgoing.due(connection)

    found = await database.write(lambda transaction: fill(transaction.connection))
    assert found == [(outgoing.HERE, NOW), ("a.example", NOW + 5), ("b.example", NOW)]


async def test_recipients_of_one_message_at_one_domain_are_taken_on_together_and_once(database: Database) -> None:
    def work(connection: Connection) -> None:
        row = add(connection, "a.example", "b.example", "a.example", "a.example")
        add(connection, "a.example", at=NOW + 1)
        [claimed] = claim(connection, "a.example", ANNA, together=2)
        assert positions([claimed]) == [[0, 2]] and claimed.submission == row
        assert {each.lease_owner for each in claimed.recipients} == {ANNA}
        assert positions(claim(connection, "a.example", BEN, together=2)) == [[3]]
        assert claim(connection, "a.example", BEN, together=2) == []
        assert positions(claim(connection, "b.example", BEN)) == [[1]]

    await database.write(lambda transaction: work(transaction.connection))


async def test_messages_for_several_domains_are_taken_on_at_once_those_that_wait_longest_first(database: Database) -> None:
    def work(connection: Connection) -> None:
        rows = [add(connection, "a.example", "b.example", at=NOW - number) for number in range(5)]
        wanted = [Wanted("a.example", 2), Wanted("b.example", 9), Wanted("c.example", 9)]
        claimed, left = outgoing.claim(connection, wanted, ANNA, NOW, NOW + 100, 9)
        found = [(each.recipients[0].domain, each.submission.id) for each in claimed]
        assert found[:2] == [("a.example", rows[4].id), ("a.example", rows[3].id)]
        assert sorted(found[2:]) == sorted(("b.example", row.id) for row in rows)
        assert left == [("a.example", NOW - 2), ("b.example", NOW + 100)], "of b only what is leased"

    await database.write(lambda transaction: work(transaction.connection))


async def test_a_message_to_many_at_a_domain_is_not_torn_by_how_much_is_wanted(database: Database) -> None:
    def work(connection: Connection) -> None:
        add(connection, *["a.example"] * 7, at=NOW - 1)
        add(connection, *["a.example"] * 3)
        assert positions(claim(connection, "a.example", ANNA, most=2)) == [list(range(7))]
        assert positions(claim(connection, "a.example", ANNA, most=2)) == [[0, 1, 2]]

    await database.write(lambda transaction: work(transaction.connection))


async def test_what_somebody_did_not_come_back_with_is_taken_on_by_the_next(database: Database) -> None:
    def work(connection: Connection) -> None:
        add(connection, "a.example")
        lost = claim(connection, "a.example", ANNA)
        outgoing.renew(connection, lost, ANNA, NOW + 200)
        assert claim(connection, "a.example", BEN, NOW + 150, until=NOW + 300) == []
        assert positions(claim(connection, "a.example", BEN, NOW + 200, until=NOW + 300)) == [[0]]
        outgoing.renew(connection, lost, ANNA, NOW + 900)
        outgoing.give_back(connection, lost, ANNA, NOW)
        assert outgoing.due(connection) == [("a.example", NOW + 300)], "the lease is another's by now"

    await database.write(lambda transaction: work(transaction.connection))


async def test_what_waits_for_a_domain_goes_to_mailboxes_here_once_it_is_this_servers(database: Database) -> None:
    def work(connection: Connection) -> None:
        add(connection, "a.example", "b.example")
        add(connection, "a.example", at=NOW - 1)
        [leased] = claim(connection, "a.example", ANNA)
        outgoing.bring_home(connection, "a.example")
        assert outgoing.due(connection) == [(outgoing.HERE, NOW), ("a.example", NOW + 100), ("b.example", NOW)]
        assert positions(claim(connection, outgoing.HERE, ANNA)) == [[0]]
        assert leased.recipients[0].domain == "a.example"

    await database.write(lambda transaction: work(transaction.connection))


async def test_each_half_of_the_queue_can_be_read_alone(database: Database) -> None:
    def work(connection: Connection) -> None:
        add(connection, "a.example", outgoing.HERE)
        assert outgoing.due(connection, elsewhere=False) == [(outgoing.HERE, NOW)]
        assert outgoing.due(connection, here=False) == [("a.example", NOW)]

    await database.write(lambda transaction: work(transaction.connection))


async def test_a_server_that_starts_gives_back_what_its_predecessor_had_taken_on(database: Database) -> None:
    def work(connection: Connection) -> None:
        add(connection, "a.example", "b.example")
        claim(connection, "a.example", ANNA)
        assert outgoing.give_all_back(connection, NOW + 1) == 1
        assert outgoing.due(connection) == [("a.example", NOW + 1), ("b.example", NOW)]

    await database.write(lambda transaction: work(transaction.connection))


@pytest.mark.postgresql
async def test_two_processes_take_on_different_recipients_without_waiting(postgresql_url: str) -> None:
    engine = postgresql.open_engine(make_url(postgresql_url), 2)
    try:
        with engine.begin() as connection:
            add(connection, "a.example")
            add(connection, "a.example", at=NOW + 1)
        with engine.begin() as one, engine.begin() as other:
            other.execute(text("SET lock_timeout = '5s'"))
            [first] = claim(one, "a.example", ANNA, NOW + 9)
            [second] = claim(other, "a.example", BEN, NOW + 9)
            assert first.submission.id != second.submission.id
    finally:
        engine.dispose()


async def test_a_message_that_is_to_leave_is_not_swept(database: Database) -> None:
    def work(connection: Connection) -> int:
        stored = blobs.put(connection, [prepare(b"Hello", IDS.new())], NOW)
        [blob_id] = stored.values()
        row = add(connection, "a.example", blob_id=blob_id)
        assert blobs.sweep(connection, NOW + 1, 10) == 0
        submissions.change(connection, row.mailbox_id, row.id, {"blob_id": None})
        return blobs.sweep(connection, NOW + 1, 10)

    assert await database.write(lambda transaction: work(transaction.connection)) == 1
    assert await database.read(lambda connection: connection.execute(select(blob)).all()) == []


async def test_what_was_on_its_way_comes_back_held_with_a_restored_backup(database: Database) -> None:
    def work(connection: Connection) -> None:
        pending = add(connection, "a.example")
        later = add(connection, "a.example", state=records.SUBMISSION_STATE_HELD, hold_until=NOW + 9)
        final = add(connection, "a.example", state=records.SUBMISSION_STATE_FINAL)
        done = submitted(final.mailbox_id, state=records.SUBMISSION_STATE_FINAL)
        arrived = recipient(done, 0, state=records.DELIVERY_STATE_RELAYED, next_attempt=None)
        submissions.add(connection, done, [arrived])
        claim(connection, "a.example", ANNA)
        backup.begin_epoch(connection, IDS.new, NOW, {})
        assert outgoing.due(connection) == []
        rows = {row.id: row for row in map(SubmissionRow._make, connection.execute(select(submission)))}
        for held in (pending, later):
            assert (rows[held.id].state, rows[held.id].hold_until) == (records.SUBMISSION_STATE_HELD, None)
        assert rows[final.id].state == rows[done.id].state == records.SUBMISSION_STATE_FINAL
        assert rows[done.id].revision == done.revision
        assert all(rows[row.id].revision > backup.REVISIONS_AHEAD for row in (pending, later, final))
        assert submissions.recipients(connection, done.mailbox_id, [done.id]) == {done.id: [arrived]}

    await database.write(lambda transaction: work(transaction.connection))


async def test_a_removed_account_leaves_nothing_in_the_queue(database: Database) -> None:
    def work(connection: Connection) -> None:
        row = add(connection, "a.example", "b.example")
        other = add(connection, "a.example")
        while account_removal.remove_some(connection, row.mailbox_id, 1)[0]:
            pass
        assert connection.execute(select(submission.c.id)).scalars().all() == [other.id]
        assert connection.execute(select(outgoing_recipient.c.submission_id)).scalars().all() == [other.id]

    await database.write(lambda transaction: work(transaction.connection))


async def test_submissions_are_forgotten_once_they_are_old_and_finished(database: Database) -> None:
    def work(connection: Connection) -> None:
        waiting = add(connection, "a.example")
        owing = add(connection, "a.example", state=records.SUBMISSION_STATE_FINAL)
        done = add(connection, "a.example", state=records.SUBMISSION_STATE_FINAL)
        called_back = add(connection, "a.example", state=records.SUBMISSION_STATE_CANCELLED)
        ended = {"state": records.DELIVERY_STATE_FAILED, "next_attempt": None}
        submissions.change_recipients(connection, owing.mailbox_id, owing.id, [{"position": 0, **ended, "report": 2}])
        submissions.change_recipients(connection, done.mailbox_id, done.id, [{"position": 0, **ended, "report": 0}])
        assert outgoing.forget(connection, NOW, 10) == 0
        assert outgoing.forget(connection, NOW + 1, 1) == 1
        assert outgoing.forget(connection, NOW + 1, 10) == 1
        left = set(connection.execute(select(outgoing_recipient.c.submission_id)).scalars())
        assert left == set(connection.execute(select(submission.c.id)).scalars()) == {waiting.id, owing.id}
        assert called_back.id not in left
        [owed] = outgoing.owed(connection, 10)
        assert (owed.mailbox_id, owed.submission_id) == (owing.mailbox_id, owing.id)

    await database.write(lambda transaction: work(transaction.connection))


async def test_what_is_being_sent_again_is_not_forgotten(database: Database) -> None:
    if database.dialect == "sqlite":
        return  # one after the other there
    rows: list[SubmissionRow] = []
    begun, tried = threading.Event(), threading.Event()

    def finished(transaction: Transaction) -> None:
        rows.append(add(transaction.connection, "a.example", state=records.SUBMISSION_STATE_FINAL))
        ended = {"position": 0, "state": records.DELIVERY_STATE_FAILED, "next_attempt": None}
        submissions.change_recipients(transaction.connection, rows[0].mailbox_id, rows[0].id, [ended])

    def send_again(transaction: Transaction) -> None:
        queued = {"position": 0, "state": records.DELIVERY_STATE_QUEUED, "next_attempt": NOW}
        submissions.change_recipients(transaction.connection, rows[0].mailbox_id, rows[0].id, [queued])
        submissions.change(transaction.connection, rows[0].mailbox_id, rows[0].id, {"revision": 3})
        begun.set()
        tried.wait(10)

    await database.write(finished)
    sending = asyncio.create_task(database.write(send_again))
    await asyncio.to_thread(begun.wait)
    assert await database.write(lambda transaction: outgoing.forget(transaction.connection, NOW + 1, 10)) == 0
    tried.set()
    await sending
    assert [due.domain for due in await database.read(outgoing.due)] == ["a.example"]


async def test_a_queue_of_many_for_one_domain_is_passed_over_in_a_few_steps(database: Database) -> None:
    def work(connection: Connection) -> str:
        row = add(connection, "a.example", "z.example")
        many = [recipient(row, number, "dead.example")._asdict() for number in range(10, 3010)]
        connection.execute(insert(outgoing_recipient), many)
        connection.execute(update(outgoing_recipient).where(outgoing_recipient.c.position == 10).values(next_attempt=NOW - 7))
        assert outgoing.due(connection) == [("a.example", NOW), ("dead.example", NOW - 7), ("z.example", NOW)]
        if connection.dialect.name != "sqlite":
            return "SEARCH outgoing_recipient USING COVERING INDEX ix_outgoing_recipient_due"
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {outgoing._due_elsewhere.statement.compile(connection)}"))
        return "\n".join(row.detail for row in plan if "outgoing_recipient" in row.detail)

    plan = await database.write(lambda transaction: work(transaction.connection))
    assert all("USING COVERING INDEX ix_outgoing_recipient_due" in line for line in plan.splitlines()), plan
