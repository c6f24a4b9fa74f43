"""The queue of recipients: what is due, who has taken it on, and what senders are still to be told.

Taking on locks no mailbox, only the recipients, so that several processes on PostgreSQL do it at once: what another has locked is
passed over. What comes of it is written under the lock of the sender's mailbox (see ``services.submission.settling``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, exists, func, literal_column, null, select, tuple_, update

from rookery.v1.submission_pb2 import SUBMISSION_STATE_CANCELLED, SUBMISSION_STATE_HELD
from rookery_server.store.submissions import OPEN_STATES, UNDECIDED, RecipientRow, SubmissionRow, find, is_unfinished
from rookery_server.store.tables import mailbox, outgoing_recipient, submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

CALLED_BACK = SUBMISSION_STATE_CANCELLED
"""The state of a submission whose recipients wait for nothing."""

HERE = ""
"""The domain of recipients whose mailboxes are on this server."""


class Due(NamedTuple):
    """A domain that something is to be sent to, and when the first of it is due, in microseconds."""

    domain: str
    at: int


class Claimed(NamedTuple):
    """Recipients of one submission that go to one domain, taken on together: one or more."""

    mailbox_uid: bytes
    """The sender's mailbox."""
    submission: SubmissionRow
    recipients: list[RecipientRow]


class Owed(NamedTuple):
    """A submission whose sender is to be told something."""

    mailbox_id: int
    mailbox_uid: bytes
    submission_id: bytes


class Queued(NamedTuple):
    """A recipient in the queue, for those who look after it."""

    mailbox_uid: bytes
    """The sender's mailbox."""
    sender: str
    """The address in the envelope."""
    size_bytes: int
    recipient: RecipientRow


_table = outgoing_recipient
_waits = _table.c.next_attempt.is_not(None)
_columns = select(*(_table.c[name] for name in RecipientRow._fields))
# From one domain to the next along the index: as many steps as there are domains, however many recipients each has.
_domains = select(func.min(_table.c.domain).label("domain")).where(_waits).cte("domains", recursive=True)
_domains = _domains.union_all(
    select(select(func.min(_table.c.domain)).where(_waits, _table.c.domain > _domains.c.domain).scalar_subquery()).where(
        _domains.c.domain.is_not(None)
    )
)
_due = select(
    _domains.c.domain,
    select(func.min(_table.c.next_attempt)).where(_waits, _table.c.domain == _domains.c.domain).scalar_subquery(),
).where(_domains.c.domain.is_not(None))
_first = (
    _columns.where(_table.c.domain == bindparam("domain"), _table.c.next_attempt <= bindparam("now"))
    .order_by(_table.c.next_attempt)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_together = (
    _columns.where(
        _table.c.mailbox_id == bindparam("mailbox"),
        _table.c.submission_id == bindparam("submission"),
        _table.c.domain == bindparam("domain"),
        _table.c.next_attempt <= bindparam("now"),
    )
    .order_by(_table.c.position)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_uid = select(mailbox.c.uid).where(mailbox.c.id == bindparam("mailbox"))
# The number itself, not a parameter: only so do the engines use the index.
_is_owed = _table.c.report > literal_column("0")
_owed = (
    select(_table.c.mailbox_id, mailbox.c.uid, _table.c.submission_id)
    .join(mailbox, mailbox.c.id == _table.c.mailbox_id)
    .where(_is_owed)
    .distinct()
    .limit(bindparam("most"))
)


_queued = (
    select(mailbox.c.uid, submission.c.sender, submission.c.size_bytes, *(_table.c[name] for name in RecipientRow._fields))
    .join(mailbox, mailbox.c.id == _table.c.mailbox_id)
    .join(submission, (submission.c.mailbox_id == _table.c.mailbox_id) & (submission.c.id == _table.c.submission_id))
    .where(_table.c.state.in_(OPEN_STATES), submission.c.state != CALLED_BACK)
)


def due(connection: Connection) -> list[Due]:
    """Every domain that recipients wait for, by name, with the time of the first; ``HERE`` is one of them."""
    return [Due(*row) for row in connection.execute(_due)]


def claim(connection: Connection, domain: str, owner: bytes, now: int, until: int, most: int) -> Claimed | None:
    """Takes on recipients at a domain that are due, those of one message, at most so many, up to a time; None if there are none.

    The longest due comes first. Whoever does not come back by then has lost them to others.
    """
    first = connection.execute(_first, {"domain": domain, "now": now}).first()
    if first is None:
        return None
    place = {"mailbox": first.mailbox_id, "submission": first.submission_id, "domain": domain}
    taken = [RecipientRow(*row) for row in connection.execute(_together, {**place, "now": now, "most": most})]
    found = find(connection, first.mailbox_id, first.submission_id)
    if not taken or found is None:
        return None
    take(connection, taken, owner, until)
    uid = connection.execute(_uid, place).scalar_one()
    return Claimed(uid, found, [row._replace(next_attempt=until, lease_owner=owner) for row in taken])


def take(connection: Connection, recipients: Sequence[RecipientRow], owner: bytes, until: int) -> None:
    """Takes on recipients of one submission that the transaction has locked, up to a time."""
    connection.execute(update(_table).where(_these(recipients)).values(next_attempt=until, lease_owner=owner))


def renew(connection: Connection, claimed: Claimed, owner: bytes, until: int) -> None:
    """Moves the end of what is taken on still."""
    connection.execute(update(_table).where(_these(claimed.recipients), _table.c.lease_owner == owner).values(next_attempt=until))


def give_back(connection: Connection, claimed: Claimed, owner: bytes, at: int) -> None:
    """Gives back what nothing was done for; it is due at a time."""
    mine = _these(claimed.recipients) & (_table.c.lease_owner == owner)
    connection.execute(update(_table).where(mine).values(next_attempt=at, lease_owner=null()))


def give_all_back(connection: Connection, now: int) -> int:
    """Gives back all that anybody has taken on, where it is known that they are gone; gives how many recipients that are."""
    taken = _waits & _table.c.lease_owner.is_not(None)
    return connection.execute(update(_table).where(taken).values(next_attempt=now, lease_owner=null())).rowcount


def hold_all(connection: Connection, mailbox_id: int, revision: int) -> None:
    """Holds what a mailbox has on its way out until somebody releases it; ``revision`` is the mailbox's."""
    still_open = exists().where(_table.c.mailbox_id == submission.c.mailbox_id, _table.c.submission_id == submission.c.id, _waits)
    mine = submission.c.mailbox_id == mailbox_id
    connection.execute(update(submission).where(mine, still_open).values(revision=revision))
    held = {"state": SUBMISSION_STATE_HELD, "hold_until": null()}
    connection.execute(update(submission).where(mine, submission.c.state.in_(UNDECIDED)).values(held))
    parked = {"next_attempt": null(), "lease_owner": null()}
    connection.execute(update(_table).where(_table.c.mailbox_id == mailbox_id, _waits).values(parked))


def owed(connection: Connection, most: int) -> list[Owed]:
    """Up to so many submissions whose senders are to be told something."""
    return [Owed(*row) for row in connection.execute(_owed, {"most": most})]


def waiting(
    connection: Connection, domain: str, submission_id: bytes, after: tuple[int, bytes, int] | None, limit: int
) -> list[Queued]:
    """Up to ``limit`` recipients of all mailboxes that were neither reached nor given up, those of a submission together.

    Of one domain or of submissions with one id, where they are given; behind the one with this mailbox, submission and position.
    """
    key = tuple_(_table.c.mailbox_id, _table.c.submission_id, _table.c.position)
    statement = _queued
    if domain:
        statement = statement.where(_table.c.domain == domain)
    if submission_id:
        statement = statement.where(_table.c.submission_id == submission_id)
    if after is not None:
        statement = statement.where(key > after)
    rows = connection.execute(statement.order_by(*key.clauses).limit(limit))
    return [Queued(uid, sender, size, RecipientRow(*columns)) for uid, sender, size, *columns in rows]


def forget(connection: Connection, before: int, limit: int) -> int:
    """Deletes up to ``limit`` finished submissions from before a time, nothing of which is owed; gives how many."""
    of_it = (_table.c.mailbox_id == submission.c.mailbox_id) & (_table.c.submission_id == submission.c.id)
    old = (
        select(submission.c.mailbox_id, submission.c.id)
        .where(submission.c.submitted < before, ~is_unfinished, ~exists().where(of_it, _is_owed))
        .order_by(submission.c.submitted)
        .limit(limit)
    )
    keys = [tuple(row) for row in connection.execute(old)]
    if keys:
        connection.execute(delete(_table).where(tuple_(_table.c.mailbox_id, _table.c.submission_id).in_(keys)))
        connection.execute(delete(submission).where(tuple_(submission.c.mailbox_id, submission.c.id).in_(keys)))
    return len(keys)


def _these(rows: Sequence[RecipientRow]) -> ColumnElement[bool]:
    return (
        (_table.c.mailbox_id == rows[0].mailbox_id)
        & (_table.c.submission_id == rows[0].submission_id)
        & _table.c.position.in_([row.position for row in rows])
    )
