"""Who may open which mailbox: the one place for that rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import NotFound
from rookery_core.rules.ids import require_id
from rookery_server.store import item_lookup, mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller
    from rookery_server.store.item_lookup import Found
    from rookery_server.store.mailboxes import MailboxRow


def open_mailbox(connection: Connection, caller: Caller, mailbox_uid: bytes, *, lock: bool = False) -> MailboxRow:
    """The mailbox, if the caller may read and write it; an empty uid means the caller's own.

    A mailbox is open to the account that owns it, and to nobody else. NotFound ``MAILBOX_NOT_FOUND`` otherwise: a foreign
    mailbox and none look the same from outside. With ``lock`` the caller's transaction is the only one that changes it.
    """
    if mailbox_uid:
        found = mailboxes.find(connection, require_id(mailbox_uid, "mailbox_id"), lock=lock)
    else:
        found = mailboxes.find_of_account(connection, caller.account_id, lock=lock)
    if found is None or not _is_open(caller, found.account_id):
        raise _no_mailbox()
    return found


def read_item(connection: Connection, caller: Caller, mailbox_uid: bytes, item_id: bytes, *, most: int) -> Found:
    """An item, if there is one, of a mailbox that the caller may open, in one statement; see ``store.item_lookup``.

    Errors as ``open_mailbox``, and InvalidArgument for an id that is none.
    """
    require_id(item_id, "item_id")
    if mailbox_uid:
        found = item_lookup.in_mailbox(connection, require_id(mailbox_uid, "mailbox_id"), item_id, most=most)
    else:
        found = item_lookup.of_account(connection, caller.account_id, item_id, most=most)
    if found is None or not _is_open(caller, found.account_id):
        raise _no_mailbox()
    return found


def _is_open(caller: Caller, account_id: bytes) -> bool:
    return account_id == caller.account_id


def _no_mailbox() -> NotFound:
    return NotFound("MAILBOX_NOT_FOUND", "there is no such mailbox, or it is not yours")
