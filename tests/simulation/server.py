"""The server of a simulation: one mailbox in one file, and one life after the other on it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from rookery.v1.sync_pb2 import PUSH_OUTCOME_REJECTED, PushResult
from rookery_core.errors import RookeryError, Unavailable
from rookery_server.services.announcements import Announcements
from rookery_server.services.content.blob_sweep import BlobSweep
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.items.recoverable_purge import RecoverablePurge
from rookery_server.services.retention import Retention
from rookery_server.services.seals import Seal
from rookery_server.services.sync.batches import Limits
from rookery_server.services.sync.conflicts import ConflictService
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.followers import Followers
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.push import PushService
from rookery_server.services.sync.reconcile import ReconcileService
from rookery_server.store import backup
from rookery_server.store.sqlite import driver_connection, open_engine
from tests.simulation.clocks import LoopClock
from tests.simulation.crashes import Died, Fate
from tests.simulation.database import MortalDatabase
from tests.simulation.mail import Elsewhere
from tests.support.fakes import SequentialIds
from tests.support.mail import MailWorld

if TYPE_CHECKING:
    import pathlib
    import random
    from collections.abc import Awaitable

    from sqlalchemy import Connection

    from tests.support.world import Person

T = TypeVar("T")

RECOVERABLE_SECONDS = 14 * 86_400
_ITEMS = "SELECT id, folder_id, kind, fill_key, span_start, span_end, revision FROM item WHERE life = 1"
_SUBMISSIONS = "SELECT id, revision, submitted FROM submission"
_LEDGER = "SELECT id, result FROM operation WHERE result IS NOT NULL"
_FOLDERS = (
    "SELECT id, CASE WHEN revision > contents_revision THEN revision ELSE contents_revision END FROM folder WHERE deleted = 0"
)


class Held(NamedTuple):
    """Where and when a live item is, and how new: what a scope asks for, and its revision."""

    folder_id: bytes
    kind: int
    fill_key: int
    span_start: int
    span_end: int
    revision: int


class Snapshot(NamedTuple):
    """The mailbox as it was at one revision."""

    items: dict[bytes, Held]
    folders: dict[bytes, int]
    """With the greater of both revisions."""
    submissions: dict[bytes, tuple[int, int]]
    """With their revisions, and when they were submitted."""


class Backup(NamedTuple):
    """A copy of the file."""

    path: pathlib.Path
    revision: int


class Life:
    """The server's parts from a start to a death."""

    def __init__(self, server: Server, fate: Fate) -> None:
        announcements, followers = Announcements(), Followers()
        announcements.listen_everywhere(followers.on_commit, followers.after_gap)
        database = MortalDatabase(server.path, announcements, fate, server.chance, server.remember)
        world = MailWorld(database, server.clock, server.ids)
        clock, ids, cursors = server.clock, server.ids, Cursors(Seal("sync-cursor", {1: b"k" * 32}, mac_bytes=16))
        retention = Retention(database, clock)
        self._elsewhere = server.elsewhere
        self.fate = fate
        self.database = database
        self.world = world
        self.pulls = PullService(database, cursors, followers, limits=server.limits, heartbeat_seconds=600.0)
        self.pushes = PushService(database, world.long_operations, clock, ids, world.drafts, wake=world.wake)
        self.comparisons = ReconcileService(database, cursors, most_items=2000, most_bytes=server.limits.size)
        self.uploads = UploadService(database, clock, ids, max_message_bytes=1 << 20)
        self.downloads = DownloadService(database)
        self.conflicts = ConflictService(database, world.operations, clock, ids, wake=world.wake)
        self.purge = RecoverablePurge(database, clock, retention_seconds=RECOVERABLE_SECONDS)
        self.jobs = (
            world.long_operations.resume,
            retention.compact_ledger,
            retention.forget_departures,
            self.purge.purge,
            BlobSweep(database, clock).sweep,
            self.conflicts.forget_old,
            world.submissions.forget_old,
            self.deliver,
        )
        self.ended = asyncio.Event()

    async def deliver(self) -> None:
        """The queue does what is due."""
        await self.world.work(self._elsewhere)

    async def carry_out(self, work: Awaitable[T]) -> T:
        """What the work gives; Unavailable if the server dies meanwhile. Work whose caller goes away is broken off."""
        task, ending = asyncio.ensure_future(work), asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait([task, ending], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if task.cancelled():
            raise Unavailable("SERVER_UNREACHABLE", "the server died")
        if isinstance(error := task.exception(), Died):
            self.end()
            raise Unavailable("SERVER_UNREACHABLE", "the server died") from error
        return task.result()

    def end(self) -> None:
        """Dies."""
        self.fate.end()
        self.ended.set()


class Server:
    """The file, what survives a death beside it, and what the mailbox was like at each of its revisions."""

    def __init__(self, folder: pathlib.Path, template: pathlib.Path, chance: random.Random) -> None:
        self.folder = folder
        self.path = folder / "rookery.db"
        self.chance = chance
        self.clock = LoopClock(asyncio.get_running_loop())
        self.ids = SequentialIds(self.clock)
        size = chance.choice((5_000, 20_000, 1 << 20))
        self.limits = Limits(size=size, entries=chance.choice((2, 7, 2000)), looked_at=chance.choice((5, 20_000)))
        self.history: dict[int, Snapshot] = {}
        self.lives = 0
        self.epochs = 1
        self.carried_out: list[tuple[bytes, range]] = []
        """What devices had pushed before a restore, heard of or not: operations, with the revisions from theirs to the last."""
        self.backups: list[Backup] = []
        self.elsewhere = Elsewhere(self)
        shutil.copy(template, self.path)
        self.life = Life(self, Fate())
        self.person: Person

    async def begin(self) -> None:
        """Makes the mailbox."""
        self.person = await self.life.world.person("anna")

    @property
    def alive(self) -> bool:
        """Whether it takes calls."""
        return not self.life.fate.dead

    def require_alive(self) -> Life:
        """The present life; Unavailable if there is none."""
        if not self.alive:
            raise Unavailable("SERVER_UNREACHABLE", "nobody listens")
        return self.life

    async def die(self) -> None:
        """Ends this life, if it has not ended, and lets what was under way run out."""
        self.life.end()
        await asyncio.sleep(1)
        await self.life.database.close()

    async def start(self) -> None:
        """Begins a new life on what is on the disk, and goes on with long operations, if nobody has done so yet."""
        if self.alive:
            return
        await self.die()
        self.lives += 1
        self.life = Life(self, Fate())
        await self.work()

    async def work(self) -> None:
        """The periodic jobs, once each."""
        for job in self.life.jobs:
            with contextlib.suppress(RookeryError):
                await self.life.carry_out(job())

    def back_up(self) -> None:
        """Copies the file as it is."""
        revision = max(self.history)
        path = self.folder / f"backup-{revision}-{len(self.backups)}.db"
        path.unlink(missing_ok=True)
        backup.copy(self.path, path)
        self.backups.append(Backup(path, revision))

    async def restore(self, chosen: Backup) -> None:
        """Starts anew from a backup, as an administrator does it."""
        await self.die()
        self.epochs += 1
        copied = self.folder / "copied.db"  # the backup itself may be needed again
        shutil.copy(chosen.path, copied)
        beyond = backup.reached(self.path)
        self._note_carried_out(max(beyond.values()))
        backup.put_in_place(copied, self.path, self.folder / f"before-{self.epochs}.db")
        with open_engine(self.path, "write").connect() as connection, connection.begin():
            backup.begin_epoch(connection, self.ids.new, self.clock.micros(), beyond)
        with open_engine(self.path, "read").connect() as connection:
            self.remember(connection)
        await self.start()

    def _note_carried_out(self, last: int) -> None:
        with open_engine(self.path, "read").connect() as connection:
            entries = driver_connection(connection).execute(_LEDGER).fetchall()
        for operation_id, encoded in entries:
            if encoded.startswith(PushResult(operation_id=operation_id).SerializeToString()):  # unary calls keep other answers
                result = PushResult.FromString(encoded)
                if result.outcome != PUSH_OUTCOME_REJECTED:
                    self.carried_out.append((operation_id, range(result.revision, last + 1)))

    def remember(self, connection: Connection) -> None:
        """Notes what the mailbox is like at its revision."""
        below = driver_connection(connection)
        row = below.execute("SELECT max(revision) FROM mailbox").fetchone()
        if row[0] is None or row[0] in self.history:
            return
        items = {item_id: Held(*rest) for item_id, *rest in below.execute(_ITEMS)}
        sent = {submission_id: (revision, submitted) for submission_id, revision, submitted in below.execute(_SUBMISSIONS)}
        self.history[row[0]] = Snapshot(items, dict(below.execute(_FOLDERS).fetchall()), sent)
