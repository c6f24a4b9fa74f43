"""Removing an account with everything in it: a job in steps of 500 rows, gone on with after a break.

The first transaction takes the account out of everybody's sight and writes the job; the last one writes the ledger. What lies
between is repeatable: a repeat with the same operation id joins in where the job is, and so does the server when it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, RookeryError
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts import require_administrator, require_locked
from rookery_server.services.operations import check_operation_id, replay, request_hash
from rookery_server.store import account_removal, accounts, jobs, ledger, sessions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.services.sessions import Sessions
    from rookery_server.store.database import Database, Transaction

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
        """Removes an account. NotFound ``ACCOUNT_NOT_FOUND``; FailedPrecondition ``FIELD_INVALID`` for the caller's own."""
        require_administrator(caller)
        require_id(request.account_id, "account_id")
        check_operation_id(request.operation_id, self._clock.micros())
        if request.account_id == caller.account_id:
            message = "you can not remove your own account: let another administrator do it"
            raise FailedPrecondition("FIELD_INVALID", message, field="account_id")
        try:
            begun = self._database.write(lambda transaction: self._begin(transaction, caller, request))
            answer = await self._sessions.ending(begun, account_id=request.account_id)
        except RookeryError:
            # Let the ledger keep the refusal, the way it keeps all others.
            return await self._operations.on_server(
                caller, request.operation_id, KIND, request, lambda transaction: _refuse(transaction, request)
            )
        return await self._finish(caller.account_id, request) if answer is None else answer

    async def resume(self) -> int:
        """Finishes the removals that a stop or a departed caller left; gives how many."""
        waiting = [row for row in await self._database.read(jobs.unfinished) if row.kind == KIND]
        for row in waiting:
            await self._finish(row.account_id, Request.FromString(row.arguments))
        return len(waiting)

    def _begin(self, transaction: Transaction, caller: Caller, request: Request) -> bytes | None:
        connection = transaction.connection
        ledger.serialize(connection, caller.account_id, request.operation_id)
        if answered := _known(connection, caller.account_id, request):
            return answered
        if jobs.find(connection, caller.account_id, request.operation_id) is None:
            require_locked(connection, request.account_id)
            accounts.change(connection, request.account_id, {"disabled": True, "password_hash": None})
            sessions.revoke_all(connection, request.account_id)
            accounts.remove_addresses(connection, request.account_id)
            row = {"account_id": caller.account_id, "id": request.operation_id, "session_id": caller.session_id}
            begun = {"kind": KIND, "arguments": request.SerializeToString(), "created": self._clock.micros()}
            jobs.begin(connection, {**row, **begun})
        return None

    async def _finish(self, actor_id: bytes, request: Request) -> bytes:
        answer = None
        while answer is None:
            answer = await self._database.write(lambda transaction: self._step(transaction, actor_id, request))
        return answer

    def _step(self, transaction: Transaction, actor_id: bytes, request: Request) -> bytes | None:
        connection, operation_id = transaction.connection, request.operation_id
        job = jobs.find(connection, actor_id, operation_id)
        if job is None:  # another run of the same job was quicker
            return _known(connection, actor_id, request) or b""
        number = account_removal.number_of(connection, request.account_id)  # locked: nobody adds to it while it empties
        if number is not None:
            rows, items = account_removal.remove_some(connection, number, STEP_ROWS)
            if rows:
                jobs.advance(connection, actor_id, operation_id, items)
                return None
        if account_removal.remove_rest(connection, request.account_id, number, STEP_ROWS):
            return None
        result = messages.DeleteAccountResponse(deleted_items=job.progress).SerializeToString()
        jobs.finish(connection, actor_id, operation_id)
        entry = {"account_id": actor_id, "id": operation_id, "request_hash": request_hash(KIND, request), "refusal": None}
        ledger.record(connection, [{**entry, "result": result, "created": self._clock.micros()}])
        return result


def _known(connection: Connection, actor_id: bytes, request: Request) -> bytes | None:
    entry = ledger.find(connection, actor_id, request.operation_id)
    return replay(entry, request_hash(KIND, request)) if entry else None


def _refuse(transaction: Transaction, request: Request) -> messages.DeleteAccountResponse:
    require_locked(transaction.connection, request.account_id)
    raise AssertionError("unreachable: the account was not there a moment ago")
