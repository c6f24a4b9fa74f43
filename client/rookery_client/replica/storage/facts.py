"""The table ``meta``: what a replica knows of itself, one fact each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

SERVER, ADDRESS, MAILBOX_ID, ACCOUNT_ID = "server", "address", "mailbox_id", "account_id"
"""Whose replica it is: two texts, two ids."""
DISPLAY_NAME, ALIASES = "display_name", "aliases"
"""What the owner is called, and further addresses of theirs, a line each."""
CURSOR, EPOCH, REVISION = "cursor", "epoch", "revision"
"""Where it stands: what to pull with next, the mailbox's epoch, and its revision in the last batch."""
CAUGHT_UP_REVISION, CAUGHT_UP_AT = "caught_up_revision", "caught_up_at"
"""When it was last equal to the mailbox: the mailbox's revision, and microseconds since 1970."""
SCOPE = "scope"
"""An encoded SyncScope."""
DONE, TOTAL = "done", "total"
"""How far a fill is, as the server tells."""
ITEMS = "items"
"""Rows in ``item``: counting them anew would take a look at each."""
HELD, HELD_AT, DROPPED = "held", "held_at", "dropped"
"""Items that the replica had when it was equal to the mailbox, when that was, and items that others have deleted since."""
OUTSIDE = "outside"
"""1 while there may be items outside the window since it was narrowed: until it has caught up, and nothing lies over them."""
REFILLING = "refilling"
"""1 while a fill replaces an older one."""


def text(connection: sqlite3.Connection, key: str) -> str:
    """A text; "" where it is unknown."""
    value = _value(connection, key)
    return value if isinstance(value, str) else ""


def data(connection: sqlite3.Connection, key: str) -> bytes:
    """Bytes; none where they are unknown."""
    value = _value(connection, key)
    return value if isinstance(value, bytes) else b""


def number(connection: sqlite3.Connection, key: str) -> int:
    """A number; 0 where it is unknown."""
    value = _value(connection, key)
    return value if isinstance(value, int) else 0


def put(connection: sqlite3.Connection, values: dict[str, str | bytes | int]) -> None:
    """Writes facts down, over what was there."""
    connection.executemany("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", values.items())


def add(connection: sqlite3.Connection, key: str, difference: int) -> None:
    """Adds to a number."""
    if difference:
        put(connection, {key: number(connection, key) + difference})


def forget(connection: sqlite3.Connection, *keys: str) -> None:
    """Takes facts off."""
    connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])


def _value(connection: sqlite3.Connection, key: str) -> object:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]
