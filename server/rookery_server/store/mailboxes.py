"""Mailbox rows: finding, locking, and moving the clock on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from rookery_server.store.direct import Direct
from rookery_server.store.tables import mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection


class MailboxRow(NamedTuple):
    """A mailbox as one transaction sees it."""

    id: int
    uid: bytes
    account_id: bytes
    epoch: bytes
    revision: int
    oldest_revision: int
    quota_bytes: int
    used_bytes: int
    item_count: int
    folder_count: int
    backup_revision: int
    backup_time: int


_columns = select(*(mailbox.c[name] for name in MailboxRow._fields))
_of_uid = _columns.where(mailbox.c.uid == bindparam("uid"))
_of_account = _columns.where(mailbox.c.account_id == bindparam("account_id"))
_by_uid, _by_uid_locked = Direct(_of_uid), Direct(_of_uid.with_for_update())
_by_account, _by_account_locked = Direct(_of_account), Direct(_of_account.with_for_update())
_calendar_settings = Direct(select(mailbox.c.calendar_settings).where(mailbox.c.id == bindparam("mailbox")))
_set_calendar_settings = Direct(
    update(mailbox).where(mailbox.c.id == bindparam("mailbox")).values(calendar_settings=bindparam("settings"))
)
_advance = Direct(
    update(mailbox)
    .where(mailbox.c.id == bindparam("mailbox"))
    .values(
        revision=bindparam("to"),
        used_bytes=mailbox.c.used_bytes + bindparam("bytes"),
        item_count=mailbox.c.item_count + bindparam("items"),
        folder_count=mailbox.c.folder_count + bindparam("folders"),
    )
)


def find(connection: Connection, uid: bytes, *, lock: bool = False) -> MailboxRow | None:
    """The mailbox with this uid. ``lock`` keeps other writers out until the transaction ends (on SQLite they are anyway)."""
    row = (_by_uid_locked if lock else _by_uid).first(connection, {"uid": uid})
    return MailboxRow(*row) if row else None


def find_of_account(connection: Connection, account_id: bytes, *, lock: bool = False) -> MailboxRow | None:
    """The account's own mailbox."""
    row = (_by_account_locked if lock else _by_account).first(connection, {"account_id": account_id})
    return MailboxRow(*row) if row else None


def advance(connection: Connection, mailbox_id: int, revision: int, *, items: int, size: int, folders: int) -> None:
    """Moves the clock to ``revision`` and the counters by the differences. The caller holds the mailbox's lock."""
    _advance.run(connection, {"mailbox": mailbox_id, "to": revision, "bytes": size, "items": items, "folders": folders})


def create(connection: Connection, values: dict[str, Any]) -> int:
    """Inserts a mailbox; gives its number."""
    return int(connection.execute(insert(mailbox).returning(mailbox.c.id), values).scalar_one())


def calendar_settings(connection: Connection, mailbox_id: int) -> bytes:
    """The encoded CalendarSettings; empty where nothing was set."""
    row = _calendar_settings.first(connection, {"mailbox": mailbox_id})
    return bytes(row[0]) if row and row[0] is not None else b""


def set_calendar_settings(connection: Connection, mailbox_id: int, settings: bytes) -> None:
    """Keeps encoded CalendarSettings. The caller holds the mailbox's lock."""
    _set_calendar_settings.run(connection, {"mailbox": mailbox_id, "settings": settings})
