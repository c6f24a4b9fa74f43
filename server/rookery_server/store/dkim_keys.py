"""Keys for DKIM signatures: rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, literal_column, select, update
from sqlalchemy.exc import IntegrityError

from rookery_core.errors import AlreadyExists
from rookery_server.store.direct import Direct
from rookery_server.store.tables import dkim_key

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection


@dataclass(frozen=True, slots=True)
class DkimKeyRow:
    """A key, which does not show its private part. ``created`` in microseconds."""

    domain: str
    selector: str
    algorithm: int
    """``DkimAlgorithm``."""
    private_key: bytes = field(repr=False)
    """PKCS #8, DER."""
    active: bool
    created: int


_COLUMNS = ("domain", "selector", "algorithm", "private_key", "active", "created")
_keys = select(*(dkim_key.c[name] for name in _COLUMNS))
_active = Direct(_keys.where(dkim_key.c.domain == bindparam("domain"), dkim_key.c.active).order_by(dkim_key.c.selector))

_any_active = Direct(select(dkim_key.c.domain).where(dkim_key.c.active).limit(literal_column("1")))


def add(connection: Connection, row: DkimKeyRow) -> None:
    """Inserts a key of a domain that the transaction holds. AlreadyExists ``DKIM_KEY_EXISTS``."""
    taken = AlreadyExists("DKIM_KEY_EXISTS", f"{row.domain} has a key {row.selector} already: choose another selector")
    if find(connection, row.domain, row.selector) is not None:
        raise taken
    try:
        connection.execute(insert(dkim_key), {name: getattr(row, name) for name in _COLUMNS})
    except IntegrityError:  # PostgreSQL: another transaction was quicker
        raise taken from None


def find(connection: Connection, domain: str, selector: str, *, lock: bool = False) -> DkimKeyRow | None:
    """One key."""
    statement = _keys.where(_this(domain, selector))
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    return DkimKeyRow(**row) if row else None


def of_domain(connection: Connection, domain: str) -> list[DkimKeyRow]:
    """A domain's keys by selector; those of all domains, by domain, where it is ""."""
    statement = _keys.order_by(dkim_key.c.domain, dkim_key.c.selector)
    rows = connection.execute(statement.where(dkim_key.c.domain == domain) if domain else statement)
    return [DkimKeyRow(**row) for row in rows.mappings()]


def active_of(connection: Connection, domain: str) -> list[DkimKeyRow]:
    """The keys that sign for a domain, by selector."""
    rows = _active.all(connection, {"domain": domain})
    return [
        DkimKeyRow(name, selector, algorithm, key, bool(active), created)
        for name, selector, algorithm, key, active, created in rows
    ]


def is_any_active(connection: Connection) -> bool:
    """Whether a key signs for any domain."""
    return _any_active.first(connection, {}) is not None


def count(connection: Connection, domain: str) -> int:
    """How many keys a domain has."""
    return int(connection.execute(select(func.count()).select_from(dkim_key).where(dkim_key.c.domain == domain)).scalar_one())


def set_active(connection: Connection, domain: str, selector: str, *, active: bool) -> None:
    """Lets a key sign, or not any more."""
    connection.execute(update(dkim_key).where(_this(domain, selector)).values(active=active))


def remove(connection: Connection, domain: str, selector: str) -> bool:
    """Deletes a key; gives whether it was there."""
    return connection.execute(delete(dkim_key).where(_this(domain, selector))).rowcount > 0


def remove_all(connection: Connection, domain: str) -> None:
    """Deletes a domain's keys."""
    connection.execute(delete(dkim_key).where(dkim_key.c.domain == domain))


def _this(domain: str, selector: str) -> ColumnElement[bool]:
    return (dkim_key.c.domain == domain) & (dkim_key.c.selector == selector)
