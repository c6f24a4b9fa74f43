"""Signing in with a password, and changing it."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from rookery.v1 import auth_service_pb2 as messages
from rookery_core.errors import InvalidArgument, Unauthenticated
from rookery_server.services import operations
from rookery_server.services.accounts import addresses, passwords
from rookery_server.services.accounts.session_tokens import REFRESH_MICROS
from rookery_server.services.accounts.sessions import identity, require_account, require_person
from rookery_server.services.accounts.throttle import Throttle
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.store import accounts, ledger, sessions
from rookery_server.store.sessions import SessionRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.accounts.passwords import Passwords
    from rookery_server.services.accounts.session_tokens import SessionTokens
    from rookery_server.services.accounts.sessions import Sessions
    from rookery_server.services.operations import Operations
    from rookery_server.store.accounts import AccountRow, Credential
    from rookery_server.store.database import Database, Transaction

_DEVICE_NAME = 255


class SignIn:
    """Checks passwords. Wrong ones are counted by account and by where they come from, and recorded nowhere."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        hasher: Passwords,
        tokens: SessionTokens,
        sessions: Sessions,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._database = database
        self._operations = operations
        self._passwords = hasher
        self._tokens = tokens
        self._sessions = sessions
        self._clock = clock
        self._ids = ids
        self._by_address = Throttle(clock, free=5)
        self._by_peer = Throttle(clock, free=20)

    async def login(self, request: messages.LoginRequest, peer: str) -> messages.LoginResponse:
        """Begins a session.

        Unauthenticated ``CREDENTIALS_INVALID`` for a wrong password, an unknown address and a disabled account alike, after the
        same time. ResourceExhausted ``LOGIN_THROTTLED`` after too many. A repeat with the same operation id gives the same
        session; the ledger's entry holds no tokens, they are derived again.
        """
        now = self._clock.micros()
        operations.check_operation_id(request.operation_id, now)
        device_name = _device_name(request.device_name)
        found, kept = await self._credential(request.address, request.password, peer)
        fresh = await self._fresh_hash(kept, request.password)
        row = SessionRow(
            id=self._ids.new(),
            account_id=found.id,
            device_name=device_name,
            peer=peer,
            created=now,
            last_seen=now,
            generation=1,
            refresh_expires=now + REFRESH_MICROS,
            revoked=False,
        )
        caller = Caller(found.id, NO_ID, administrator=False)

        def begin(transaction: Transaction) -> messages.LoginResponse:
            connection = transaction.connection
            locked = accounts.lock(connection, found.id)
            account = accounts.find(connection, found.id)
            if locked is None or account is None or locked.disabled or locked.password_hash != kept:
                raise _wrong()  # what was checked has changed meanwhile
            sessions.add(connection, row)
            if fresh is not None:
                accounts.change(connection, found.id, {"password_hash": fresh})
            return messages.LoginResponse(identity=identity(account, row.id), revision=account.revision)

        answer = await self._operations.on_server(
            caller, request.operation_id, "session.begin", passwords.without_passwords(request), begin
        )
        return await self._with_tokens(messages.LoginResponse.FromString(answer))

    async def authenticate(self, address: str, password: str, peer: str) -> Caller:
        """Whose address and password these are, for a protocol without sessions. Errors as ``login``."""
        found, _ = await self._credential(address, password, peer)
        return Caller(found.id, NO_ID, administrator=False, peer=peer)

    async def change_password(self, caller: Caller, request: messages.ChangePasswordRequest, peer: str) -> bytes:
        """Changes the password and ends all other sessions of the account.

        Unauthenticated ``CREDENTIALS_INVALID`` if the old one is wrong; InvalidArgument ``PASSWORD_WEAK``.
        """
        require_person(caller)
        passwords.require_fit(request.new_password, "new_password")
        recorded = passwords.without_passwords(request)
        name = "password.change"

        def look(connection: Connection) -> tuple[ledger.Entry | None, AccountRow, Credential | None]:
            account = require_account(connection, caller)
            entry = ledger.find(connection, caller.account_id, request.operation_id)
            return entry, account, accounts.credential(connection, account.key)

        operations.check_operation_id(request.operation_id, self._clock.micros())
        entry, account, found = await self._database.read(look)
        if entry is not None:  # done before: by now the old password is another
            return operations.replay(entry, operations.request_hash(name, recorded))
        await self._verify(account.key, peer, request.old_password, found)
        fresh = await self._passwords.hash(request.new_password)

        def change(transaction: Transaction) -> messages.ChangePasswordResponse:
            connection = transaction.connection
            locked = accounts.lock(connection, caller.account_id)
            if locked is None or found is None or locked.password_hash != found.password_hash:
                raise _wrong()
            accounts.change(connection, caller.account_id, {"password_hash": fresh})
            sessions.revoke_all(connection, caller.account_id, but=caller.session_id)
            return messages.ChangePasswordResponse(revision=require_account(connection, caller).revision)

        work = self._operations.on_server(caller, request.operation_id, name, recorded, change)
        return await self._sessions.ending(work, account_id=caller.account_id)

    async def _credential(self, address: str, password: str, peer: str) -> tuple[Credential, str]:
        """The credential that the password belongs to, and its hash."""
        key = _key(address)
        found = await self._database.read(lambda connection: accounts.credential(connection, key) if key else None)
        await self._verify(key or address[:320], peer, password, found)
        if found is None or found.password_hash is None:
            raise _wrong()
        return found, found.password_hash

    async def _verify(self, address: str, peer: str, password: str, found: Credential | None) -> None:
        with self._by_peer.attempt(peer), self._by_address.attempt(address):
            kept = found.password_hash if found is not None else None
            if not await self._passwords.verify(password, kept) or found is None or found.disabled:
                raise _wrong()
        self._by_address.forget(address)

    async def _fresh_hash(self, kept: str, password: str) -> str | None:
        return await self._passwords.hash(password) if self._passwords.is_outdated(kept) else None

    async def _with_tokens(self, response: messages.LoginResponse) -> messages.LoginResponse:
        session_id = response.identity.session_id
        row = await self._database.read(lambda connection: sessions.find(connection, session_id))
        if row is None or row.revoked:
            raise Unauthenticated("SESSION_REVOKED", "the session that this sign-in began was ended: sign in again")
        response.tokens.CopyFrom(self._tokens.issue(row))
        return response


def _key(address: str) -> str:
    """The key of an address, "" for what is none: then nobody has it."""
    try:
        return addresses.parse(address, "address").key
    except InvalidArgument:
        return ""


def _device_name(name: str) -> str:
    clean = unicodedata.normalize("NFC", name).strip()
    if len(clean) > _DEVICE_NAME or any(unicodedata.category(character) in {"Cc", "Cs"} for character in clean):
        message = f"a device's name has at most {_DEVICE_NAME} characters and no control characters"
        raise InvalidArgument("FIELD_INVALID", message, field="device_name")
    return clean


def _wrong() -> Unauthenticated:
    return Unauthenticated("CREDENTIALS_INVALID", "address or password is wrong")
