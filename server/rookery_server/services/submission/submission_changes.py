"""What submitting, calling back and sending again do inside their transactions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import folder_pb2
from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_EXPIRED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_QUEUED,
    SUBMISSION_STATE_CANCELLED,
    SUBMISSION_STATE_HELD,
    SUBMISSION_STATE_PENDING,
)
from rookery_core.errors import AlreadyExists, FailedPrecondition, NotFound
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.folders import folders
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.submission import sender_copy
from rookery_server.services.submission.submission_records import to_message
from rookery_server.store import items, outgoing, submissions
from rookery_server.store.outgoing import Claimed
from rookery_server.store.submissions import RecipientRow, SubmissionRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.v1.submission_pb2 import Submission
    from rookery_core.formats.addressees import Addressee
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.services.submission.departing import Departing

_LOST = frozenset({DELIVERY_STATE_FAILED, DELIVERY_STATE_EXPIRED})


class DraftChanged(Exception):
    """The draft is not what was written into a message: write it again. Stays between preparing and submitting."""


@dataclass(frozen=True, slots=True)
class Reserved:
    """Places at the destinations of some domains, which a worker keeps for one message."""

    domains: frozenset[str] = frozenset()
    owner: bytes = b""
    """The worker: its recipients are queued as taken on by it."""
    until: int = 0
    """How long they are, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A draft that is about to be submitted."""

    ready: Departing
    submission_id: bytes
    item_id: bytes
    now: int
    """When it is submitted, in microseconds: the message's date."""
    hold_until: int | None
    is_named: bool = False
    """The submission's id comes from a client: another one may have it."""
    reserved: Reserved = Reserved()


class Enqueued(NamedTuple):
    """What became of a plan."""

    record: Submission
    taken: list[Claimed]
    """For each domain with a place that was reserved its recipients, which are taken on."""


def submit(change: MailboxChange, plan: Plan) -> Enqueued:
    """Puts a draft into the outbox and its recipients into the queue. DraftChanged; AlreadyExists ``ID_TAKEN``."""
    connection, mailbox_id = change.connection, change.mailbox.id
    draft = require_item(connection, mailbox_id, plan.item_id)
    if draft.life != items.LIVE or draft.content != plan.ready.content_revision:
        raise DraftChanged
    if plan.is_named and submissions.find(connection, mailbox_id, plan.submission_id) is not None:
        raise AlreadyExists("ID_TAKEN", "a submission has this id already", field="submission_id")
    origin_id = sender_copy.to_outbox(change, draft, plan.ready.item, plan.ready.copy)
    return _enqueue(change, plan, origin_id)


def post(change: MailboxChange, plan: Plan, copy: PreparedItem) -> Enqueued:
    """Puts a new item, the copy of a message that its sender wrote elsewhere, into the outbox, and its recipients into the queue.

    The ids of both are free, and the message's bytes are this one's alone. ResourceExhausted ``QUOTA_EXCEEDED``.
    """
    change.require_room(copy.columns["size_bytes"])
    outbox = folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_OUTBOX)
    change.know(outbox)
    drafts = folders.require_role(change.connection, change.mailbox.id, folder_pb2.FOLDER_ROLE_DRAFTS).id
    enqueued = _enqueue(change, plan, drafts)
    item_writer.insert(change, [NewItem(plan.item_id, outbox.id, change.revision, copy)])
    return enqueued


def domain_of(plan: Plan, addressee: Addressee) -> str:
    """The domain that somebody's place in the queue has."""
    return outgoing.HERE if addressee.address.domain in plan.ready.here else addressee.address.domain


def _enqueue(change: MailboxChange, plan: Plan, origin_id: bytes) -> Enqueued:
    """Makes the submission, and queues its recipients. ``origin_id``: the folder that the item returns to if it is called back."""
    ready = plan.ready
    row = SubmissionRow(
        mailbox_id=change.mailbox.id,
        id=plan.submission_id,
        item_id=plan.item_id,
        origin_id=origin_id,
        revision=change.revision,
        state=SUBMISSION_STATE_PENDING if plan.hold_until is None else SUBMISSION_STATE_HELD,
        sender=ready.sender,
        submitted=plan.now,
        hold_until=plan.hold_until,
        blob_id=BlobStore.link(change.connection, [ready.blob], change.now)[ready.blob.sha256],
        size_bytes=ready.blob.size,
        eight_bit=ready.eight_bit,
        unicode_header=ready.unicode_header,
    )
    recipients = _queued(plan, row)
    submissions.add(change.connection, row, recipients)
    return Enqueued(to_message(row, recipients, change.now), _taken(change, plan, row, recipients))


def _taken(change: MailboxChange, plan: Plan, row: SubmissionRow, recipients: list[RecipientRow]) -> list[Claimed]:
    groups: dict[str, list[RecipientRow]] = {domain: [] for domain in plan.reserved.domains}
    for recipient in recipients:
        if recipient.domain in groups:
            groups[recipient.domain].append(recipient)
    return [Claimed(change.mailbox.uid, row, group, plan.ready.message) for group in groups.values()]


def call_back(change: MailboxChange, submission_id: bytes) -> Submission:
    """Takes a submission out of the queue; its draft returns. FailedPrecondition ``SUBMISSION_FINAL``; NotFound.

    Calling back what was called back changes nothing.
    """
    row, recipients = _locked(change, submission_id)
    if row.state == SUBMISSION_STATE_CANCELLED:
        return to_message(row, recipients, change.now)
    if row.state not in submissions.UNDECIDED or any(each.lease_owner is not None for each in recipients):
        raise FailedPrecondition("SUBMISSION_FINAL", "the message has left already: it can not be called back")
    sender_copy.back_to_draft(change, row.item_id, row.origin_id)
    row = _changed(change, row._replace(state=SUBMISSION_STATE_CANCELLED, hold_until=None, blob_id=None))
    recipients = _changed_recipients(change, [each._replace(next_attempt=None, report=0) for each in recipients])
    return to_message(row, recipients, change.now)


def send_again(change: MailboxChange, submission_id: bytes) -> Submission:
    """Queues those anew who failed or expired. FailedPrecondition ``NOTHING_FAILED``; NotFound.

    They wait with the others where somebody else than the sender holds the message.
    """
    row, recipients = _locked(change, submission_id)
    lost = [each for each in recipients if each.state in _LOST]
    if not lost:
        raise FailedPrecondition("NOTHING_FAILED", "nobody is left out: there is nothing to send again")
    if row.blob_id is None:
        raise FailedPrecondition("NOTHING_FAILED", "the message had arrived everywhere and is not kept any more: write it anew")
    is_parked = row.state == SUBMISSION_STATE_HELD and row.hold_until is None
    again = {each.position: _anew(each, change.now, None if is_parked else change.now) for each in lost}
    _changed_recipients(change, list(again.values()))
    return to_message(_changed(change, row), [again.get(each.position, each) for each in recipients], change.now)


def require(connection: Connection, mailbox_id: int, submission_id: bytes) -> SubmissionRow:
    """The submission; NotFound ``SUBMISSION_NOT_FOUND``."""
    found = submissions.find(connection, mailbox_id, submission_id)
    if found is None:
        raise NotFound("SUBMISSION_NOT_FOUND", "the mailbox has no such submission", field="submission_id")
    return found


def _locked(change: MailboxChange, submission_id: bytes) -> tuple[SubmissionRow, list[RecipientRow]]:
    """A submission with its recipients, which nobody takes on meanwhile."""
    row = require(change.connection, change.mailbox.id, submission_id)
    return row, submissions.recipients(change.connection, change.mailbox.id, [row.id], lock=True)[row.id]


def _queued(plan: Plan, row: SubmissionRow) -> list[RecipientRow]:
    at, reserved = plan.now if plan.hold_until is None else plan.hold_until, plan.reserved
    queued = [
        RecipientRow(
            mailbox_id=row.mailbox_id,
            submission_id=row.id,
            position=position,
            name=addressee.person.name,
            address=addressee.address.text,
            domain=domain_of(plan, addressee),
            state=DELIVERY_STATE_QUEUED,
            attempts=0,
            ambiguous=0,
            queued=at,
            next_attempt=at,
            lease_owner=None,
            host="",
            reply="",
            status_code="",
            changed=plan.now,
            delay_told=False,
            report=0,
        )
        for position, addressee in enumerate(plan.ready.addressees)
    ]
    return [
        row._replace(next_attempt=reserved.until, lease_owner=reserved.owner) if row.domain in reserved.domains else row
        for row in queued
    ]


def _anew(row: RecipientRow, now: int, next_attempt: int | None) -> RecipientRow:
    """As if it had just been submitted; what was said the last time stays until something new is said."""
    return row._replace(
        state=DELIVERY_STATE_QUEUED,
        attempts=0,
        ambiguous=0,
        queued=now,
        next_attempt=next_attempt,
        changed=now,
        delay_told=False,
        report=0,
    )


def _changed(change: MailboxChange, row: SubmissionRow) -> SubmissionRow:
    """Writes what may change of a submission, under the operation's revision."""
    row = row._replace(revision=change.revision)
    values = {"revision": row.revision, "state": row.state, "hold_until": row.hold_until, "blob_id": row.blob_id}
    submissions.change(change.connection, row.mailbox_id, row.id, values)
    return row


def _changed_recipients(change: MailboxChange, rows: list[RecipientRow]) -> list[RecipientRow]:
    """Writes what may change of recipients of one submission."""
    constant = {"mailbox_id", "submission_id", "name", "address", "domain"}
    changes = [{name: value for name, value in row._asdict().items() if name not in constant} for row in rows]
    submissions.change_recipients(change.connection, change.mailbox.id, rows[0].submission_id, changes)
    return rows
