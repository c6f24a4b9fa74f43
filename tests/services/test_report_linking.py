"""Delivery reports and the submissions that they are about: our own, and those that other servers send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import report_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1.item_pb2 import ItemContent, ItemState
from rookery_core.errors import FailedPrecondition
from rookery_core.formats import delivery_report
from rookery_core.formats.delivery_report import DeliveryReport, RecipientReport, Returned
from rookery_core.rules.ids import text_of
from rookery_server.services.caller import NO_ID
from rookery_server.services.change import MailboxChange
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.items import item_packing
from rookery_server.services.submission import report_linking
from rookery_server.services.submission.settling import MAIL_SYSTEM, Result
from rookery_server.store import mailboxes, submissions
from tests.services.test_submissions import refused
from tests.support.mail import INBOX, OUTBOX, SENT, MailWorld, Outside

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database, Transaction
    from tests.support.world import Person

HOST = "mx.other.example"
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", HOST)
LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now", HOST)
NEVER = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 no such user", HOST)
DELIVERED, RELAYED = records.DELIVERY_STATE_DELIVERED, records.DELIVERY_STATE_RELAYED
DEFERRED, FAILED = records.DELIVERY_STATE_DEFERRED, records.DELIVERY_STATE_FAILED


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


def failed(address: str, **fields: Any) -> RecipientReport:
    return RecipientReport(address, delivery_report.FAILED, "5.2.2", **{"diagnostic": "552 mailbox full", **fields})


def report_of(*recipients: RecipientReport, envelope_id: str = "", message_id: str = "") -> DeliveryReport:
    return DeliveryReport("relay.other.example", recipients, envelope_id=envelope_id, message_id=message_id)


async def arrives(world: MailWorld, person: Person, report: DeliveryReport, item_id: bytes = b"r" * 16) -> bytes:
    """A report comes in; gives the submission that it is about."""

    def bring(transaction: Transaction) -> bytes:
        mailbox = mailboxes.find(transaction.connection, person.mailbox, lock=True)
        assert mailbox is not None
        change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, world.clock.now)
        change.begin("mail.deliver", NO_ID)
        found = report_linking.link(change, report, item_id)
        change.finish()
        return found

    return await world.database.write(bring)


async def relayed(world: MailWorld, person: Person, *addresses: str) -> Submission:
    """A message that other servers have taken."""
    sent = await world.send(person, *addresses)
    await world.work(Outside(lambda claimed: [TAKEN] * len(claimed.recipients)))
    return await world.submission(person, sent.id)


async def message_id(world: MailWorld, person: Person) -> str:
    [item] = await world.within(person, SENT)
    return item.summary.message.message_id


async def test_our_own_report_is_linked_both_ways(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@one.example")
    await world.work(Outside(lambda claimed: [NEVER, TAKEN]))
    [item] = await world.within(anna, INBOX)
    after = await world.submission(anna, sent.id)
    assert [each.report_item_id for each in after.recipients] == [item.id, b""]
    report = item.content.message.report
    assert report.submission_id == sent.id and report.reporting_host == "mail.rookery.example"
    assert report.message_id == await message_id(world, anna)
    [told] = report.recipients
    expected = ("a@one.example", report_pb2.REPORTED_ACTION_FAILED, "5.1.1", HOST, "550 no such user")
    assert (told.address, told.action, told.status_code, told.remote_host, told.diagnostic) == expected
    assert after.revision == item.revision, "devices hear of the link by the submission's revision"


@pytest.mark.parametrize("by", ["envelope", "message"])
async def test_a_bounce_from_elsewhere_says_what_became_of_a_recipient(world: MailWorld, anna: Person, by: str) -> None:
    sent = await relayed(world, anna, "a@one.example", "b@one.example")
    known, told = {"envelope_id": text_of(sent.id)}, failed("A@ONE.example")
    if by == "message":
        known = {"envelope_id": text_of(world.ids.new()), "message_id": await message_id(world, anna)}
        told = failed("forwarded@two.example", original="a@one.example")
    world.clock.advance(seconds=60)
    assert await arrives(world, anna, report_of(told, **known)) == sent.id
    after = await world.submission(anna, sent.id)
    first, second = after.recipients
    assert (first.state, first.status_code, first.reply) == (FAILED, "5.2.2", "552 mailbox full")
    assert (first.remote_host, first.report_item_id) == ("relay.other.example", b"r" * 16)
    assert first.changed.ToMicroseconds() == world.clock.now
    assert second == sent.recipients[1] and after.revision > sent.revision
    assert after.state == records.SUBMISSION_STATE_FINAL


async def test_other_news_leave_a_recipient_where_it_is(world: MailWorld, anna: Person) -> None:
    sent = await relayed(world, anna, "a@one.example")
    for action, words, reply, status in (
        (delivery_report.DELAYED, "451 greylisted", "451 greylisted", "2.0.0"),
        (delivery_report.DELIVERED, "250 in the mailbox", "250 in the mailbox", "2.1.5"),
        (delivery_report.RELAYED, "", "reported as relayed", "2.1.5"),
        (delivery_report.EXPANDED, "", "reported as expanded", "2.1.5"),
    ):
        said = RecipientReport("a@one.example", action, "2.1.5", diagnostic=words, remote_host="deep.other.example")
        await arrives(world, anna, report_of(said, envelope_id=text_of(sent.id)))
        [after] = (await world.submission(anna, sent.id)).recipients
        assert (after.state, after.reply, after.status_code) == (RELAYED, reply, status)
        assert (after.remote_host, after.report_item_id) == ("deep.other.example", b"r" * 16)


async def test_a_report_does_not_touch_what_is_delivered_here_or_waits_in_the_queue(
    world: MailWorld, anna: Person, ben: Person
) -> None:
    """Whoever knows a Message-ID can write a report: it must not keep mail from anybody."""
    sent = await world.send(anna, "ben@rookery.example", "late@one.example", "new@two.example")
    await world.work(Outside(lambda claimed: [LATER] * len(claimed.recipients)))
    before, due = await world.submission(anna, sent.id), await world.due()
    report = report_of(*(failed(each.person.address) for each in before.recipients), envelope_id=text_of(sent.id))
    await arrives(world, anna, report)
    after = await world.submission(anna, sent.id)
    assert [each.state for each in after.recipients] == [DELIVERED, DEFERRED, DEFERRED]
    assert [each.reply for each in after.recipients] == [each.reply for each in before.recipients]
    assert [bool(each.report_item_id) for each in after.recipients] == [False, True, True]
    assert await world.due() == due
    outside = Outside(lambda claimed: [TAKEN] * len(claimed.recipients))
    world.clock.now = max(each.at for each in due)
    await world.work(outside)
    assert len(outside.carried) == 2


async def test_what_has_failed_stays_failed_whatever_is_said_later(world: MailWorld, anna: Person) -> None:
    sent = await relayed(world, anna, "a@one.example")
    await arrives(world, anna, report_of(failed("a@one.example"), envelope_id=text_of(sent.id)))
    happy = RecipientReport("a@one.example", delivery_report.DELIVERED, "2.1.5")
    await arrives(world, anna, report_of(happy, envelope_id=text_of(sent.id)), b"s" * 16)
    [after] = (await world.submission(anna, sent.id)).recipients
    assert (after.state, after.reply, after.report_item_id) == (FAILED, "552 mailbox full", b"s" * 16)


async def test_a_report_of_somebody_else_s_message_or_recipients_changes_nothing(
    world: MailWorld, anna: Person, ben: Person
) -> None:
    sent = await relayed(world, anna, "a@one.example")
    known = message_id(world, anna)
    about = report_of(failed("a@one.example"), envelope_id=text_of(sent.id), message_id=await known)
    assert await arrives(world, ben, about) == b""
    stranger = report_of(failed("stranger@one.example"), envelope_id=text_of(sent.id))
    assert await arrives(world, anna, stranger) == sent.id
    for nobody in ("", "not an id", "x" * 32, text_of(world.ids.new())):
        assert await arrives(world, anna, report_of(failed("a@one.example"), envelope_id=nobody)) == b""
    assert await world.submission(anna, sent.id) == sent


async def test_of_several_submissions_of_a_message_the_latest_that_left_is_meant(world: MailWorld, anna: Person) -> None:
    draft = await world.draft(anna, "a@one.example")
    first = await world.submit(anna, draft)
    world.clock.advance(seconds=1)
    await world.call_back(anna, first.id)
    second = await world.submit(anna, draft)
    world.clock.advance(seconds=1)
    [item] = await world.within(anna, OUTBOX)
    report = report_of(failed("a@one.example"), message_id=item.summary.message.message_id)
    assert await arrives(world, anna, report) == second.id
    await world.call_back(anna, second.id)
    assert await arrives(world, anna, report) == b""


async def test_words_of_other_hosts_are_one_short_line(world: MailWorld, anna: Person) -> None:
    sent = await relayed(world, anna, "a@one.example")
    said = failed("a@one.example", diagnostic="550 \0no\r\nway\t" + "x" * 5000, remote_host="h\0" * 1000)
    await arrives(world, anna, report_of(said, envelope_id=text_of(sent.id)))
    [after] = (await world.submission(anna, sent.id)).recipients
    assert after.reply.startswith("550 no way xxx") and len(after.reply) <= 500
    assert after.remote_host.isprintable() and len(after.remote_host) <= 255


async def test_a_message_that_bounced_can_be_sent_again_while_it_is_kept(world: MailWorld, anna: Person) -> None:
    """Whoever sends through a smarthost hears of every failure in this way: the message is kept for it."""
    sent = await relayed(world, anna, "a@one.example", "b@one.example")
    await arrives(world, anna, report_of(failed("a@one.example"), envelope_id=text_of(sent.id)))
    outside = Outside(lambda claimed: [TAKEN] * len(claimed.recipients))
    await world.send_again(anna, sent.id)
    await world.work(outside)
    assert outside.carried == [("one.example", ["a@one.example"])]
    await arrives(world, anna, report_of(failed("a@one.example"), envelope_id=text_of(sent.id)))
    gone = {"blob_id": None}
    await world.database.write(lambda transaction: submissions.change(transaction.connection, anna.number, sent.id, gone))
    await refused(FailedPrecondition, "NOTHING_FAILED", world.send_again(anna, sent.id))


def imported(raw: bytes) -> ItemContent:
    item = documents.prepare_message(raw, Marks(ItemState(), None), now=1, blob_id=b"b" * 16)
    return ItemContent.FromString(item_packing.decompress((item.codec, item.content)))


def test_a_report_that_is_imported_is_read_and_names_no_submission() -> None:
    raw = delivery_report.compose(
        report_of(failed("a@one.example"), envelope_id=text_of(b"s" * 16)),
        Returned("anna@rookery.example", "1@relay.other.example", 1_750_000_000, b"Message-ID: <42@rookery.example>\r\n\r\n"),
    )
    report = imported(raw).message.report
    assert (report.reporting_host, report.message_id, report.submission_id) == ("relay.other.example", "42@rookery.example", b"")
    assert [each.action for each in report.recipients] == [report_pb2.REPORTED_ACTION_FAILED]


def test_what_is_no_report_has_none() -> None:
    assert not imported(b"Subject: Hello\r\n\r\nHello\r\n").message.HasField("report")


async def test_a_report_about_more_than_a_message_goes_to_is_not_read_to_its_end(world: MailWorld, anna: Person) -> None:
    sent = await relayed(world, anna, "a@one.example")
    strangers = [failed(f"{number}@elsewhere.example") for number in range(1000)]
    assert await arrives(world, anna, report_of(*strangers, failed("a@one.example"), envelope_id=text_of(sent.id))) == sent.id
    assert (await world.submission(anna, sent.id)).recipients[0].state == RELAYED
