"""Bodies and attachments that the replica does not hold: fetched when somebody opens them, and kept."""

from __future__ import annotations

import pytest

from rookery.v1.sync_pb2 import ContentExtent
from rookery_client.replica.engine.fetching import Fetching
from rookery_client.replica.engine.working import WorkerThread
from rookery_client.replica.reading.contents import Contents
from rookery_core.errors import NotFound
from tests.support.engine_fixtures import Device
from tests.support.sync_fakes import SmallMailbox


@pytest.fixture
def mailbox():
    return SmallMailbox()


@pytest.fixture
async def anna(mailbox, tmp_path):
    mailbox.add("Hello")
    device = Device(tmp_path / "anna.replica", mailbox)
    Contents(device.replica, device.clock).set_limit(1)  # nothing that came with the fill is kept
    await device.sync()
    Contents(device.replica, device.clock).set_limit(1 << 30)
    yield device
    device.replica.close()


@pytest.fixture
def contents(anna):
    return Contents(anna.replica, anna.clock)


@pytest.fixture
def fetching(contents, mailbox):
    worker = WorkerThread()
    yield Fetching(contents, mailbox, worker)
    worker.close()


async def test_a_body_is_fetched_once(fetching, mailbox):
    [item_id] = mailbox.items
    for _ in range(2):
        assert (await fetching.content(item_id)).body.text == "The text of Hello."
    assert mailbox.asked("get_item") == [item_id]


async def test_a_first_part_is_not_taken_for_the_whole(fetching, contents, mailbox):
    [item_id] = mailbox.items
    contents.put(item_id, mailbox.items[item_id].item.content_revision, b"", ContentExtent.CONTENT_EXTENT_TEXT)
    assert (await fetching.content(item_id)).body.text == "The text of Hello."


async def test_a_body_that_changed_meanwhile_is_given_and_not_kept(fetching, contents, mailbox):
    [item_id] = mailbox.items
    mailbox.edit(item_id, "Hello again")
    mailbox.items[item_id].item.content.body.text = "Another text."
    assert (await fetching.content(item_id)).body.text == "Another text."
    assert contents.get(item_id) is None


async def test_an_attachment_is_fetched_once(fetching, mailbox):
    [item_id] = mailbox.items
    for _ in range(2):
        assert await fetching.attachment(item_id, 2) == b"2 of " + item_id
    assert mailbox.asked("download_attachment") == [(item_id, 2)]


async def test_what_is_not_there_is_not_kept(fetching):
    with pytest.raises(NotFound):
        await fetching.content(b"x" * 16)
