"""Uploads: blobs that are being filled, and filled ones that wait to be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from rookery_server.store import blobs
from rookery_server.store.tables import blob, item_blob, upload

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.blob_chunks import Chunk


class UploadRow(NamedTuple):
    """How far an upload is."""

    blob_id: bytes
    account_id: bytes
    total_bytes: int
    received_bytes: int
    complete: int
    sha256: bytes | None
    """Of all bytes; None until they are all there."""


_this = and_(upload.c.mailbox_id == bindparam("mailbox"), upload.c.id == bindparam("upload"))
_find = (
    select(*(upload.c[name] for name in UploadRow._fields if name != "sha256"), blob.c.sha256)
    .join(blob, blob.c.id == upload.c.blob_id)
    .where(_this)
)
_progress = update(upload).where(_this).values(received_bytes=bindparam("received"), touched=bindparam("now"))
_grow = (
    update(blob)
    .where(blob.c.id == bindparam("blob"))
    .values(size_bytes=bindparam("size"), stored_bytes=bindparam("stored"), touched=bindparam("now"))
)
_complete = update(upload).where(_this).values(blob_id=bindparam("blob"), complete=1, touched=bindparam("now"))
_by_hash = select(blob.c.id).where(blob.c.sha256 == bindparam("sha256")).with_for_update()
_name = update(blob).where(blob.c.id == bindparam("blob")).values(sha256=bindparam("hash"), touched=bindparam("now"))


def find(connection: Connection, mailbox_id: int, account_id: bytes, upload_id: bytes) -> UploadRow | None:
    """The account's upload into this mailbox."""
    row = connection.execute(_find, {"mailbox": mailbox_id, "upload": upload_id}).first()
    return UploadRow._make(row) if row and row.account_id == account_id else None


def create(
    connection: Connection, mailbox_id: int, account_id: bytes, upload_id: bytes, *, blob_id: bytes, total: int, now: int
) -> None:
    """Begins an upload, with an empty blob of its own."""
    connection.execute(insert(blob), {"id": blob_id, "sha256": None, "size_bytes": 0, "stored_bytes": 0, "touched": now})
    connection.execute(
        insert(upload),
        {
            "mailbox_id": mailbox_id,
            "id": upload_id,
            "blob_id": blob_id,
            "account_id": account_id,
            "total_bytes": total,
            "received_bytes": 0,
            "complete": 0,
            "touched": now,
        },
    )


def append(
    connection: Connection, mailbox_id: int, upload_id: bytes, blob_id: bytes, chunks: list[Chunk], *, received: int, now: int
) -> None:
    """Adds chunks; those that begin where the first of them does, or later, are replaced: a tail that was not a whole chunk.

    The caller holds the mailbox's lock and has looked that the chunks begin where the upload is.
    """
    if chunks:
        blobs.delete_chunks(connection, blob_id, chunks[0].offset)
        blobs.add_chunks(connection, blobs.chunk_rows(blob_id, chunks))
    stored = blobs.stored_bytes(connection, blob_id)
    connection.execute(_grow, {"blob": blob_id, "size": received, "stored": stored, "now": now})
    connection.execute(_progress, {"mailbox": mailbox_id, "upload": upload_id, "received": received, "now": now})


def complete(connection: Connection, mailbox_id: int, upload_id: bytes, blob_id: bytes, sha256: bytes, now: int) -> None:
    """Gives the filled blob its hash. Where the same bytes are stored already, the upload names those and its own blob goes."""
    existing = connection.execute(_by_hash, {"sha256": sha256}).scalar()
    if existing is None:
        existing = _claim(connection, blob_id, sha256, now)
    if existing is None:
        connection.execute(_complete, {"mailbox": mailbox_id, "upload": upload_id, "blob": blob_id, "now": now})
        return
    blobs.touch(connection, [existing], now)
    connection.execute(_complete, {"mailbox": mailbox_id, "upload": upload_id, "blob": existing, "now": now})
    blobs.delete_chunks(connection, blob_id)
    connection.execute(delete(blob).where(blob.c.id == blob_id))


def _claim(connection: Connection, blob_id: bytes, sha256: bytes, now: int) -> bytes | None:
    """Names the blob; the id of another that was named so by a transaction which committed meanwhile, else None."""
    values = {"blob": blob_id, "hash": sha256, "now": now}
    if connection.dialect.name != "postgresql":  # there is one writer
        connection.execute(_name, values)
        return None
    try:
        with connection.begin_nested():
            connection.execute(_name, values)
    except IntegrityError:
        found: bytes = connection.execute(_by_hash, {"sha256": sha256}).scalar_one()
        return found
    return None


def waiting_bytes(connection: Connection, mailbox_id: int) -> int:
    """Bytes that uploads into this mailbox hold or will hold, and that no item has taken over yet."""
    taken = exists().where(item_blob.c.mailbox_id == mailbox_id, item_blob.c.blob_id == upload.c.blob_id)
    total = select(func.coalesce(func.sum(upload.c.total_bytes), 0)).where(upload.c.mailbox_id == mailbox_id, ~taken)
    return int(connection.execute(total).scalar_one())


def sweep(connection: Connection, before: int, limit: int) -> int:
    """Forgets up to ``limit`` uploads untouched since ``before`` (microseconds), not their bytes; gives how many."""
    oldest = (
        select(upload.c.mailbox_id, upload.c.id).where(upload.c.touched < before).order_by(upload.c.touched).limit(limit).subquery()
    )
    named = select(1).where(oldest.c.mailbox_id == upload.c.mailbox_id, oldest.c.id == upload.c.id).exists()
    return connection.execute(delete(upload).where(upload.c.touched < before, named)).rowcount
