"""What became of recipients, written for several submissions of one mailbox at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, case, func, literal_column, or_, select, update

from rookery.v1.submission_pb2 import DELIVERY_STATE_DELIVERED, DELIVERY_STATE_RELAYED
from rookery_server.store.direct import ByKeys, Direct
from rookery_server.store.submissions import OPEN_STATES, RecipientRow, SubmissionRow
from rookery_server.store.tables import outgoing_recipient, submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection


class Standing(NamedTuple):
    """A submission, and how many of its recipients are in which case."""

    submission: SubmissionRow
    still_open: int
    """Neither reached nor given up."""
    reached: int
    """They have it, or may have it."""
    missing: int
    """It is not in a mailbox here."""


_AT_ONCE = 500
_COLUMNS = len(SubmissionRow._fields)
_table = outgoing_recipient
_CONSTANT = frozenset({"mailbox_id", "submission_id", "position", "name", "address", "domain", "queued"})
_CHANGING = tuple(name for name in RecipientRow._fields if name not in _CONSTANT)
_recipients = ByKeys(
    select(*(_table.c[name] for name in RecipientRow._fields)).where(_table.c.mailbox_id == bindparam("mailbox")),
    _table.c.submission_id,
    _table.c.position,
    ordered=True,
)
# The numbers themselves, not parameters: there are no parameters with lists in what goes to the driver directly.
_is_open, _is_reached = (
    or_(*(_table.c.state == literal_column(str(state)) for state in states))
    for states in (OPEN_STATES, (DELIVERY_STATE_RELAYED, DELIVERY_STATE_DELIVERED))
)
_standing = ByKeys(
    select(
        *(submission.c[name] for name in SubmissionRow._fields),
        func.sum(case((_is_open, 1), else_=0)),
        func.sum(case((_is_reached | (_table.c.ambiguous > 0), 1), else_=0)),
        func.sum(case((_table.c.state == DELIVERY_STATE_DELIVERED, 0), else_=1)),
    )
    .select_from(submission)
    .join(_table, (_table.c.mailbox_id == submission.c.mailbox_id) & (_table.c.submission_id == submission.c.id)),
    submission.c.mailbox_id,
    submission.c.id,
    grouped=True,
)
_change_recipient = Direct(
    update(_table)
    .where(
        _table.c.mailbox_id == bindparam("b_mailbox"),
        _table.c.submission_id == bindparam("b_submission"),
        _table.c.position == bindparam("b_position"),
    )
    .values({name: bindparam(f"v_{name}") for name in _CHANGING})
)
_change_submission = Direct(
    update(submission)
    .where(submission.c.mailbox_id == bindparam("b_mailbox"), submission.c.id == bindparam("b_submission"))
    .values(revision=bindparam("v_revision"), state=bindparam("v_state"), blob_id=bindparam("v_blob_id"))
)


def recipients(
    connection: Connection, mailbox_id: int, places: Sequence[tuple[bytes, int]]
) -> dict[tuple[bytes, int], RecipientRow]:
    """Recipients by submission and position, locked until the transaction ends."""
    found: dict[tuple[bytes, int], RecipientRow] = {}
    for start in range(0, len(places), _AT_ONCE):
        rows = _recipients.all(connection, places[start : start + _AT_ONCE], {"mailbox": mailbox_id})
        found |= {(row.submission_id, row.position): row for row in map(RecipientRow._make, rows)}
    return found


def change_recipients(connection: Connection, rows: Sequence[RecipientRow]) -> None:
    """Writes what may change of recipients."""
    values = [
        {
            "b_mailbox": row.mailbox_id,
            "b_submission": row.submission_id,
            "b_position": row.position,
            **{f"v_{name}": getattr(row, name) for name in _CHANGING},
        }
        for row in rows
    ]
    _change_recipient.run_many(connection, values)


def standings(connection: Connection, mailbox_id: int, submission_ids: Sequence[bytes]) -> list[Standing]:
    """How the submissions, at most 500, stand."""
    rows = _standing.all(connection, [(mailbox_id, submission_id) for submission_id in submission_ids], {})
    return [Standing(SubmissionRow._make(row[:_COLUMNS]), *map(int, row[_COLUMNS:])) for row in rows]


def change_submissions(connection: Connection, rows: Sequence[SubmissionRow]) -> None:
    """Writes revision, state and message of submissions."""
    values = [
        {
            "b_mailbox": row.mailbox_id,
            "b_submission": row.id,
            "v_revision": row.revision,
            "v_state": row.state,
            "v_blob_id": row.blob_id,
        }
        for row in rows
    ]
    _change_submission.run_many(connection, values)
