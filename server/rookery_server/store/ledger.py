"""The ledger of operations and the log of changes (ARCHITECTURE decision 5)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import BigInteger, bindparam, delete, func, select, tuple_

from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import change, operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class Entry(NamedTuple):
    """What is known of an operation that was carried out or refused."""

    request_hash: bytes
    refusal: bytes | None
    result: bytes | None


_entries = select(operation.c.id, operation.c.request_hash, operation.c.refusal, operation.c.result).where(
    operation.c.account_id == bindparam("account_id")
)
_find = ByKeys(_entries, operation.c.id)
_serialize = Direct(select(func.pg_advisory_xact_lock(bindparam("key", type_=BigInteger))))


def serialize(connection: Connection, account_id: bytes, operation_id: bytes) -> None:
    """Lets one transaction at a time work on an operation, where no mailbox's lock does that. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        digest = hashlib.sha256(account_id + operation_id).digest()
        _serialize.run(connection, {"key": int.from_bytes(digest[:8], "big", signed=True)})


def find(connection: Connection, account_id: bytes, operation_id: bytes) -> Entry | None:
    """The entry, if the operation was carried out or refused before."""
    return find_many(connection, account_id, [operation_id]).get(operation_id)


def find_many(connection: Connection, account_id: bytes, operation_ids: Sequence[bytes]) -> dict[bytes, Entry]:
    """The entries of those operations that were carried out or refused before."""
    rows = _find.all(connection, operation_ids, {"account_id": account_id})
    return {found: Entry(*columns) for found, *columns in rows}


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
