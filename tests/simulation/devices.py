"""Devices: each with a replica in a file, a clock of its own, and engines that are run on it one after the other until it dies."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from rookery.v1.sync_pb2 import PUSH_OUTCOME_REJECTED, SyncOperation
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.recovery import Remedy, remedy
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage import operations, schema
from rookery_client.replica.storage.database import Database
from rookery_client.replica.storage.identity import Identity
from rookery_client.replica.view import overlay
from rookery_core.errors import RookeryError
from rookery_server.services.sync.scopes import Scope
from tests.simulation.clocks import LoopClock
from tests.simulation.crashes import Died, Fate
from tests.simulation.network import Wire
from tests.support.fakes import SequentialIds

if TYPE_CHECKING:
    import pathlib
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery.v1.sync_pb2 import PushResult, SyncScope
    from rookery_client.replica.incoming.applying import Applied
    from tests.simulation.network import Network
    from tests.simulation.server import Snapshot

T = TypeVar("T")

_FOLDERS = "SELECT id, CASE WHEN revision > contents_revision THEN revision ELSE contents_revision END FROM folder"
_LOCAL = ("SELECT * FROM local_item ORDER BY id", "SELECT * FROM local_folder ORDER BY id")
_LIVE = f"SELECT item_id FROM operation_item JOIN operation USING (seq) WHERE status IN {schema.LIVE_STATUSES}"
_TOUCHED = "SELECT id FROM item UNION SELECT id FROM local_item UNION SELECT item_id FROM operation_item"


class MortalReplica(Database):
    """A replica's file whose owner may die before a transaction, in it, or right behind it.

    A power cut may take with it what was written since the last durable transaction.
    """

    fate = Fate()
    flushed: bytes | None = None
    """The file as it was before what a power cut would take; None if it would take nothing."""

    @contextlib.contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """See ``Database``."""
        self.fate.point("before")
        if not durable and self.flushed is None:
            self.flushed = self._writer.serialize()
        with super().writing(durable=durable) as connection:
            yield connection
            self.fate.point("uncommitted")
        if durable:
            self.flushed = None
        self.fate.point("committed")

    def lose_what_was_not_flushed(self) -> None:
        """Closes the file and puts it back to where the disk had been waited for."""
        self.close()
        if self.flushed is not None:
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            self.path.write_bytes(self.flushed)


class Hands:
    """The engine's worker: does each piece of work in one go, after a moment in which others may do theirs."""

    def __init__(self, fate: Fate, chance: random.Random) -> None:
        self._fate = fate
        self._chance = chance

    async def do(self, work: Callable[[], T]) -> T:
        """See ``Worker``."""
        await asyncio.sleep(self._chance.choice((0.0, 0.0, 0.01)))
        self._fate.point("step")
        return work()

    def close(self) -> None:
        """See ``Worker``: nothing is ever under way."""


class Device:
    """One of a person's devices. ``told`` hears of what happens."""

    def __init__(self, folder: pathlib.Path, number: int, network: Network, scope: SyncScope, told: Callable[[str], None]) -> None:
        server = network.server
        self.name = f"device {number}"
        self.caller = dataclasses.replace(server.person.caller, session_id=server.ids.new())
        self.chance = network.chance
        self.clock = LoopClock(asyncio.get_running_loop(), rate=self.chance.choice((1.0, 1.0, 0.999, 1.01)))
        self.clock.advance(seconds=self.chance.uniform(-3600, 3600))
        self.ids = SequentialIds(self.clock, stream=number)
        self.wire = Wire(network, self.caller)
        self.network = network
        self.server = server
        self.answers: dict[tuple[int, bytes], PushResult] = {}
        self.fate = Fate()
        self.told = told
        self._path = folder / f"device-{number}.replica"
        self._engine: Engine | None = None
        self._running: asyncio.Task[None] | None = None
        self.replica = self._open()
        person = server.person
        self.replica.adopt(Identity("server", "anna", person.mailbox, person.caller.account_id))
        self.replica.set_scope(scope)

    def _open(self) -> Replica:
        database = MortalReplica.open(self._path, create=True)
        assert isinstance(database, MortalReplica)
        self._database = database
        self.fate = database.fate = Fate()
        database._writer.execute("PRAGMA synchronous = OFF").close()
        return Replica(database, self.clock, self.ids)

    @property
    def busy(self) -> bool:
        """Whether an engine runs."""
        return self._running is not None and not self._running.done()

    def connect(self, *, follow: bool) -> None:
        """Starts an engine, which synchronises once, or until it is told to stop."""
        if not self.busy:
            self._running = asyncio.create_task(self.attempt(follow=follow))

    def require_sound(self) -> None:
        """Raises what an engine ended with that it should not have."""
        if self._running is not None and self._running.done():
            self._running.result()

    async def rest(self) -> None:
        """Lets the engine finish what it does."""
        if self._engine is not None:
            self._engine.stop()
        if self._running is not None:
            await asyncio.wait([self._running])
            await self._running
        self._running = None

    async def sync(self) -> None:
        """Synchronises once. Raises what the engine raises."""
        await self._new_engine().run_once()

    async def attempt(self, *, follow: bool = False) -> None:
        """Synchronises, until the device dies or the server stays away."""
        engine = self._new_engine()
        try:
            await (engine.run() if follow else engine.run_once())
        except Died as died:
            self.told(f"{self.name} dies at {died}")
        except RookeryError as error:
            # The last one of several failures in a row may be that the cursor is no good any more; the next engine sees to that.
            if remedy(error) not in {Remedy.WAIT, Remedy.AGAIN, Remedy.COMPARE}:
                raise
            self.told(f"{self.name} gives up: {error.message}")
        finally:
            self.revive()

    async def die(self) -> None:
        """Loses its power, and is switched on again."""
        self.fate.end()
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
            self._running = None
        self.revive()

    def revive(self) -> None:
        """Opens the file anew after a death, which may have been a power cut."""
        if self.fate.dead:
            if self._database.flushed is not None and self.chance.random() < 0.5:
                self.told(f"{self.name} had no power")
                self._database.lose_what_was_not_flushed()
            else:
                self.replica.close()
            self.replica = self._open()

    def record(self, operation: SyncOperation, uploads: Mapping[bytes, bytes]) -> SyncOperation | None:
        """Records what the person did; None if the device died before that was on its disk."""
        return self._recorded(operation, lambda: self.replica.record(operation, uploads))

    def call_back(self, operation: SyncOperation) -> SyncOperation | None:
        """Calls a submission back; None also if nothing had to be recorded for that."""
        return self._recorded(operation, lambda: self.replica.call_back(operation))

    def _recorded(self, operation: SyncOperation, work: Callable[[], SyncOperation | None]) -> SyncOperation | None:
        operation.operation_id = self.ids.new()
        try:
            return work()
        except Died:
            self.told(f"{self.name} dies while it records")
            with self.replica.database.reading() as connection:
                row = connection.execute("SELECT body FROM operation WHERE id = ?", (operation.operation_id,)).fetchone()
            if not self.busy:
                self.revive()
            return None if row is None else SyncOperation.FromString(row[0])

    def knows(self, operation_id: bytes) -> bool:
        """Whether an operation is in the outbox, or was answered not long ago."""
        with self.replica.database.reading() as connection:
            return operations.find(connection, operation_id) is not None

    def _new_engine(self) -> Engine:
        self._engine = Engine(
            self.replica,
            self.wire,
            clock=self.clock,
            ids=self.ids,
            chance=self.chance.random,
            worker=Hands(self.fate, self.chance),
            on_applied=self._applied,
            on_answered=self._answered,
        )
        return self._engine

    def _applied(self, batch: PackedPullResponse, applied: Applied) -> None:
        if applied.caught_up:
            self.told(f"{self.name} is up to date at {batch.revision}")
            self.require_equal(self.server.history[batch.revision])

    def _answered(self, results: Sequence[PushResult]) -> None:
        for result in results:
            duplicate, result.duplicate = result.duplicate, False
            first = self.answers.setdefault((self.server.epochs, result.operation_id), result)
            assert first == result or result.outcome == PUSH_OUTCOME_REJECTED, (duplicate, first, result)

    def require_equal(self, there: Snapshot) -> None:
        """The server's rows in the replica are those that the mailbox had at a revision, in scope.

        What a narrower window has left outside is spared as long as operations lie over it.
        """
        with self.replica.database.reading() as connection:
            rows = connection.execute("SELECT id, folder_id, revision FROM item").fetchall()
            folders = dict(connection.execute(_FOLDERS).fetchall())
            sent = dict(connection.execute("SELECT id, revision FROM submission").fetchall())
            live = {row[0] for row in connection.execute(_LIVE)}
            counted = connection.execute("SELECT value FROM meta WHERE key = 'items'").fetchone()
        scope = Scope.of(self.replica.status().scope)
        here = {item_id: (folder_id, revision) for item_id, folder_id, revision in rows}
        wanted = {
            item_id: (held.folder_id, held.revision)
            for item_id, held in there.items.items()
            if scope.holds(held.folder_id, held.kind, held.fill_key, held.span_start, held.span_end)
        }
        spared = {item_id for item_id in here if item_id in live and item_id in there.items and item_id not in wanted}
        held = {item_id: row for item_id, row in here.items() if item_id not in spared}
        assert held == wanted, _difference("items", held, wanted)
        assert folders == there.folders, _difference("folders", folders, there.folders)
        forgotten = self.server.clock.micros() - 25 * 86_400_000_000
        recent = {key: revision for key, (revision, submitted) in there.submissions.items() if submitted > forgotten}
        assert recent == {key: sent.get(key) for key in recent}, _difference("submissions", sent, recent)
        assert (counted[0] if counted else 0) == len(here), "the replica does not know how many items it holds"

    def require_faithful_view(self) -> None:
        """What the person sees, kept up to date step by step, is what computing it from the beginning gives."""
        with self.replica.database.reading() as connection:
            copy = sqlite3.connect(":memory:", isolation_level=None)
            connection.backup(copy)
        with contextlib.closing(copy):
            kept = [copy.execute(statement).fetchall() for statement in _LOCAL]
            overlay.refresh_folders(copy)
            overlay.refresh_items(copy, [row[0] for row in copy.execute(_TOUCHED)])
            assert [copy.execute(statement).fetchall() for statement in _LOCAL] == kept, f"{self.name} shows what is not so"

    def waiting(self) -> int:
        """How many changes wait to be sent."""
        return self.replica.status().waiting


def _difference(what: str, here: Mapping[bytes, Any], wanted: Mapping[bytes, Any]) -> str:
    keys = sorted(key for key in {*here, *wanted} if here.get(key) != wanted.get(key))
    lines = [f"{key.hex()}: here {_said(here.get(key))}, there {_said(wanted.get(key))}" for key in keys[:5]]
    return f"{len(keys)} {what} differ:\n" + "\n".join(lines)


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return f"in {value[0].hex()} at {value[1]}"
    return "nothing" if value is None else str(value)
