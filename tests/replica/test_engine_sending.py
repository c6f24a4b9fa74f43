"""The engine and mail: sent once, whatever is lost on the way, and never again by a device that does not know whether it was."""

from __future__ import annotations

import asyncio

import pytest

from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.submission_pb2 import SUBMISSION_STATE_CANCELLED, SUBMISSION_STATE_FINAL, SUBMISSION_STATE_HELD
from rookery_client.replica.engine.states import UpToDate
from rookery_client.replica.reading.submissions import Submissions
from rookery_core.errors import Unavailable
from tests.support.engine_fixtures import Device, until
from tests.support.replica_batches import call_back, create, submit
from tests.support.sync_fakes import INBOX, SmallMailbox

GONE = Unavailable("SERVER_UNREACHABLE", "there is no network")


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox(page=50)
    for number in range(5):
        mailbox.add(f"Message {number}")
    return mailbox


@pytest.fixture
async def anna(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    yield device
    device.replica.close()


def draft(mailbox):
    """A draft that the server has."""
    item_id = mailbox.add("A letter")
    held = mailbox.items[item_id]
    held.item.summary.message.draft = True
    held.item.content.recipients.add().person.address = "ben@example.org"
    return item_id


def written(anna):
    """A draft made here; gives the item's id."""
    operation = create("A letter", folder=INBOX)
    operation.create_item.item.summary.message.draft = True
    operation.create_item.item.content.recipients.add().person.address = "ben@example.org"
    return anna.replica.record(operation).create_item.item.id


def is_draft(anna, item_id):
    with anna.replica.database.reading() as connection:
        [(summary,)] = connection.execute("SELECT summary FROM shown_item WHERE id = ?", (item_id,)).fetchall()
    return ItemSummary.FromString(summary).message.draft


def listed(anna):
    return Submissions(anna.replica, anna.clock).page()[0]


def waiting(anna):
    return anna.replica.status().waiting


async def sending_of_a_draft(anna, mailbox):
    """A draft that both have, and that waits to be sent from here; the item and the submission."""
    item_id = draft(mailbox)
    await anna.sync()
    return item_id, anna.replica.record(submit(item_id)).submit.submission_id


async def test_mail_is_sent_with_the_next_sync(anna, mailbox):
    item_id, submission_id = await sending_of_a_draft(anna, mailbox)
    await anna.sync()
    assert mailbox.delivered == [submission_id]
    assert listed(anna) == [mailbox.submissions[submission_id]]
    assert waiting(anna) == 0 and not is_draft(anna, item_id)


async def test_what_becomes_of_it_comes_as_it_happens(anna, mailbox):
    _, submission_id = await sending_of_a_draft(anna, mailbox)
    engine = anna.engine()
    task = asyncio.create_task(engine.run())
    await until(lambda: submission_id in mailbox.submissions)
    final = mailbox.submissions[submission_id]
    final.state = SUBMISSION_STATE_FINAL
    final.submitted.FromMicroseconds(anna.clock.now)
    mailbox.tell(final)
    await until(lambda: listed(anna) == [final])
    engine.stop()
    await task


async def test_mail_whose_answer_was_lost_is_sent_once(anna, mailbox):
    _, submission_id = await sending_of_a_draft(anna, mailbox)
    mailbox.fail("push", GONE, times=2, lost=True)
    await anna.sync()
    assert mailbox.delivered == [submission_id] and waiting(anna) == 0
    assert anna.replica.rejected() == []


async def test_mail_that_was_called_back_after_its_answer_was_lost_is_a_draft_again(anna, mailbox):
    item_id, submission_id = await sending_of_a_draft(anna, mailbox)
    mailbox.fail("push", GONE, times=9, lost=True)
    with pytest.raises(Unavailable):
        await anna.sync()
    assert anna.replica.call_back(call_back(submission_id)) is not None
    mailbox.faults.clear()
    await anna.sync()
    assert mailbox.submissions[submission_id].state == SUBMISSION_STATE_CANCELLED
    assert mailbox.items[item_id].item.summary.message.draft and is_draft(anna, item_id)


async def test_mail_that_was_sent_after_the_backup_is_not_sent_again(anna, mailbox):
    item_id = draft(mailbox)
    mailbox.back_up()
    await anna.sync()
    submission_id = anna.replica.record(submit(item_id)).submit.submission_id
    await anna.sync()
    mailbox.restore_from_backup()
    await anna.sync()
    assert mailbox.delivered == [submission_id]
    assert waiting(anna) == 0 and listed(anna) == [] and anna.replica.rejected() == []


async def test_a_draft_and_its_sending_that_were_lost_with_a_restored_server_are_not_sent_again(anna, mailbox):
    mailbox.back_up()
    item_id = written(anna)
    submission_id = anna.replica.record(submit(item_id)).submit.submission_id
    await anna.sync()
    mailbox.restore_from_backup()
    await anna.sync()
    assert mailbox.delivered == [submission_id] and "A letter" in mailbox.subjects()


async def test_mail_that_may_have_left_before_a_restore_is_not_sent_but_told_of(anna, mailbox):
    item_id = draft(mailbox)
    mailbox.back_up()
    await anna.sync()
    recorded = anna.replica.record(submit(item_id))
    mailbox.fail("push", GONE, times=9, lost=True)
    with pytest.raises(Unavailable):
        await anna.sync()
    mailbox.faults.clear()
    mailbox.restore_from_backup()
    await anna.sync()
    assert mailbox.delivered == [recorded.submit.submission_id]
    [(operation, result)] = anna.replica.rejected()
    assert operation == recorded and "may have been sent before the server was restored" in result.error.message
    assert is_draft(anna, item_id) and listed(anna) == []
    again = anna.replica.retry(recorded.operation_id)
    assert again.submit.submission_id == recorded.submit.submission_id
    await anna.sync()
    assert mailbox.delivered == [recorded.submit.submission_id] * 2


async def test_mail_that_did_not_leave_before_a_restore_is_sent_after_it(anna, mailbox):
    item_id = draft(mailbox)
    mailbox.back_up()
    await anna.sync()
    recorded = anna.replica.record(submit(item_id))
    mailbox.restore_from_backup()
    await anna.sync()
    assert mailbox.delivered == [recorded.submit.submission_id] and anna.replica.rejected() == []


async def test_calling_back_what_a_restored_server_has_lost_is_nothing_to_tell_of(anna, mailbox):
    item_id = draft(mailbox)
    mailbox.back_up()
    await anna.sync()
    submission_id = anna.replica.record(submit(item_id)).submit.submission_id
    await anna.sync()
    anna.replica.call_back(call_back(submission_id))
    await anna.sync()
    assert mailbox.submissions[submission_id].state == SUBMISSION_STATE_CANCELLED
    mailbox.restore_from_backup()
    await anna.sync()
    assert anna.replica.rejected() == [] and waiting(anna) == 0 and is_draft(anna, item_id)


async def test_calling_back_goes_again_to_a_server_that_was_restored(anna, mailbox):
    item_id, submission_id = await sending_of_a_draft(anna, mailbox)
    await anna.sync()
    mailbox.back_up()
    anna.replica.call_back(call_back(submission_id))
    await anna.sync()
    mailbox.restore_from_backup()
    assert mailbox.submissions[submission_id].state == SUBMISSION_STATE_HELD
    await anna.sync()
    assert mailbox.submissions[submission_id].state == SUBMISSION_STATE_CANCELLED and is_draft(anna, item_id)


async def test_the_server_is_asked_for_its_epoch_before_mail_is_on_its_way_unless_a_stream_has_told_it(anna, mailbox):
    _, first = await sending_of_a_draft(anna, mailbox)
    await anna.sync()
    assert mailbox.asked("push")[0] == [] and len(mailbox.asked("push")) == 2
    item_id = draft(mailbox)
    engine = anna.engine()
    task = asyncio.create_task(engine.run())
    await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
    second = anna.replica.record(submit(item_id)).submit.submission_id
    engine.wake()
    await until(lambda: second in mailbox.submissions)
    engine.stop()
    await task
    assert mailbox.delivered == [first, second] and len(mailbox.asked("push")) == 3


async def test_mail_that_was_on_its_way_when_the_file_was_damaged_is_sent_once(anna, mailbox):
    _, submission_id = await sending_of_a_draft(anna, mailbox)
    mailbox.fail("push", GONE, times=9, lost=True)
    with pytest.raises(Unavailable):
        await anna.sync()
    mailbox.faults.clear()
    anna.reopen_damaged("item")
    await anna.sync()
    assert mailbox.delivered == [submission_id] and waiting(anna) == 0 and anna.replica.rejected() == []


async def test_mail_that_was_on_its_way_is_not_sent_again_by_a_replaced_file_to_a_restored_server(anna, mailbox):
    item_id = draft(mailbox)
    mailbox.back_up()
    await anna.sync()
    submission_id = anna.replica.record(submit(item_id)).submit.submission_id
    mailbox.fail("push", GONE, times=9, lost=True)
    with pytest.raises(Unavailable):
        await anna.sync()
    mailbox.faults.clear()
    mailbox.restore_from_backup()
    anna.reopen_damaged("item")
    await anna.sync()
    assert mailbox.delivered == [submission_id]
    [(operation, _)] = anna.replica.rejected()
    assert operation.submit.submission_id == submission_id and is_draft(anna, item_id)


async def test_what_is_finished_and_old_is_forgotten_once_it_has_caught_up(anna, mailbox):
    _, submission_id = await sending_of_a_draft(anna, mailbox)
    await anna.sync()
    final = mailbox.submissions[submission_id]
    final.state = SUBMISSION_STATE_FINAL
    final.submitted.FromMicroseconds(anna.clock.now)
    mailbox.tell(final)
    await anna.sync()
    assert listed(anna) == [final]
    anna.clock.advance(days=31)
    await anna.sync()
    with anna.replica.database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM submission").fetchone() == (0,)
