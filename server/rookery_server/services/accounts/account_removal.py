"""Removing an account with everything in it: a job in steps of 500 rows, gone on with after a break.

The first transaction takes the account out of everybody's sight and writes the job; the last one writes the ledger. What lies
between is repeatable: a repeat with the same operation id joins in where the job is, and so does the server when it starts. Whose
account it is, the job says and no later call: another request under the same operation id is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, RookeryError
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts.accounts import require_administrator, require_locked
from rookery_server.services.long_operations import begin_job, finish_job, go_on_with_each, refusing
from rookery_server.services.operations import check_operation_id, replay, request_hash, require_same_request
from rookery_server.store import account_removal, accounts, jobs, ledger, outgoing, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.accounts.sessions import Sessions
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.jobs import JobRow

KIND = "account.delete"
STEP_ROWS = 500

Request = messages.DeleteAccountRequest


class AccountRemoval:
    """Removes accounts. From the first step on nobody signs in to it, and its addresses are free for others."""

    def __init__(self, database: Database, operations: Operations, sessions: Sessions, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._sessions = sessions
        self._clock = clock

    async def delete(self, caller: Caller, request: Request) -> bytes:
        """Removes an account. NotFound ``ACCOUNT_NOT_FOUND``; FailedPrecondition ``FIELD_INVALID`` for the caller's own.

        FailedPrecondition ``MAIL_WAITING`` while its mail is on its way, unless that is to be discarded.
        FailedPrecondition ``OPERATION_REUSED`` if the operation id was used for another request, finished or not.
        """
        require_administrator(caller)
        require_id(request.account_id, "account_id")
        check_operation_id(request.operation_id, self._clock.micros())
        if request.account_id == caller.account_id:
            message = "you can not remove your own account: let another administrator do it"
            raise FailedPrecondition("FIELD_INVALID", message, field="account_id")
        try:
            begun = self._database.write(lambda transaction: self._begin(transaction, caller, request))
            answer = await self._sessions.ending(begun, account_id=request.account_id)
        except RookeryError as error:
            if not error.definitive:
                raise
            # The ledger keeps this refusal, as it keeps all others.
            return await self._operations.on_server(caller, request.operation_id, KIND, request, refusing(error))
        return await self._finish(caller.account_id, request) if answer is None else answer

    async def resume(self) -> int:
        """Finishes the removals that a stop or a departed caller left; gives how many. See ``go_on_with_each``."""
        waiting = await self._database.read(jobs.unfinished)
        return await go_on_with_each((row for row in waiting if row.kind == KIND), self._go_on)

    async def _go_on(self, row: JobRow) -> None:
        await self._finish(row.account_id, Request.FromString(row.arguments))

    def _begin(self, transaction: Transaction, caller: Caller, request: Request) -> bytes | None:
        connection = transaction.connection
        ledger.serialize(connection, caller.account_id, request.operation_id)
        if job := jobs.find(connection, caller.account_id, request.operation_id):
            require_same_request(job, KIND, request)
            return None
        if entry := ledger.find(connection, caller.account_id, request.operation_id):
            return replay(entry, request_hash(KIND, request))
        require_locked(connection, request.account_id)
        if not request.discard_mail:
            _require_mail_sent(connection, request.account_id)
        accounts.change(connection, request.account_id, {"disabled": True, "password_hash": None})
        sessions.revoke_all(connection, request.account_id)
        accounts.remove_addresses(connection, request.account_id)
        begin_job(connection, caller, KIND, request, self._clock.micros())
        return None

    async def _finish(self, actor_id: bytes, asked: Request) -> bytes:
        answer = None
        while answer is None:
            answer = await self._database.write(lambda transaction: self._step(transaction.connection, actor_id, asked))
        return answer

    def _step(self, connection: Connection, actor_id: bytes, asked: Request) -> bytes | None:
        job = jobs.find(connection, actor_id, asked.operation_id)
        if job is None:  # another run of the same job was quicker
            entry = ledger.find(connection, actor_id, asked.operation_id)
            return replay(entry, request_hash(KIND, asked)) if entry else b""
        request = Request.FromString(job.arguments)
        number = account_removal.number_of(connection, request.account_id)  # locked: nobody adds to it while it empties
        if number is not None:
            rows, items = account_removal.remove_some(connection, number, STEP_ROWS)
            if rows:
                jobs.advance(connection, job.account_id, job.id, items)
                return None
        # The account's own work has nothing left to be done on. Accounts that it was removing are removed all the same.
        jobs.abandon(connection, request.account_id, but=KIND)
        if account_removal.remove_rest(connection, request.account_id, number, STEP_ROWS):
            return None
        result = messages.DeleteAccountResponse(deleted_items=job.progress).SerializeToString()
        finish_job(connection, job, request_hash(KIND, request), result, self._clock.micros())
        return result


def _require_mail_sent(connection: Connection, account_id: bytes) -> None:
    number = account_removal.number_of(connection, account_id)  # locked: nothing more is sent meanwhile
    recipients = 0 if number is None else outgoing.waiting_of(connection, number)
    if recipients:
        message = f"mail is still on its way to {recipients:,} of its recipients: let it leave, or discard it with the account"
        raise FailedPrecondition("MAIL_WAITING", message, metadata={"recipients": str(recipients)}, field="discard_mail")
