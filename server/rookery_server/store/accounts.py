"""Account and address rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from rookery_core.errors import AlreadyExists
from rookery_server.store.direct import Direct
from rookery_server.store.tables import account, address, mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Select


class AccountRow(NamedTuple):
    """An account with its primary address and its mailbox's figures, as one transaction sees them."""

    id: bytes
    kind: int
    display_name: str
    administrator: bool
    disabled: bool
    created: int
    key: str
    address: str
    mailbox_id: bytes
    revision: int
    quota_bytes: int
    used_bytes: int
    item_count: int


class Credential(NamedTuple):
    """What signing in needs to know of an account."""

    id: bytes
    password_hash: str | None
    disabled: bool


class AddressRow(NamedTuple):
    """An address, primary or further."""

    key: str
    text: str
    domain: str
    account_id: bytes
    is_primary: bool


_accounts = (
    select(
        account.c.id,
        account.c.kind,
        account.c.display_name,
        account.c.administrator,
        account.c.disabled,
        account.c.created,
        address.c.key,
        address.c.text,
        mailbox.c.uid,
        mailbox.c.revision,
        mailbox.c.quota_bytes,
        mailbox.c.used_bytes,
        mailbox.c.item_count,
    )
    .select_from(account)
    .join(address, (address.c.account_id == account.c.id) & address.c.is_primary)
    .join(mailbox, mailbox.c.account_id == account.c.id)
)
_account = Direct(_accounts.where(account.c.id == bindparam("id")))
_credential = (
    select(account.c.id, account.c.password_hash, account.c.disabled)
    .join_from(address, account, account.c.id == address.c.account_id)
    .where(address.c.key == bindparam("key"))
)
_credential_locked = (
    select(account.c.id, account.c.password_hash, account.c.disabled).where(account.c.id == bindparam("id")).with_for_update()
)
_addresses = select(*(address.c[name] for name in AddressRow._fields))
_owner = Direct(_addresses.where(address.c.key == bindparam("key")))


def find(connection: Connection, account_id: bytes) -> AccountRow | None:
    """The account with this id."""
    row = _account.first(connection, {"id": account_id})
    return AccountRow._make(row) if row else None


def list_page(connection: Connection, after: str, limit: int) -> list[AccountRow]:
    """Up to ``limit`` accounts whose primary address's key comes after ``after``, by that key."""
    statement = _accounts.where(address.c.key > after).order_by(address.c.key).limit(limit)
    return [AccountRow._make(row) for row in connection.execute(statement)]


def credential(connection: Connection, key: str) -> Credential | None:
    """What signing in under this address needs."""
    row = connection.execute(_credential, {"key": key}).first()
    return Credential(*row) if row else None


def lock(connection: Connection, account_id: bytes) -> Credential | None:
    """The account's credential; others who lock it wait until the transaction ends."""
    row = connection.execute(_credential_locked, {"id": account_id}).first()
    return Credential(*row) if row else None


def add(connection: Connection, values: dict[str, Any]) -> None:
    """Inserts an account: id, kind, display_name, administrator, disabled, password_hash, created."""
    connection.execute(insert(account), values)


def change(connection: Connection, account_id: bytes, values: dict[str, Any]) -> None:
    """Sets columns of an account."""
    connection.execute(update(account).where(account.c.id == account_id).values(**values))


def set_quota(connection: Connection, account_id: bytes, quota_bytes: int) -> None:
    """Sets the limit of the account's mailbox, in bytes; 0 is none."""
    connection.execute(update(mailbox).where(mailbox.c.account_id == account_id).values(quota_bytes=quota_bytes))


def address_of(connection: Connection, key: str) -> AddressRow | None:
    """The address with this key."""
    row = _owner.first(connection, {"key": key})
    return AddressRow(*row) if row else None


def add_address(connection: Connection, row: AddressRow) -> None:
    """Inserts an address whose domain is locked. AlreadyExists ``ADDRESS_TAKEN`` if it is there."""
    taken = AlreadyExists("ADDRESS_TAKEN", f"the address {row.text} belongs to an account already")
    if address_of(connection, row.key) is not None:
        raise taken
    try:
        connection.execute(insert(address), row._asdict())
    except IntegrityError:  # PostgreSQL: another transaction was quicker
        raise taken from None


def remove_address(connection: Connection, key: str) -> None:
    """Deletes an address."""
    connection.execute(delete(address).where(address.c.key == key))


def remove_addresses(connection: Connection, account_id: bytes) -> None:
    """Deletes all addresses of an account."""
    connection.execute(delete(address).where(address.c.account_id == account_id))


def aliases_of(connection: Connection, account_ids: Iterable[bytes]) -> dict[bytes, list[str]]:
    """The further addresses of accounts (at most 500), by key."""
    statement = _addresses.where(address.c.is_primary.is_(False), address.c.account_id.in_(list(account_ids)))
    found: dict[bytes, list[str]] = {}
    for row in connection.execute(statement.order_by(address.c.key)):
        found.setdefault(row.account_id, []).append(row.text)
    return found


def list_aliases(connection: Connection, account_id: bytes, after: str, limit: int) -> list[AddressRow]:
    """Up to ``limit`` further addresses after a key, by key; of one account, or (empty id) of all."""
    statement: Select[Any] = _addresses.where(address.c.is_primary.is_(False), address.c.key > after)
    if account_id:
        statement = statement.where(address.c.account_id == account_id)
    return [AddressRow(*row) for row in connection.execute(statement.order_by(address.c.key).limit(limit))]


def count(connection: Connection) -> int:
    """How many accounts there are, those being removed left out."""
    return int(connection.execute(select(func.count()).select_from(address).where(address.c.is_primary)).scalar_one())
