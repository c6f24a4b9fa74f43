"""Rows of the outbox: operations, what they touch, and the bytes they need."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.sync_pb2 import PushResult, SyncOperation
from rookery_client.replica.storage import schema
from rookery_core.rules import task_series

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

CHUNK = 500
"""Ids that one statement names."""
_LIVE = f"status IN {schema.LIVE_STATUSES}"


class Recorded(NamedTuple):
    """An operation as it is kept."""

    seq: int
    operation: SyncOperation
    status: int
    result: PushResult | None
    revision: int
    """The result's. Of one that waits again after a restore, what it was answered with before; else 0 while it waits."""
    sent: bool
    """Whether the server may have got it."""

    @property
    def action(self) -> str:
        """The name of the operation's action."""
        return self.operation.WhichOneof("action") or ""

    @property
    def copies(self) -> list[tuple[bytes, bytes]]:
        """The copies that it makes: what of, and their ids."""
        return copies_of(self.operation)


LIVE_SUBMISSIONS = f"SELECT DISTINCT submission_id FROM operation_submission JOIN operation USING (seq) WHERE {_LIVE}"
"""Submissions that operations lie over."""
_COLUMNS = "seq, body, status, result, revision, sent"
_NUMBERED = (
    ("operation", "seq"),
    ("operation_item", "seq"),
    ("operation_folder", "seq"),
    ("operation_submission", "seq"),
    ("upload", "operation_seq"),
)
"""Where the numbers of operations stand."""


def copies_of(operation: SyncOperation) -> list[tuple[bytes, bytes]]:
    """The copies that an operation makes: what of, and their ids. That of a completed task stays only if the task recurs.

    The second part of a series that is split is made of the first.
    """
    match operation.WhichOneof("action"):
        case "copy_items":
            return list(zip(operation.copy_items.item_ids, operation.copy_items.new_ids, strict=True))
        case "complete_task":
            completed = operation.complete_task
            return [(completed.item_id, task_series.copy_id(completed.item_id, completed.occurrence))]
        case "split_series":
            return [(operation.split_series.item_id, operation.split_series.new_item_id)]
        case _:
            return []


def insert(connection: sqlite3.Connection, operation: SyncOperation, now: int) -> int:
    """Puts an operation at the end of the outbox; gives its number."""
    cursor = connection.execute(
        "INSERT INTO operation (id, body, created, status) VALUES (?, ?, ?, ?)",
        (operation.operation_id, operation.SerializeToString(), now, schema.WAITING),
    )
    return int(cursor.lastrowid or 0)


def rewrite(connection: sqlite3.Connection, seq: int, operation: SyncOperation) -> None:
    """Puts another body into an operation, which keeps its id and its place."""
    connection.execute("UPDATE operation SET body = ? WHERE seq = ?", (operation.SerializeToString(), seq))


def touch(connection: sqlite3.Connection, seq: int, item_ids: Iterable[bytes], folder_ids: Iterable[bytes]) -> None:
    """Notes which items an operation touches, and which folders it creates, changes, deletes or empties."""
    connection.executemany("INSERT OR IGNORE INTO operation_item (item_id, seq) VALUES (?, ?)", [(each, seq) for each in item_ids])
    connection.executemany(
        "INSERT OR IGNORE INTO operation_folder (folder_id, seq) VALUES (?, ?)", [(each, seq) for each in folder_ids]
    )


def touch_items_in(connection: sqlite3.Connection, seq: int, folder_ids: Iterable[bytes]) -> None:
    """Notes that an operation touches all items that are shown in folders."""
    connection.executemany(
        "INSERT OR IGNORE INTO operation_item (item_id, seq) SELECT id, ? FROM shown_item WHERE folder_id = ?",
        [(seq, folder_id) for folder_id in folder_ids],
    )


def touch_submission(connection: sqlite3.Connection, seq: int, submission_id: bytes) -> None:
    """Notes which submission an operation makes, calls back or sends again."""
    connection.execute("INSERT INTO operation_submission (seq, submission_id) VALUES (?, ?)", (seq, submission_id))


def put_uploads(connection: sqlite3.Connection, seq: int, uploads: Iterable[tuple[bytes, bytes]]) -> None:
    """Keeps the bytes of uploads that an operation names: id and bytes."""
    connection.executemany(
        "INSERT OR REPLACE INTO upload (id, operation_seq, size, data) VALUES (?, ?, ?, ?)",
        [(upload_id, seq, len(data), data) for upload_id, data in uploads],
    )


def remove(connection: sqlite3.Connection, seq: int) -> None:
    """Takes an operation out, with everything that was noted for it."""
    for statement in (
        "DELETE FROM operation_item WHERE seq = ?",
        "DELETE FROM operation_folder WHERE seq = ?",
        "DELETE FROM operation_submission WHERE seq = ?",
        "DELETE FROM upload WHERE operation_seq = ?",
        "DELETE FROM operation WHERE seq = ?",
    ):
        connection.execute(statement, (seq,))


def numbered(connection: sqlite3.Connection, seq: int) -> Recorded:
    """An operation by its number."""
    return _recorded(connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE seq = ?", (seq,)).fetchone())


def find(connection: sqlite3.Connection, operation_id: bytes) -> Recorded | None:
    """An operation by its id."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE id = ?", (operation_id,)).fetchone()
    return None if row is None else _recorded(row)


def last_number(connection: sqlite3.Connection) -> int:
    """The greatest number of an operation; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM operation").fetchone()[0])


def with_status(connection: sqlite3.Connection, status: int) -> Iterable[Recorded]:
    """All operations of a status, in order."""
    return map(_recorded, connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE status = ? ORDER BY seq", (status,)))


def outgoing(connection: sqlite3.Connection) -> list[Recorded]:
    """All operations that wait, those that another includes among them, in order."""
    chosen = (schema.WAITING, schema.INCLUDED)
    return [
        _recorded(row)
        for row in connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE status IN (?, ?) ORDER BY seq", chosen)
    ]


def live(connection: sqlite3.Connection) -> list[Recorded]:
    """All operations that lie over the server's rows, in order."""
    return [_recorded(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE {_LIVE} ORDER BY seq")]


def live_of_folders(connection: sqlite3.Connection) -> list[Recorded]:
    """Those of them that change the tree of folders."""
    chosen = "seq IN (SELECT seq FROM operation_folder)"
    return [
        _recorded(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE {_LIVE} AND {chosen} ORDER BY seq")
    ]


def live_of_folder(connection: sqlite3.Connection, folder_id: bytes) -> list[int]:
    """The numbers of the live operations that create, change, delete or empty a folder, in order."""
    rows = connection.execute(
        f"SELECT seq FROM operation_folder CROSS JOIN operation USING (seq) WHERE folder_id = ? AND {_LIVE} ORDER BY seq",
        (folder_id,),
    )
    return [row[0] for row in rows]


def waiting_of_folder(connection: sqlite3.Connection, folder_id: bytes) -> list[Recorded]:
    """The waiting operations that create, change, delete or empty a folder, in order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM operation WHERE status = ? AND seq IN (SELECT seq FROM operation_folder WHERE folder_id = ?)"
        " ORDER BY seq",
        (schema.WAITING, folder_id),
    )
    return [_recorded(row) for row in rows]


def any_live(connection: sqlite3.Connection) -> bool:
    """Whether an operation lies over the server's rows."""
    return connection.execute(f"SELECT 1 FROM operation WHERE {_LIVE} LIMIT 1").fetchone() is not None


def live_of_items(connection: sqlite3.Connection, item_ids: Sequence[bytes]) -> dict[bytes, list[int]]:
    """The numbers of the live operations that touch each item, in order; items without any are absent."""
    found: dict[bytes, list[int]] = {}
    # CROSS JOIN: from the items to their few operations, never from all operations to the items.
    for begin in range(0, len(item_ids), CHUNK):
        some = item_ids[begin : begin + CHUNK]
        rows = connection.execute(
            f"SELECT item_id, seq FROM operation_item CROSS JOIN operation USING (seq)"
            f" WHERE item_id IN ({', '.join('?' * len(some))}) AND {_LIVE} ORDER BY seq",
            some,
        )
        for item_id, seq in rows:
            found.setdefault(item_id, []).append(seq)
    return found


def live_of_submission(connection: sqlite3.Connection, submission_id: bytes) -> list[Recorded]:
    """The operations that make a submission, call it back or send it again, and lie over the server's rows, in order."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM operation_submission CROSS JOIN operation USING (seq)"
        f" WHERE submission_id = ? AND {_LIVE} ORDER BY seq",
        (submission_id,),
    )
    return [_recorded(row) for row in rows]


def about_submissions(connection: sqlite3.Connection) -> list[Recorded]:
    """All operations, of whatever status, that make submissions, call them back or send them again, in order."""
    chosen = "seq IN (SELECT seq FROM operation_submission)"
    return [_recorded(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE {chosen} ORDER BY seq")]


def every(connection: sqlite3.Connection) -> list[Recorded]:
    """All operations, of whatever status, in order."""
    return [_recorded(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM operation ORDER BY seq")]


def live_submissions(connection: sqlite3.Connection) -> list[bytes]:
    """The submissions that operations lie over."""
    return [row[0] for row in connection.execute(LIVE_SUBMISSIONS)]


def items_of(connection: sqlite3.Connection, seqs: Iterable[int]) -> set[bytes]:
    """The items that operations touch."""
    found: set[bytes] = set()
    for seq in seqs:
        found.update(row[0] for row in connection.execute("SELECT item_id FROM operation_item WHERE seq = ?", (seq,)))
    return found


def changes_folders(connection: sqlite3.Connection, seqs: Iterable[int]) -> bool:
    """Whether one of the operations changes the tree of folders."""
    found = (connection.execute("SELECT 1 FROM operation_folder WHERE seq = ? LIMIT 1", (seq,)).fetchone() for seq in seqs)
    return any(row is not None for row in found)


def folders_of(connection: sqlite3.Connection, seq: int) -> frozenset[bytes]:
    """The folders that an operation creates, changes, deletes or empties."""
    return frozenset(row[0] for row in connection.execute("SELECT folder_id FROM operation_folder WHERE seq = ?", (seq,)))


def upload_size(connection: sqlite3.Connection, upload_id: bytes) -> int | None:
    """Bytes of an upload that is kept here."""
    row = connection.execute("SELECT size FROM upload WHERE id = ?", (upload_id,)).fetchone()
    return None if row is None else int(row[0])


def settle(connection: sqlite3.Connection, seq: int, status: int, result: PushResult | None, now: int) -> None:
    """Changes the status of an operation; ``result`` is its answer, ``now`` when that came."""
    connection.execute(
        "UPDATE operation SET status = ?, result = ?, revision = ?, answered = ? WHERE seq = ?",
        (status, None if result is None else result.SerializeToString(), 0 if result is None else result.revision, now, seq),
    )


def pass_within(connection: sqlite3.Connection, seq: int, revision: int, now: int) -> None:
    """Passes an operation that was carried out within the one that creates its item, at that one's revision."""
    passed = "UPDATE operation SET status = ?, revision = ?, answered = ? WHERE seq = ?"
    connection.execute(passed, (schema.PASSED, revision, now, seq))


def wait_again(connection: sqlite3.Connection, seq: int) -> None:
    """Lets an operation wait that was answered before. Its revision is kept: rows that are as new have it in them."""
    again = "UPDATE operation SET status = ?, result = NULL, answered = 0, sent = 0 WHERE seq = ?"
    connection.execute(again, (schema.WAITING, seq))


def note_sent(connection: sqlite3.Connection, operation_id: bytes) -> bool:
    """Notes that an operation is on its way to the server; False if it does not wait any more."""
    noted = connection.execute("UPDATE operation SET sent = 1 WHERE id = ? AND status = ?", (operation_id, schema.WAITING))
    return noted.rowcount > 0


def include(connection: sqlite3.Connection, seq: int, creating: bytes) -> None:
    """Leaves an operation out of the outbox until the one with the id ``creating`` is answered."""
    connection.execute("UPDATE operation SET status = ?, behind = ? WHERE seq = ?", (schema.INCLUDED, creating, seq))


def included(connection: sqlite3.Connection, creating: bytes) -> list[int]:
    """The numbers of those that wait for this one's answer."""
    rows = connection.execute("SELECT seq FROM operation WHERE behind = ? AND status = ?", (creating, schema.INCLUDED))
    return [row[0] for row in rows]


def first_included(connection: sqlite3.Connection) -> int:
    """The number of the first operation that is left out of the outbox; one beyond all if there is none."""
    found = connection.execute("SELECT min(seq) FROM operation WHERE status = ?", (schema.INCLUDED,)).fetchone()[0]
    return (1 << 63) - 1 if found is None else int(found)


def move_to_end(connection: sqlite3.Connection, seqs: Iterable[int]) -> None:
    """Puts operations behind all others, in their order."""
    for number, seq in enumerate(seqs, last_number(connection) + 1):
        for table, column in _NUMBERED:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (number, seq))


def _recorded(row: tuple[int, bytes, int, bytes | None, int, int]) -> Recorded:
    seq, body, status, result, revision, sent = row
    answer = None if result is None else PushResult.FromString(result)
    return Recorded(seq, SyncOperation.FromString(body), status, answer, revision, bool(sent))
