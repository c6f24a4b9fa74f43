"""Storing bytes on the way to an item."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.store import blobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.store.blob_chunks import PreparedBlob
    from rookery_server.store.database import Database


class BlobStore:
    """Puts prepared blobs (``store.blob_chunks.prepare``) into the database, the way that suits it.

    An operation awaits ``stage`` before its transaction and calls ``link`` inside it. On PostgreSQL staging writes the bytes in
    a transaction of their own, so that the mailbox is not locked meanwhile; on SQLite, where there is one writer and each commit
    costs a flush of the disk, they go in with the operation.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def stage(self, prepared: Sequence[PreparedBlob]) -> None:
        """Has the bytes written ahead, where that is better. What is then never linked is swept a day later."""
        if prepared and self._database.dialect == "postgresql":
            now = self._clock.micros()
            await self._database.write(lambda transaction: blobs.put(transaction.connection, prepared, now))

    @staticmethod
    def link(connection: Connection, prepared: Sequence[PreparedBlob], now: int) -> dict[bytes, bytes]:
        """Blob ids by SHA-256, to be held by items in this transaction. Bytes that are not there (any more) are written now."""
        return blobs.put(connection, prepared, now)
