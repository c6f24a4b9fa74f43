"""Mail that comes in: whose an address is, and what was delivered already."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_

from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys
from rookery_server.store.tables import account, address, incoming_delivery, mailbox

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection


class Destination(NamedTuple):
    """Where an address leads."""

    key: str
    """Of the address."""
    mailbox_uid: bytes
    account_id: bytes
    kind: int
    """``AccountKind``."""
    disabled: bool
    """The account is."""
    quota_bytes: int
    used_bytes: int


_destinations = (
    select(
        address.c.key,
        mailbox.c.uid,
        account.c.id,
        account.c.kind,
        account.c.disabled,
        mailbox.c.quota_bytes,
        mailbox.c.used_bytes,
    )
    .select_from(address)
    .join(account, account.c.id == address.c.account_id)
    .join(mailbox, mailbox.c.account_id == account.c.id)
)
_by_key = ByKeys(_destinations, address.c.key)
_postmaster = (
    _destinations.where(address.c.key >= "postmaster@", address.c.key < "postmasterA").order_by(address.c.key).limit(1)
)  # "A" follows "@"
_of_mailbox = select(incoming_delivery.c.digest).where(incoming_delivery.c.mailbox_id == bindparam("mailbox"))
_known = ByKeys(_of_mailbox, incoming_delivery.c.digest)


def destinations(connection: Connection, keys: Collection[str]) -> dict[str, Destination]:
    """Where those of the addresses (by key) lead that are addresses of accounts here."""
    rows = _by_key.all(connection, list(keys), {})
    return {row[0]: Destination(*row) for row in rows}


def postmaster(connection: Connection) -> Destination | None:
    """Where mail to the postmaster of no domain in particular goes: to the first address of that name that there is."""
    row = connection.execute(_postmaster).first()
    return Destination(*row) if row else None


def delivered(connection: Connection, mailbox_id: int, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the messages (by digest) that the mailbox was brought already, as far as that is remembered."""
    return {row[0] for row in _known.all(connection, digests, {"mailbox": mailbox_id})}


def note(connection: Connection, mailbox_id: int, digests: Sequence[bytes], now: int) -> None:
    """Remembers that the mailbox was brought messages."""
    rows = [{"mailbox_id": mailbox_id, "digest": digest, "received": now} for digest in digests]
    insert_rows(connection, incoming_delivery, rows)


def forget(connection: Connection, before: int, limit: int) -> int:
    """Forgets up to ``limit`` deliveries from before a time (microseconds); gives how many."""
    key = (incoming_delivery.c.mailbox_id, incoming_delivery.c.digest)
    oldest = select(*key).where(incoming_delivery.c.received < before).limit(limit)
    return connection.execute(delete(incoming_delivery).where(tuple_(*key).in_(oldest))).rowcount
