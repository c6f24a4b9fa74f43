"""The server's secret keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.store import keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_server.store.database import Database

KEY_BYTES = 32


async def load(database: Database, purpose: str, *, now: int, random_bytes: Callable[[int], bytes]) -> dict[int, bytes]:
    """The keys for a purpose, 32 bytes each, by key id; the first is made if there is none.

    All processes on one database get the same keys. ``now`` in microseconds; ``random_bytes`` gives so many unpredictable bytes.
    """
    found = await database.read(lambda connection: keys.find(connection, purpose))
    if found:
        return found
    key = random_bytes(KEY_BYTES)
    await database.write(lambda transaction: keys.add_missing(transaction.connection, purpose, 1, key, now))
    return await database.read(lambda connection: keys.find(connection, purpose))
