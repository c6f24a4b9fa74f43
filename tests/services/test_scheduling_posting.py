"""Letters of meetings: composed, kept with their sender, and queued, within a transaction."""

from __future__ import annotations

import email
import email.policy
from typing import TYPE_CHECKING

import pytest

from rookery.v1 import item_pb2, submission_pb2
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.scheduling_pb2 import SCHEDULING_METHOD_REPLY, SCHEDULING_METHOD_REQUEST
from rookery_core.errors import InvalidArgument, ResourceExhausted
from rookery_core.formats import itip as itip_format
from rookery_core.rules.scheduling.itip import Itip, Letter, Part, Version
from rookery_server.services.change import MailboxChange
from rookery_server.services.scheduling import posting
from rookery_server.services.submission.settling import Result
from rookery_server.store import accounts, mailboxes, outgoing
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.mail import INBOX, OUTBOX, SENT, MailWorld, Outside
from tests.support.meeting_calls import appointment

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from rookery_server.store.units import Transaction
    from tests.support.world import Person

RELAYED = submission_pb2.DELIVERY_STATE_RELAYED

__all__ = ["sqlite_unless_asked"]


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


def letter(*to: str, method: int = SCHEDULING_METHOD_REQUEST) -> Letter:
    item = appointment(attendees=to or ("ben@rookery.example",))
    organizer = Named(name="Anna", address="anna@rookery.example")
    item.summary.appointment.organizer.CopyFrom(organizer)
    part = Part(None, Version(0, 1_772_000_000_000_000), item)
    itip = Itip(SCHEDULING_METHOD_REQUEST, item_pb2.ITEM_KIND_APPOINTMENT, "one@here", organizer, (part,))
    if method == SCHEDULING_METHOD_REPLY:
        item.content.appointment.attendees[0].person.CopyFrom(organizer)
        itip = Itip(SCHEDULING_METHOD_REPLY, item_pb2.ITEM_KIND_APPOINTMENT, "one@here", Named(address=to[0]), (part,))
    return Letter(itip, tuple(Named(address=address) for address in to))


async def post(world: MailWorld, person: Person, *letters: Letter, automatic: bool = False) -> list[Submission]:
    """Posts in a transaction that runs twice, as one may."""

    def work(transaction: Transaction) -> list[Submission]:
        mailbox = mailboxes.find(transaction.connection, person.mailbox, lock=True)
        assert mailbox is not None
        change = MailboxChange(transaction, mailbox, person.caller, world.clock.now)
        change.begin("test", world.ids.new())
        found = posting.post(change, posting.me(transaction.connection, mailbox.account_id), letters, automatic=automatic)
        change.finish()
        return found

    class Again(Exception):
        """Rolls back."""

    def interrupted(transaction: Transaction) -> None:
        first.extend(work(transaction))
        raise Again

    first: list[Submission] = []
    with pytest.raises(Again):
        await world.database.write(interrupted)
    second = await world.database.write(work)
    assert second == first  # ids too
    return second


@ON_BOTH
async def test_a_letter_reaches_people_here_and_elsewhere_and_lies_in_sent_items(world: MailWorld) -> None:
    anna, ben = await world.person("anna"), await world.person("ben")
    outside = Outside(lambda claimed: [Result(RELAYED, "2.0.0", "ok")] * len(claimed.recipients))
    [submission] = await post(world, anna, letter("ben@rookery.example", "carl@elsewhere.test"))
    assert [each.person.address for each in submission.recipients] == ["ben@rookery.example", "carl@elsewhere.test"]
    [waiting] = await world.within(anna, OUTBOX)
    assert waiting.id == submission.item_id and waiting.state.read and waiting.content.message.has_original
    data = await world.message(anna, submission.id)
    await world.work(outside)
    assert outside.carried == [("elsewhere.test", ["carl@elsewhere.test"])]
    [sent] = await world.within(anna, SENT)
    [came] = await world.within(ben, INBOX)
    assert sent.summary.message.message_id == came.summary.message.message_id
    assert sent.summary.message.has_calendar and came.summary.message.has_calendar
    message = email.message_from_bytes(data, policy=email.policy.default)
    assert message["From"].addresses[0].addr_spec == "anna@rookery.example"
    assert message["Message-ID"] == f"<{sent.summary.message.message_id}>"
    [calendar] = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    assert itip_format.read(bytes(calendar.get_content(), "utf-8")).uid == "one@here"
    await world.check_counters(anna)


async def test_a_letter_to_thousands_is_one_submission_for_each_thousand(world: MailWorld) -> None:
    anna = await world.person("anna")
    addresses = [f"guest{number}@elsewhere{number % 7}.test" for number in range(2100)]
    submissions = await post(world, anna, letter(*addresses, addresses[0].upper()), letter())
    assert [len(each.recipients) for each in submissions] == [1000, 1000, 100]
    assert len({each.id for each in submissions}) == len({each.item_id for each in submissions}) == 3
    kept = await world.within(anna, OUTBOX)
    assert sorted(sum(bool(to.person.address) for to in each.content.recipients) for each in kept) == [100, 1000, 1000]
    assert len({each.summary.message.message_id for each in kept}) == 3


async def test_reports_about_what_a_machine_wrote_go_to_nobody(world: MailWorld) -> None:
    anna = await world.person("anna")
    [submission] = await post(world, anna, letter("boss@elsewhere.test", method=SCHEDULING_METHOD_REPLY), automatic=True)
    assert submission.sender == ""
    assert b"Auto-Submitted: auto-replied\r\n" in await world.message(anna, submission.id)


@ON_BOTH
async def test_what_can_not_be_sent_leaves_nothing(world: MailWorld) -> None:
    anna = await world.person("anna")
    with pytest.raises(InvalidArgument, match="no address"):
        await post(world, anna, letter("ben@rookery.example"), letter("nobody"))
    await world.database.write(lambda transaction: accounts.set_quota(transaction.connection, anna.caller.account_id, 2000))
    with pytest.raises(ResourceExhausted):
        await post(world, anna, letter("ben@rookery.example"), letter("carl@elsewhere.test"))
    assert await world.within(anna, OUTBOX) == []
    assert await world.database.read(outgoing.due) == []
    await world.check_counters(anna)


async def test_who_has_several_addresses_owns_them_all(world: MailWorld) -> None:
    anna = await world.person("anna")
    row = accounts.AddressRow("chef@rookery.example", "Chef@rookery.example", "rookery.example", anna.caller.account_id, False)
    await world.database.write(lambda transaction: accounts.add_address(transaction.connection, row))
    owner = await world.database.read(lambda connection: posting.me(connection, anna.caller.account_id))
    assert (owner.person.name, owner.person.address) == ("anna", "anna@rookery.example")
    assert owner.owns("CHEF@rookery.example") and not owner.owns("ben@rookery.example")
