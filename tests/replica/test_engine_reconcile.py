"""The engine after an expired cursor, and after the server was restored from a backup: it repairs instead of starting over."""

from __future__ import annotations

import random

import pytest

from rookery_client.replica.engine import reconciling
from rookery_client.replica.engine.reconciling import LEAF_ITEMS, MOST_RANGES
from rookery_client.replica.engine.states import Comparing
from rookery_core.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.support.engine_fixtures import Device
from tests.support.sync_fakes import SmallMailbox

MANY = 1500


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox(page=100)
    for number in range(MANY):
        mailbox.add(f"Message {number}")
    return mailbox


@pytest.fixture
async def anna(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    mailbox.calls.clear()
    yield device
    device.replica.close()


def items(mailbox: SmallMailbox) -> dict[bytes, int]:
    return {item_id: held.item.revision for item_id, held in mailbox.items.items()}


def held(device: Device) -> dict[bytes, int]:
    return dict(device.replica.entries(b"", b""))


async def test_after_an_expired_cursor_only_what_differs_travels(anna, mailbox):
    chance = random.Random(1)
    changed = chance.sample(sorted(mailbox.items), 40)
    for number, item_id in enumerate(changed):
        [mailbox.delete, mailbox.mark, lambda key: mailbox.edit(key, "Changed")][number % 3](item_id)
    mailbox.add("New")
    mailbox.forget()
    received = []
    await anna.sync(on_applied=lambda batch, applied: received.extend(batch.items))
    assert held(anna) == items(mailbox)
    assert anna.subjects() == mailbox.subjects()
    assert received == []
    questions = mailbox.asked("reconcile")
    assert sum(len(leaf.entries) for question in questions for leaf in question.leaves) < MANY
    assert all(len(leaf.entries) <= LEAF_ITEMS for question in questions for leaf in question.leaves)
    assert [state.rounds for state in anna.states if isinstance(state, Comparing)] == list(range(1, len(questions) + 1))


async def test_what_differs_in_few_places_is_found_with_few_questions(anna, mailbox, monkeypatch):
    monkeypatch.setattr(reconciling, "LEAF_ITEMS", 4)
    monkeypatch.setattr(reconciling, "MOST_RANGES", 16)
    mailbox.delete(*random.Random(1).sample(sorted(mailbox.items), 3))
    mailbox.forget()
    await anna.sync()
    assert held(anna) == items(mailbox)
    assert len(mailbox.asked("reconcile")) <= 5


async def test_a_replica_that_differs_nowhere_costs_one_question(anna, mailbox):
    mailbox.forget()
    mailbox.oldest += 1
    mailbox.revision += 1
    await anna.sync()
    [question] = mailbox.asked("reconcile")
    assert 0 < len(question.ranges) <= MOST_RANGES and not question.leaves
    assert question.include_folders


async def test_the_first_cursor_is_kept_so_that_nothing_is_missed_that_happens_meanwhile(anna, mailbox):
    mailbox.delete(min(mailbox.items))
    mailbox.forget()
    answer = mailbox.reconcile

    async def answered(request):
        response = await answer(request)
        mailbox.mark(max(mailbox.items), read=len(mailbox.asked("reconcile")) % 2 == 1)
        return response

    mailbox.reconcile = answered
    await anna.sync()
    assert len(mailbox.asked("reconcile")) > 1
    assert held(anna) == items(mailbox)


async def test_far_more_on_the_server_than_in_the_replica_comes_all_the_same(anna, mailbox):
    mailbox.page = 20  # an answer holds forty items
    for number in range(1000):
        mailbox.add(f"Much later {number}")
    mailbox.forget()
    await anna.sync()
    assert held(anna) == items(mailbox)


async def test_an_interrupted_comparison_begins_again(anna, mailbox):
    mailbox.delete(*sorted(mailbox.items)[:30])
    mailbox.forget()
    mailbox.fail("reconcile", Unavailable("SERVER_UNREACHABLE", "no answer"))
    mailbox.fail("reconcile", FailedPrecondition("RECONCILE_BUSY", "the session compares already"))
    await anna.sync()
    assert held(anna) == items(mailbox)


async def test_a_cursor_that_is_never_good_is_not_asked_about_without_end(anna, mailbox):
    mailbox.fail("pull", InvalidArgument("CURSOR_INVALID", "the cursor is damaged"), times=50)
    with pytest.raises(InvalidArgument):
        await anna.sync()
    assert len(mailbox.asked("pull")) < 10


async def test_after_a_restore_from_a_backup_what_was_acknowledged_later_is_sent_again(anna, mailbox):
    mailbox.back_up()
    anna.create("Made before the disaster")
    anna.rename(min(mailbox.items), "Renamed before the disaster")
    await anna.sync()
    mailbox.restore_from_backup()
    assert "Made before the disaster" not in mailbox.subjects()
    await anna.sync()
    assert {"Made before the disaster", "Renamed before the disaster"} <= set(mailbox.subjects())
    assert anna.subjects() == mailbox.subjects()
    assert held(anna) == items(mailbox)


async def test_what_others_made_after_the_backup_is_offered_back(anna, mailbox):
    mailbox.back_up()
    mailbox.add("Lost with the disk")
    await anna.sync()
    mailbox.restore_from_backup()
    await anna.sync()
    assert "Lost with the disk" in mailbox.subjects()
    assert anna.subjects() == mailbox.subjects()


async def test_what_was_deleted_before_the_backup_stays_deleted(anna, mailbox, tmp_path):
    ben = Device(tmp_path / "ben.replica", mailbox)
    await ben.sync()
    mailbox.delete(*sorted(mailbox.items)[:5])
    mailbox.back_up()
    mailbox.restore_from_backup()
    await ben.sync()
    assert held(ben) == items(mailbox)
    assert len(mailbox.items) == MANY - 5
    ben.replica.close()


async def test_an_empty_replica_is_filled_instead(mailbox, tmp_path):
    device = Device(tmp_path / "ben.replica", SmallMailbox())
    await device.sync()
    mailbox.epoch = b"n" * 16
    device.mailbox = mailbox
    await device.sync()
    assert held(device) == items(mailbox)
    [question] = mailbox.asked("reconcile")
    assert not question.leaves
    device.replica.close()


async def test_long_after_a_restore_what_others_delete_is_deleted_and_not_lost(anna, mailbox):
    mailbox.back_up()
    mailbox.restore_from_backup()
    await anna.sync()
    mailbox.delete(*sorted(mailbox.items)[:50])
    mailbox.forget()
    mailbox.calls.clear()
    await anna.sync()
    assert held(anna) == items(mailbox)
    assert (mailbox.asked("push"), anna.replica.status().lost, anna.replica.rejected()) == ([], 0, [])


async def test_what_takes_several_answers_goes_on_behind_what_came(tmp_path):
    mailbox = SmallMailbox(page=400)  # an answer holds eight hundred items
    for number in range(300):
        mailbox.add(f"Message {number}")
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    mailbox.delete(min(mailbox.items))
    for number in range(3000):
        mailbox.add(f"Two months later {number}")
    mailbox.forget()
    mailbox.calls.clear()
    await device.sync()
    assert held(device) == items(mailbox)
    assert len(mailbox.asked("reconcile")) < 9
    told = [leaf for question in mailbox.asked("reconcile") for leaf in question.leaves]
    assert sum(len(leaf.entries) for leaf in told) < 300
    device.replica.close()


async def test_an_edit_that_waits_is_sent_behind_the_item_that_was_lost_and_comes_back(anna, mailbox):
    mailbox.back_up()
    lost = mailbox.add("Lost with the disk")
    await anna.sync()
    kept = min(mailbox.items)
    anna.rename(kept, "Renamed offline")
    anna.rename(lost, "Lost, and renamed offline")
    anna.mark(lost)
    anna.create("Made offline")
    mailbox.restore_from_backup()
    await anna.sync()
    assert anna.replica.rejected() == []
    assert {"Lost, and renamed offline", "Renamed offline", "Made offline"} <= set(mailbox.subjects())
    assert mailbox.items[lost].item.state.read
    assert anna.subjects() == mailbox.subjects()
    assert held(anna) == items(mailbox)


async def test_a_server_that_is_restored_once_more_while_it_is_compared_is_compared_anew(anna, mailbox):
    mailbox.back_up()
    mailbox.delete(min(mailbox.items))
    mailbox.forget()
    answer, times = mailbox.reconcile, iter(range(100))

    async def answered(request):
        if next(times) == 1:
            mailbox.restore_from_backup()
        return await answer(request)

    mailbox.reconcile = answered
    await anna.sync()
    assert held(anna) == items(mailbox)
    assert anna.replica.status().epoch == mailbox.epoch
