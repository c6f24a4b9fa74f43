"""Submissions as the person sees them: the server's records, with operations laid over them that have not come back yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemContent
from rookery.v1.person_pb2 import Person
from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_EXPIRED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_QUEUED,
    SUBMISSION_STATE_CANCELLED,
    SUBMISSION_STATE_HELD,
    SUBMISSION_STATE_PENDING,
    Submission,
    SubmissionRecipient,
)
from rookery_client.replica.storage import operations, schema, submissions
from rookery_client.replica.storage.identity import Identity
from rookery_client.replica.view import shown_contents, shown_rows
from rookery_core.errors import InvalidArgument
from rookery_core.formats import addressees
from rookery_core.rules import mail_addresses, records

if TYPE_CHECKING:
    import sqlite3

    from rookery_client.replica.storage.operations import Recorded

LOST = frozenset({DELIVERY_STATE_FAILED, DELIVERY_STATE_EXPIRED})
"""Of recipients that a message can be sent to again."""


def find(connection: sqlite3.Connection, submission_id: bytes) -> Submission | None:
    """One submission; None if there is none."""
    record = submissions.find(connection, submission_id)
    for recorded in operations.live_of_submission(connection, submission_id):
        if recorded.status == schema.WAITING:
            record = _laid_over(connection, recorded, record)
        elif recorded.result is not None and recorded.result.submission.revision > (0 if record is None else record.revision):
            record = recorded.result.submission
    return record


def touched(connection: sqlite3.Connection) -> list[Submission]:
    """All that operations lie over, in no particular order."""
    found = (find(connection, submission_id) for submission_id in operations.live_submissions(connection))
    return [record for record in found if record is not None]


def content_of(connection: sqlite3.Connection, item_id: bytes) -> ItemContent | None:
    """The content of an item that is shown; None if it, or its content at this revision, is not here."""
    row = shown_rows.by_ids(connection, [item_id]).get(item_id)
    held = None if row is None else shown_contents.find(connection, item_id, row.content_revision)
    return None if held is None else ItemContent.FromString(held.encoded)


def _laid_over(connection: sqlite3.Connection, recorded: Recorded, record: Submission | None) -> Submission | None:
    if recorded.action == "submit":
        return record or _made(connection, recorded)
    if record is None:
        return None
    if recorded.action == "cancel_submission":
        if record.state in submissions.UNDECIDED:
            record.state = SUBMISSION_STATE_CANCELLED
            record.ClearField("hold_until")
    else:
        for recipient in record.recipients:
            if recipient.state in LOST:
                recipient.state = DELIVERY_STATE_QUEUED
                recipient.attempts = 0
                recipient.changed.CopyFrom(recorded.operation.edited)
    return record


def _made(connection: sqlite3.Connection, recorded: Recorded) -> Submission:
    """The submission that the server has not heard of, with what can be told of it from here."""
    request, edited = recorded.operation.submit, recorded.operation.edited
    made = Submission(id=request.submission_id, item_id=request.item_id, state=SUBMISSION_STATE_PENDING)
    made.submitted.CopyFrom(edited)
    if request.HasField("send_at") and request.send_at.ToMicroseconds() > edited.ToMicroseconds():
        # The window in which it can be called back begins when the server has it, so it has no time yet.
        made.state = SUBMISSION_STATE_HELD
        made.hold_until.CopyFrom(request.send_at)
    made.sender = _sender(connection, request.item_id)
    content = content_of(connection, request.item_id) or ItemContent()
    made.recipients.extend(
        SubmissionRecipient(person=person, state=DELIVERY_STATE_QUEUED, changed=edited) for person in _people(content)
    )
    return made


def _sender(connection: sqlite3.Connection, item_id: bytes) -> str:
    row = shown_rows.by_ids(connection, [item_id]).get(item_id)
    author = "" if row is None else records.author(row.item().summary.message).address
    identity = Identity.read(connection)
    return author or ("" if identity is None else identity.address)


def _people(content: ItemContent) -> list[Person]:
    """Whom a message goes to, each once; distribution lists by their names, since who is on them the server looks up."""
    addressees.expand_groups(content)
    found: dict[str, Person] = {}
    for recipient in addressees.ordered(content.recipients):
        key = mail_addresses.key_of(recipient.person.address) or recipient.list_item_id.hex()
        found.setdefault(key, Person(name=recipient.person.name, address=_written(recipient.person.address)))
    return list(found.values())


def _written(address: str) -> str:
    """The address as the envelope has it."""
    try:
        return mail_addresses.parse(address, "item_id").text
    except InvalidArgument:
        return address
