"""Removing accounts: the one that the job names, with everything in it, whatever else goes wrong."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rookery.v1 import admin_service_pb2 as admin
from rookery.v1 import folder_pb2
from rookery.v1.submission_pb2 import DELIVERY_STATE_DEFERRED, DELIVERY_STATE_RELAYED
from rookery_core.errors import FailedPrecondition, NotFound, Unavailable
from rookery_server.services.accounts.account_removal import AccountRemoval
from rookery_server.services.accounts.session_tokens import SessionTokens
from rookery_server.services.accounts.sessions import Sessions
from rookery_server.services.caller import MACHINE_ADMINISTRATOR, Caller
from rookery_server.services.callers import Callers
from rookery_server.services.seals import Seal
from rookery_server.services.search.indexer import Indexer
from rookery_server.services.submission.settling import Result
from rookery_server.store import jobs, ledger, search_sqlite
from rookery_server.store.tables import account, address
from tests.services.test_long_operations import Cut, cut_deletion, failing, unfinished
from tests.support.mail import MailWorld, Outside
from tests.support.world import Person, World

if TYPE_CHECKING:
    from sqlalchemy import Row

    from rookery_server.store.database import Database


class Removing(World):
    """A world that accounts can be removed from."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        tokens = SessionTokens(Seal("session-token", {1: b"k" * 32}))
        callers = Callers(database, tokens, self.clock)
        self.sessions = Sessions(database, self.operations, tokens, callers, self.clock)
        self.account_removal = AccountRemoval(database, self.operations, self.sessions, self.clock)
        self.indexer = Indexer(database)

    def request(self, person: Person, operation_id: bytes = b"") -> admin.DeleteAccountRequest:
        return admin.DeleteAccountRequest(operation_id=operation_id or self.ids.new(), account_id=person.caller.account_id)

    async def removal_refused(self, person: Person) -> FailedPrecondition:
        with pytest.raises(FailedPrecondition) as refused:
            await self.remove(self.request(person))
        kept = await self.account(person)
        assert kept is not None and not kept.disabled
        return refused.value

    async def remove(self, request: admin.DeleteAccountRequest, caller: Caller = MACHINE_ADMINISTRATOR) -> int:
        response = await self.account_removal.delete(caller, request)
        return admin.DeleteAccountResponse.FromString(response).deleted_items

    async def cut_removal(self, person: Person, caller: Caller = MACHINE_ADMINISTRATOR) -> admin.DeleteAccountRequest:
        """A removal, cut off after its first transaction."""
        request = self.request(person)
        with failing(self.database, Cut(), after=1), contextlib.suppress(Cut):
            await self.remove(request, caller)
        return request

    async def account(self, person: Person) -> Row[Any] | None:
        statement = select(account.c.disabled).where(account.c.id == person.caller.account_id)
        return await self.database.read(lambda connection: connection.execute(statement).first())

    async def note(self, person: Person, subject: str) -> None:
        await self.item(person, await self.folder_of(person, folder_pb2.FOLDER_ROLE_INBOX), subject)
        assert await self.indexer.catch_up(person.mailbox, more=lambda: True)


class RemovingSenders(Removing, MailWorld):
    """The same, with mail."""


@pytest.fixture
def world(database: Database) -> Removing:
    return Removing(database)


async def test_the_id_of_an_unfinished_removal_removes_nobody_else(world: Removing, anna: Person, ben: Person) -> None:
    await world.note(anna, "one")
    request = await world.cut_removal(anna)
    with pytest.raises(FailedPrecondition) as refused:
        await world.remove(world.request(ben, request.operation_id))
    assert refused.value.reason == "OPERATION_REUSED"
    kept = await world.account(ben)
    assert kept is not None and not kept.disabled
    addresses = await world.database.read(lambda connection: connection.execute(select(address.c.account_id)).scalars().all())
    assert addresses == [ben.caller.account_id]
    assert await world.remove(request) == 1
    assert await world.account(anna) is None and await world.account(ben) is not None


async def test_the_id_of_an_unfinished_folder_deletion_removes_nobody(world: Removing, anna: Person, ben: Person) -> None:
    boss = Caller(anna.caller.account_id, anna.caller.session_id, administrator=True)
    deletion = await cut_deletion(world, anna, "Old")
    with pytest.raises(FailedPrecondition) as refused:
        await world.remove(world.request(ben, deletion.operation_id), boss)
    assert refused.value.reason == "OPERATION_REUSED"
    kept = await world.account(ben)
    assert kept is not None and not kept.disabled


async def test_an_account_is_removed_once_its_mail_has_left(database: Database) -> None:
    world = RemovingSenders(database)
    anna, ben = await world.person("anna"), await world.person("ben")
    outside = Outside(lambda claimed: [Result(DELIVERY_STATE_DEFERRED, "4.7.1", "later")] * len(claimed.recipients))
    await world.send(anna, "ben@rookery.example", "eva@elsewhere.example", "ida@elsewhere.example")
    waiting = await world.removal_refused(anna)
    assert (waiting.reason, waiting.metadata, waiting.field) == ("MAIL_WAITING", {"recipients": "3"}, "discard_mail")
    await world.work(outside)
    assert (await world.removal_refused(anna)).metadata == {"recipients": "2"}
    await world.remove(world.request(ben))
    outside.answer = lambda claimed: [Result(DELIVERY_STATE_RELAYED, "2.0.0", "taken")] * len(claimed.recipients)
    world.clock.advance(seconds=3600)
    await world.work(outside)
    assert await world.remove(world.request(anna)) == 1


async def test_mail_on_its_way_is_given_up_with_the_account_where_that_is_asked_for(database: Database) -> None:
    world = RemovingSenders(database)
    anna = await world.person("anna")
    called_back = await world.send(anna, "eva@elsewhere.example")
    await world.call_back(anna, called_back.id)
    await world.submit(anna, await world.draft(anna, "eva@elsewhere.example"), undo_seconds=60)
    assert (await world.removal_refused(anna)).metadata == {"recipients": "1"}
    request = world.request(anna)
    request.discard_mail = True
    assert await world.remove(request) == 2
    world.clock.advance(seconds=120)
    outside = Outside(lambda claimed: [Result(DELIVERY_STATE_RELAYED, "2.0.0", "taken")] * len(claimed.recipients))
    await world.work(outside)
    assert not outside.carried


async def test_a_removal_of_an_account_without_items_is_answered_twice(world: Removing, anna: Person) -> None:
    request = world.request(anna)
    assert [await world.remove(request), await world.remove(request)] == [0, 0]
    with pytest.raises(NotFound):
        await world.remove(world.request(anna))


async def test_a_removal_that_fails_keeps_its_place_and_the_others_get_their_turn(
    world: Removing, anna: Person, ben: Person
) -> None:
    await world.cut_removal(anna)
    await world.cut_removal(ben)
    with failing(world.database, Unavailable("DATABASE_BUSY", "busy"), after=0), pytest.raises(Unavailable):
        await world.account_removal.resume()
    assert [await world.account(person) is None for person in (anna, ben)].count(True) == 1
    assert await world.account_removal.resume() == 1
    assert [await world.account(person) for person in (anna, ben)] == [None, None]


@pytest.mark.parametrize("after", [0, 1])
async def test_a_passing_failure_is_told_as_it_is_and_a_repeat_succeeds(world: Removing, anna: Person, after: int) -> None:
    request = world.request(anna)
    with failing(world.database, Unavailable("DATABASE_BUSY", "busy"), after=after), pytest.raises(Unavailable):
        await world.remove(request)
    await world.remove(request)
    assert await world.account(anna) is None


async def test_the_jobs_of_a_removed_account_go_with_it(world: Removing, anna: Person) -> None:
    await cut_deletion(world, anna, "Old")
    await world.remove(world.request(anna))
    assert await unfinished(world) == []
    assert await world.long_operations.resume() == 0


async def test_accounts_that_a_removed_administrator_was_removing_are_removed_all_the_same(
    world: Removing, anna: Person, ben: Person
) -> None:
    boss = Caller(anna.caller.account_id, anna.caller.session_id, administrator=True)
    await world.cut_removal(ben, boss)
    await world.remove(world.request(anna))
    assert await world.account(anna) is None
    assert await world.account_removal.resume() == 1
    assert await world.account(ben) is None


async def test_a_removal_ends_though_another_call_used_its_id_meanwhile(world: Removing, anna: Person) -> None:
    request = await world.cut_removal(anna)
    row = {"account_id": MACHINE_ADMINISTRATOR.account_id, "id": request.operation_id, "request_hash": bytes(32)}
    entry = {**row, "refusal": None, "result": b"theirs", "created": world.clock.micros()}
    await world.database.write(lambda transaction: ledger.record(transaction.connection, [entry]))
    assert await world.account_removal.resume() == 1
    assert await world.account(anna) is None
    assert await world.database.read(jobs.unfinished) == []


async def vocabulary(database: Database) -> set[str]:
    """Every word in the postings, without the mailbox's number before it."""

    def work(transaction: Any) -> set[str]:
        connection = transaction.connection
        connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, search_postings, row)")
        found = {row.term for row in connection.exec_driver_sql("SELECT term FROM temp.vocabulary")}
        connection.exec_driver_sql("DROP TABLE temp.vocabulary")
        return found

    return {term.rpartition("_")[2] for term in await database.write(work)}


async def test_the_words_of_a_removed_account_leave_the_index(world: Removing, anna: Person, ben: Person) -> None:
    if world.database.dialect != "sqlite":
        pytest.skip("PostgreSQL forgets words at once")
    await world.note(anna, "secret")
    await world.note(ben, "public")
    assert not await world.indexer.compact()
    await world.remove(world.request(anna))
    assert await world.indexer.compact()
    assert {"secret", "public"} & await vocabulary(world.database) == {"public"}
    assert not await world.indexer.compact()


async def test_the_words_of_an_account_removed_during_a_compaction_leave_the_index(
    world: Removing, anna: Person, ben: Person
) -> None:
    if world.database.dialect != "sqlite":
        pytest.skip("PostgreSQL forgets words at once")
    await world.note(anna, "secret")
    await world.note(ben, "public")
    await world.database.write(lambda transaction: search_sqlite.begin_compaction(transaction.connection))
    with failing(world.database, Cut(), after=2), pytest.raises(Cut):  # all documents are copied, and that is all
        await world.indexer.compact()
    await world.remove(world.request(anna))
    assert await world.indexer.compact()
    assert {"secret", "public"} & await vocabulary(world.database) == {"public"}


async def test_an_account_that_had_no_words_costs_no_compaction(world: Removing, anna: Person) -> None:
    assert await world.indexer.catch_up(anna.mailbox, more=lambda: True)
    await world.remove(world.request(anna))
    assert not await world.indexer.compact()
