"""What Push does inside its transaction: many operations, each with its own revision, savepoint, answer and entry in the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import sync_pb2
from rookery.v1.sync_pb2 import PushResult
from rookery_core.errors import FailedPrecondition, RookeryError
from rookery_server.services import access
from rookery_server.services.change import MailboxChange
from rookery_server.services.operations import require_same_request
from rookery_server.services.refusals import reason_of, rpc_status
from rookery_server.store import jobs, ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_server.services.caller import Caller
    from rookery_server.services.sync.push_results import Work
    from rookery_server.store.database import Transaction
    from rookery_server.store.jobs import JobRow

_KNOWN_ALREADY = {"ID_TAKEN", "ID_RETIRED"}
"""Why a creation is refused whose id was used: the thing is there, or was until somebody purged it."""


@dataclass(slots=True)
class Member:
    """An operation of a batch. Either ``work`` or ``refusal`` is set."""

    operation: SyncOperation
    name: str
    """"sync." and the action: for the log and the ledger."""
    request_hash: bytes
    work: Work | None = None
    refusal: RookeryError | None = None
    recordable: bool = True
    """Whether its operation id is one that the ledger can keep."""


@dataclass(slots=True)
class Answer:
    """What became of a batch: durable, once its transaction is."""

    results: list[PushResult] = field(default_factory=list)
    revision: int = 0
    """The mailbox's, after these."""
    has_posted: bool = False
    """Whether one of them gave the queue of outgoing mail something to do, beside what was submitted."""
    failure: RookeryError | None = None
    """What passes, and kept the next operation and those behind it from being looked at."""
    unfinished: Member | None = None
    """A long operation, which was looked at and goes on in steps; none is looked at behind it."""

    def require_unbroken(self) -> None:
        """Raises the failure, if there is one."""
        if self.failure is not None:
            raise self.failure


class Target(NamedTuple):
    """What a device pushes to."""

    mailbox_uid: bytes
    epoch: bytes
    """As the device knows it; empty where it does not say."""


def commit(transaction: Transaction, caller: Caller, target: Target, members: Sequence[Member], now: int) -> Answer:
    """Carries operations out, in order. One that is refused leaves no trace but its entry in the ledger.

    FailedPrecondition ``EPOCH_CHANGED``, and nothing is carried out, if the device does not know yet that a backup was restored.
    """
    mailbox = access.open_mailbox(transaction.connection, caller, target.mailbox_uid, lock=True)
    if target.epoch and target.epoch != mailbox.epoch:
        raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup: reconcile, then push")
    batch = _Batch(MailboxChange(transaction, mailbox, caller, now), members)
    return batch.run(members)


class _Batch:
    """The operations of one transaction."""

    def __init__(self, change: MailboxChange, members: Sequence[Member]) -> None:
        self._change = change
        self._account_id = change.caller.account_id
        asked = {member.operation.operation_id for member in members}
        sound = (member for member in members if member.refusal is None)
        asked.update(needed for member in sound for needed in member.operation.depends_on)
        self._known = ledger.find_many(change.connection, self._account_id, sorted(asked)) if asked else {}
        self._jobs: dict[bytes, JobRow] = {
            row.id: row for row in jobs.unfinished(change.connection) if row.account_id == self._account_id
        }
        self._new: dict[bytes, ledger.Entry] = {}

    def run(self, members: Sequence[Member]) -> Answer:
        answer = Answer()
        for member in members:
            try:
                result = self._take(member)
            except RookeryError as error:
                answer.failure = error
                break
            if result is None:
                answer.unfinished = member
                break
            answer.results.append(result)
        if self._new:
            key = {"account_id": self._account_id, "created": self._change.now}
            ledger.record(self._change.connection, [{**key, "id": each, **entry._asdict()} for each, entry in self._new.items()])
        self._change.finish()
        answer.revision = self._change.current_revision
        answer.has_posted = self._change.has_posted
        return answer

    def _take(self, member: Member) -> PushResult | None:
        """The answer to one operation. Raises what is not definitive."""
        operation_id = member.operation.operation_id
        if not member.recordable and member.refusal is not None:
            return self._rejected(member, member.refusal)
        if (entry := self._known.get(operation_id)) is not None:
            return self._repeated(member, entry)
        if (job := self._jobs.get(operation_id)) is not None:
            try:
                require_same_request(job, member.name, member.operation)
            except FailedPrecondition as error:
                return self._rejected(member, error)
            if member.refusal is None:
                return None
            jobs.finish(self._change.connection, self._account_id, operation_id)  # it was refused on its way
        try:
            result = self._carry_out(member)
        except RookeryError as error:
            if not error.definitive:
                raise
            result = self._rejected(member, error)
        if result is not None:
            self._known[operation_id] = self._new[operation_id] = ledger.Entry(
                member.request_hash, None, result.SerializeToString()
            )
        return result

    def _carry_out(self, member: Member) -> PushResult | None:
        if member.refusal is not None:
            raise member.refusal
        self._require_dependencies(member)
        if member.work is None:
            raise ValueError("an operation that is not refused was planned")
        self._change.begin(member.name, member.operation.operation_id)
        try:
            with self._change.connection.begin_nested():
                return member.work(self._change)
        except RookeryError:
            self._change.take_back()
            raise

    def _require_dependencies(self, member: Member) -> None:
        """FailedPrecondition ``DEPENDS_ON`` unless all that the operation needs was carried out."""
        for needed in member.operation.depends_on:
            entry = self._known.get(needed)
            if entry is None or entry.refusal is not None or _is_rejected(needed, entry):
                raise FailedPrecondition(
                    "DEPENDS_ON",
                    "an operation that this one needs was rejected, or is not known",
                    metadata={"operation_id": needed.hex()},
                    field="depends_on",
                )

    def _repeated(self, member: Member, entry: ledger.Entry) -> PushResult:
        """The first answer again; ``OPERATION_REUSED`` if that was to another request."""
        if entry.request_hash != member.request_hash:
            message = "this operation id was used for another request: mint a new one for a new request"
            return self._rejected(member, FailedPrecondition("OPERATION_REUSED", message))
        result = PushResult.FromString(entry.result or b"")
        result.duplicate = True
        return result

    def _rejected(self, member: Member, error: RookeryError) -> PushResult:
        return PushResult(
            operation_id=member.operation.operation_id,
            outcome=sync_pb2.PUSH_OUTCOME_REJECTED,
            revision=self._change.current_revision,
            error=rpc_status(error),
        )


def _is_rejected(operation_id: bytes, entry: ledger.Entry) -> bool:
    """Whether an entry is of an operation of Push without which others make no sense.

    What a unary call keeps is no PushResult: it succeeded. A creation that came too late, since the id is known already, is no
    obstacle: after a restore several devices bring the same things back, and the edits of all of them are wanted.
    """
    if not (entry.result or b"").startswith(PushResult(operation_id=operation_id).SerializeToString()):
        return False
    result = PushResult.FromString(entry.result or b"")
    return result.outcome == sync_pb2.PUSH_OUTCOME_REJECTED and reason_of(result.error) not in _KNOWN_ALREADY
