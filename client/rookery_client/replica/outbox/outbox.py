"""The outbox: what waits to be pushed, what was answered, what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.rpc import error_details_pb2

from rookery.v1.sync_pb2 import PUSH_OUTCOME_APPLIED, PUSH_OUTCOME_REJECTED, SyncOperation
from rookery_client.replica.outbox import recording, sent_once
from rookery_client.replica.outbox.passing import KEPT_MICROS
from rookery_client.replica.storage import facts, operations, schema
from rookery_client.replica.view import overlay
from rookery_core.errors import NotFound

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from rookery.v1.sync_pb2 import PushResult
    from rookery_client.replica.storage.files import Salvaged
    from rookery_client.replica.storage.operations import Recorded
    from rookery_core.rules.ids import Ids

_BEHIND = "SELECT item_id FROM operation_item JOIN item ON item.id = item_id WHERE seq = ? AND item.revision >= ?"


def standing(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many operations wait, and the number of the last one."""
    row = connection.execute("SELECT count(*), coalesce(max(seq), 0) FROM operation WHERE status = ?", (schema.WAITING,)).fetchone()
    return int(row[0]), int(row[1])


def waiting(connection: sqlite3.Connection, most: int, most_bytes: int) -> list[SyncOperation]:
    """The first operations that wait, in order: at most so many, and so many bytes, but one in any case.

    None behind one of which it takes the answer to another to know whether it is to be pushed.
    """
    found: list[SyncOperation] = []
    size = 0
    chosen = (schema.WAITING, operations.first_included(connection), most)
    for (body,) in connection.execute("SELECT body FROM operation WHERE status = ? AND seq < ? ORDER BY seq LIMIT ?", chosen):
        size += len(body)
        if found and size > most_bytes:
            break
        found.append(SyncOperation.FromString(body))
    return found


def all_waiting(connection: sqlite3.Connection) -> list[Recorded]:
    """All operations that wait, in order, whether they may go yet or not."""
    return list(operations.with_status(connection, schema.WAITING))


def sending(connection: sqlite3.Connection, wanted: Iterable[SyncOperation]) -> list[SyncOperation]:
    """Notes that operations are on their way; gives those that still wait: another program may have taken some back."""
    return [each for each in wanted if operations.note_sent(connection, each.operation_id)]


def uploads_of(connection: sqlite3.Connection, wanted: Iterable[SyncOperation]) -> list[tuple[bytes, int]]:
    """The uploads, with their sizes, that operations need."""
    found: list[tuple[bytes, int]] = []
    for operation in wanted:
        found += connection.execute(
            "SELECT upload.id, size FROM upload JOIN operation ON seq = operation_seq WHERE operation.id = ? ORDER BY upload.id",
            (operation.operation_id,),
        ).fetchall()
    return found


def upload_data(connection: sqlite3.Connection, upload_id: bytes, offset: int, limit: int) -> bytes:
    """Bytes of an upload. NotFound ``UPLOAD_NOT_FOUND``."""
    row = connection.execute("SELECT substr(data, ?, ?) FROM upload WHERE id = ?", (offset + 1, limit, upload_id)).fetchone()
    if row is None:
        raise NotFound("UPLOAD_NOT_FOUND", "the bytes of the upload are not here", field="upload_id")
    data: bytes = row[0]
    return data


def answered(connection: sqlite3.Connection, results: Iterable[PushResult], now: int) -> None:
    """Notes answers. What was refused no longer lies over the items; the rest does until the replica has seen what became of it."""
    stale: set[bytes] = set()
    tree = False
    caught_up = facts.number(connection, facts.CAUGHT_UP_REVISION)
    for result in results:
        recorded = operations.find(connection, result.operation_id)
        if recorded is None or recorded.status != schema.WAITING:
            continue  # taken back meanwhile, or answered already
        status = _status(recorded, result, caught_up)
        operations.settle(connection, recorded.seq, status, result, now)
        if recorded.action == "create_item":
            stale |= release(connection, recorded, result, now)
        tree = tree or operations.changes_folders(connection, [recorded.seq])
        if status != schema.ANSWERED or result.landed_folder_id:
            stale |= operations.items_of(connection, [recorded.seq])
        else:
            # Rows that were pulled before the answer came have the operation in them.
            stale.update(row[0] for row in connection.execute(_BEHIND, (recorded.seq, result.revision)))
    overlay.refresh(connection, stale, folders=tree)


def rejected(connection: sqlite3.Connection) -> list[tuple[SyncOperation, PushResult]]:
    """What was refused, with the answers, in order."""
    refused = operations.with_status(connection, schema.REJECTED)
    return [(each.operation, each.result) for each in refused if each.result is not None]


def retry(connection: sqlite3.Connection, operation_id: bytes, *, ids: Ids, now: int) -> SyncOperation | None:
    """Records an operation that was refused once more, at the end and under another id, since the first id has its answer for ever.

    It counts as having seen what the replica has now; but one that was refused for nothing else than its age stays an edit of then.
    None if there is no such operation; raises what ``record`` raises.
    """
    recorded = operations.find(connection, operation_id)
    if recorded is None or recorded.status != schema.REJECTED:
        return None
    uploads = dict(connection.execute("SELECT id, data FROM upload WHERE operation_seq = ?", (recorded.seq,)).fetchall())
    operations.remove(connection, recorded.seq)
    operation = recorded.operation
    operation.ClearField("operation_id")
    if recorded.result is None or _reason(recorded.result) != "OPERATION_EXPIRED":
        operation.ClearField("base_revision")
    return recording.record(connection, operation, uploads, ids=ids, now=now)


def reoffer(connection: sqlite3.Connection, backup_revision: int, now: int) -> int:
    """Lets what was answered after a backup wait again, with its ids: the restored server does not know of it. Gives how much.

    What was answered more than 14 days ago is left out, and what sends mail (see ``sent_once``).
    """
    kept = sent_once.keep_back(connection, now)
    chosen = (schema.ANSWERED, schema.PASSED, backup_revision, now - KEPT_MICROS)
    again = "SELECT seq, id, behind FROM operation WHERE status IN (?, ?) AND revision > ? AND answered >= ? ORDER BY seq"
    rows = [row for row in connection.execute(again, chosen).fetchall() if row[0] not in kept]
    seqs, operation_ids = [row[0] for row in rows], {row[1] for row in rows}
    for seq, _, behind in rows:
        if behind in operation_ids:  # what creates its item, and goes again, has it in it
            operations.include(connection, seq, behind)
        else:
            operations.wait_again(connection, seq)
    tree = operations.changes_folders(connection, seqs)
    overlay.refresh(connection, operations.items_of(connection, [*seqs, *kept]), folders=tree)
    return len(seqs)


def take_over(connection: sqlite3.Connection, salvaged: Salvaged, now: int) -> None:
    """Puts operations of another replica, with their ids, into this one that is still empty: nothing can be checked.

    They are for the mailbox in the epoch that the other knew. Where that is not known, mail that was on its way stays here.
    """
    for operation in salvaged.operations:
        if operations.find(connection, operation.operation_id) is None:
            recording.lay_over(connection, operation, _named(operation, salvaged.uploads), now, checked=False)
            if operation.operation_id in salvaged.sent:
                operations.note_sent(connection, operation.operation_id)
    for operation, result in salvaged.refused:
        if operations.find(connection, operation.operation_id) is None:
            seq = operations.insert(connection, operation, now)
            operations.put_uploads(connection, seq, _named(operation, salvaged.uploads).items())
            operations.settle(connection, seq, schema.REJECTED, result, now)
    if not salvaged.epoch:
        sent_once.keep_back(connection, now)
    elif not facts.data(connection, facts.EPOCH):
        facts.put(connection, {facts.EPOCH: salvaged.epoch})


def release(connection: sqlite3.Connection, creating: Recorded, result: PushResult | None, now: int) -> set[bytes]:
    """Ends the waiting of those that a creation includes: they are done with it, or to be pushed. Gives their items."""
    seqs = operations.included(connection, creating.operation.operation_id)
    for seq in seqs:
        if result is not None and _is_done_with(result, operations.numbered(connection, seq).action):
            operations.pass_within(connection, seq, result.revision, now)
        else:
            operations.wait_again(connection, seq)
    return operations.items_of(connection, seqs)


def _is_done_with(result: PushResult, action: str) -> bool:
    """Whether an action within a creation is done with its answer. What another device was first with gets the version alone."""
    if result.outcome == PUSH_OUTCOME_APPLIED or result.landed_folder_id:
        return True
    return result.outcome != PUSH_OUTCOME_REJECTED and action == "update_item"


def _named(operation: SyncOperation, uploads: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    attachments = [*operation.create_item.item.content.attachments, *operation.update_item.list_edits.add_attachments]
    return {each.upload_id: uploads[each.upload_id] for each in attachments if each.upload_id in uploads}


def _status(recorded: Recorded, result: PushResult, caught_up: int) -> int:
    if result.outcome == PUSH_OUTCOME_REJECTED:
        # Another device has brought it back, after it was lost with a restored server, or has purged it since then: nothing to tell
        # a person. What was made here for the first time has an id that nobody else knows.
        created = recorded.action in {"create_item", "create_folder"}
        back = created and _reason(result) in {"ID_TAKEN", "ID_RETIRED"}
        return schema.PASSED if back or _is_needless(recorded, result) else schema.REJECTED
    return schema.PASSED if result.revision <= caught_up else schema.ANSWERED


def _is_needless(recorded: Recorded, result: PushResult) -> bool:
    """Whether it calls back what was not sent at all: the server has refused it, or has lost it when it was restored."""
    if recorded.action != "cancel_submission":
        return False
    return _reason(result) == "DEPENDS_ON" or (recorded.revision > 0 and _reason(result) == "SUBMISSION_NOT_FOUND")


def _reason(result: PushResult) -> str:
    """The stable reason of a refusal."""
    for detail in result.error.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""
