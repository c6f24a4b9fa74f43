"""`rookery sync`: what it keeps, what it tells, and what it leaves alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3

import pytest

from rookery.v1 import sync_service_pb2 as pb
from rookery.v1.item_pb2 import Item
from rookery.v1.sync_pb2 import SyncDepth
from rookery_client.replica.reading.contents import Contents
from rookery_core.rules.ids import text_of
from tests.support.cli_fakes import PROJECTS, shown
from tests.support.cli_syncing import CLOCK, IDS, Synchronised, opened, record, synchronised
from tests.support.engine_fixtures import damage

pytest_plugins = ["tests.support.cli_fixtures"]


@pytest.fixture
def box():
    return synchronised()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "replicas" / "default.replica"


def test_sync_fills_the_replica_and_tells_what_came(run, box, path):
    status, out, error = run("sync")
    assert (status, error) == (0, "")
    text = out.decode()
    assert text == f"Up to date at revision {box.small.revision}: 120 came, 0 changed, 0 removed, 0 sent; 120 items here\n"
    with opened(path) as replica:
        assert replica.status().items == 120
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_next_sync_tells_what_changed(run, box):
    run("sync")
    first, second = sorted(box.small.items)[:2]
    box.small.mark(first)
    box.small.delete(second)
    document = shown(run("sync", "--json"))
    assert document == {
        "caught_up": True,
        "revision": box.small.revision,
        "came": 0,
        "changed": 1,
        "removed": 1,
        "sent": 0,
        "items": 119,
        "folders": 2,
        "waiting": 0,
        "lost": 0,
        "conflicts": 0,
        "rejected": [],
    }


def test_conflicts_are_told_of(run, box, path):
    run("sync")
    record(path, "Made here")
    box.conflicting = True
    status, _, error = run("sync")
    assert (status, error) == (0, "rookery: a change met others to the same items: `rookery conflicts list`\n")


def test_what_is_to_be_held_is_remembered(run, box, path):
    run("sync", "--depth", "text", "--mail-since", "2026-03-01T00:00Z", "--folder", "projects")
    run("sync")
    with opened(path) as replica:
        scope = replica.status().scope
    assert (scope.depth, list(scope.folder_ids)) == (SyncDepth.SYNC_DEPTH_TEXT, [PROJECTS])
    assert scope.window.mail_since.ToJsonString() == "2026-03-01T00:00:00Z"
    assert [request.scope for request in box.of(pb.PullRequest)] == [scope] * 2
    run("sync", "--all-folders", "--mail-since", "all")
    with opened(path) as replica:
        scope = replica.status().scope
    assert not scope.folder_ids and not scope.window.HasField("mail_since") and scope.depth == SyncDepth.SYNC_DEPTH_TEXT


def test_days_of_mail_are_counted_from_now(run, box, path):
    run("sync", "--mail-since", "30")
    run("sync", "--mail-since", "40")
    older, newer = [request.scope.window.mail_since.ToMicroseconds() for request in box.of(pb.PullRequest)][::-1]
    assert abs(newer - older - 10 * 86_400_000_000) < 60_000_000


@pytest.mark.parametrize(
    ("words", "expected"),
    [("--folder inbox --all-folders", 2), ("--mail-since soon", 1), ("--depth deep", 2), ("--folder none", 1)],
)
def test_wishes_that_make_no_sense_are_refused(run, words, expected):
    status, _, error = run("sync", *words.split())
    assert (status, error.count("\n")) == (expected, 1)


def test_sync_needs_the_server(run):
    assert run("--offline", "sync")[0] == 2


def test_what_was_opened_online_is_there_without_a_network(run, box, path):
    opened_item, other = [held.item for held in box.small.items.values()][:2]
    for item in (opened_item, other):
        item.content.attachments.add(id=1, name="a.txt", media_type="text/plain", size_bytes=5)
        box.items[item.id] = item
        box.attachments[item.id, 1] = b"bytes"
    run("sync")
    with opened(path) as replica, replica.database.writing() as connection:
        connection.execute("DELETE FROM content")
    assert run("--offline", "show", text_of(opened_item.id))[0] == 1
    assert run("show", text_of(opened_item.id))[0] == 0
    assert run("save-attachment", text_of(opened_item.id), "1", "--output", "-")[:2] == (0, b"bytes")
    assert b"The text of Message 0." in run("--offline", "show", text_of(opened_item.id))[1]
    assert run("--offline", "save-attachment", text_of(opened_item.id), "1", "--output", "-")[:2] == (0, b"bytes")
    assert run("--offline", "show", text_of(other.id))[0] == 1


def test_what_is_opened_online_takes_the_place_of_what_was_not_used_for_long(run, box, path):
    old, opened_item = [held.item for held in box.small.items.values()][:2]
    box.items[opened_item.id] = opened_item
    run("sync")
    with opened(path) as replica:
        contents = Contents(replica, CLOCK)
        contents.set_limit(contents.size() - 1)
        with replica.database.writing() as connection:
            connection.execute("UPDATE content SET used_at = 1 WHERE item_id = ?", (old.id,))
    assert run("show", text_of(opened_item.id))[0] == 0
    assert run("--offline", "show", text_of(opened_item.id))[0] == 0
    assert run("--offline", "show", text_of(old.id))[0] == 1


def test_the_cache_has_a_size_that_is_kept_from_one_sync_to_the_next(run, path):
    run("sync", "--cache-size", "3KiB")
    for _ in range(2):
        with opened(path) as replica:
            assert Contents(replica, CLOCK).size() <= Contents(replica, CLOCK).limit() == 3 << 10
        assert run("sync")[0] == 0


@pytest.mark.parametrize("size", ["3KB", "0", "-1", "much"])
def test_a_size_that_is_none_is_refused_before_anything_is_done(run, path, size):
    status, out, error = run("sync", "--cache-size", size)
    assert (status, out) == (2, b"") and "--cache-size" in error
    assert not path.exists()


def test_what_the_replica_does_not_have_is_not_kept(run, box, path):
    run("sync")
    held = box.small.items.pop(min(box.small.items))
    item = Item(id=IDS.new(), content_revision=7, content=held.item.content)
    item.content.attachments.add(id=1, name="a.txt", media_type="text/plain", size_bytes=5)
    box.items[item.id], box.attachments[item.id, 1] = item, b"bytes"
    assert run("save-attachment", text_of(item.id), "1", "--output", "-")[:2] == (0, b"bytes")
    assert run("show", text_of(item.id))[0] == 0
    with opened(path) as replica, replica.database.reading() as connection:
        assert connection.execute("SELECT 1 FROM content WHERE item_id = ?", (item.id,)).fetchall() == []
        assert connection.execute("SELECT * FROM attachment").fetchall() == []


def test_an_emptied_server_is_believed_only_on_request(run, box, path):
    for number in range(100):
        box.small.add(f"More {number}")
    run("sync")
    box.small.delete(*list(box.small.items))
    status, _, error = run("sync")
    assert status == 1 and "--accept-deletions" in error and error.count("\n") == 1
    with opened(path) as replica:
        assert replica.status().items > 0
    assert shown(run("sync", "--accept-deletions", "--json"))["items"] == 0


def test_a_second_engine_says_that_there_is_one(run, box, path):
    run("sync")
    with opened(path) as replica, replica.engine_lock():
        status, _, error = run("sync")
    assert status == 1 and "another program" in error


def test_a_replica_of_somebody_else_is_left_alone(run, box, path, server):
    run("sync")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = ? WHERE key = 'account_id'", (b"z" * 16,))
    connection.execute("UPDATE meta SET value = ? WHERE key = 'address'", ("zoe@example.org",))
    connection.commit()
    connection.close()
    status, _, error = run("sync")
    assert status == 1 and "zoe@example.org" in error


def test_a_damaged_replica_is_replaced(run, box, path):
    run("sync")
    path.write_bytes(b"nonsense" * 4096)
    for name in ("-wal", "-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    status, out, error = run("sync", "--json")
    assert (status, json.loads(out)["items"]) == (0, 120)
    assert "damaged" in error
    assert path.with_name(path.name + ".damaged").exists()
    run("sync")
    damage(path, "item")
    assert "damaged" in run("sync")[2]
    assert run("sync")[2] == ""


def test_a_letter_that_is_named_as_the_replica_by_mistake_is_left_alone(run, box, tmp_path):
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Ben, …")
    for words in (("sync",), ("status",), ("--offline", "ls", "inbox")):
        error = b"".join(part if isinstance(part, bytes) else part.encode() for part in run("--replica", str(letter), *words)[1:])
        assert b"is no replica: name another file" in error
    assert letter.read_text() == "Dear Ben, …"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("letter")] == ["letter.txt"]


def test_an_expired_cursor_is_repaired(run, box):
    run("sync")
    box.small.mark(min(box.small.items))
    box.small.forget()
    assert shown(run("sync", "--json"))["items"] == 120
    assert box.of(pb.ReconcileRequest)


class Lively(Synchronised):
    """Something happens while it is watched, and then somebody presses Ctrl-C."""

    def __init__(self) -> None:
        super().__init__()
        self.happening = iter([self.come, self.mark, self.delete, self.stop])

    async def follow(self):
        await next(self.happening)()

    async def come(self):
        self.small.add("Pine\x1b[31mapple")

    async def mark(self):
        self.small.mark(max(self.small.items))

    async def delete(self):
        self.small.delete(max(self.small.items))

    async def stop(self):
        await asyncio.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)


class TestWatching:
    @pytest.fixture
    def box(self):
        box = Lively()
        for number in range(3):
            box.small.add(f"Message {number}")
        return box

    def test_each_change_is_a_line_until_somebody_has_enough(self, run, box):
        status, out, error = run("sync", "--watch")
        assert status == 0
        lines = out.decode().splitlines()
        assert [line.split("  ")[0] for line in lines[:-1]] == ["came", "marked", "removed"]
        counts = "4 came, 1 changed, 1 removed, 0 sent; 3 items here"
        assert lines[-1] == f"Up to date at revision {box.small.revision}: {counts}"
        assert lines[0].split("  ")[1:3] == ["Inbox", "Pineapple"]
        assert "up to date" in error and "\x1b" not in out.decode()

    def test_json_is_a_document_a_change(self, run, box):
        status, out, _ = run("sync", "--watch", "--json")
        assert status == 0
        came, marked, removed = map(json.loads, out.decode().splitlines())
        assert (came["event"], came["item"]["summary"]["subject"]) == ("came", "Pine\x1b[31mapple")
        assert (marked["event"], marked["id"], marked["state"]["read"]) == ("marked", came["id"], True)
        assert removed == {"event": "removed", "id": came["id"]}


def test_status_tells_how_the_replica_stands(run, box, path):
    assert shown(run("status", "--json"))["replica"] is None
    run("sync")
    record(path, "Made here")
    replica = shown(run("status", "--json"))["replica"]
    assert (replica["state"], replica["items"], replica["waiting"], replica["rejected"]) == ("complete", 120, 1, 0)
    assert replica["path"] == str(path) and replica["revision"] == box.small.revision
    assert "Replica   120 items, as of " in run("status")[1].decode()
    path.write_bytes(b"nonsense" * 4096)
    assert "damaged" in run("status")[1].decode()
