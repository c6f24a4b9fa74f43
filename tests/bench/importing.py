"""Importing the mailbox: durable messages a second, and raw sqlite3 writing the same rows and blobs in the same batches."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery.v1.content_service_pb2 import ImportDocument, ImportRequest

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Iterator

    from tests.bench.generator import Generator
    from tests.bench.server import Connection, Server

IN_FLIGHT = 800
BUNDLE_DOCUMENTS, BUNDLE_BYTES = 64, 256 * 1024
"""What a request holds at most, as the client library's do."""
CHUNK = 4_000
"""Messages made before the clock starts, so that making them is not measured."""


@dataclasses.dataclass
class Progress:
    """What has been imported so far."""

    messages: int = 0
    size_bytes: int = 0
    seconds: float = 0.0
    commits: int = 0
    item_ids: list[bytes] = dataclasses.field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Durable messages a second."""
        return self.messages / self.seconds

    @property
    def batch(self) -> int:
        """Messages a transaction, on average; at least one."""
        return max(1, round(self.messages / max(1, self.commits)))


async def fill(connection: Connection, server: Server, generator: Generator, progress: Progress, until: int) -> None:
    """Imports messages until so many are there."""
    while progress.messages < until:
        numbers = range(progress.messages, min(until, progress.messages + CHUNK))
        documents = [_document(connection, generator.message(number)) for number in numbers]
        commits, begun = server.commits(), time.perf_counter()
        progress.item_ids += await _import(connection, documents)
        progress.seconds += time.perf_counter() - begun
        progress.commits += server.commits() - commits
        progress.messages += len(documents)
        progress.size_bytes += sum(len(document.data) for document in documents)
        sys.stderr.write(f"\rimported {progress.messages:,} messages, {progress.per_second:,.0f} a second ")
        sys.stderr.flush()
    sys.stderr.write("\n")


def _document(connection: Connection, message: bytes) -> ImportDocument:
    return ImportDocument(
        operation_id=connection.ids.new(),
        folder_id=connection.inbox,
        format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
        data=message,
    )


def _requests(documents: list[ImportDocument]) -> Iterator[ImportRequest]:
    """The documents in requests, as many in each as fit."""
    request, size = ImportRequest(), 0
    for document in documents:
        size += len(document.data)
        if request.documents and (size > BUNDLE_BYTES or len(request.documents) == BUNDLE_DOCUMENTS):
            yield request
            request, size = ImportRequest(), len(document.data)
        request.documents.append(document)
    yield request


async def _import(connection: Connection, documents: list[ImportDocument]) -> list[bytes]:
    """Sends the documents, IN_FLIGHT of them unanswered at any time; gives the ids of the items."""
    room = asyncio.Semaphore(IN_FLIGHT)

    async def requests() -> AsyncIterator[ImportRequest]:
        for request in _requests(documents):
            for _ in request.documents:
                await room.acquire()
            yield request

    item_ids = []
    async for answer in connection.content.Import(requests(), metadata=connection.metadata):
        for result in answer.results:
            room.release()
            if result.HasField("error"):
                raise RuntimeError(f"an import failed: {result.error.message}")
            item_ids.append(result.item_id)
    if len(item_ids) != len(documents):
        raise RuntimeError(f"{len(documents)} documents sent, {len(item_ids)} answered")
    return item_ids


class RawCopy:
    """Writes the rows of a database into a fresh file with the same schema and settings, and measures only the writing.

    Left out: full-text tables, which the server does not fill while it imports but after it, and the checks of foreign keys.
    """

    def __init__(self, source: pathlib.Path, target: pathlib.Path) -> None:
        self._source = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        self._target = sqlite3.connect(target, isolation_level=None)
        (page_size,) = self._source.execute("PRAGMA page_size").fetchone()
        for pragma in (f"page_size = {page_size}", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 2048"):
            self._target.execute(f"PRAGMA {pragma}").close()
        self._target.execute("PRAGMA cache_size = -32768")
        self._tables = self._create()

    def _create(self) -> list[str]:
        schema = self._source.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        virtual = [name for _, name, _, sql in schema if sql.upper().startswith("CREATE VIRTUAL")]
        hidden = ("sqlite_", *virtual)
        kept = [row for row in schema if not row[2].startswith(hidden)]
        for _, _, _, sql in sorted(kept, key=lambda row: row[0] != "table"):
            self._target.execute(sql)
        return [name for kind, name, _, _ in kept if kind == "table"]

    def seconds(self, messages: int, batch: int) -> float:
        """Writes everything in transactions of `batch` messages; gives the seconds that writing took."""
        transactions = max(1, -(-messages // batch))
        readers = {}
        for table in self._tables:
            (rows,) = self._source.execute(f'SELECT count(*) FROM "{table}"').fetchone()
            readers[table] = (self._source.execute(f'SELECT * FROM "{table}"'), -(-rows // transactions))
        taken = 0.0
        for _ in range(transactions):
            rows_by_table = {table: cursor.fetchmany(share) for table, (cursor, share) in readers.items() if share}
            begun = time.perf_counter()
            self._target.execute("BEGIN IMMEDIATE")
            for table, rows in rows_by_table.items():
                if rows:
                    self._target.executemany(f'INSERT INTO "{table}" VALUES ({", ".join("?" * len(rows[0]))})', rows)
            self._target.execute("COMMIT")
            taken += time.perf_counter() - begun
        return taken

    def close(self) -> None:
        """Closes both files."""
        self._source.close()
        self._target.close()


def raw_per_second(server: Server, progress: Progress, folder: pathlib.Path) -> float:
    """Messages a second that raw sqlite3 writes in the batches that the server had. The server must have ended."""
    with contextlib.closing(RawCopy(server.database, folder / "raw.db")) as copy:
        return progress.messages / copy.seconds(progress.messages, progress.batch)
