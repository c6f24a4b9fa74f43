"""Writes down what became of recipients, and what follows from it for the submission and for the sender's own copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DELIVERY_STATE_DELIVERED,
    DELIVERY_STATE_EXPIRED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_RELAYED,
    SUBMISSION_STATE_FINAL,
)
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.services.change import MailboxChange
from rookery_server.services.submission import sender_copy
from rookery_server.store import mailboxes, settlements, submissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_server.store.outgoing import Claimed
    from rookery_server.store.settlements import Standing
    from rookery_server.store.submissions import RecipientRow, SubmissionRow
    from rookery_server.store.units import Transaction

MAIL_SYSTEM = Caller(NO_ID, NO_ID, administrator=False, peer="mail")
"""Who delivers and settles: the server itself."""

ARRIVED = frozenset({DELIVERY_STATE_DELIVERED, DELIVERY_STATE_RELAYED})
LOST = frozenset({DELIVERY_STATE_FAILED, DELIVERY_STATE_EXPIRED})

OWES_NOTHING = 0
OWES_DELAY = 1
OWES_FAILURE = 2
"""What the sender is to be told of a recipient: the values of the column ``report``."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt came to for one recipient."""

    state: int
    """``DeliveryState``, but for queued."""
    status_code: str
    """Enhanced status code (RFC 3463)."""
    reply: str
    """What the host said, or what happened instead, in one line."""
    host: str = ""
    """The host that answered; empty where none was reached, and for mailboxes here."""
    next_attempt: int | None = None
    """When it is tried again, in microseconds: where it is deferred, and only there."""
    ambiguous: bool = False
    """Deferred, and yet it may have arrived."""
    is_late: bool = False
    """Deferred for so long that the sender is told, if they were not told before."""


class Attempt(NamedTuple):
    """An attempt that has ended."""

    claimed: Claimed
    results: Sequence[Result]
    """One for each claimed recipient, in their order."""


def settle(transaction: Transaction, attempts: Sequence[Attempt], owner: bytes, now: int) -> None:
    """Writes the results of attempts for one mailbox, as one change of it; at most 500 recipients. ``now`` in microseconds.

    What has arrived counts whoever brought it; everything else only if ``owner`` still has the recipient. With the first that has
    arrived, or may have, or once nobody is left to be tried, a submission is final and the sender's copy moves to Sent Items.
    """
    connection = transaction.connection
    mailbox = mailboxes.find(connection, attempts[0].claimed.mailbox_uid, lock=True)
    if mailbox is None:
        return  # the account is gone, and the queue's rows with it
    changed = _changed(connection, mailbox.id, attempts, owner, now)
    if not changed:
        return
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    change.begin("submission.settle", NO_ID)
    settlements.change_recipients(connection, changed)
    submission_ids = list(dict.fromkeys(row.submission_id for row in changed))
    standings = settlements.standings(connection, mailbox.id, submission_ids)
    after = [_standing(standing, change.revision) for standing in standings]
    settlements.change_submissions(connection, after)
    pairs = zip(standings, after, strict=True)
    sender_copy.to_sent(change, [row.item_id for standing, row in pairs if row.state != standing.submission.state])
    change.finish()


def _changed(connection: Connection, mailbox_id: int, attempts: Sequence[Attempt], owner: bytes, now: int) -> list[RecipientRow]:
    """The recipients of whom the attempts tell something that counts, as they are from now on."""
    results = {
        (row.submission_id, row.position): result
        for claimed, found in attempts
        for row, result in zip(claimed.recipients, found, strict=True)
    }
    rows = settlements.recipients(connection, mailbox_id, list(results))
    return [_settled(row, results[place], now) for place, row in rows.items() if _counts(row, owner, results[place])]


def _counts(row: RecipientRow, owner: bytes, result: Result) -> bool:
    return row.state in submissions.OPEN_STATES and (row.lease_owner == owner or result.state in ARRIVED)


def _settled(row: RecipientRow, result: Result, now: int) -> RecipientRow:
    is_told_now = result.state == DELIVERY_STATE_DEFERRED and result.is_late and not row.delay_told
    return row._replace(
        state=result.state,
        attempts=row.attempts + 1,
        ambiguous=row.ambiguous + result.ambiguous,
        next_attempt=result.next_attempt,
        lease_owner=None,
        host=result.host,
        reply=result.reply,
        status_code=result.status_code,
        changed=now,
        delay_told=row.delay_told or is_told_now,
        report=OWES_FAILURE if result.state in LOST else OWES_DELAY if is_told_now else OWES_NOTHING,
    )


def _standing(standing: Standing, revision: int) -> SubmissionRow:
    """A submission as it is from now on. It keeps its message until all have it in mailboxes here: others may send it back."""
    row = standing.submission
    is_final = row.state in submissions.UNDECIDED and (standing.reached or not standing.still_open)
    state = SUBMISSION_STATE_FINAL if is_final else row.state
    return row._replace(revision=revision, state=state, blob_id=row.blob_id if standing.missing else None)
