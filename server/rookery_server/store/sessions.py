"""Session rows: one for each signed-in device. Nothing secret is in them: tokens are derived, and proved by their seal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update

from rookery_server.store.direct import Direct
from rookery_server.store.tables import account, session

if TYPE_CHECKING:
    from sqlalchemy import Connection


class SessionRow(NamedTuple):
    """A session as one transaction sees it. Times in microseconds."""

    id: bytes
    account_id: bytes
    device_name: str
    peer: str
    created: int
    last_seen: int  # when the tokens of this generation were given
    generation: int
    refresh_expires: int
    revoked: bool


class Standing(NamedTuple):
    """What decides whether a session's tokens are good."""

    account_id: bytes
    administrator: bool
    disabled: bool
    revoked: bool


_columns = select(*(session.c[name] for name in SessionRow._fields))
_of_id = _columns.where(session.c.id == bindparam("id"))
_by_id, _by_id_locked = Direct(_of_id), Direct(_of_id.with_for_update())
_standing = Direct(
    select(session.c.account_id, account.c.administrator, account.c.disabled, session.c.revoked)
    .join_from(session, account, account.c.id == session.c.account_id)
    .where(session.c.id == bindparam("id"))
)
_renew = (
    update(session)
    .where(session.c.id == bindparam("session"))
    .values(generation=bindparam("to"), last_seen=bindparam("now"), refresh_expires=bindparam("expires"), peer=bindparam("from"))
)


def add(connection: Connection, row: SessionRow) -> None:
    """Inserts a session."""
    connection.execute(insert(session), row._asdict())


def find(connection: Connection, session_id: bytes, *, lock: bool = False) -> SessionRow | None:
    """The session, revoked or not. ``lock`` keeps others from changing it until the transaction ends."""
    row = (_by_id_locked if lock else _by_id).first(connection, {"id": session_id})
    return SessionRow(*row)._replace(revoked=bool(row[-1])) if row else None


def standing(connection: Connection, session_id: bytes) -> Standing | None:
    """Whether the session and its account stand; None if there is no such session."""
    row = _standing.first(connection, {"id": session_id})
    return Standing(row[0], *map(bool, row[1:])) if row else None


def list_standing(connection: Connection, account_id: bytes, now: int) -> list[SessionRow]:
    """The sessions of an account that may still be refreshed, the last used first."""
    statement = _columns.where(
        session.c.account_id == account_id, session.c.revoked.is_(False), session.c.refresh_expires > now
    ).order_by(session.c.last_seen.desc(), session.c.id.desc())
    return [SessionRow(*row) for row in connection.execute(statement)]


def renew(connection: Connection, session_id: bytes, generation: int, now: int, expires: int, peer: str) -> None:
    """Begins a session's next generation of tokens."""
    values = {"session": session_id, "to": generation, "now": now, "expires": expires, "from": peer}
    connection.execute(_renew, values)


def revoke(connection: Connection, session_id: bytes) -> None:
    """Ends a session."""
    connection.execute(update(session).where(session.c.id == session_id).values(revoked=True))


def revoke_all(connection: Connection, account_id: bytes, *, but: bytes = b"") -> None:
    """Ends all sessions of an account, but one if named."""
    connection.execute(
        update(session)
        .where(session.c.account_id == account_id, session.c.id != but, session.c.revoked.is_(False))
        .values(revoked=True)
    )


def remove_dead(connection: Connection, before: int, limit: int) -> int:
    """Deletes up to ``limit`` sessions that ended, or were last used and revoked, before a time. Gives how many."""
    dead = or_(session.c.refresh_expires < before, and_(session.c.revoked.is_(True), session.c.last_seen < before))
    ids = select(session.c.id).where(dead).limit(limit)
    return connection.execute(delete(session).where(session.c.id.in_(ids))).rowcount


def count_standing(connection: Connection, now: int) -> int:
    """How many sessions of all accounts may still be refreshed."""
    statement = select(func.count()).where(session.c.revoked.is_(False), session.c.refresh_expires > now)
    return int(connection.execute(statement).scalar_one())
