"""Domain rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from rookery_core.errors import AlreadyExists
from rookery_server.store.direct import ByKeys
from rookery_server.store.tables import address, domain

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection


class DomainRow(NamedTuple):
    """A domain with the number of its addresses. ``created`` in microseconds."""

    name: str
    created: int
    address_count: int


_known = ByKeys(select(domain.c.name), domain.c.name)


def add(connection: Connection, name: str, now: int) -> None:
    """Inserts a domain. AlreadyExists ``DOMAIN_TAKEN`` if it is there."""
    taken = AlreadyExists("DOMAIN_TAKEN", f"the domain {name} is there already")
    if connection.execute(select(domain.c.name).where(domain.c.name == name)).first():
        raise taken
    try:
        connection.execute(insert(domain), {"name": name, "created": now})
    except IntegrityError:  # PostgreSQL: another transaction was quicker
        raise taken from None


def hold(connection: Connection, name: str, *, alone: bool = False) -> bool:
    """Whether the domain is there; it stays so until the transaction ends. ``alone``: nobody else may hold it meanwhile."""
    statement = select(domain.c.name).where(domain.c.name == name).with_for_update(read=not alone)
    return connection.execute(statement).first() is not None


def remove(connection: Connection, name: str) -> None:
    """Deletes a domain that no address uses."""
    connection.execute(delete(domain).where(domain.c.name == name))


def is_used(connection: Connection, name: str) -> bool:
    """Whether an address is in the domain."""
    return connection.execute(select(address.c.key).where(address.c.domain == name).limit(1)).first() is not None


def known(connection: Connection, names: Collection[str]) -> frozenset[str]:
    """Those of the names, at most 1,000, that are domains of this server."""
    return frozenset(row[0] for row in _known.all(connection, list(names), {}))


def list_all(connection: Connection) -> list[DomainRow]:
    """All domains, by name."""
    statement = (
        select(domain.c.name, domain.c.created, func.count(address.c.key))
        .join_from(domain, address, address.c.domain == domain.c.name, isouter=True)
        .group_by(domain.c.name, domain.c.created)
        .order_by(domain.c.name)
    )
    return [DomainRow(*row) for row in connection.execute(statement)]


def count(connection: Connection) -> int:
    """How many domains there are."""
    return int(connection.execute(select(func.count()).select_from(domain)).scalar_one())
