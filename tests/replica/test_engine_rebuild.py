"""The engine when the replica's own file fails it: a damaged one is replaced, a full disk is waited for."""

from __future__ import annotations

import asyncio

import pytest

from rookery_client.replica.engine.engine import SLOW_SECONDS
from rookery_client.replica.engine.states import Failed, UpToDate
from rookery_core.errors import ResourceExhausted
from tests.support.engine_fixtures import Device, until
from tests.support.sync_fakes import SmallMailbox


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox(page=50)
    for number in range(400):
        mailbox.add(f"Message {number}")
    return mailbox


@pytest.fixture
async def anna(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    yield device
    device.replica.close()


async def test_a_damaged_file_is_replaced_and_nothing_that_was_done_here_is_lost(anna, mailbox):
    anna.create("Not sent yet")
    anna.reopen_damaged("item")
    mailbox.add("New")
    await anna.sync()
    assert "Not sent yet" in mailbox.subjects()
    assert anna.subjects() == mailbox.subjects()
    assert anna.replica.status().waiting == 0
    assert anna.replica.path.with_name(anna.replica.path.name + ".damaged").exists()


async def test_a_damaged_file_is_replaced_while_the_engine_follows(anna, mailbox):
    engine = anna.engine()
    task = asyncio.create_task(engine.run())
    await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
    before = engine.replica
    anna.damage("operation_by_status")
    await until(lambda: engine.replica is not before and anna.states[-1] == UpToDate(mailbox.revision))
    engine.stop()
    await task
    anna.replica = engine.replica
    assert anna.subjects() == mailbox.subjects()


async def test_a_full_disk_is_told_of_and_loses_nothing(anna, mailbox):
    for number in range(2000):
        mailbox.add(f"Much more {number}")
    with anna.no_room():
        with pytest.raises(ResourceExhausted) as caught:
            await anna.sync()
        assert caught.value.reason == "REPLICA_FULL"
        assert isinstance(anna.states[-1], Failed) and anna.states[-1].advice
    await anna.sync()
    assert anna.subjects() == mailbox.subjects()


async def test_an_engine_that_follows_waits_for_room(anna, mailbox):
    for number in range(2000):
        mailbox.add(f"Much more {number}")
    engine = anna.engine()
    with anna.no_room():
        task = asyncio.create_task(engine.run())
        await until(lambda: SLOW_SECONDS in anna.slept)
    await until(lambda: anna.states[-1:] == [UpToDate(mailbox.revision)])
    engine.stop()
    await task
    assert anna.subjects() == mailbox.subjects()
