"""Taking operations back that wait, and forgetting those that were refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery_client.replica.outbox import filling_in, outbox
from rookery_client.replica.storage import operations, schema
from rookery_client.replica.view import overlay

if TYPE_CHECKING:
    import sqlite3

    from rookery_client.replica.storage.operations import Recorded


class Dismissed(NamedTuple):
    """What was forgotten."""

    sent: bool
    """It waited, but the server may have got it: it may have been carried out, or may be carried out now."""
    others: int
    """Operations that were taken back with it: they worked on nothing but what it was to create."""


def dismiss(connection: sqlite3.Connection, operation_id: bytes) -> Dismissed | None:
    """Forgets an operation that was refused, or takes back one that waits; None if there is none such.

    What rests on one that waits goes with it, or rests on it no more.
    """
    recorded = operations.find(connection, operation_id)
    if recorded is None or recorded.status not in {schema.WAITING, schema.REJECTED}:
        return None
    waited = recorded.status == schema.WAITING
    gone = [recorded]
    if waited and not recorded.sent:
        for each in gone:  # grows meanwhile
            gone += _let_go(connection, each)
    item_ids = operations.items_of(connection, (each.seq for each in gone))
    tree = operations.changes_folders(connection, [each.seq for each in gone])
    for each in gone:
        operations.remove(connection, each.seq)
        item_ids |= outbox.release(connection, each, None, 0)
    overlay.refresh(connection, item_ids, folders=tree)
    return Dismissed(waited and recorded.sent, len(gone) - 1)


def _let_go(connection: sqlite3.Connection, creating: Recorded) -> list[Recorded]:
    """Those that work on nothing but what an operation creates. Others that rest on it, and were not sent, do so no more."""
    going: list[Recorded] = []
    made = _made_by(creating)
    for each in outbox.all_waiting(connection):
        needed = each.operation.depends_on
        if creating.operation.operation_id not in needed or each.sent:
            continue
        works_on = _worked_on(connection, each)
        if works_on and works_on <= made:
            going.append(each)
        else:
            needed.remove(creating.operation.operation_id)
            operations.rewrite(connection, each.seq, each.operation)
    return going


def _made_by(recorded: Recorded) -> set[bytes]:
    operation = recorded.operation
    made = {operation.create_item.item.id, operation.create_folder.folder.id, *(new for _, new in recorded.copies)}
    return made | {operation.submit.submission_id}


def _worked_on(connection: sqlite3.Connection, recorded: Recorded) -> set[bytes]:
    """The items and folders that an operation changes or copies, or the submission; none for what creates an item or a folder."""
    if recorded.action in {"create_item", "create_folder"}:
        return set()
    if recorded.copies:
        return {old for old, _ in recorded.copies}
    if recorded.action in {"cancel_submission", "resend_submission"}:
        return {filling_in.submission_of(recorded.operation)}
    return operations.items_of(connection, [recorded.seq]) | operations.folders_of(connection, recorded.seq)
