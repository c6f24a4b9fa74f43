"""A replica: an offline copy of a mailbox in one file, with what was done here and waits to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.incoming import applying, comparing, lost_items, refilling, repairing, scoping
from rookery_client.replica.incoming.applying import Applied
from rookery_client.replica.incoming.repairing import Repaired
from rookery_client.replica.outbox import calling_back, dismissing, outbox, recording, sent_once
from rookery_client.replica.status import ReplicaStatus
from rookery_client.replica.storage import files, submissions
from rookery_client.replica.storage.database import Database
from rookery_client.replica.storage.identity import Identity

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from rookery.internal.v1.packed_pb2 import PackedPullResponse, PackedReconcileResponse
    from rookery.v1.item_pb2 import Item
    from rookery.v1.sync_pb2 import PushResult, SyncOperation, SyncScope
    from rookery_client.replica.outbox.dismissing import Dismissed
    from rookery_client.replica.storage.operations import Recorded
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

__all__ = ["Applied", "Identity", "Repaired", "Replica", "ReplicaStatus"]

_NOTHING: dict[bytes, bytes] = {}


class Replica:
    """One open replica. May be shared between threads, and its file between processes.

    Each method that changes something is one transaction: durable when it returns, and nothing of it if it raises. Any of them
    may raise ResourceExhausted ``REPLICA_FULL``, DataLoss ``REPLICA_DAMAGED`` and Unavailable ``REPLICA_IN_USE``.
    """

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self.database = database
        self._clock = clock
        self._ids = ids

    @classmethod
    def open(cls, path: pathlib.Path, *, clock: Clock, ids: Ids, create: bool = False) -> Replica:
        """Opens the file, which with ``create`` is made if it is not there.

        FailedPrecondition ``REPLICA_MISSING``; ``REPLICA_FOREIGN`` for a database that is no replica; DataLoss ``REPLICA_DAMAGED``.
        """
        return cls(Database.open(path, create=create), clock, ids)

    def close(self) -> None:
        """Closes the file."""
        self.database.close()

    @property
    def path(self) -> pathlib.Path:
        """The file."""
        return self.database.path

    def engine_lock(self) -> AbstractContextManager[None]:
        """Holds the right to keep the replica up to date; FailedPrecondition ``REPLICA_IN_USE`` if somebody else has it."""
        return files.engine_lock(self.path)

    def identity(self) -> Identity | None:
        """Whose replica it is; None before its first use."""
        with self.database.reading() as connection:
            return Identity.read(connection)

    def adopt(self, identity: Identity) -> None:
        """Makes it somebody's replica. FailedPrecondition ``REPLICA_FOREIGN`` if it is another mailbox's or account's already."""
        with self.database.writing() as connection:
            identity.write(connection)

    def status(self) -> ReplicaStatus:
        """Where it stands."""
        with self.database.reading() as connection:
            return ReplicaStatus.read(connection)

    def set_scope(self, scope: SyncScope) -> bool:
        """Sets what it is to hold. What a narrower window leaves outside is dropped when the replica has caught up next.

        True if a new fill begins with the next batch, because folders, kinds or depth are others than before.
        """
        with self.database.writing() as connection:
            return scoping.put(connection, scope)

    def restart(self) -> None:
        """Forgets the cursor and keeps the rows; a new fill goes over them, and drops at its end what it did not mention."""
        with self.database.writing() as connection:
            refilling.begin(connection)

    def apply(self, batch: PackedPullResponse, *, accept_deletions: bool = False) -> Applied:
        """Applies a batch of Pull and stores its cursor. Durable with the batch that has caught up: until then it is sent again.

        FailedPrecondition ``MASS_DELETION`` if, since the replica last equalled the mailbox, more than half of it would be deleted
        without having been asked for here, unless that is accepted; ``EPOCH_CHANGED`` for a batch of another epoch.
        """
        now = self._clock.micros()
        with self.database.writing(durable=batch.caught_up) as connection:
            return applying.apply(connection, batch, now=now, accept_deletions=accept_deletions)

    def record(self, operation: SyncOperation, uploads: Mapping[bytes, bytes] = _NOTHING) -> SyncOperation:
        """Records what a person did: lays it over what they see, and puts it into the outbox. Gives it as it will be pushed.

        Fills in what is left empty of operation_id, edited (not before what an edit was made upon) and base_revision, ids of what
        is created, and the folder of a new item; sets depends_on. ``uploads`` holds the bytes of new attachments by their
        upload_id. Raises what the server would refuse with, and NotFound ``ITEM_NOT_FOUND`` for what is not here.
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            return recording.record(connection, operation, uploads, ids=self._ids, now=now)

    def call_back(self, operation: SyncOperation) -> SyncOperation | None:
        """Calls a submission back (``cancel_submission``): what the server can not have got is just taken out of the outbox.

        For any other the operation is recorded, and given as it will be pushed. NotFound ``SUBMISSION_NOT_FOUND``,
        FailedPrecondition ``SUBMISSION_FINAL``.
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            return calling_back.call_back(connection, operation, ids=self._ids, now=now)

    def outbox_standing(self) -> tuple[int, int]:
        """Something else whenever an operation was recorded since, taken back or answered, in whichever process."""
        with self.database.reading() as connection:
            return outbox.standing(connection)

    def waiting(self, most: int, most_bytes: int) -> list[SyncOperation]:
        """The first operations that are to be pushed, in order: so many at most, and so many bytes, but one in any case."""
        with self.database.reading() as connection:
            return outbox.waiting(connection, most, most_bytes)

    def all_waiting(self) -> list[Recorded]:
        """All operations that wait, in order, whether they may go yet or not."""
        with self.database.reading() as connection:
            return outbox.all_waiting(connection)

    def sending(self, operations: Sequence[SyncOperation]) -> list[SyncOperation]:
        """Notes that operations are on their way to the server; gives those that still wait. It outlives this process.

        Where mail is among them, a power cut too: nobody takes back, as if it had not left, what the server may have got.
        """
        with self.database.writing(durable=sent_once.any_sends(operations)) as connection:
            return outbox.sending(connection, operations)

    def pending_uploads(self, operations: Sequence[SyncOperation]) -> list[tuple[bytes, int]]:
        """The uploads that operations need, with their sizes in bytes."""
        with self.database.reading() as connection:
            return outbox.uploads_of(connection, operations)

    def upload_data(self, upload_id: bytes, offset: int, limit: int) -> bytes:
        """Bytes of an upload. NotFound ``UPLOAD_NOT_FOUND``."""
        with self.database.reading() as connection:
            return outbox.upload_data(connection, upload_id, offset, limit)

    def answered(self, results: Sequence[PushResult]) -> None:
        """Notes the server's answers. What was carried out stays laid over until the replica has seen what became of it."""
        now = self._clock.micros()
        with self.database.writing() as connection:
            outbox.answered(connection, results, now)

    def rejected(self) -> list[tuple[SyncOperation, PushResult]]:
        """What the server has refused, with its answers, in order."""
        with self.database.reading() as connection:
            return outbox.rejected(connection)

    def dismiss(self, operation_id: bytes) -> Dismissed | None:
        """Forgets an operation that was refused, or takes back one that waits, with what rests on it; None if there is none."""
        with self.database.writing() as connection:
            return dismissing.dismiss(connection, operation_id)

    def retry(self, operation_id: bytes) -> SyncOperation | None:
        """Records an operation that was refused once more, under another id; None if there is none such.

        Raises what ``record`` raises.
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            return outbox.retry(connection, operation_id, ids=self._ids, now=now)

    def reoffer(self, backup_revision: int) -> int:
        """Lets operations that were answered after a backup, and within 14 days, wait again with their ids; gives how many.

        Not those that send mail; and where the server may have got one and did not answer, it counts as refused
        (``OUTCOME_UNKNOWN``).
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            return outbox.reoffer(connection, backup_revision, now)

    def take_over(self, salvaged: files.Salvaged) -> None:
        """Takes over what was read of another replica of the mailbox: its outbox, with its ids, and what it had kept aside.

        This one is empty, and can not check it. To take over the same twice does nothing.
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            outbox.take_over(connection, salvaged, now)
            lost_items.take_over(connection, salvaged.lost)

    def bounds(self, parts: int, after: bytes = b"", through: bytes = b"") -> list[tuple[bytes, bytes]]:
        """Cuts a range of ids into at most so many with about as many items each, from the server's rows."""
        with self.database.reading() as connection:
            return comparing.bounds(connection, parts, after, through)

    def digest(self, after: bytes, through: bytes) -> tuple[int, bytes]:
        """Count and digest of a range, as rookery.v1.ReconcileRange has them."""
        with self.database.reading() as connection:
            return comparing.digest(connection, after, through)

    def entries(self, after: bytes, through: bytes) -> list[tuple[bytes, int]]:
        """The items of a range, with their revisions."""
        with self.database.reading() as connection:
            return comparing.entries(connection, after, through)

    def repair(self, response: PackedReconcileResponse, *, backup_revision: int = 0, accept_deletions: bool = False) -> Repaired:
        """Applies what a comparison found. ``backup_revision`` is that of the backup the server was restored from, else 0.

        FailedPrecondition ``MASS_DELETION`` as in ``apply``; what was lost and can not be made again counts too.
        """
        now = self._clock.micros()
        with self.database.writing() as connection:
            return repairing.repair(
                connection,
                response,
                backup_revision=backup_revision,
                accept_deletions=accept_deletions,
                ids=self._ids,
                now=now,
            )

    def finish_reconcile(self, cursor: str, epoch: bytes, revision: int) -> None:
        """Ends a comparison: the replica equals the mailbox but for what the cursor brings."""
        with self.database.writing() as connection:
            repairing.finish(connection, cursor, epoch, revision)

    def forget_submissions(self) -> int:
        """Forgets submissions that are finished and older than 30 days; gives how many."""
        now = self._clock.micros()
        with self.database.reading() as connection:
            if not submissions.has_old(connection, now):
                return 0
        with self.database.writing() as connection:
            return submissions.forget_old(connection, now)

    def lost(self) -> list[Item]:
        """Items that were lost when the server was restored, and could not be made again: with what there is of their contents."""
        with self.database.reading() as connection:
            return lost_items.kept_aside(connection)

    def forget_lost(self) -> None:
        """Forgets those."""
        with self.database.writing() as connection:
            lost_items.forget(connection)
