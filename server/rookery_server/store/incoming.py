"""Mail that comes in: whose an address is, and what was delivered already."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, select, tuple_

from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import Direct
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
    disabled: bool
    """The account is."""
    quota_bytes: int
    used_bytes: int


_destinations = (
    select(address.c.key, mailbox.c.uid, account.c.id, account.c.disabled, mailbox.c.quota_bytes, mailbox.c.used_bytes)
    .select_from(address)
    .join(account, account.c.id == address.c.account_id)
    .join(mailbox, mailbox.c.account_id == account.c.id)
)
_by_key = Direct(_destinations.where(address.c.key == bindparam("key")))
_by_keys = _destinations.where(address.c.key.in_(bindparam("keys", expanding=True)))
_postmaster = (
    _destinations.where(address.c.key >= "postmaster@", address.c.key < "postmasterA").order_by(address.c.key).limit(1)
)  # "A" follows "@"
_of_mailbox = select(incoming_delivery.c.digest).where(incoming_delivery.c.mailbox_id == bindparam("mailbox"))
_known = Direct(_of_mailbox.where(incoming_delivery.c.digest == bindparam("digest")))
_all_known = _of_mailbox.where(incoming_delivery.c.digest.in_(bindparam("digests", expanding=True)))


def destinations(connection: Connection, keys: Collection[str]) -> dict[str, Destination]:
    """Where those of the addresses (by key) lead that are addresses of accounts here."""
    if len(keys) == 1:  # as nearly always
        rows = _by_key.all(connection, {"key": next(iter(keys))})
    else:
        rows = connection.execute(_by_keys, {"keys": list(keys)}).all()
    return {row[0]: Destination(*row) for row in rows}


def postmaster(connection: Connection) -> Destination | None:
    """Where mail to the postmaster of no domain in particular goes: to the first address of that name that there is."""
    row = connection.execute(_postmaster).first()
    return Destination(*row) if row else None


def delivered(connection: Connection, mailbox_id: int, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the messages (by digest) that the mailbox was brought already, as far as that is remembered."""
    if len(digests) == 1:
        return set(digests) if _known.first(connection, {"mailbox": mailbox_id, "digest": digests[0]}) else set()
    return set(connection.execute(_all_known, {"mailbox": mailbox_id, "digests": digests}).scalars())


def note(connection: Connection, mailbox_id: int, digests: Sequence[bytes], now: int) -> None:
    """Remembers that the mailbox was brought messages."""
    rows = [{"mailbox_id": mailbox_id, "digest": digest, "received": now} for digest in digests]
    insert_rows(connection, incoming_delivery, rows)


def forget(connection: Connection, before: int, limit: int) -> int:
    """Forgets up to ``limit`` deliveries from before a time (microseconds); gives how many."""
    key = (incoming_delivery.c.mailbox_id, incoming_delivery.c.digest)
    oldest = select(*key).where(incoming_delivery.c.received < before).limit(limit)
    return connection.execute(delete(incoming_delivery).where(tuple_(*key).in_(oldest))).rowcount
