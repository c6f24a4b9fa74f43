"""Operations too large for one transaction: carried out step by step, gone on with after a break.

The first transaction checks the request and writes a job; each further one does a step of at most 500 rows; the last one writes the
ledger. A repeat with the same operation id joins in where the job is, and so does the job runner after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rookery_core.errors import RookeryError
from rookery_server.services import access
from rookery_server.services.caller import Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.operations import check_operation_id, replay, request_hash
from rookery_server.store import jobs, ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.operations import Operations
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.jobs import JobRow

STEP_ROWS = 500


@dataclass(frozen=True, slots=True)
class LongOperation:
    """What one kind of long operation does. All three work on the locked mailbox; the request is of ``request_type``."""

    name: str
    request_type: type[Any]
    check: Callable[[MailboxChange, Any], None]
    """Refuses what can not be done, before anything is."""
    step: Callable[[MailboxChange, Any], int]
    """Does at most ``STEP_ROWS`` rows; gives how many, 0 once nothing is left to do."""
    respond: Callable[[MailboxChange, Any, int], Message]
    """The response, given how many rows were done in all. May do the last, small change itself."""


class LongOperations:
    """Runs long operations, and resumes those that a stop interrupted."""

    def __init__(self, database: Database, operations: Operations, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._clock = clock
        self._kinds: dict[str, LongOperation] = {}

    def register(self, operation: LongOperation) -> None:
        """Makes a kind known, so that ``resume`` finds it."""
        self._kinds[operation.name] = operation

    async def run(self, caller: Caller, operation: LongOperation, request: Any) -> bytes:
        """Carries the operation out; the encoded response. ``request`` has mailbox_id and operation_id."""
        check_operation_id(request.operation_id, self._clock.micros())
        try:
            answered = await self._database.write(lambda transaction: self._begin(transaction, caller, operation, request))
        except RookeryError:
            # Let the ledger keep the refusal, the way it keeps all others.
            return await self._operations.on_mailbox(
                caller, request.mailbox_id, request.operation_id, operation.name, request, _refusing(operation, request)
            )
        while answered is None:
            answered = await self._database.write(lambda transaction: self._step(transaction, caller, operation, request))
        return answered

    async def resume(self) -> int:
        """Goes on with every job that is not finished; gives how many there were."""
        waiting = await self._database.read(jobs.unfinished)
        known: list[JobRow] = [row for row in waiting if row.kind in self._kinds]
        for row in known:
            operation = self._kinds[row.kind]
            caller = Caller(row.account_id, row.session_id, administrator=False, peer="job")
            await self.run(caller, operation, operation.request_type.FromString(row.arguments))
        return len(known)

    def _open(self, transaction: Transaction, caller: Caller, operation: LongOperation, request: Any) -> MailboxChange:
        mailbox = access.open_mailbox(transaction.connection, caller, request.mailbox_id, lock=True)
        change = MailboxChange(transaction, mailbox, caller, self._clock.micros())
        change.begin(operation.name, request.operation_id)
        return change

    def _begin(self, transaction: Transaction, caller: Caller, operation: LongOperation, request: Any) -> bytes | None:
        change = self._open(transaction, caller, operation, request)
        if answered := _known(change.connection, caller, operation, request):
            return answered
        if jobs.find(change.connection, caller.account_id, request.operation_id) is None:
            operation.check(change, request)
            jobs.begin(
                change.connection,
                {
                    "account_id": caller.account_id,
                    "id": request.operation_id,
                    "kind": operation.name,
                    "arguments": request.SerializeToString(),
                    "session_id": caller.session_id,
                    "created": change.now,
                },
            )
        return None

    def _step(self, transaction: Transaction, caller: Caller, operation: LongOperation, request: Any) -> bytes | None:
        change = self._open(transaction, caller, operation, request)
        if answered := _known(change.connection, caller, operation, request):
            return answered
        done = operation.step(change, request)
        if done:
            jobs.advance(change.connection, caller.account_id, request.operation_id, done)
            change.finish()
            return None
        row = jobs.find(change.connection, caller.account_id, request.operation_id)
        result = operation.respond(change, request, row.progress if row else 0).SerializeToString()
        change.finish()
        jobs.finish(change.connection, caller.account_id, request.operation_id)
        entry = {
            "account_id": caller.account_id,
            "id": request.operation_id,
            "request_hash": request_hash(operation.name, request),
            "refusal": None,
            "result": result,
            "created": change.now,
        }
        ledger.record(change.connection, [entry])
        return result


def _known(connection: Connection, caller: Caller, operation: LongOperation, request: Any) -> bytes | None:
    entry = ledger.find(connection, caller.account_id, request.operation_id)
    return replay(entry, request_hash(operation.name, request)) if entry else None


def _refusing(operation: LongOperation, request: Any) -> Callable[[MailboxChange], Message]:
    def work(change: MailboxChange) -> Message:
        operation.check(change, request)
        raise AssertionError("unreachable: the check refused a moment ago")

    return work
