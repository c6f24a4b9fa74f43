"""Keeps the full-text index up with the commits, in batches behind them: indexing inline would double the cost of a delivery."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, NamedTuple

import structlog

from rookery_core.errors import RookeryError
from rookery_server.services.search.search_documents import document
from rookery_server.store import items, mailboxes, search, search_sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from rookery_core.rules.search_query import Document
    from rookery_server.store.database import Database
    from rookery_server.store.items import PackedRow
    from rookery_server.store.search import Candidate

BATCH, BUSY_BATCH = 200, 50
"""Items a write transaction; fewer while others want to write, who would have to wait for it."""
PAUSE_SECONDS = 0.25
"""Between a commit and the indexing of what it brought, so that one batch takes many commits; a search does not wait for it."""
QUIET_SECONDS = 0.5
REST = 4
"""While commits follow each other within ``QUIET_SECONDS``, the indexer rests so many times as long as it has worked: an import, or
a flood of mail, does not have to share the machine with its own index. Once it is quiet, what is left follows without a rest."""
LONGEST_REST_SECONDS = 2.0
"""A batch may have taken long only because it waited for others: once they are done, the indexer is not to rest on."""
RETRY_SECONDS = 5.0
_BATCH_BYTES = 4 << 20
"""Stored content a batch; one item more than fits is taken."""

_log = structlog.get_logger(__name__)


class Unindexed(NamedTuple):
    """An item that the index lacks, as it is stored."""

    candidate: Candidate
    summary: bytes
    content: tuple[int, bytes] | None

    def document(self) -> Document:
        """What is searched of it."""
        return document(self.summary, self.content)


class Backlog(NamedTuple):
    """What the index lacks next, in the order of revisions."""

    since: int
    """The revision that it begins after."""
    upto: int
    """The revision that it is at when it has these."""
    items: list[Unindexed]
    complete: bool
    """Nothing follows."""


def read_backlog(connection: Connection, mailbox_id: int, since: int, revision: int, *, limit: int) -> Backlog:
    """The next items, about ``limit``, of a mailbox at ``revision`` that changed after ``since`` and are not in the index."""
    if since >= revision:
        return Backlog(since, since, [], complete=True)
    candidates, end = search.pending(connection, mailbox_id, since, limit)
    missing = [candidate for candidate in candidates if not candidate.is_current]
    found: list[Unindexed] = []
    size = 0
    for unindexed in _stored(connection, mailbox_id, missing):
        if size >= _BATCH_BYTES:
            # Whatever has this item's revision comes again; those of it that are in the index by then are passed over.
            return Backlog(since, max(since, unindexed.candidate.revision - 1), found, complete=False)
        found.append(unindexed)
        size += len(unindexed.summary) + (len(unindexed.content[1]) if unindexed.content else 0)
    return Backlog(since, revision if end is None else end, found, complete=end is None)


def _stored(connection: Connection, mailbox_id: int, missing: list[Candidate]) -> Iterator[Unindexed]:
    rows: dict[bytes, PackedRow] = {}
    for begin in range(0, len(missing), _CHUNK):
        rows |= items.packed_many(connection, mailbox_id, [candidate.item_id for candidate in missing[begin : begin + _CHUNK]])
    for candidate in missing:
        content = items.content(connection, mailbox_id, candidate.item_id, candidate.content)
        yield Unindexed(candidate, rows[candidate.item_id].summary, content)


_CHUNK = 500


class Indexer:
    """Indexes what the mailboxes bring. ``on_commit`` is to be called by the notifier, after ``start`` and from any thread."""

    def __init__(self, database: Database, *, pause: float = PAUSE_SECONDS) -> None:
        self._database = database
        self._pause = pause
        self._waiting: set[bytes] = set()  # mailboxes whose index lags
        self._resting: dict[bytes, float] = {}  # mailbox -> until when it is left alone because indexing it failed
        self._lock = threading.Lock()  # of the next three, which other threads change
        self._heard: set[bytes] = set()  # mailboxes of which commits were told since the indexer looked last
        self._told = 0.0  # when the last of all commits was told, by the loop's clock
        self._is_awake = False  # it will look by itself
        self._wake = asyncio.Event()
        self._busy: dict[bytes, asyncio.Lock] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begins to follow the commits; first come the mailboxes that lag from before."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="indexer")

    async def stop(self) -> None:
        """Ends. What is not indexed yet will be after the next start, or by a search."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def on_commit(self, mailbox_uid: bytes, revision: int) -> None:
        """The mailbox has reached a revision.

        While commits follow each other the event loop is not woken: who waits for these commits needs it more.
        """
        del revision
        if self._loop is None or self._loop.is_closed():
            return
        with self._lock:
            self._heard.add(mailbox_uid)
            self._told = self._loop.time()
            if self._is_awake:
                return
            self._is_awake = True
        self._loop.call_soon_threadsafe(self._wake.set)

    async def catch_up(self, mailbox_uid: bytes, *, more: Callable[[], bool], batch: int = BATCH) -> bool:
        """Indexes what a mailbox lacks, batch by batch, as long as ``more()`` says so; whether the index is complete then."""
        async with self._busy.setdefault(mailbox_uid, asyncio.Lock()):
            while more():
                if await self._index(mailbox_uid, batch):
                    return True
        return False

    async def compact(self) -> bool:
        """Rids the index of the words of what is gone, where the engine can not do that at once; whether there was need.

        Bounded steps, between which others write; goes on where it was interrupted.
        """
        if self._database.dialect != "sqlite" or not await self._database.read(search_sqlite.is_worth_compacting):
            return False
        await self._database.write(lambda transaction: search_sqlite.begin_compaction(transaction.connection))
        while True:
            listed = await self._database.read(self._read_compaction)
            if listed:
                batch = await asyncio.to_thread(_documents, listed)
                await self._database.write(lambda transaction, batch=batch: search_sqlite.compact(transaction.connection, batch))  # type: ignore[misc]
            elif await self._database.write(lambda transaction: search_sqlite.finish_compaction(transaction.connection)):
                return True

    def _look(self) -> bool:
        """Takes note of what was told; whether there is anything to do. If not, the next commit wakes the indexer."""
        with self._lock:
            self._waiting |= self._heard
            self._heard.clear()
            self._is_awake = bool(self._waiting)
            return self._is_awake

    async def _run(self) -> None:
        while True:
            try:
                for mailbox_uid in await self._database.read(search.behind):
                    self.on_commit(mailbox_uid, 0)
                self._wake.set()  # also for what was told while nobody looked
                await self._follow()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, and the index goes on
                _report(error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)
            while self._look():
                turns = [await self._turn(mailbox_uid) for mailbox_uid in list(self._waiting)]
                if not any(turns):
                    await asyncio.sleep(self._pause)

    async def _turn(self, mailbox_uid: bytes) -> bool:
        """Indexes one batch of a waiting mailbox, and rests; unless it failed a moment ago. Whether it did.

        What fails is this mailbox's trouble alone: it comes again after ``RETRY_SECONDS``, and the others go on.
        """
        now = asyncio.get_running_loop().time()
        if now < self._resting.get(mailbox_uid, 0.0):
            return False
        try:
            async with self._busy.setdefault(mailbox_uid, asyncio.Lock()):
                complete = await self._index(mailbox_uid, BUSY_BATCH if self._is_busy(now) else BATCH)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, and the other mailboxes must not suffer for it
            _report(error, mailbox=mailbox_uid.hex())
            self._resting[mailbox_uid] = now + RETRY_SECONDS
            return False
        self._resting.pop(mailbox_uid, None)
        if complete:
            self._waiting.discard(mailbox_uid)  # what was told meanwhile is among what was heard
        await self._rest(now)
        return True

    async def _rest(self, begun: float) -> None:
        """Leaves the machine to those who write, if anybody does, after a batch that was begun then."""
        now = asyncio.get_running_loop().time()
        if self._is_busy(now):
            await asyncio.sleep(min(REST * (now - begun), LONGEST_REST_SECONDS))

    def _is_busy(self, now: float) -> bool:
        """Whether somebody has written a moment ago."""
        return now - self._told < QUIET_SECONDS

    async def _index(self, mailbox_uid: bytes, limit: int) -> bool:
        """Indexes one batch; whether nothing is left. A batch that somebody else was faster with does no harm."""

        def read(connection: Connection) -> tuple[int, Backlog] | None:
            mailbox = mailboxes.find(connection, mailbox_uid)
            if mailbox is None:
                return None
            since = search.progress(connection, mailbox.id)
            return mailbox.id, read_backlog(connection, mailbox.id, since, mailbox.revision, limit=limit)

        found = await self._database.read(read)
        if found is None:  # removed meanwhile
            return True
        mailbox_id, backlog = found
        if backlog.upto == backlog.since and not backlog.items:
            return backlog.complete
        batch = await asyncio.to_thread(_indexed, backlog.items)
        done = await self._database.write(
            lambda transaction: search.index_batch(
                transaction.connection, mailbox_id, batch, since=backlog.since, upto=backlog.upto
            )
        )
        return done and backlog.complete

    def _read_compaction(self, connection: Connection) -> list[tuple[int, int, bytes, tuple[int, bytes] | None]]:
        """Number, mailbox, summary and content of the next documents; an empty summary where the item is gone."""
        stored = []
        size = 0
        for number, mailbox_id, item_id in search_sqlite.next_to_compact(connection, BATCH):
            row = items.packed(connection, mailbox_id, item_id)
            content = items.content(connection, mailbox_id, item_id, row.content) if row else None
            stored.append((number, mailbox_id, row.summary if row else b"", content))
            size += len(content[1]) if content else 0
            if size >= _BATCH_BYTES:
                break
        return stored


def _report(error: Exception, **where: str) -> None:
    if isinstance(error, RookeryError):
        _log.warning("indexing failed, and goes on later", reason=error.reason, **where)
    else:
        _log.error("indexing failed, and goes on later", exc_info=error, **where)


def _indexed(unindexed: list[Unindexed]) -> list[search.Indexed]:
    return [
        search.Indexed(item.candidate.item_id, item.candidate.content, item.candidate.received, item.document())
        for item in unindexed
    ]


def _documents(listed: list[tuple[int, int, bytes, tuple[int, bytes] | None]]) -> list[tuple[int, int, Document]]:
    return [(number, mailbox_id, document(summary, content)) for number, mailbox_id, summary, content in listed]
