"""Blobs: immutable bytes, each stored once, found by their SHA-256.

``touched`` is what keeps a blob alive between being stored and being linked: whoever links updates it under the row's lock, and
the sweep deletes only what was not touched for long, in one statement that looks again once it has the lock. So a link either
finds the row and keeps it, or finds none and stores the bytes again; ``put`` does both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, exists, func, select, update
from sqlalchemy.dialects import postgresql

from rookery_server.store.blob_chunks import Chunk, PreparedBlob
from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import blob, blob_chunk, item_blob, submission, upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

_by_hash = ByKeys(select(blob.c.sha256, blob.c.id), blob.c.sha256, ordered=True)
_by_ids = (
    select(blob.c.id).where(blob.c.id.in_(bindparam("ids", expanding=True))).order_by(blob.c.sha256, blob.c.id).with_for_update()
)
_touch = Direct(update(blob).where(blob.c.id == bindparam("blob")).values(touched=bindparam("now")))
_upsert = postgresql.insert(blob)
_insert_or_touch = Direct(
    _upsert.values({name: bindparam(name) for name in ("id", "sha256", "size_bytes", "stored_bytes", "touched")})
    .on_conflict_do_update(index_elements=[blob.c.sha256], set_={"touched": _upsert.excluded.touched})
    .returning(blob.c.id)
)
_chunks = Direct(
    select(blob_chunk.c.offset, blob_chunk.c.size_bytes, blob_chunk.c.codec, blob_chunk.c.data)
    .where(blob_chunk.c.blob_id == bindparam("blob"), blob_chunk.c.offset >= bindparam("from"))
    .order_by(blob_chunk.c.offset)
    .limit(bindparam("limit"))
)


def put(connection: Connection, prepared: Iterable[PreparedBlob], now: int) -> dict[bytes, bytes]:
    """Sees that the bytes are stored and touched at ``now`` (microseconds); gives the blob's id for each SHA-256.

    Blobs that exist are locked until the transaction ends, in the order of their hashes, so that two that link the same blobs
    do not wait for each other for ever.
    """
    wanted = {blob_.sha256: blob_ for blob_ in prepared}
    if not wanted:
        return {}
    found: dict[bytes, bytes] = dict(map(tuple, _by_hash.all(connection, list(wanted), {})))
    _touch.run_many(connection, [{"blob": blob_id, "now": now} for blob_id in found.values()])
    missing = [wanted[sha256] for sha256 in sorted(wanted.keys() - found.keys())]
    if missing:
        found |= _insert(connection, missing, now)
    return found


def _insert(connection: Connection, missing: list[PreparedBlob], now: int) -> dict[bytes, bytes]:
    rows = [
        {"id": new.id, "sha256": new.sha256, "size_bytes": new.size, "stored_bytes": new.stored, "touched": now} for new in missing
    ]
    if connection.dialect.name == "postgresql":  # another transaction may store the same bytes at this moment
        ids: dict[bytes, bytes] = {
            new.sha256: _insert_or_touch.all(connection, row)[0][0] for new, row in zip(missing, rows, strict=True)
        }
    else:
        insert_rows(connection, blob, rows)
        ids = {new.sha256: new.id for new in missing}
    add_chunks(connection, [row for new in missing if ids[new.sha256] == new.id for row in chunk_rows(new.id, new.chunks)])
    return ids


def chunk_rows(blob_id: bytes, chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Rows for ``add_chunks``."""
    return [
        {"blob_id": blob_id, "offset": chunk.offset, "size_bytes": chunk.size, "codec": chunk.codec, "data": chunk.data}
        for chunk in chunks
    ]


def add_chunks(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Inserts chunks of a blob that is being filled."""
    insert_rows(connection, blob_chunk, rows)


def touch(connection: Connection, blob_ids: Sequence[bytes], now: int) -> set[bytes]:
    """Locks and touches blobs that are to be linked; gives those that are there. The others are gone, never to be linked."""
    found = set(connection.execute(_by_ids, {"ids": list(blob_ids)}).scalars())
    _touch.run_many(connection, [{"blob": blob_id, "now": now} for blob_id in found])
    return found


def chunks(connection: Connection, blob_id: bytes, offset: int, limit: int) -> list[Chunk]:
    """Up to ``limit`` chunks, in order, beginning with the one that starts at ``offset`` or first after it."""
    rows = _chunks.all(connection, {"blob": blob_id, "from": offset, "limit": limit})
    return [Chunk(*row) for row in rows]


def stored_bytes(connection: Connection, blob_id: bytes) -> int:
    """Bytes of the blob's chunks as they are stored."""
    statement = select(func.coalesce(func.sum(func.length(blob_chunk.c.data)), 0)).where(blob_chunk.c.blob_id == blob_id)
    return int(connection.execute(statement).scalar_one())


def delete_chunks(connection: Connection, blob_id: bytes, offset: int = 0) -> None:
    """Deletes the blob's chunks from ``offset`` on."""
    connection.execute(delete(blob_chunk).where(blob_chunk.c.blob_id == blob_id, blob_chunk.c.offset >= offset))


def sweep(connection: Connection, before: int, limit: int) -> int:
    """Deletes up to ``limit`` blobs that nothing holds and nobody touched since ``before`` (microseconds); gives how many.

    A blob that is being linked is locked: the statement waits, reads ``touched`` again, and leaves it. A link that comes later
    finds no row.
    """
    held = exists().where(item_blob.c.blob_id == blob.c.id)
    uploaded = exists().where(upload.c.blob_id == blob.c.id)
    leaving = exists().where(submission.c.blob_id == blob.c.id)
    dead = and_(blob.c.touched < before, ~held, ~uploaded, ~leaving)
    oldest = select(blob.c.id).where(dead).order_by(blob.c.touched).limit(limit)
    statement = delete(blob).where(blob.c.id.in_(oldest.scalar_subquery()), dead).returning(blob.c.id)
    gone = list(connection.execute(statement).scalars())
    if gone:
        connection.execute(delete(blob_chunk).where(blob_chunk.c.blob_id.in_(gone)))
    return len(gone)
