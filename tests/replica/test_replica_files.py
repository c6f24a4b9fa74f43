"""The file: made, opened, locked, damaged and replaced."""

from __future__ import annotations

import dataclasses
import sqlite3
import stat
import threading
from contextlib import suppress

import pytest

from rookery.internal.v1.packed_pb2 import PackedReconcileResponse
from rookery.v1.item_pb2 import Attachment
from rookery.v1.sync_pb2 import ItemRemoval, SyncDepth, SyncScope
from rookery.v1.sync_service_pb2 import ReconcileResponse
from rookery_client.replica.engine.rebuilding import open_or_rebuild, replaced, save
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage import files, schema
from rookery_client.replica.storage.database import PAGE_BYTES
from rookery_client.replica.storage.identity import Identity
from rookery_core.errors import DataLoss, FailedPrecondition, ResourceExhausted, Unavailable
from tests.support.replica_batches import GONE, create, delete, mark
from tests.support.replica_filling import IDENTITY, NONE

PLENTY = (500, 1 << 20)


@pytest.fixture
def opening(tmp_path, clock, ids):
    """Opens the replica of a name; closes it in the end."""
    opened = []

    def open_(name="other.replica", **options):
        opened.append(Replica.open(tmp_path / name, clock=clock, ids=ids, **options))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


def damage(path, *pages):
    """Writes nonsense over pages of a closed file, counted from 1."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)


def root(path, table):
    connection = sqlite3.connect(path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    return page


def test_a_replica_is_made_only_if_that_is_wanted(opening, tmp_path):
    with pytest.raises(FailedPrecondition, match="rookery sync") as caught:
        opening()
    assert caught.value.reason == "REPLICA_MISSING"
    opening(create=True)
    assert opening().status().items == 0


def test_its_folder_is_made_and_only_its_owner_reads_it(opening, tmp_path):
    opening("deep/below/anna.replica", create=True)
    for name, mode in (("deep/below/anna.replica", 0o600), ("deep/below", 0o700), ("deep/below/anna.replica-wal", 0o600)):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_an_empty_file_is_no_replica_yet(opening, tmp_path):
    (tmp_path / "other.replica").touch()
    with pytest.raises(FailedPrecondition) as caught:
        opening()
    assert caught.value.reason == "REPLICA_MISSING"
    assert opening(create=True).identity() is None


@pytest.mark.parametrize(("pragma", "value"), [("user_version", 99), ("application_id", 1)])
def test_another_database_or_another_version_is_left_alone(opening, replica, pragma, value):
    with replica.database.writing() as connection:
        connection.execute(f"PRAGMA {pragma} = {value}")
    with pytest.raises(FailedPrecondition) as caught:
        opening(replica.path.name, create=True)
    assert caught.value.reason == "REPLICA_FOREIGN"


def test_a_file_that_never_was_a_replica_is_left_alone(opening, tmp_path):
    (tmp_path / "other.replica").write_bytes(b"This is a letter to Ben. " * 1000)
    with pytest.raises(FailedPrecondition) as caught:
        opening(create=True)
    assert caught.value.reason == "REPLICA_FOREIGN"


@pytest.mark.parametrize("left", ["its head", "its lock"])
def test_a_file_that_was_a_replica_and_is_no_database_any_more_is_damaged(opening, replica, left):
    path = replica.path
    if left == "its lock":
        with replica.engine_lock():
            pass
    replica.close()
    with path.open("r+b") as file:
        file.seek(100 if left == "its head" else 0)
        file.write(b"\xa5" * 8000)
    with pytest.raises(DataLoss) as caught:
        opening(path.name)
    assert caught.value.reason == "REPLICA_DAMAGED"


def test_a_folder_in_the_way_is_said_so(opening, tmp_path):
    (tmp_path / "other.replica").mkdir()
    with pytest.raises(ResourceExhausted) as caught:
        opening(create=True)
    assert caught.value.reason == "REPLICA_FULL"
    (tmp_path / "file").touch()
    with pytest.raises(ResourceExhausted):
        opening("file/other.replica", create=True)


def test_it_is_durable_and_in_wal_mode(replica, sight):
    with replica.database.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert sight.rows("PRAGMA journal_mode") == [("wal",)]
    assert sight.rows("PRAGMA page_size") == [(PAGE_BYTES,)]
    assert sight.rows("PRAGMA application_id") == [(schema.APPLICATION_ID,)]


def test_readers_do_not_write(replica):
    with pytest.raises(ResourceExhausted), replica.database.reading() as connection:
        connection.execute("DELETE FROM meta")


def test_a_block_is_one_transaction(replica):
    with suppress(KeyError), replica.database.writing() as connection:
        connection.execute("DELETE FROM meta")
        raise KeyError
    assert replica.identity() == IDENTITY


def test_a_reader_sees_one_snapshot(replica, mailbox):
    with replica.database.reading() as connection:
        before = connection.execute("SELECT count(*) FROM item").fetchone()
        mailbox.mail("meanwhile")
        assert connection.execute("SELECT count(*) FROM item").fetchone() == before


def test_threads_share_a_replica(replica, mailbox):
    threads = [
        threading.Thread(target=lambda: [replica.record(create("x")) and replica.status() for _ in range(10)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replica.status().waiting == 40


def test_a_writer_waits_for_another_process_and_gives_up(replica, opening, monkeypatch):
    monkeypatch.setattr("rookery_client.replica.storage.database.BUSY_SECONDS", 0.01)
    other = opening(replica.path.name)
    with replica.database.writing(), pytest.raises(Unavailable) as caught:
        other.adopt(IDENTITY)
    assert caught.value.reason == "REPLICA_IN_USE"


def test_it_belongs_to_one_account(replica):
    replica.adopt(Identity("elsewhere:443", "anna@new.example", IDENTITY.mailbox_id, IDENTITY.account_id))
    assert replica.identity().server == "elsewhere:443"
    for ids in ((b"n" * 16, IDENTITY.account_id), (IDENTITY.mailbox_id, b"n" * 16)):
        with pytest.raises(FailedPrecondition, match="elsewhere:443") as caught:
            replica.adopt(Identity("s", "ben@example.org", *ids))
        assert caught.value.reason == "REPLICA_FOREIGN"


def test_it_knows_what_its_owner_is_called(replica, opening):
    assert replica.identity().owner.person.name == ""
    renamed = dataclasses.replace(IDENTITY, display_name="Anna Berg", aliases=("berg@example.org", "a.b@example.org"))
    replica.adopt(renamed)
    assert opening(replica.path.name).identity() == renamed
    owner = renamed.owner
    assert (owner.person.name, owner.person.address) == ("Anna Berg", "anna@example.org")
    assert owner.owns("Berg@Example.org") and not owner.owns("ben@example.org")


def test_one_engine_at_a_time(replica, opening):
    other = opening(replica.path.name)
    with replica.engine_lock():
        with pytest.raises(FailedPrecondition) as caught:
            other.engine_lock().__enter__()
        assert caught.value.reason == "REPLICA_IN_USE"
        other.adopt(IDENTITY)  # others may write all the same
    with other.engine_lock():
        pass


def test_one_engine_at_a_time_by_whatever_name_the_file_is_called(replica, opening):
    replica.path.with_name("link.replica").symlink_to(replica.path)
    with replica.engine_lock(), pytest.raises(FailedPrecondition):
        opening("link.replica").engine_lock().__enter__()


def test_a_damaged_page_is_told_when_it_is_met(opening, replica, mailbox):
    mailbox.mail("one")
    replica.close()
    damage(replica.path, root(replica.path, "item"))
    opened = opening(replica.path.name)
    with pytest.raises(DataLoss) as caught:
        opened.entries(b"", b"")
    assert caught.value.reason == "REPLICA_DAMAGED"


def recorded(replica, mailbox, ids):
    """Some operations, one with an attachment, one answered; gives those that wait, and the upload's id."""
    upload_id = ids.new()
    operation = create("with attachment")
    operation.create_item.item.content.attachments.append(Attachment(name="a.txt", upload_id=upload_id))
    first = replica.record(operation, {upload_id: b"bytes" * 5000})
    mailbox.answer(replica.record(create("answered")))
    item = mailbox.mail("one", "text")
    return [first, replica.record(mark(item.id, read=False)), replica.record(delete(item.id))], upload_id


def test_what_was_not_sent_is_read_out_of_a_damaged_file(replica, mailbox, ids):
    waiting, upload_id = recorded(replica, mailbox, ids)
    replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
    replica.close()
    damage(replica.path, *(root(replica.path, name) for name in ("item", "folder", "operation_by_status", "content", "local_item")))
    saved = files.salvage(replica.path)
    assert saved.operations == waiting
    assert saved.uploads == {upload_id: b"bytes" * 5000}
    assert (saved.identity, saved.scope) == (IDENTITY, SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))


def test_a_hole_in_the_outbox_does_not_take_the_rest_with_it(replica, mailbox):
    waiting = [replica.record(create(f"{number:04} " + "x" * 900, text="y" * 2000)) for number in range(60)]
    replica.close()
    # An operation begins with its id, and nothing else in the file does.
    damage(replica.path, replica.path.read_bytes().index(b"\x0a\x10" + waiting[30].operation_id) // PAGE_BYTES + 1)
    saved = files.salvage(replica.path).operations
    assert 0 < len(waiting) - len(saved) < 10
    assert waiting[30] not in saved
    assert saved == [each for each in waiting if each in saved]


@pytest.mark.parametrize("pages", [(1,), (1, 2, 3)])
def test_a_file_without_its_beginning_gives_nothing_and_no_error(replica, mailbox, ids, pages):
    recorded(replica, mailbox, ids)
    replica.close()
    damage(replica.path, *pages)
    saved = files.salvage(replica.path)
    assert (saved.operations, saved.uploads, saved.identity) == ([], {}, None)


def test_a_new_replica_takes_over_what_nobody_else_has(replica, mailbox, ids, opening, sight):
    waiting, upload_id = recorded(replica, mailbox, ids)
    refused = ids.new()
    operation = create("refused")
    operation.create_item.item.content.attachments.append(Attachment(name="a.txt", upload_id=refused))
    mailbox.refuse(replica.record(operation, {refused: b"kept"}), "LIMIT_EXCEEDED")
    lost = mailbox.message("lost")
    mailbox.put(lost, extent=NONE)
    removals = [ItemRemoval(item_id=lost.id, reason=GONE)]
    replica.repair(PackedReconcileResponse.FromString(ReconcileResponse(removals=removals).SerializeToString()))
    before = replica.rejected(), replica.lost()
    replica.close()
    damage(replica.path, *(root(replica.path, name) for name in ("item", "folder", "operation_by_status")))
    saved = files.salvage(replica.path)
    aside = files.set_aside(replica.path)
    assert aside.name.endswith(".damaged")
    assert not replica.path.exists()
    new = opening(replica.path.name, create=True)
    new.take_over(saved)
    new.take_over(saved)  # broken off, and begun again
    assert new.waiting(*PLENTY) == waiting
    assert new.pending_uploads(waiting) == [(upload_id, 25_000)]
    assert (new.rejected(), new.lost()) == before
    assert [item.summary.subject for item in new.lost()] == ["lost"]
    assert new.upload_data(refused, 0, 4) == b"kept"


@pytest.mark.parametrize("steps", range(5))
def test_a_replacement_that_is_broken_off_anywhere_is_finished(replica, mailbox, ids, clock, steps):
    waiting, _ = recorded(replica, mailbox, ids)
    path = replica.path
    replica.close()
    if steps == 0:  # while the new one was being filled
        Replica.open(path.with_name(f"{path.name}.new"), clock=clock, ids=ids, create=True).close()
    save(path, clock=clock, ids=ids)
    if steps == 2:  # after the log was set aside
        path.with_name(f"{path.name}-wal").touch()
        path.with_name(f"{path.name}-wal").replace(path.with_name(f"{path.name}.damaged-wal"))
    if steps >= 3:
        files.set_aside(path)
    if steps == 4:
        path.with_name(f"{path.name}.ready").replace(path)
    told: list[DataLoss] = []
    opened = open_or_rebuild(path, clock=clock, ids=ids, on_damage=told.append)
    assert opened.waiting(*PLENTY) == waiting
    assert told == []  # by then its name was free, or it had been replaced
    opened.close()
    assert not [each for each in path.parent.iterdir() if each.name.endswith((".new", ".ready"))]


def test_nothing_is_recorded_in_a_file_that_was_set_aside(replica, mailbox, opening, clock, ids):
    mailbox.mail("one")
    other = opening(replica.path.name)
    replica.close()
    save(replica.path, clock=clock, ids=ids)
    replaced(replica.path, clock=clock, ids=ids).close()
    with pytest.raises(Unavailable) as caught:
        other.record(create("mine"))
    assert caught.value.reason == "REPLICA_IN_USE"
    assert other.waiting(*PLENTY) == []


def test_a_disk_that_is_full_keeps_nobody_from_the_lock(replica, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with replica.engine_lock():
        pass


def test_what_was_set_aside_before_is_replaced(replica, opening):
    replica.close()
    first = files.set_aside(replica.path)
    opening(replica.path.name, create=True).close()
    assert files.set_aside(replica.path) == first
    assert not replica.path.with_name(replica.path.name + "-wal").exists()
