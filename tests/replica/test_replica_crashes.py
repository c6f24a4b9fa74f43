"""A process that is killed at any moment, or whose machine is, leaves a replica as it was after one of its transactions."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time

import pytest

from rookery_client.replica.replica import Replica
from rookery_client.replica.view import overlay
from tests.support.replica_batches import Sender

BATCH = 40
ROUNDS = 6

APPLY = """
from tests.support.replica_batches import Sender
sender = Sender(replica, ids)
number = 0
while True:
    number += 1
    items = [sender.message(f"item {number}", "text " * 50) for _ in range(40)]
    sender.put(*items)
    for item in items[::2]:
        sender.mark(item, read=False)
    sender.remove(items[0])
    print(number, flush=True)
"""


RECORD = """
from tests.support.replica_batches import Sender, create, mark, delete
sender = Sender(replica, ids)
number = 0
while True:
    number += 1
    made = replica.record(create(f"item {number}"))
    item_id = made.create_item.item.id
    replica.record(mark(item_id, add_categories=["Red"]))
    if number % 3 == 0:
        sender.answer(made)
    if number % 5 == 0:
        sender.send()
    print(number, flush=True)
"""

SETTING = """
import pathlib, sys
from rookery_client.replica.replica import Replica
from tests.support.fakes import FakeClock, SequentialIds
clock = FakeClock()
ids = SequentialIds(clock)
replica = Replica.open(pathlib.Path(sys.argv[1]), clock=clock, ids=ids, create=True)
"""


def killed(program, path, milliseconds):
    """Runs the program for about so long and kills it; the last number that it told."""
    child = subprocess.Popen([sys.executable, "-c", SETTING + program, str(path)], stdout=subprocess.PIPE, text=True)
    with child:
        first = child.stdout.readline()
        time.sleep(milliseconds / 1000)
        child.kill()
        numbers = [int(line) for line in [first, *child.stdout] if line.endswith("\n")]
    return numbers[-1]


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_killed_while_it_applies(tmp_path, clock, ids, round_):
    path = tmp_path / "anna.replica"
    told = killed(APPLY, path, random.Random(round_).uniform(0, 60))
    replica = Replica.open(path, clock=clock, ids=ids)
    with replica.database.reading() as connection:
        (items,) = connection.execute("SELECT count(*) FROM item").fetchone()
        (contents,) = connection.execute("SELECT count(*) FROM content").fetchone()
        (newest,) = connection.execute("SELECT max(revision) FROM item").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    status = replica.status()
    assert items == contents == status.items
    assert items >= told * (BATCH - 1)
    # The cursor stands where the rows stand: the last batch that is there is the last one that was stored with its cursor.
    assert status.cursor == f"at {status.revision}"
    assert newest in {status.revision, status.revision - 1}
    replica.close()


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_killed_while_it_records(tmp_path, clock, ids, round_):
    path = tmp_path / "anna.replica"
    told = killed(RECORD, path, random.Random(round_).uniform(0, 60))
    replica = Replica.open(path, clock=clock, ids=ids)
    with replica.database.writing() as connection:
        (recorded,) = connection.execute("SELECT count(*) FROM operation").fetchone()
        shown = connection.execute("SELECT * FROM local_item ORDER BY id").fetchall()
        touched = [row[0] for row in connection.execute("SELECT DISTINCT item_id FROM operation_item")]
        overlay.refresh_items(connection, touched)
        assert connection.execute("SELECT * FROM local_item ORDER BY id").fetchall() == shown
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert recorded >= 2 * told
    assert shown
    replica.close()


def test_a_power_cut_while_it_fills_takes_whole_batches(tmp_path, clock, ids):
    path = tmp_path / "anna.replica"
    replica = Replica.open(path, clock=clock, ids=ids, create=True)
    sender = Sender(replica, ids)
    log = path.with_name(f"{path.name}-wal")
    on_disk, held = log.stat().st_size, {replica.status().cursor: 0}
    for count in range(1, 9):
        sender.put(*(sender.message(f"item {number}") for number in range(10)), caught_up=False)
        held[replica.status().cursor] = count * 10
    written = log.read_bytes()
    found = []
    # What was not waited for may be lost from any place on.
    for size in (*range(on_disk, len(written), (len(written) - on_disk) // 40), len(written)):
        copy = tmp_path / str(size) / path.name
        copy.parent.mkdir()
        shutil.copy(path, copy)
        copy.with_name(log.name).write_bytes(written[:size])
        after = Replica.open(copy, clock=clock, ids=ids)
        status = after.status()
        with after.database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM item").fetchone() == (held[status.cursor],) == (status.items,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found.append(status.items)
        after.close()
    assert found == sorted(found)
    assert (found[0], len(set(found))) == (0, 9)
    with replica.database.writing() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # what is done here meanwhile is waited for
    replica.close()
