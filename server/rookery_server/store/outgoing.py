"""The queue of recipients: what is due, who has taken it on, and what senders are still to be told.

Taking on locks no mailbox, only the recipients, so that several processes on PostgreSQL do it at once: what another has locked is
passed over. What comes of it is written under the lock of the sender's mailbox (see ``services.submission.settling``).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, bindparam, delete, exists, func, literal_column, null, select, tuple_, update

from rookery.v1.submission_pb2 import SUBMISSION_STATE_CANCELLED, SUBMISSION_STATE_HELD
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.submissions import OPEN_STATES, UNDECIDED, RecipientRow, SubmissionRow, is_unfinished
from rookery_server.store.tables import mailbox, outgoing_recipient, submission

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

CALLED_BACK = SUBMISSION_STATE_CANCELLED
"""The state of a submission whose recipients wait for nothing."""

HERE = ""
"""The domain of recipients whose mailboxes are on this server."""


class Due(NamedTuple):
    """A domain that something is to be sent to, and when the first of it is due, in microseconds."""

    domain: str
    at: int


class Wanted(NamedTuple):
    """How much is to be taken on for a domain."""

    domain: str
    most: int
    """Messages."""


class Claimed(NamedTuple):
    """Recipients of one submission that go to one domain, taken on together: one or more."""

    mailbox_uid: bytes
    """The sender's mailbox."""
    submission: SubmissionRow
    recipients: list[RecipientRow]
    message: bytes | None = None
    """Where it is at hand, as that of a brief message is which was just submitted."""


class Claims(NamedTuple):
    """What was taken on, and what was left."""

    claimed: list[Claimed]
    """The longest due of each domain first."""
    left: list[Due]
    """Of the domains that were asked for those that recipients wait for still, with the time of the first."""


class Backlog(NamedTuple):
    """What waits for a domain."""

    domain: str
    recipients: int
    oldest: int
    """When the first of them came into the queue, in microseconds."""


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


_KEY = ("b_mailbox", "b_submission", "b_position")
_table = outgoing_recipient
_waits = _table.c.next_attempt.is_not(None)
_columns = select(*(_table.c[name] for name in RecipientRow._fields))
_elsewhere = _waits & (_table.c.domain > literal_column("''"))  # HERE
# From one domain to the next along the index: as many steps as there are domains, however many recipients each has.
_domains = select(func.min(_table.c.domain).label("domain")).where(_elsewhere).cte("domains", recursive=True)
_domains = _domains.union_all(
    select(select(func.min(_table.c.domain)).where(_waits, _table.c.domain > _domains.c.domain).scalar_subquery()).where(
        _domains.c.domain.is_not(None)
    )
)
_due_elsewhere = Direct(
    select(
        _domains.c.domain,
        select(func.min(_table.c.next_attempt)).where(_waits, _table.c.domain == _domains.c.domain).scalar_subquery(),
    ).where(_domains.c.domain.is_not(None))
)
_backlog = select(_table.c.domain, func.count(), func.min(_table.c.queued)).where(_waits).group_by(_table.c.domain)
_is_due = (_table.c.domain == bindparam("domain")) & (_table.c.next_attempt <= bindparam("now"))
_longest_due = Direct(
    _columns.where(_is_due).order_by(_table.c.next_attempt).limit(bindparam("rows")).with_for_update(skip_locked=True)
)
_of_one = Direct(
    _columns.where(_is_due, _table.c.mailbox_id == bindparam("mailbox"), _table.c.submission_id == bindparam("submission"))
    .order_by(_table.c.position)
    .limit(bindparam("rows"))
    .with_for_update(skip_locked=True)
)
_soonest = Direct(select(func.min(_table.c.next_attempt)).where(_waits, _table.c.domain == bindparam("domain")))
_submissions = ByKeys(
    select(mailbox.c.uid, *(submission.c[name] for name in SubmissionRow._fields)).join(
        mailbox, mailbox.c.id == submission.c.mailbox_id
    ),
    submission.c.mailbox_id,
    submission.c.id,
)
_this = and_(
    _table.c.mailbox_id == bindparam("b_mailbox"),
    _table.c.submission_id == bindparam("b_submission"),
    _table.c.position == bindparam("b_position"),
)
_lease = Direct(update(_table).where(_this).values(next_attempt=bindparam("to"), lease_owner=bindparam("whose")))
_mine = _this & (_table.c.lease_owner == bindparam("b_owner"))
_renew = Direct(update(_table).where(_mine).values(next_attempt=bindparam("to")))
_give_back = Direct(update(_table).where(_mine).values(next_attempt=bindparam("to"), lease_owner=null()))
# The number itself, not a parameter: only so do the engines use the index.
_is_owed = _table.c.report > literal_column("0")
_owed = Direct(
    select(_table.c.mailbox_id, mailbox.c.uid, _table.c.submission_id)
    .join(mailbox, mailbox.c.id == _table.c.mailbox_id)
    .where(_is_owed)
    .distinct()
    .limit(bindparam("most"))
)


_their_submission = (submission.c.mailbox_id == _table.c.mailbox_id) & (submission.c.id == _table.c.submission_id)
_is_open = _table.c.state.in_(OPEN_STATES) & (submission.c.state != CALLED_BACK)
_queued = (
    select(mailbox.c.uid, submission.c.sender, submission.c.size_bytes, *(_table.c[name] for name in RecipientRow._fields))
    .join(mailbox, mailbox.c.id == _table.c.mailbox_id)
    .join(submission, _their_submission)
    .where(_is_open)
)
_waiting_of = (
    select(func.count())
    .select_from(_table)
    .join(submission, _their_submission)
    .where(_is_open, _table.c.mailbox_id == bindparam("mailbox"))
)


def due(connection: Connection, *, here: bool = True, elsewhere: bool = True) -> list[Due]:
    """Every domain that recipients wait for, with the time of the first. Only ``HERE`` or only others, if that is all one wants."""
    found = _left(connection, [HERE]) if here else []
    return found + ([Due(*row) for row in _due_elsewhere.all(connection, {})] if elsewhere else [])


def claim(connection: Connection, wanted: Sequence[Wanted], owner: bytes, now: int, until: int, together: int) -> Claims:
    """Takes on what is due, up to a time: recipients at these domains, those of a message together, but at most so many.

    The longest due come first. Whoever does not come back by then has lost them to others.
    """
    groups: dict[tuple[int, bytes, str], list[RecipientRow]] = {}
    for domain, most in wanted:
        groups |= _due_at(connection, domain, most, now, together)
    known = _found(connection, {key[:2] for key in groups})
    claimed = [Claimed(*known[key[:2]], rows) for key, rows in groups.items() if key[:2] in known]
    take(connection, [row for each in claimed for row in each.recipients], owner, until)
    held = [each._replace(recipients=[_leased(row, owner, until) for row in each.recipients]) for each in claimed]
    return Claims(held, _left(connection, [domain for domain, _ in wanted]))


def _due_at(
    connection: Connection, domain: str, most: int, now: int, together: int
) -> dict[tuple[int, bytes, str], list[RecipientRow]]:
    """Recipients at a domain by mailbox, submission and domain: of at most so many submissions, so many of each."""
    groups: dict[tuple[int, bytes, str], list[RecipientRow]] = {}
    rows = _longest_due.all(connection, {"domain": domain, "now": now, "rows": most})
    for row in map(RecipientRow._make, rows):
        groups.setdefault((row.mailbox_id, row.submission_id, domain), []).append(row)
    if len(rows) == most:  # the last of the messages may go to others there as well
        last = next(reversed(groups))
        values = {"domain": domain, "now": now, "mailbox": last[0], "submission": last[1], "rows": together}
        groups[last] = [RecipientRow._make(row) for row in _of_one.all(connection, values)]
    return {key: sorted(group, key=attrgetter("position"))[:together] for key, group in groups.items()}


def _left(connection: Connection, domains: Iterable[str]) -> list[Due]:
    """Those of the domains that recipients wait for, with the time of the first."""
    soonest = ((domain, _soonest.all(connection, {"domain": domain})[0][0]) for domain in domains)
    return [Due(domain, at) for domain, at in soonest if at is not None]


def _found(connection: Connection, keys: Collection[tuple[int, bytes]]) -> dict[tuple[int, bytes], tuple[bytes, SubmissionRow]]:
    """Submissions by mailbox and id, each with the mailbox's uid."""
    rows = _submissions.all(connection, sorted(keys), {})
    return {(row.mailbox_id, row.id): (uid, row) for uid, row in ((uid, SubmissionRow(*columns)) for uid, *columns in rows)}


def take(connection: Connection, recipients: Sequence[RecipientRow], owner: bytes, until: int) -> None:
    """Takes on recipients that the transaction has locked, up to a time."""
    if recipients:
        _lease.run_many(connection, [{**_key(row), "to": until, "whose": owner} for row in recipients])


def renew(connection: Connection, claimed: Iterable[Claimed], owner: bytes, until: int) -> None:
    """Moves the end of what is taken on still."""
    _change_mine(connection, _renew, claimed, owner, until)


def give_back(connection: Connection, claimed: Iterable[Claimed], owner: bytes, at: int) -> None:
    """Gives back what nothing was done for; it is due at a time."""
    _change_mine(connection, _give_back, claimed, owner, at)


def give_all_back(connection: Connection, now: int) -> int:
    """Gives back all that anybody has taken on, where it is known that they are gone; gives how many recipients that are."""
    taken = _waits & _table.c.lease_owner.is_not(None)
    return connection.execute(update(_table).where(taken).values(next_attempt=now, lease_owner=null())).rowcount


def bring_home(connection: Connection, domain: str) -> None:
    """Has what waits for a domain go to mailboxes here, but for what is being handed on elsewhere at this moment."""
    waits = _table.c.state.in_(OPEN_STATES) & _table.c.lease_owner.is_(None)
    connection.execute(update(_table).where(_table.c.domain == domain, waits).values(domain=HERE))


def hold_all(connection: Connection, mailbox_id: int, revision: int) -> None:
    """Holds what a mailbox has on its way out until somebody releases it; ``revision`` is the mailbox's."""
    still_open = exists().where(_table.c.mailbox_id == submission.c.mailbox_id, _table.c.submission_id == submission.c.id, _waits)
    mine = submission.c.mailbox_id == mailbox_id
    connection.execute(update(submission).where(mine, still_open).values(revision=revision))
    held = {"state": SUBMISSION_STATE_HELD, "hold_until": null()}
    connection.execute(update(submission).where(mine, submission.c.state.in_(UNDECIDED)).values(held))
    parked = {"next_attempt": null(), "lease_owner": null()}
    connection.execute(update(_table).where(_table.c.mailbox_id == mailbox_id, _waits).values(parked))


def backlog(connection: Connection) -> list[Backlog]:
    """For each domain that something waits for, and for ``HERE``, how much; what is held waits for nothing."""
    return [Backlog(*row) for row in connection.execute(_backlog)]


def owed(connection: Connection, most: int) -> list[Owed]:
    """Up to so many submissions whose senders are to be told something."""
    return [Owed(*row) for row in _owed.all(connection, {"most": most})]


def waiting_of(connection: Connection, mailbox_id: int) -> int:
    """How many recipients of a mailbox's submissions were neither reached nor given up."""
    return connection.execute(_waiting_of, {"mailbox": mailbox_id}).scalar_one()


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
    key = tuple_(submission.c.mailbox_id, submission.c.id)
    over = select(*key.clauses).where(submission.c.submitted < before, ~is_unfinished, ~exists().where(of_it, _is_owed))
    old = connection.execute(over.order_by(submission.c.submitted).limit(limit).with_for_update(skip_locked=True))
    # Looked at again under the lock: its sender may just have sent it again.
    keys = [tuple(row) for row in connection.execute(over.where(key.in_([tuple(row) for row in old])))]
    if keys:
        connection.execute(delete(_table).where(tuple_(_table.c.mailbox_id, _table.c.submission_id).in_(keys)))
        connection.execute(delete(submission).where(tuple_(submission.c.mailbox_id, submission.c.id).in_(keys)))
    return len(keys)


def _change_mine(connection: Connection, statement: Direct, claimed: Iterable[Claimed], owner: bytes, to: int) -> None:
    """In the order of their keys, as everybody does who locks several."""
    keys = sorted(row[:3] for each in claimed for row in each.recipients)
    if keys:
        values = [dict(zip(_KEY, key, strict=True)) for key in keys]
        statement.run_many(connection, [{**value, "b_owner": owner, "to": to} for value in values])


def _leased(row: RecipientRow, owner: bytes, until: int) -> RecipientRow:
    return row._replace(next_attempt=until, lease_owner=owner)


def _key(row: RecipientRow) -> dict[str, object]:
    return dict(zip(_KEY, row[:3], strict=True))
