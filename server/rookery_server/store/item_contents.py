"""Contents of items, many at a time: read in portions, so that few are in memory at once, and copied without being read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, func, insert, select

from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import item, item_content

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

PORTION_BYTES = 1 << 20
"""Stored bytes read at once; one content may have more, and is read alone."""
_PORTION_ITEMS = 50

_current = and_(
    item_content.c.mailbox_id == item.c.mailbox_id,
    item_content.c.item_id == item.c.id,
    item_content.c.revision == item.c.content,
)
_in_mailbox = item.c.mailbox_id == bindparam("mailbox")
_lengths = ByKeys(select(item.c.id, func.length(item_content.c.content)).join(item_content, _current).where(_in_mailbox), item.c.id)
_contents = ByKeys(
    select(item.c.id, item_content.c.codec, item_content.c.content).join(item_content, _current).where(_in_mailbox), item.c.id
)
_copy = Direct(
    insert(item_content).from_select(
        ["mailbox_id", "item_id", "revision", "codec", "content"],
        select(
            item_content.c.mailbox_id,
            bindparam("copy", type_=item_content.c.item_id.type),
            bindparam("new_revision", type_=item_content.c.revision.type),
            item_content.c.codec,
            item_content.c.content,
        ).where(
            item_content.c.mailbox_id == bindparam("mailbox"),
            item_content.c.item_id == bindparam("source"),
            item_content.c.revision == bindparam("old_revision"),
        ),
    )
)


class Copy(NamedTuple):
    """Which version of which item becomes which new item's first."""

    source: bytes
    old_revision: int
    copy: bytes
    new_revision: int


def each(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> Iterator[tuple[int, bytes] | None]:
    """Codec and bytes of the current content of each of the items, in order; None where there is none. At most 500 ids.

    Read as it is asked for, so that whoever stops early has not read the rest.
    """
    lengths: dict[bytes, int] = {row[0]: row[1] for row in _lengths.all(connection, item_ids, {"mailbox": mailbox_id})}
    for portion in _portions(item_ids, lengths):
        rows = _contents.all(connection, portion, {"mailbox": mailbox_id})
        found = {row[0]: (row[1], row[2]) for row in rows}
        for item_id in portion:
            yield found.pop(item_id, None)


def copy(connection: Connection, mailbox_id: int, copies: Sequence[Copy]) -> None:
    """Copies versions of contents inside the database."""
    _copy.run_many(connection, [{"mailbox": mailbox_id, **copy_._asdict()} for copy_ in copies])


def _portions(item_ids: Sequence[bytes], lengths: dict[bytes, int]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for item_id in item_ids:
        length = lengths.get(item_id, 0)
        if portion and (size + length > PORTION_BYTES or len(portion) == _PORTION_ITEMS):
            yield portion
            portion, size = [], 0
        portion.append(item_id)
        size += length
    if portion:
        yield portion
