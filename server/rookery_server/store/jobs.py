"""Unfinished jobs: work too large for one transaction, named by the operation that began it. A finished job has no row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update

from rookery_server.store.direct import Direct
from rookery_server.store.tables import job

if TYPE_CHECKING:
    from sqlalchemy import Connection


class JobRow(NamedTuple):
    """A job as one transaction sees it."""

    account_id: bytes
    id: bytes
    kind: str
    arguments: bytes
    session_id: bytes
    progress: int
    created: int


_columns = select(*(job.c[name] for name in JobRow._fields))
_this = (job.c.account_id == bindparam("account")) & (job.c.id == bindparam("job"))
_locked = Direct(_columns.where(_this).with_for_update())
_advance = update(job).where(_this).values(progress=job.c.progress + bindparam("rows"))
_finish = delete(job).where(_this)
_abandon = delete(job).where(job.c.account_id == bindparam("account"), job.c.kind != bindparam("but"))


def find(connection: Connection, account_id: bytes, job_id: bytes) -> JobRow | None:
    """The unfinished job, locked until the transaction ends."""
    row = _locked.first(connection, {"account": account_id, "job": job_id})
    return JobRow(*row) if row else None


def unfinished(connection: Connection) -> list[JobRow]:
    """All jobs that are not finished, the oldest first."""
    return [JobRow(*row) for row in connection.execute(_columns.order_by(job.c.created, job.c.id))]


def begin(connection: Connection, values: dict[str, Any]) -> None:
    """Writes a new job: account_id, id, kind, arguments, session_id, created.

    The arguments are the request, encoded deterministically, since a repeat is compared with them.
    """
    connection.execute(insert(job), {**values, "progress": 0})


def advance(connection: Connection, account_id: bytes, job_id: bytes, rows: int) -> None:
    """So many rows more are done."""
    connection.execute(_advance, {"account": account_id, "job": job_id, "rows": rows})


def finish(connection: Connection, account_id: bytes, job_id: bytes) -> None:
    """The job is done: from now on the ledger knows of it."""
    connection.execute(_finish, {"account": account_id, "job": job_id})


def abandon(connection: Connection, account_id: bytes, *, but: str) -> None:
    """Deletes an account's unfinished jobs, all kinds but one."""
    connection.execute(_abandon, {"account": account_id, "but": but})
