"""Submissions with their recipients, as their sender sees them. What the queue does with the recipients is in ``outgoing``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, exists, or_, select, tuple_, update

from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DELIVERY_STATE_QUEUED,
    SUBMISSION_STATE_CANCELLED,
    SUBMISSION_STATE_HELD,
    SUBMISSION_STATE_PENDING,
)
from rookery_server.store.bulk import insert_rows
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.tables import outgoing_recipient, submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

OPEN_STATES = (DELIVERY_STATE_QUEUED, DELIVERY_STATE_DEFERRED)
"""Of recipients that something is still to be done for, unless the submission was called back."""
UNDECIDED = (SUBMISSION_STATE_HELD, SUBMISSION_STATE_PENDING)
"""Of submissions that can be called back."""


class SubmissionRow(NamedTuple):
    """A submission. Times in microseconds; ``hold_until`` and ``blob_id`` may be None, see the table."""

    mailbox_id: int
    id: bytes
    item_id: bytes
    origin_id: bytes
    revision: int
    state: int
    sender: str
    submitted: int
    hold_until: int | None
    blob_id: bytes | None
    size_bytes: int
    eight_bit: bool
    unicode_header: bool


class RecipientRow(NamedTuple):
    """A recipient of a submission. Times in microseconds; for what may be None see the table."""

    mailbox_id: int
    submission_id: bytes
    position: int
    name: str
    address: str
    domain: str
    state: int
    attempts: int
    ambiguous: int
    queued: int
    next_attempt: int | None
    lease_owner: bytes | None
    host: str
    reply: str
    status_code: str
    changed: int
    delay_told: bool
    report: int
    report_item_id: bytes | None = None


_submissions = select(*(submission.c[name] for name in SubmissionRow._fields))
_submission = Direct(
    _submissions.where(submission.c.mailbox_id == bindparam("mailbox"), submission.c.id == bindparam("submission"))
)
_changed = Direct(
    _submissions.where(
        submission.c.mailbox_id == bindparam("mailbox"),
        tuple_(submission.c.revision, submission.c.id)
        > tuple_(bindparam("revision", type_=submission.c.revision.type), bindparam("id", type_=submission.c.id.type)),
    )
    .order_by(submission.c.revision, submission.c.id)
    .limit(bindparam("most"))
)
_of_mailbox = (
    select(*(outgoing_recipient.c[name] for name in RecipientRow._fields))
    .where(outgoing_recipient.c.mailbox_id == bindparam("mailbox"))
    .order_by(outgoing_recipient.c.submission_id, outgoing_recipient.c.position)
)
_recipients = ByKeys(_of_mailbox, outgoing_recipient.c.submission_id)
_recipients_locked = ByKeys(_of_mailbox.with_for_update(), outgoing_recipient.c.submission_id)
_is_open = exists().where(
    outgoing_recipient.c.mailbox_id == submission.c.mailbox_id,
    outgoing_recipient.c.submission_id == submission.c.id,
    outgoing_recipient.c.state.in_(OPEN_STATES),
)
is_unfinished = (submission.c.state != SUBMISSION_STATE_CANCELLED) & or_(submission.c.state.in_(UNDECIDED), _is_open)
"""The condition on a submission that something is still to be done for it."""


def add(connection: Connection, row: SubmissionRow, recipients: Sequence[RecipientRow]) -> None:
    """Inserts a submission with its recipients."""
    insert_rows(connection, submission, [row._asdict()])
    insert_rows(connection, outgoing_recipient, [recipient._asdict() for recipient in recipients])


def find(connection: Connection, mailbox_id: int, submission_id: bytes) -> SubmissionRow | None:
    """The submission with this id."""
    row = _submission.first(connection, {"mailbox": mailbox_id, "submission": submission_id})
    return SubmissionRow(*row) if row else None


def recipients(
    connection: Connection, mailbox_id: int, submission_ids: Sequence[bytes], *, lock: bool = False
) -> dict[bytes, list[RecipientRow]]:
    """The recipients of submissions, at most 500, in the order of the messages. ``lock``: nobody takes them on meanwhile."""
    found: dict[bytes, list[RecipientRow]] = {submission_id: [] for submission_id in submission_ids}
    rows = (_recipients_locked if lock else _recipients).all(connection, list(found), {"mailbox": mailbox_id})
    for row in map(RecipientRow._make, rows):
        found[row.submission_id].append(row)
    return found


def page(
    connection: Connection,
    mailbox_id: int,
    *,
    item_id: bytes,
    unfinished: bool,
    since: int,
    after: tuple[int, bytes] | None,
    limit: int,
) -> list[SubmissionRow]:
    """Up to ``limit`` submissions, newest first, behind the one with this time and id.

    Of one item, if one is named; only those that are not finished, if asked for; else also the finished ones since a time.
    """
    statement = _submissions.where(submission.c.mailbox_id == mailbox_id)
    if item_id:
        statement = statement.where(submission.c.item_id == item_id)
    statement = statement.where(is_unfinished if unfinished else or_(submission.c.submitted >= since, is_unfinished))
    place = tuple_(submission.c.submitted, submission.c.id)
    if after is not None:
        statement = statement.where(place < after)
    statement = statement.order_by(submission.c.submitted.desc(), submission.c.id.desc()).limit(limit)
    return [SubmissionRow(*row) for row in connection.execute(statement)]


def changed(connection: Connection, mailbox_id: int, after: tuple[int, bytes], most: int) -> list[SubmissionRow]:
    """Up to ``most`` submissions whose latest change comes behind a (revision, id), in that order."""
    parameters = {"mailbox": mailbox_id, "revision": after[0], "id": after[1], "most": most}
    return [SubmissionRow(*row) for row in _changed.all(connection, parameters)]


def newest_of_items(connection: Connection, mailbox_id: int, item_ids: Sequence[bytes]) -> bytes:
    """The id of the latest submission of these items that was not called back; "" if there is none."""
    statement = (
        select(submission.c.id)
        .where(
            submission.c.mailbox_id == mailbox_id,
            submission.c.item_id.in_(item_ids),
            submission.c.state != SUBMISSION_STATE_CANCELLED,
        )
        .order_by(submission.c.submitted.desc(), submission.c.id.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar() or b""


def change(connection: Connection, mailbox_id: int, submission_id: bytes, values: dict[str, Any]) -> None:
    """Sets columns of a submission."""
    this = (submission.c.mailbox_id == mailbox_id) & (submission.c.id == submission_id)
    connection.execute(update(submission).where(this).values(**values))


def change_recipients(connection: Connection, mailbox_id: int, submission_id: bytes, rows: Sequence[dict[str, Any]]) -> None:
    """Sets columns of recipients: each dict has ``position`` and the same other columns."""
    if not rows:
        return
    names = [name for name in rows[0] if name != "position"]
    statement = (
        update(outgoing_recipient)
        .where(
            outgoing_recipient.c.mailbox_id == mailbox_id,
            outgoing_recipient.c.submission_id == submission_id,
            outgoing_recipient.c.position == bindparam("b_position"),
        )
        .values({name: bindparam(f"v_{name}") for name in names})
    )
    connection.execute(statement, [{"b_position": row["position"], **{f"v_{name}": row[name] for name in names}} for row in rows])
