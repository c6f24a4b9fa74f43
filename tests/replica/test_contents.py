"""The cache of contents and attachments: what stays, and what goes first."""

from __future__ import annotations

import sqlite3

import pytest

from rookery.v1.content_service_pb2 import CONTENT_ENCODING_ZSTD
from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL, SyncOperation
from rookery_client.replica.reading import contents as contents_module
from rookery_client.replica.reading.contents import LIMIT_BYTES, Contents
from rookery_client.replica.storage import database
from rookery_core.errors import DataLoss
from tests.support.replica_filling import NONE, TEXT, Device


@pytest.fixture
def anna(tmp_path):
    device = Device(tmp_path / "anna.replica")
    yield device
    device.close()


@pytest.fixture
def contents(anna):
    return Contents(anna.replica, anna.clock)


def filled(anna, count, size=100):
    """Messages with about so many bytes of content each, oldest first; they come newest first, as a fill brings them."""
    items = [anna.message(f"Message {number}", "x" * size) for number in range(count)]
    anna.put(*reversed(items))
    return items


def held(contents, items):
    return [number for number, item in enumerate(items) if contents.get(item.id) is not None]


def test_a_content_is_kept_for_the_revision_it_is_of(anna, contents):
    item = anna.message("Hello", "text")
    anna.put(item, extent=NONE)
    assert contents.get(item.id) is None
    assert not contents.put(item.id, item.content_revision + 1, b"")
    assert not contents.put(b"x" * 16, item.content_revision, b"")
    assert contents.get(item.id) is None
    assert contents.put(item.id, item.content_revision, item.content.SerializeToString())
    assert contents.get(item.id) == (CONTENT_EXTENT_FULL, item.content.SerializeToString())


def test_the_whole_takes_the_place_of_a_part(anna, contents):
    item = anna.message("Hello", "text")
    anna.put(item, extent=TEXT)
    assert contents.get(item.id).extent == TEXT
    contents.put(item.id, item.content_revision, item.content.SerializeToString())
    assert contents.get(item.id).extent == CONTENT_EXTENT_FULL


def test_attachments_are_kept_by_their_ids(anna, contents):
    item = anna.message("Hello")
    anna.put(item)
    assert contents.attachment(item.id, 1) is None
    contents.put_attachment(item.id, 1, item.content_revision, b"old and new are the same bytes")
    contents.put_attachment(item.id, 1, item.content_revision + 5, b"old and new are the same bytes")
    contents.put_attachment(item.id, 2, item.content_revision, b"")
    assert contents.attachment(item.id, 1) == b"old and new are the same bytes"
    assert contents.attachment(item.id, 2) == b"" and contents.attachment(item.id, 3) is None


def test_what_is_gone_takes_its_bytes_along(anna, contents):
    item = anna.message("Hello", "text")
    anna.put(item)
    contents.put_attachment(item.id, 1, item.content_revision, b"bytes")
    anna.remove(item)
    assert contents.size() == 0 and contents.attachment(item.id, 1) is None


def test_old_mail_goes_before_new(anna, contents):
    items = filled(anna, 10)
    size = contents.size() // 10
    assert contents.evict(4 * size) == 6 * size
    assert held(contents, items) == [6, 7, 8, 9] and contents.size() == 4 * size


def test_what_was_opened_stays(anna, contents):
    items = filled(anna, 6)
    anna.clock.advance(days=2)
    size = contents.size() // 6
    assert contents.get(items[0].id) is not None
    contents.put_attachment(items[1].id, 1, items[1].content_revision, b"y" * size)
    anna.clock.advance(days=2)
    contents.attachment(items[1].id, 1)
    contents.evict(3 * size)
    assert held(contents, items) == [0, 5] and contents.attachment(items[1].id, 1)


def test_what_waiting_operations_rest_on_stays_in_any_case(anna, contents):
    items = filled(anna, 4)
    operation = SyncOperation()
    operation.set_item_state.item_ids.append(items[0].id)
    operation.set_item_state.read = False
    anna.replica.record(operation)
    contents.evict(0)
    assert held(contents, items) == [0]
    anna.replica.dismiss(anna.replica.waiting(1, 1)[0].operation_id)
    contents.evict(0)
    assert held(contents, items) == []


def test_large_evictions_go_in_steps(anna, contents, monkeypatch):
    monkeypatch.setattr(contents_module, "_STEP_BYTES", 250)
    items = filled(anna, 20)
    size = contents.size() // 20
    assert contents.evict(0) == 20 * size
    assert held(contents, items) == []


def test_a_cache_within_its_limit_is_left_alone(anna, contents):
    filled(anna, 3)
    assert contents.limit() == LIMIT_BYTES and contents.evict() == 0
    contents.set_limit(contents.size() - 1)
    assert contents.evict() > 0 and contents.size() <= contents.limit()


def test_reading_again_within_a_day_writes_nothing(anna, contents):
    [item] = filled(anna, 1)
    anna.clock.advance(days=2)
    contents.get(item.id)
    before = _used(anna)
    anna.clock.advance(seconds=3600)
    contents.get(item.id)
    assert _used(anna) == before
    anna.clock.advance(days=1)
    contents.get(item.id)
    assert _used(anna) > before


async def test_opening_an_item_offline_counts_as_use(anna, contents):
    items = filled(anna, 3)
    anna.clock.advance(days=2)
    await anna.client.items.get(items[0].id)
    contents.evict(contents.size() // 3)
    assert held(contents, items) == [0]


def test_reading_does_not_wait_for_a_note_that_can_not_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    device = Device(tmp_path / "busy.replica")
    [item] = filled(device, 1)
    device.clock.advance(days=2)
    other = sqlite3.connect(device.replica.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert Contents(device.replica, device.clock).get(item.id) is not None
    other.close()
    device.close()


def test_a_damaged_content_is_told(anna, contents):
    [item] = filled(anna, 1)
    with anna.replica.database.writing() as connection:
        connection.execute("UPDATE content SET encoding = ?, data = x'00'", (CONTENT_ENCODING_ZSTD,))
    with pytest.raises(DataLoss) as caught:
        contents.get(item.id)
    assert caught.value.reason == "CONTENT_DAMAGED"


def _used(anna):
    with anna.replica.database.reading() as connection:
        return connection.execute("SELECT max(used_at) FROM content").fetchone()[0]
