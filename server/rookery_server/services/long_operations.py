"""Operations too large for one transaction: carried out step by step, gone on with after a break.

The first transaction checks the request and writes a job; each further one does a step of at most 500 rows; the last one writes the
ledger. A repeat with the same operation id joins in where the job is, and so does the job runner after a restart. What is done is
what the job says, never what a later call says: another request under the same operation id is refused.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from rookery_core.errors import RookeryError
from rookery_server.services import access
from rookery_server.services.caller import Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.operations import check_operation_id, replay, request_hash, require_same_request
from rookery_server.store import jobs, ledger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.operations import Operations
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.jobs import JobRow

STEP_ROWS = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LongOperation:
    """What one kind of long operation does. All three work on the locked mailbox; the request is of ``request_type``."""

    name: str
    request_type: type[Any]
    check: Callable[[MailboxChange, Any], None]
    """Refuses what can not be done, before anything is."""
    step: Callable[[MailboxChange, Any], int | None]
    """Does at most ``STEP_ROWS`` rows; gives how many of them the answer counts. None: what is left, ``respond`` does."""
    respond: Callable[[MailboxChange, Any, int], Message]
    """The response, given how many rows the steps counted in all. Does the last ``STEP_ROWS`` rows itself."""
    mailbox_of: Callable[[Any], bytes] = operator.attrgetter("mailbox_id")
    """The mailbox that a request is for; empty is the caller's own."""


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
        """Carries the operation out; the encoded response. ``request`` has mailbox_id and operation_id.

        FailedPrecondition ``OPERATION_REUSED`` if the operation id was used for another request, finished or not.
        """
        check_operation_id(request.operation_id, self._clock.micros())
        try:
            return await self.carry_out(caller, operation, request)
        except RookeryError as error:
            if not error.definitive:
                raise
            # The ledger keeps this refusal, as it keeps all others. A second look might find that nothing is in the way any more.
            return await self._operations.on_mailbox(
                caller, request.mailbox_id, request.operation_id, operation.name, request, refusing(error)
            )

    async def resume(self) -> int:
        """Goes on with every job that is not finished, whatever becomes of the others; gives how many there were.

        A job that is refused for good, since its mailbox was removed, say, ends without an answer. See ``go_on_with_each``.
        """
        waiting = await self._database.read(jobs.unfinished)
        return await go_on_with_each((row for row in waiting if row.kind in self._kinds), self._go_on)

    async def _go_on(self, row: JobRow) -> None:
        operation = self._kinds[row.kind]
        caller = Caller(row.account_id, row.session_id, administrator=False, peer="job")
        try:
            await self.carry_out(caller, operation, operation.request_type.FromString(row.arguments))
        except RookeryError as error:
            if not error.definitive:
                raise
            _log.warning("job given up", kind=row.kind, operation=row.id.hex(), reason=error.reason)
            await self._database.write(lambda transaction: jobs.finish(transaction.connection, row.account_id, row.id))

    async def carry_out(self, caller: Caller, operation: LongOperation, request: Any) -> bytes:
        """``run``, for a request whose operation id was checked, by somebody who sees to refusals: the ledger keeps none."""
        answered = None
        while answered is None:
            answered = await self._database.write(lambda transaction: self._advance(transaction, caller, operation, request))
        return answered

    def _advance(self, transaction: Transaction, caller: Caller, operation: LongOperation, request: Any) -> bytes | None:
        """One transaction's share: the job is begun, or goes a step further, or is finished, and then this gives the answer."""
        connection = transaction.connection
        mailbox = access.open_mailbox(connection, caller, operation.mailbox_of(request), lock=True)
        change = MailboxChange(transaction, mailbox, caller, self._clock.micros())
        change.begin(operation.name, request.operation_id)
        row = jobs.find(connection, caller.account_id, request.operation_id)
        if row is None:
            if entry := ledger.find(connection, caller.account_id, request.operation_id):
                return replay(entry, request_hash(operation.name, request))
            operation.check(change, request)
            begin_job(connection, caller, operation.name, request, change.now)
            return None
        require_same_request(row, operation.name, request)
        wanted = operation.request_type.FromString(row.arguments)
        done = operation.step(change, wanted)
        if done is None:
            return _finish(change, row, operation, wanted)
        jobs.advance(connection, row.account_id, row.id, done)
        change.finish()
        return None


def _finish(change: MailboxChange, row: JobRow, operation: LongOperation, request: Any) -> bytes:
    result = operation.respond(change, request, row.progress).SerializeToString()
    change.finish()
    finish_job(change.connection, row, request_hash(operation.name, request), result, change.now)
    return result


def begin_job(connection: Connection, caller: Caller, kind: str, request: Any, now: int) -> None:
    """Writes the job that ``request``, which has an operation_id, asks for."""
    row = {"account_id": caller.account_id, "id": request.operation_id, "session_id": caller.session_id, "created": now}
    jobs.begin(connection, {**row, "kind": kind, "arguments": _arguments(request)})


def finish_job(connection: Connection, row: JobRow, wanted_hash: bytes, result: bytes, now: int) -> None:
    """Ends a job that is done: its row goes, and the ledger keeps the answer.

    It does not where another call has used the same operation id meanwhile: what the ledger has is never changed.
    """
    jobs.finish(connection, row.account_id, row.id)
    if ledger.find(connection, row.account_id, row.id) is None:
        entry = {"account_id": row.account_id, "id": row.id, "request_hash": wanted_hash, "refusal": None}
        ledger.record(connection, [{**entry, "result": result, "created": now}])


async def go_on_with_each(rows: Iterable[JobRow], go_on: Callable[[JobRow], Awaitable[object]]) -> int:
    """Goes on with one job after the other; gives how many there were.

    One that fails is logged and does not keep the others from their turn. The first failure is raised when all had it, so that
    the job runner comes back soon.
    """
    count, failures = 0, []
    for row in rows:
        count += 1
        try:
            await go_on(row)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one job, the others are not to wait for it
            _log.warning("job not finished", kind=row.kind, operation=row.id.hex(), error=repr(error))
            failures.append(error)
    if failures:
        raise failures[0]
    return count


def refusing(error: RookeryError) -> Callable[[object], Message]:
    """Work that refuses with an error that was met before, so that it is recorded."""

    def work(_: object) -> Message:
        raise error

    return work


def _arguments(request: Message) -> bytes:
    return request.SerializeToString(deterministic=True)
