"""The ledger of operations and the log of changes (ARCHITECTURE decision 5)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, delete, func, select, tuple_

from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import Direct
from rookery_server.store.tables import change, operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class Entry(NamedTuple):
    """What is known of an operation that was carried out or refused."""

    request_hash: bytes
    refusal: bytes | None
    result: bytes | None


_find = Direct(
    select(operation.c.request_hash, operation.c.refusal, operation.c.result).where(
        operation.c.account_id == bindparam("account_id"), operation.c.id == bindparam("id")
    )
)


def serialize(connection: Connection, account_id: bytes, operation_id: bytes) -> None:
    """Lets one transaction at a time work on an operation, where no mailbox's lock does that. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(account_id + operation_id).digest()
        connection.execute(select(func.pg_advisory_xact_lock(int.from_bytes(digest[:8], "big", signed=True))))


def find(connection: Connection, account_id: bytes, operation_id: bytes) -> Entry | None:
    """The entry, if the operation was carried out or refused before."""
    row = _find.first(connection, {"account_id": account_id, "id": operation_id})
    return Entry(*row) if row else None


def find_many(connection: Connection, account_id: bytes, operation_ids: Sequence[bytes]) -> dict[bytes, Entry]:
    """The entries of those operations that were carried out or refused before."""
    rows = connection.execute(
        select(operation.c.id, operation.c.request_hash, operation.c.refusal, operation.c.result).where(
            operation.c.account_id == account_id, operation.c.id.in_(operation_ids)
        )
    )
    return {row.id: Entry(row.request_hash, row.refusal, row.result) for row in rows}


def record(connection: Connection, entries: list[dict[str, Any]]) -> None:
    """Writes entries: account_id, id, request_hash, refusal, result, created."""
    insert_rows(connection, operation, entries)


def log_changes(connection: Connection, changes: list[dict[str, Any]]) -> None:
    """Writes the log: mailbox_id, revision, at, actor_id, device_id, operation, operation_id."""
    insert_rows(connection, change, changes)


def compact(connection: Connection, before: int, limit: int) -> int:
    """Forgets up to ``limit`` operations created before a time (microseconds); gives how many."""
    oldest = select(operation.c.account_id, operation.c.id).where(operation.c.created < before).limit(limit)
    return connection.execute(delete(operation).where(tuple_(operation.c.account_id, operation.c.id).in_(oldest))).rowcount
