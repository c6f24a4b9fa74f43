"""New mail, for those who want to be told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, literal_column, not_, select, tuple_

from rookery.v1.folder_pb2 import (
    FOLDER_ROLE_DELETED,
    FOLDER_ROLE_DRAFTS,
    FOLDER_ROLE_JUNK,
    FOLDER_ROLE_OUTBOX,
    FOLDER_ROLE_SENT,
)
from rookery.v1.item_pb2 import ITEM_KIND_MESSAGE
from rookery_server.store.direct import Direct
from rookery_server.store.items import LIVE, PACKED_COLUMNS, PackedRow
from rookery_server.store.tables import folder, item

if TYPE_CHECKING:
    from sqlalchemy import Connection


class NewMessage(NamedTuple):
    """A message, and the revision at which it came."""

    created: int
    row: PackedRow


_UNWATCHED = (FOLDER_ROLE_DRAFTS, FOLDER_ROLE_OUTBOX, FOLDER_ROLE_SENT, FOLDER_ROLE_DELETED, FOLDER_ROLE_JUNK)
_elsewhere = select(folder.c.id).where(
    folder.c.mailbox_id == bindparam("mailbox"),
    folder.c.role.in_([literal_column(str(role)) for role in _UNWATCHED]),
)
_behind = tuple_(bindparam("created", type_=item.c.created.type), bindparam("id", type_=item.c.id.type))
_new = Direct(
    select(item.c.created, *PACKED_COLUMNS)
    .where(
        item.c.mailbox_id == bindparam("mailbox"),
        tuple_(item.c.created, item.c.id) > _behind,
        # The values themselves, not parameters, and as the index of unread messages has them: only so do the engines use it.
        item.c.life == literal_column(str(LIVE)),
        item.c.kind == literal_column(str(int(ITEM_KIND_MESSAGE))),
        not_(item.c.is_read),
        item.c.folder_id.not_in(_elsewhere),
    )
    .order_by(item.c.created, item.c.id)
    .limit(bindparam("most"))
)


def after(connection: Connection, mailbox_id: int, created: int, item_id: bytes, most: int) -> list[NewMessage]:
    """Unread messages that came behind another by (created, id), oldest first, outside the folders where nobody waits for mail.

    Those are drafts, outbox, sent and deleted items and junk. Costs what is told, and what came into those folders meanwhile.
    """
    parameters = {"mailbox": mailbox_id, "created": created, "id": item_id, "most": most}
    return [NewMessage(created, PackedRow(*row)) for created, *row in _new.all(connection, parameters)]
