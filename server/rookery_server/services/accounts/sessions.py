"""Sessions of signed-in devices: renewed, listed, ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import auth_service_pb2 as messages
from rookery_core.errors import NotFound, Unauthenticated
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts.session_tokens import REFRESH_MICROS
from rookery_server.services.caller import NO_ID
from rookery_server.store import accounts, sessions

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.accounts.session_tokens import SessionTokens
    from rookery_server.services.caller import Caller
    from rookery_server.services.callers import Callers
    from rookery_server.services.operations import Operations
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.sessions import SessionRow

T = TypeVar("T")

KEPT_DEAD_MICROS = 90 * 86_400 * 1_000_000
"""How long the row of an ended session stays, so that its tokens are told from unknown ones."""


class Sessions:
    """What signed-in people do with their sessions."""

    def __init__(self, database: Database, operations: Operations, tokens: SessionTokens, callers: Callers, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._tokens = tokens
        self._callers = callers
        self._clock = clock
        self._ending: set[asyncio.Task[object]] = set()

    async def refresh(self, request: messages.RefreshRequest, peer: str) -> messages.RefreshResponse:
        """New tokens for a refresh token.

        The token of the present generation begins the next one; so does one from the future, given after the backup that this
        database was restored from. The token before it gives what that one gave: its answer was lost. An older one was copied
        by somebody, so the session ends: Unauthenticated ``SESSION_REVOKED``.
        """
        now = self._clock.micros()
        token = self._tokens.read_refresh(request.refresh_token, now)

        def renew(transaction: Transaction) -> tuple[SessionRow, AccountRow] | None:
            connection = transaction.connection
            row = sessions.find(connection, token.session_id, lock=True)
            account = accounts.find(connection, row.account_id) if row else None
            if row is None or account is None or row.revoked or account.disabled:
                return None
            if token.generation >= row.generation:
                sessions.renew(connection, row.id, token.generation + 1, now, now + REFRESH_MICROS, peer)
            elif token.generation < row.generation - 1:
                sessions.revoke(connection, row.id)
                return None
            renewed = sessions.find(connection, row.id)
            return None if renewed is None else (renewed, account)

        found = await self._database.write(renew)
        if found is None:
            self._callers.forget(session_id=token.session_id)
            raise Unauthenticated("SESSION_REVOKED", "the session was ended: sign in again")
        row, account = found
        return messages.RefreshResponse(tokens=self._tokens.issue(row), revision=account.revision)

    async def logout(self, caller: Caller) -> messages.LogoutResponse:
        """Ends the caller's own session."""
        require_person(caller)

        def end(transaction: Transaction) -> AccountRow | None:
            sessions.revoke(transaction.connection, caller.session_id)
            return accounts.find(transaction.connection, caller.account_id)

        account = await self.ending(self._database.write(end), session_id=caller.session_id)
        return messages.LogoutResponse(revision=account.revision if account else 0)

    async def who_am_i(self, caller: Caller) -> messages.WhoAmIResponse:
        """Who the caller is."""
        require_person(caller)
        account = await self._database.read(lambda connection: require_account(connection, caller))
        return messages.WhoAmIResponse(identity=identity(account, caller.session_id), revision=account.revision)

    async def list(self, caller: Caller) -> messages.ListSessionsResponse:
        """The sessions of the caller's account that still stand, the last used first."""
        require_person(caller)
        now = self._clock.micros()

        def read(connection: Connection) -> tuple[AccountRow, list[SessionRow]]:
            return require_account(connection, caller), sessions.list_standing(connection, caller.account_id, now)

        account, rows = await self._database.read(read)
        response = messages.ListSessionsResponse(revision=account.revision)
        for row in rows:
            session = response.sessions.add(
                id=row.id, device_name=row.device_name, peer=row.peer, current=row.id == caller.session_id
            )
            session.created.FromMicroseconds(row.created)
            session.last_seen.FromMicroseconds(row.last_seen)
        return response

    async def revoke(self, caller: Caller, request: messages.RevokeSessionRequest) -> bytes:
        """Ends a session of the caller's account. NotFound ``SESSION_NOT_FOUND`` if it has no such session."""
        require_person(caller)
        require_id(request.session_id, "session_id")

        def end(transaction: Transaction) -> messages.RevokeSessionResponse:
            row = sessions.find(transaction.connection, request.session_id, lock=True)
            if row is None or row.account_id != caller.account_id:
                raise NotFound("SESSION_NOT_FOUND", "your account has no such session", field="session_id")
            sessions.revoke(transaction.connection, row.id)
            return messages.RevokeSessionResponse(revision=require_account(transaction.connection, caller).revision)

        work = self._operations.on_server(caller, request.operation_id, "session.revoke", request, end)
        return await self.ending(work, session_id=request.session_id)

    async def ending(self, work: Coroutine[object, object, T], *, account_id: bytes = b"", session_id: bytes = b"") -> T:
        """Carries out what ends sessions, and has them forgotten when it is done, also if the caller went away meanwhile."""
        task = asyncio.ensure_future(work)

        def forget(done: asyncio.Task[T]) -> None:
            self._ending.discard(done)
            self._callers.forget(account_id=account_id, session_id=session_id)

        self._ending.add(task)
        task.add_done_callback(forget)
        try:
            return await asyncio.shield(task)
        finally:
            self._callers.forget(account_id=account_id, session_id=session_id)

    async def sweep(self) -> int:
        """Deletes rows of sessions that ended long ago, 500 at most; gives how many."""
        before = self._clock.micros() - KEPT_DEAD_MICROS
        return await self._database.write(lambda transaction: sessions.remove_dead(transaction.connection, before, 500))


def require_person(caller: Caller) -> None:
    """Unauthenticated ``TOKEN_MISSING`` for the machine's administrator, who has no account and no session."""
    if caller.session_id == NO_ID:
        raise Unauthenticated("TOKEN_MISSING", "this call is about the caller's own account: sign in first")


def require_account(connection: Connection, caller: Caller) -> AccountRow:
    """The caller's account. Unauthenticated ``SESSION_REVOKED`` if it was removed meanwhile."""
    account = accounts.find(connection, caller.account_id)
    if account is None:
        raise Unauthenticated("SESSION_REVOKED", "the account was removed")
    return account


def identity(account: AccountRow, session_id: bytes) -> messages.Identity:
    """An account as its own people see it."""
    return messages.Identity(
        account_id=account.id,
        address=account.address,
        display_name=account.display_name,
        mailbox_id=account.mailbox_id,
        administrator=account.administrator,
        session_id=session_id,
    )
