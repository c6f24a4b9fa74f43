"""Who may open which mailbox: the one place for that rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import NotFound
from rookery_core.rules.ids import require_id
from rookery_server.store import mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller
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
    if found is None or found.account_id != caller.account_id:
        raise NotFound("MAILBOX_NOT_FOUND", "there is no such mailbox, or it is not yours")
    return found
