"""Which bytes of which blobs an item holds: its original message (part 0) and its attachments (part = Attachment.id)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, insert, select

from rookery_server.store import items
from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import blob, conflict, item, item_blob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_server.store.item_contents import Copy

ORIGINAL = 0
"""The part number of the original message."""

_MOST_PART = (1 << 31) - 1
"""What the column holds; PostgreSQL refuses to compare it with more."""


class PartRow(NamedTuple):
    """A part of an item: a slice of a blob, encoded for transfer as it came."""

    part: int
    blob_id: bytes
    prefix: bytes | None
    """What comes before an original: the recipient's own trace header."""
    offset: int
    length: int
    encoding: str
    """identity, base64, quoted-printable or uuencode."""
    size_bytes: int
    """Decoded, the prefix included."""
    blob_bytes: int
    """All bytes of the blob: whether the part is the whole of it."""


_part_columns = select(
    *(item_blob.c[name] for name in PartRow._fields if name != "blob_bytes"), blob.c.size_bytes.label("blob_bytes")
).join(blob, blob.c.id == item_blob.c.blob_id)
_of_content = and_(
    item_blob.c.mailbox_id == bindparam("mailbox"),
    item_blob.c.item_id == bindparam("item"),
    item_blob.c.content_revision == bindparam("revision"),
)
_part = Direct(_part_columns.where(_of_content, item_blob.c.part == bindparam("part")))
_parts = Direct(_part_columns.where(_of_content).order_by(item_blob.c.part))
_originals = ByKeys(
    select(blob.c.sha256, item.c.id)
    .join(item_blob, item_blob.c.blob_id == blob.c.id)
    .join(
        item,
        and_(
            item.c.mailbox_id == item_blob.c.mailbox_id,
            item.c.id == item_blob.c.item_id,
            item.c.content == item_blob.c.content_revision,
        ),
    )
    .where(
        item_blob.c.mailbox_id == bindparam("mailbox"),
        item_blob.c.part == ORIGINAL,
        item.c.folder_id == bindparam("folder"),
        item.c.life == items.LIVE,
    ),
    blob.c.sha256,
)
_held = (
    select(blob.c.id)
    .where(
        blob.c.id.in_(
            select(item_blob.c.blob_id)
            .join(
                item,
                and_(
                    item.c.mailbox_id == item_blob.c.mailbox_id,
                    item.c.id == item_blob.c.item_id,
                    item.c.content == item_blob.c.content_revision,
                ),
            )
            .where(item_blob.c.mailbox_id == bindparam("mailbox"), item_blob.c.item_id.in_(bindparam("items", expanding=True)))
        )
    )
    .order_by(blob.c.sha256, blob.c.id)
)
_kept = exists().where(
    conflict.c.mailbox_id == item_blob.c.mailbox_id,
    conflict.c.item_id == item_blob.c.item_id,
    conflict.c.content_revision == item_blob.c.content_revision,
)
_forget = Direct(delete(item_blob).where(_of_content, ~_kept))
_same = [column for column in item_blob.c if column.name not in {"item_id", "content_revision"}]
_copy = Direct(
    insert(item_blob).from_select(
        [*(column.name for column in _same), "item_id", "content_revision"],
        select(
            *_same,
            bindparam("copy", type_=item_blob.c.item_id.type),
            bindparam("new_revision", type_=item_blob.c.content_revision.type),
        ).where(
            item_blob.c.mailbox_id == bindparam("mailbox"),
            item_blob.c.item_id == bindparam("source"),
            item_blob.c.content_revision == bindparam("old_revision"),
        ),
    )
)


def add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Inserts parts: the columns of ``item_blob``. The blobs were put or touched in this transaction."""
    insert_rows(connection, item_blob, rows)


def part(connection: Connection, mailbox_id: int, item_id: bytes, content_revision: int, number: int) -> PartRow | None:
    """One part of a version of an item's content; ``number`` may be any number that a request holds."""
    if number > _MOST_PART:
        return None
    values = {"mailbox": mailbox_id, "item": item_id, "revision": content_revision, "part": number}
    row = _part.first(connection, values)
    return PartRow._make(row) if row else None


def parts(connection: Connection, mailbox_id: int, item_id: bytes, content_revision: int) -> list[PartRow]:
    """All parts of a version of an item's content, in order."""
    rows = _parts.all(connection, {"mailbox": mailbox_id, "item": item_id, "revision": content_revision})
    return [PartRow._make(row) for row in rows]


def originals(connection: Connection, mailbox_id: int, folder_id: bytes, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Live items of a folder by the SHA-256 of their original's blob; at most 500 hashes."""
    rows = _originals.all(connection, hashes, {"mailbox": mailbox_id, "folder": folder_id})
    return {row[0]: row[1] for row in rows}


def held(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> list[bytes]:
    """The blobs of the current contents of items, at most 500, each once, in the order in which blobs are locked."""
    return list(connection.execute(_held, {"mailbox": mailbox_id, "items": list(item_ids)}).scalars())


def copy(connection: Connection, mailbox_id: int, copies: Sequence[Copy]) -> None:
    """Gives copies what the versions that they were made of hold. The blobs were touched in this transaction."""
    _copy.run_many(connection, [{"mailbox": mailbox_id, **copy_._asdict()} for copy_ in copies])


def row(mailbox_id: int, item_id: bytes, content_revision: int, held: PartRow) -> dict[str, Any]:
    """A row for ``add``: the same bytes, held by another item or another version of one."""
    columns = held._asdict()
    del columns["blob_bytes"]
    return {"mailbox_id": mailbox_id, "item_id": item_id, "content_revision": content_revision, **columns}


def forget_version(connection: Connection, mailbox_id: int, item_id: bytes, content_revision: int) -> None:
    """Lets go of what one version of an item's content holds, unless a conflict names that version."""
    _forget.run(connection, {"mailbox": mailbox_id, "item": item_id, "revision": content_revision})
