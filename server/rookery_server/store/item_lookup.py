"""Looking one item up: what travels of it, and the mailbox that it is in, with one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, case, func, select

from rookery_server.store.direct import Direct
from rookery_server.store.items import PACKED_COLUMNS, PackedRow
from rookery_server.store.tables import item, item_content, mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Found(NamedTuple):
    """A mailbox, and one of its items."""

    account_id: bytes
    """Whose mailbox it is."""
    mailbox_revision: int
    item: PackedRow | None
    """None if the mailbox has no such item."""
    content: tuple[int, bytes] | None
    """The codec and the bytes of its content; None if more than was asked for."""


_content = case((func.length(item_content.c.content) <= bindparam("most"), item_content.c.content))
_found = select(mailbox.c.account_id, mailbox.c.revision, *PACKED_COLUMNS, item_content.c.codec, _content).select_from(
    mailbox.outerjoin(item, and_(item.c.mailbox_id == mailbox.c.id, item.c.id == bindparam("item"))).outerjoin(
        item_content,
        and_(
            item_content.c.mailbox_id == item.c.mailbox_id,
            item_content.c.item_id == item.c.id,
            item_content.c.revision == item.c.content,
        ),
    )
)
_in_mailbox = Direct(_found.where(mailbox.c.uid == bindparam("uid")))
_of_account = Direct(_found.where(mailbox.c.account_id == bindparam("account_id")))


def in_mailbox(connection: Connection, uid: bytes, item_id: bytes, *, most: int) -> Found | None:
    """An item, live or recoverable, of the mailbox with this uid; None if there is no such mailbox.

    Of a content that is stored in more than ``most`` bytes nothing is read from the disk.
    """
    return _one(_in_mailbox, connection, {"uid": uid, "item": item_id, "most": most})


def of_account(connection: Connection, account_id: bytes, item_id: bytes, *, most: int) -> Found | None:
    """``in_mailbox`` for the account's own mailbox."""
    return _one(_of_account, connection, {"account_id": account_id, "item": item_id, "most": most})


def _one(statement: Direct, connection: Connection, values: dict[str, bytes | int]) -> Found | None:
    row = statement.first(connection, values)
    if row is None:
        return None
    account_id, mailbox_revision, *columns, codec, content = row
    found = PackedRow(*columns) if columns[0] is not None else None
    return Found(account_id, mailbox_revision, found, None if content is None else (codec, content))
