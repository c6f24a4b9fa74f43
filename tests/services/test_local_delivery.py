"""Mail to mailboxes here: at once, to each once, whatever becomes of the others and of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete, insert, update

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import item_pb2, item_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.submission import local_delivery, settling
from rookery_server.store.tables import account, address
from tests.support.mail import INBOX, OUTBOX, SENT, MailWorld, until

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_server.store.database import Database
    from tests.support.world import Person

DELIVERED, FAILED = records.DELIVERY_STATE_DELIVERED, records.DELIVERY_STATE_FAILED


@pytest.fixture
def world(database: Database) -> MailWorld:
    return MailWorld(database)


def states(submission: Submission) -> list[tuple[int, str]]:
    return [(each.state, each.status_code) for each in submission.recipients]


async def test_a_colleague_has_the_message_in_the_inbox_unread(world: MailWorld, anna: Person, ben: Person) -> None:
    sent = await world.send(anna, "ben@rookery.example", bcc=("anna@rookery.example",), subject="Grüße", text="Hallo\n")
    world.clock.advance(seconds=2)
    await world.work()
    [came] = await world.within(ben, INBOX)
    [kept] = await world.within(anna, SENT)
    assert came.summary.subject == "Grüße" and came.content.body.text == "Hallo\n" and not came.state.read
    assert came.summary.received.ToMicroseconds() == world.clock.now
    assert came.summary.conversation_id == kept.summary.conversation_id
    assert not came.summary.message.draft and came.content.message.has_original
    assert [each.person.address for each in came.content.recipients] == ["ben@rookery.example"]
    assert kept.id == sent.item_id and len(kept.content.recipients) == 2
    [own] = await world.within(anna, INBOX)
    assert own.summary.message.message_id == came.summary.message.message_id
    after = await world.submission(anna, sent.id)
    assert after.state == records.SUBMISSION_STATE_FINAL and states(after) == [(DELIVERED, "2.1.5")] * 2
    assert await world.within(anna, OUTBOX) == []
    for person in (anna, ben):
        await world.check_counters(person)


async def test_a_tagged_address_leads_to_the_untagged_one_s_mailbox_once(world: MailWorld, anna: Person, ben: Person) -> None:
    sent = await world.send(anna, "ben@rookery.example", "Ben+shop@rookery.example", "nobody+ben@rookery.example")
    await world.work()
    assert len(await world.within(ben, INBOX)) == 1
    assert states(await world.submission(anna, sent.id)) == [(DELIVERED, "2.1.5")] * 2 + [(FAILED, "5.1.1")]


async def test_what_was_delivered_is_the_message_behind_its_return_path(world: MailWorld, anna: Person, ben: Person) -> None:
    sent = await world.send(anna, "ben@rookery.example")
    message = await world.message(anna, sent.id)
    await world.work()
    [came] = await world.within(ben, INBOX)
    request = content.ReadContentRequest(item_id=came.id)
    response = await DownloadService(world.database).read_content(ben.caller, request)
    assert response.chunk.data == b"Return-Path: <anna@rookery.example>\r\n" + message
    assert came.summary.size_bytes == len(response.chunk.data)


async def test_one_recipient_s_trouble_is_not_the_others(world: MailWorld, anna: Person, ben: Person) -> None:
    full, gone = await world.person("full", quota=100), await world.person("gone")
    disabled = await world.person("disabled")

    def trouble(transaction: Any) -> None:
        this = account.c.id == disabled.caller.account_id
        transaction.connection.execute(update(account).where(this).values(disabled=True))
        transaction.connection.execute(delete(address).where(address.c.account_id == gone.caller.account_id))

    await world.database.write(trouble)
    names = ("full", "gone", "disabled", "ben", "nobody")
    sent = await world.send(anna, *(f"{name}@rookery.example" for name in names))
    await world.work()
    after = await world.submission(anna, sent.id)
    assert states(after) == [(FAILED, "5.2.2"), (FAILED, "5.1.1"), (FAILED, "5.2.1"), (DELIVERED, "2.1.5"), (FAILED, "5.1.1")]
    assert all(each.reply for each in after.recipients)
    assert len(await world.within(ben, INBOX)) == 1 and await world.within(full, INBOX) == []
    assert len(await world.within(anna, SENT)) == 1


async def test_two_addresses_of_one_account_bring_one_message(world: MailWorld, anna: Person, ben: Person) -> None:
    alias = {"key": "info@rookery.example", "text": "info@rookery.example", "domain": "rookery.example"}
    row = {**alias, "account_id": ben.caller.account_id, "is_primary": False}
    await world.database.write(lambda transaction: transaction.connection.execute(insert(address), row))
    sent = await world.send(anna, "Info@rookery.example", "ben@rookery.example")
    await world.work()
    assert len(await world.within(ben, INBOX)) == 1
    assert states(await world.submission(anna, sent.id)) == [(DELIVERED, "2.1.5")] * 2


@pytest.mark.parametrize("purged", [False, True])
async def test_a_crash_before_the_delivery_is_written_down_delivers_once(
    world: MailWorld, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch, purged: bool
) -> None:
    sent = await world.send(anna, "ben@rookery.example")

    def crash(*_: object, **__: object) -> None:
        raise OSError("the power is gone")

    async def has_come() -> bool:
        return bool(await world.within(ben, INBOX))

    with monkeypatch.context() as broken:
        broken.setattr(settling, "settle", crash)
        async with world.working():
            await until(has_come)
    [came] = await world.within(ben, INBOX)
    if purged:
        await world.delete(ben, [came.id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_PENDING
    world.clock.advance(seconds=3600)
    await world.work()
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_FINAL
    assert len(await world.within(ben, INBOX)) == (0 if purged else 1)


async def test_what_breaks_in_this_server_is_tried_again(
    world: MailWorld, anna: Person, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = await world.send(anna, "ben@rookery.example")

    def crash(*_: object, **__: object) -> None:
        raise OSError("no thread to be had")

    with monkeypatch.context() as broken:
        broken.setattr(local_delivery, "_prepare", crash)
        await world.work()
    [recipient] = (await world.submission(anna, sent.id)).recipients
    assert (recipient.state, recipient.status_code, recipient.attempts) == (records.DELIVERY_STATE_DEFERRED, "4.3.0", 1)
    assert (await world.submission(anna, sent.id)).state == records.SUBMISSION_STATE_PENDING
    world.clock.now = recipient.next_attempt.ToMicroseconds()
    await world.work()
    assert len(await world.within(ben, INBOX)) == 1


async def test_held_mail_is_delivered_at_its_time(world: MailWorld, anna: Person, ben: Person) -> None:
    sent = await world.send(anna, "ben@rookery.example", subject="one")
    later = await world.submit(anna, await world.draft(anna, "ben@rookery.example", subject="two"), undo_seconds=60)
    await world.work()
    assert [item.summary.subject for item in await world.within(ben, INBOX)] == ["one"]
    assert [item.id for item in await world.within(anna, OUTBOX)] == [later.item_id]
    world.clock.advance(seconds=60)
    await world.work()
    assert len(await world.within(ben, INBOX)) == 2
    assert {item.id for item in await world.within(anna, SENT)} == {sent.item_id, later.item_id}


async def test_a_copy_that_its_sender_has_moved_or_deleted_stays_where_it_is(world: MailWorld, anna: Person, ben: Person) -> None:
    folder = await world.folder(anna, "Kept")
    moved, deleted = await world.send(anna, "ben@rookery.example"), await world.send(anna, "ben@rookery.example")
    move = item_service_pb2.MoveItemsRequest(operation_id=world.ids.new(), item_ids=[moved.item_id], folder_id=folder.id)
    await world.places.move_items(anna.caller, move)
    await world.delete(anna, [deleted.item_id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    await world.work()
    assert await world.within(anna, SENT) == []
    assert [item.id for item in await world.walk(anna, folder.id)] == [moved.item_id]
    assert (await world.get(anna, deleted.item_id)).life == item_pb2.ITEM_LIFE_RECOVERABLE
    assert len(await world.within(ben, INBOX)) == 2
    await world.check_counters(anna)
