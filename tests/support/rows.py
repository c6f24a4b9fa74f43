"""Rows for store tests, without the services above."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert

from rookery_server.store import mailboxes
from rookery_server.store.tables import NO_TIME, account, item

if TYPE_CHECKING:
    from sqlalchemy import Connection

_numbers = itertools.count(1)
FOLDER = b"f" * 16


def add_mailbox(connection: Connection) -> int:
    """A mailbox with its account; gives its number."""
    uid = next(_numbers).to_bytes(16, "big")
    values = {"id": uid, "kind": 1, "display_name": "", "administrator": False, "disabled": False, "created": 0}
    connection.execute(insert(account), values)
    zeros = dict.fromkeys(("revision", "oldest_revision", "quota_bytes", "used_bytes", "item_count", "folder_count"), 0)
    return mailboxes.create(connection, {"uid": uid, "account_id": uid, "epoch": uid, **zeros})


def item_row(mailbox_id: int, number: int, **values: Any) -> dict[str, Any]:
    """A live message's row: everything that is not given is plain."""
    revisions = dict.fromkeys(("created", "content", "state_revision", "place", "revision"), number)
    return {
        "mailbox_id": mailbox_id,
        "id": next(_numbers).to_bytes(16, "big"),
        "folder_id": FOLDER,
        "kind": 1,
        "life": 1,
        "uid": number,
        **revisions,
        "fill_key": 1_700_000_000_000_000 + number * 60_000_000,
        "span_start": NO_TIME,
        "span_end": NO_TIME,
        "received": 1_700_000_000_000_000 + number * 60_000_000,
        "sent": NO_TIME,
        "from_key": "",
        "subject_key": "",
        "size_bytes": 0,
        "start": NO_TIME,
        "due": NO_TIME,
        "importance": 2,
        "sensitivity": 0,
        "has_attachments": False,
        "is_read": False,
        "flag_status": 0,
        "reminder": NO_TIME,
        "message_class": "IPM.Note",
        "conversation_id": None,
        "external_id": None,
        "deleted_at": None,
        "state": b"",
        "summary": b"",
        **values,
    }


def add_items(
    connection: Connection, mailbox_id: int, count: int, *, revision: int | None = None, **values: Any
) -> list[dict[str, Any]]:
    """So many items, each of a revision of its own (1, 2, …), or all of one."""
    rows = []
    for number in range(1, count + 1):
        at = {} if revision is None else dict.fromkeys(("created", "content", "revision"), revision)
        rows.append(item_row(mailbox_id, number, **at, **values))
    connection.execute(insert(item), rows)
    return rows
