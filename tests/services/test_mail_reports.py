"""Delivery reports: what did not arrive is told to its sender, once; and so is what is late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import submission_pb2 as records
from rookery_core.formats import delivery_report, delivery_report_reading
from rookery_core.rules.ids import text_of
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.submission.reports import Reports
from rookery_server.services.submission.settling import Result
from rookery_server.store import submissions
from rookery_server.store.tables import mailbox
from tests.support.mail import INBOX, SENT, MailWorld, Outside

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_core.formats.delivery_report import DeliveryReport
    from rookery_server.store.database import Database
    from tests.support.world import Person

HOST = "mx.other.example[192.0.2.1]:25"
TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks", HOST)
LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now", HOST)
NEVER = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 no such user", HOST)


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


def always(result: Result) -> Outside:
    return Outside(lambda claimed: [result] * len(claimed.recipients))


async def document(world: MailWorld, person: Person, item: Item) -> bytes:
    request = content.ReadContentRequest(item_id=item.id)
    return (await DownloadService(world.database).read_content(person.caller, request)).chunk.data


async def the_report(world: MailWorld, person: Person) -> tuple[Item, DeliveryReport]:
    """The one report in somebody's inbox."""
    [item] = await world.within(person, INBOX)
    report = delivery_report_reading.read(await document(world, person, item))
    assert report is not None
    return item, report


async def work_until(world: MailWorld, outside: Outside, seconds: float) -> None:
    """Lets the time pass, with the worker at work whenever something is due."""
    end = world.clock.now + round(seconds * 1_000_000)
    while (due := await world.due()) and due[0].at <= end:
        world.clock.now = max(world.clock.now, due[0].at)
        await world.work(outside)
    world.clock.now = end


async def test_who_could_not_be_reached_is_told_in_the_conversation_of_the_message(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example", "b@one.example", subject="Grüße")
    await world.work(Outside(lambda claimed: [NEVER, TAKEN]))
    item, report = await the_report(world, anna)
    [kept] = await world.within(anna, SENT)
    assert item.summary.subject == "Not delivered: Grüße" and not item.state.read
    assert item.summary.message.is_report and item.summary.conversation_id == kept.summary.conversation_id
    assert report.envelope_id == text_of(sent.id) and report.message_id == kept.summary.message.message_id
    assert report.reporting_host == "mail.rookery.example"
    [told] = report.recipients
    assert (told.address, told.action, told.status) == ("a@one.example", delivery_report.FAILED, "5.1.1")
    assert told.remote_host == "mx.other.example" and told.diagnostic == "550 no such user"
    assert (await document(world, anna, item)).startswith(b"Return-Path: <>\r\n")
    await world.check_counters(anna)


async def test_a_colleague_who_is_not_there_is_told_too(world: MailWorld, anna: Person) -> None:
    await world.send(anna, "nobody@rookery.example")
    await world.work()
    _, report = await the_report(world, anna)
    assert [(each.address, each.status) for each in report.recipients] == [("nobody@rookery.example", "5.1.1")]


async def test_a_late_message_is_told_of_once_and_then_its_end(world: MailWorld, anna: Person) -> None:
    outside = always(LATER)
    await world.send(anna, "a@one.example")
    await work_until(world, outside, 3.9 * 3600)
    assert await world.within(anna, INBOX) == []
    await work_until(world, outside, 24 * 3600)
    item, report = await the_report(world, anna)
    assert item.summary.subject.startswith("Delayed")
    assert [each.action for each in report.recipients] == [delivery_report.DELAYED]
    await work_until(world, outside, 5 * 86_400)
    found = await world.within(anna, INBOX)
    assert sorted(item.summary.subject for item in found) == ["Delayed: A letter", "Not delivered: A letter"]
    last = delivery_report_reading.read(await document(world, anna, found[0]))
    assert last is not None and [each.status for each in last.recipients] == ["5.4.7"]


async def test_many_that_failed_together_are_one_report(world: MailWorld, anna: Person) -> None:
    await world.send(anna, *(f"{number}@one.example" for number in range(30)))
    await world.work(always(NEVER))
    _, report = await the_report(world, anna)
    assert len(report.recipients) == 30


async def test_a_full_mailbox_still_hears_of_what_failed(world: MailWorld, anna: Person) -> None:
    await world.send(anna, "a@one.example")
    full = update(mailbox).where(mailbox.c.id == anna.number).values(quota_bytes=1)
    await world.database.write(lambda transaction: transaction.connection.execute(full))
    await world.work(always(NEVER))
    assert len(await world.within(anna, INBOX)) == 1


async def test_a_crash_before_the_report_is_made_up_for(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: object) -> bool:
        raise OSError("the power is gone")

    await world.send(anna, "a@one.example")
    with monkeypatch.context() as broken:
        broken.setattr(Reports, "tell", crash)
        await world.work(always(NEVER))
    assert await world.within(anna, INBOX) == []
    assert await world.reports.tell_all() == 1
    assert await world.reports.tell_all() == 0
    assert len(await world.within(anna, INBOX)) == 1


async def test_reports_that_are_written_at_once_tell_each_recipient_once(
    world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> bool:
        return False

    await world.send(anna, "a@one.example", "b@two.example")
    with monkeypatch.context() as silent:
        silent.setattr(Reports, "tell", nothing)
        await world.work(always(NEVER))
    assert sum(await asyncio.gather(*(world.reports.tell_all() for _ in range(4)))) == 1
    _, report = await the_report(world, anna)
    assert len(report.recipients) == 2


async def test_the_null_sender_is_told_nothing(world: MailWorld, anna: Person) -> None:
    sent = await world.send(anna, "a@one.example")
    null = {"sender": ""}
    await world.database.write(lambda transaction: submissions.change(transaction.connection, anna.number, sent.id, null))
    await world.work(always(NEVER))
    assert await world.within(anna, INBOX) == []
    assert await world.reports.tell_all() == 0


async def test_what_is_called_back_is_not_told_to_be_late(world: MailWorld, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: object) -> bool:
        return False

    sent = await world.send(anna, "a@one.example")
    with monkeypatch.context() as silent:
        silent.setattr(Reports, "tell", nothing)
        await work_until(world, always(LATER), 6 * 3600)
    await world.call_back(anna, sent.id)
    assert await world.reports.tell_all() == 0
    assert await world.within(anna, INBOX) == []
