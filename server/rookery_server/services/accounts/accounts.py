"""Accounts and their addresses, for administrators."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts import addresses, members, passwords
from rookery_server.services.folders import folders
from rookery_server.store import accounts, domains, groups, mailboxes, sessions
from rookery_server.store.accounts import AddressRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.accounts.passwords import Passwords
    from rookery_server.services.accounts.sessions import Sessions
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database, Transaction

DEFAULT_PAGE, LARGEST_PAGE = 50, 500
_DISPLAY_NAME = 255
_MOST_BYTES = (1 << 63) - 1
_KINDS = frozenset(messages.AccountKind.values()) - {messages.ACCOUNT_KIND_UNSPECIFIED}
_FIRST_REVISION = 1


class Accounts:
    """Creates, reads and changes accounts. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody but administrators."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        hasher: Passwords,
        sessions: Sessions,
        page_tokens: PageTokens,
        clock: Clock,
        ids: Ids,
        *,
        quota_bytes: int,
    ) -> None:
        self._database = database
        self._operations = operations
        self._passwords = hasher
        self._sessions = sessions
        self._page_tokens = page_tokens
        self._clock = clock
        self._ids = ids
        self._quota_bytes = quota_bytes

    async def create(self, caller: Caller, request: messages.CreateAccountRequest) -> bytes:
        """Creates an account with its mailbox and role folders.

        InvalidArgument ``ADDRESS_INVALID``, ``PASSWORD_WEAK``, ``FIELD_INVALID``; NotFound ``DOMAIN_NOT_FOUND``, or
        ``ACCOUNT_NOT_FOUND`` for a member; AlreadyExists ``ADDRESS_TAKEN``. The quota is the server's default where the request
        gives none.
        """
        require_administrator(caller)
        wanted = request.account
        address = addresses.parse(wanted.address, "account.address")
        kind = wanted.kind or messages.ACCOUNT_KIND_USER
        if kind not in _KINDS:
            raise InvalidArgument("FIELD_INVALID", "the kind of account is unknown", field="account.kind")
        display_name = _display_name(wanted.display_name or address.text.rpartition("@")[0])
        quota = _quota(wanted.quota_bytes or self._quota_bytes)
        belonging = members.parse(wanted.members)
        fresh = None
        if request.password:
            passwords.require_fit(request.password, "password")
            fresh = await self._passwords.hash(request.password)
        now, account_id = self._clock.micros(), self._ids.new()
        mailbox = {"uid": self._ids.new(), "account_id": account_id, "epoch": self._ids.new(), "quota_bytes": quota}
        account = {
            "id": account_id,
            "kind": kind,
            "display_name": display_name,
            "administrator": wanted.administrator,
            "disabled": wanted.disabled,
            "password_hash": fresh,
            "created": now,
        }

        def create(transaction: Transaction) -> messages.CreateAccountResponse:
            connection = transaction.connection
            hold_domain(connection, address.domain)
            accounts.add(connection, account)
            accounts.add_address(connection, AddressRow(address.key, address.text, address.domain, account_id, True))
            self._create_mailbox(connection, mailbox, now)
            if belonging:
                members.assign(connection, account_id, kind, belonging)
            row = require(connection, account_id)
            return messages.CreateAccountResponse(account=to_message(connection, row), revision=row.revision)

        recorded = passwords.without_passwords(request)
        return await self._operations.on_server(caller, request.operation_id, "account.create", recorded, create)

    async def get(self, caller: Caller, request: messages.GetAccountRequest) -> messages.GetAccountResponse:
        """Reads an account by id or by any of its addresses. NotFound ``ACCOUNT_NOT_FOUND``."""
        require_administrator(caller)
        chosen = request.WhichOneof("account")
        if chosen is None:
            raise InvalidArgument("FIELD_INVALID", "name the account by account_id or by address", field="account_id")
        key = addresses.parse(request.address, "address").key if chosen == "address" else ""
        if not key:
            require_id(request.account_id, "account_id")

        def read(connection: Connection) -> messages.GetAccountResponse:
            found = accounts.address_of(connection, key) if key else None
            row = require(connection, found.account_id if found else request.account_id, key)
            return messages.GetAccountResponse(account=to_message(connection, row), revision=row.revision)

        return await self._database.read(read)

    async def list(self, caller: Caller, request: messages.ListAccountsRequest) -> messages.ListAccountsResponse:
        """A page of accounts, by address."""
        require_administrator(caller)
        size = page_size(request.page_size)
        digest = self._page_tokens.digest(caller, b"", messages.ListAccountsRequest())
        token = self._page_tokens.decode(request.page_token, digest)

        def read(connection: Connection) -> messages.ListAccountsResponse:
            rows = accounts.list_page(connection, token.text if token else "", size + 1)
            response = messages.ListAccountsResponse(accounts=_messages(connection, rows[:size]))
            if len(rows) > size:
                response.next_page_token = self._page_tokens.encode(digest, text=rows[size - 1].key)
            return response

        return await self._database.read(read)

    async def update(self, caller: Caller, request: messages.UpdateAccountRequest) -> bytes:
        """Changes the fields that the mask names. Disabling ends the account's sessions.

        InvalidArgument ``FIELD_UNKNOWN``, ``FIELD_NOT_WRITABLE``, ``FIELD_INVALID``; NotFound ``ACCOUNT_NOT_FOUND``;
        FailedPrecondition ``FIELD_INVALID`` for an administrator who would disable or demote themselves.
        """
        require_administrator(caller)
        account_id = require_id(request.account.id, "account.id")
        values = _values(request)
        quota, belonging = values.pop("quota_bytes", None), values.pop("members", None)
        if account_id == caller.account_id and (values.get("disabled") or values.get("administrator") is False):
            message = "you can not disable yourself or stop being an administrator: let another administrator do it"
            raise FailedPrecondition("FIELD_INVALID", message, field="update_mask")

        def change(transaction: Transaction) -> messages.UpdateAccountResponse:
            connection = transaction.connection
            require_locked(connection, account_id)
            if values:
                accounts.change(connection, account_id, values)
            if quota is not None:
                accounts.set_quota(connection, account_id, quota)
            if belonging is not None:
                members.assign(connection, account_id, require(connection, account_id).kind, belonging)
            if values.get("disabled"):
                sessions.revoke_all(connection, account_id)
            row = require(connection, account_id)
            return messages.UpdateAccountResponse(account=to_message(connection, row), revision=row.revision)

        work = self._operations.on_server(caller, request.operation_id, "account.update", request, change)
        return await self._sessions.ending(work, account_id=account_id)

    async def set_password(self, caller: Caller, request: messages.SetPasswordRequest) -> bytes:
        """Sets a password and ends all sessions of the account. InvalidArgument ``PASSWORD_WEAK``."""
        require_administrator(caller)
        account_id = require_id(request.account_id, "account_id")
        passwords.require_fit(request.password, "password")
        fresh = await self._passwords.hash(request.password)

        def change(transaction: Transaction) -> messages.SetPasswordResponse:
            connection = transaction.connection
            require_locked(connection, account_id)
            accounts.change(connection, account_id, {"password_hash": fresh})
            sessions.revoke_all(connection, account_id)
            return messages.SetPasswordResponse(revision=require(connection, account_id).revision)

        recorded = passwords.without_passwords(request)
        work = self._operations.on_server(caller, request.operation_id, "account.set_password", recorded, change)
        return await self._sessions.ending(work, account_id=account_id)

    def _create_mailbox(self, connection: Connection, values: dict[str, Any], now: int) -> None:
        counters = {"used_bytes": 0, "item_count": 0, "folder_count": len(folders.ROLES)}
        first = {"revision": _FIRST_REVISION, "oldest_revision": _FIRST_REVISION}
        number = mailboxes.create(connection, {**values, **counters, **first})
        folders.create_role_folders(connection, number, self._ids, revision=_FIRST_REVISION, now=now)


def require_administrator(caller: Caller) -> None:
    """PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody but administrators."""
    if not caller.administrator:
        raise PermissionDenied("ADMINISTRATOR_ONLY", "only administrators may do this")


def require(connection: Connection, account_id: bytes, address: str = "") -> AccountRow:
    """The account. NotFound ``ACCOUNT_NOT_FOUND``; ``address`` is for the message."""
    row = accounts.find(connection, account_id) if account_id else None
    if row is None:
        raise NotFound("ACCOUNT_NOT_FOUND", f"no account has the address {address}" if address else "no account has this id")
    return row


def require_locked(connection: Connection, account_id: bytes) -> None:
    """Locks the account until the transaction ends. NotFound ``ACCOUNT_NOT_FOUND``, also for one that is being removed."""
    accounts.lock(connection, account_id)
    require(connection, account_id)


def hold_domain(connection: Connection, name: str) -> None:
    """Keeps the domain until the transaction ends. NotFound ``DOMAIN_NOT_FOUND``."""
    if not domains.hold(connection, name):
        raise NotFound("DOMAIN_NOT_FOUND", f"this server has no domain {name}: add it first")


def page_size(asked: int) -> int:
    """Records a page: 50 where 0. InvalidArgument ``LIMIT_EXCEEDED`` for more than 500."""
    if asked > LARGEST_PAGE:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a page holds at most {LARGEST_PAGE} records", field="page_size")
    return asked or DEFAULT_PAGE


def to_message(connection: Connection, row: AccountRow) -> messages.Account:
    """The record."""
    return _messages(connection, [row])[0]


def _messages(connection: Connection, rows: Sequence[AccountRow]) -> list[messages.Account]:
    """The records; at most 500."""
    aliases = accounts.aliases_of(connection, [row.id for row in rows])
    group_ids = [row.id for row in rows if row.kind == messages.ACCOUNT_KIND_GROUP]
    belonging = groups.member_addresses(connection, group_ids) if group_ids else {}
    return [_message(row, aliases.get(row.id, []), belonging.get(row.id, [])) for row in rows]


def _message(row: AccountRow, aliases: list[str], belonging: list[str]) -> messages.Account:
    account = messages.Account(
        id=row.id,
        address=row.address,
        kind=messages.AccountKind.ValueType(row.kind),
        display_name=row.display_name,
        administrator=row.administrator,
        disabled=row.disabled,
        quota_bytes=row.quota_bytes,
        mailbox_id=row.mailbox_id,
        aliases=aliases,
        members=belonging,
        used_bytes=row.used_bytes,
        item_count=row.item_count,
    )
    account.created.FromMicroseconds(row.created)
    return account


def _values(request: messages.UpdateAccountRequest) -> dict[str, Any]:
    if not request.update_mask.paths:
        raise InvalidArgument("FIELD_INVALID", "the mask names no field: nothing would change", field="update_mask")
    values: dict[str, Any] = {}
    for path in request.update_mask.paths:
        if path == "display_name":
            values[path] = _display_name(request.account.display_name)
        elif path == "quota_bytes":
            values[path] = _quota(request.account.quota_bytes)
        elif path == "members":
            values[path] = members.parse(request.account.members)
        elif path in {"administrator", "disabled"}:
            values[path] = getattr(request.account, path)
        elif path in messages.Account.DESCRIPTOR.fields_by_name:
            raise InvalidArgument("FIELD_NOT_WRITABLE", f"{path} can not be changed", field="update_mask")
        else:
            raise InvalidArgument("FIELD_UNKNOWN", f"an account has no field “{path[:60]}”", field="update_mask")
    return values


def _display_name(text: str) -> str:
    name = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(name) <= _DISPLAY_NAME or any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
        message = f"a display name has 1 to {_DISPLAY_NAME} characters and no control characters"
        raise InvalidArgument("FIELD_INVALID", message, field="account.display_name")
    return name


def _quota(quota_bytes: int) -> int:
    if quota_bytes > _MOST_BYTES:
        raise InvalidArgument("FIELD_INVALID", "a quota has at most 2^63 - 1 bytes", field="account.quota_bytes")
    return quota_bytes
