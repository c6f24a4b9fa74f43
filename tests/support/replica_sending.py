"""Mail in a replica's mailbox: drafts, what the server tells of what was sent, and the folders that mail passes through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.person_pb2 import Person
from rookery.v1.submission_pb2 import Submission, SubmissionRecipient
from tests.support.replica_batches import create
from tests.support.replica_filling import DRAFTS, FULL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import Item, Recipient
    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.replica import Replica
    from tests.support.replica_batches import Sender

PLENTY = (500, 1 << 20)
OUTBOX, SENT = b"\xc1" * 16, b"\xc2" * 16
HELD, PENDING, FINAL, CANCELLED = (
    records.SUBMISSION_STATE_HELD,
    records.SUBMISSION_STATE_PENDING,
    records.SUBMISSION_STATE_FINAL,
    records.SUBMISSION_STATE_CANCELLED,
)
QUEUED, DELIVERED, FAILED, EXPIRED = (
    records.DELIVERY_STATE_QUEUED,
    records.DELIVERY_STATE_DELIVERED,
    records.DELIVERY_STATE_FAILED,
    records.DELIVERY_STATE_EXPIRED,
)
FOLDERS = (
    Folder(id=OUTBOX, name="Outbox", role=FolderRole.FOLDER_ROLE_OUTBOX, revision=1),
    Folder(id=SENT, name="Sent Items", role=FolderRole.FOLDER_ROLE_SENT, revision=1),
)
"""Those that a replica's mailbox in tests has not got otherwise."""


def addressed(*addresses: str) -> list[Recipient]:
    """Recipients."""
    return [item_pb2.Recipient(person=Person(address=address)) for address in addresses]


def letter(
    mailbox: Sender,
    *,
    folder: bytes = DRAFTS,
    recipients: Sequence[Recipient] | None = None,
    draft: bool = True,
    extent: Any = FULL,
) -> Item:
    """A draft that the server has, or what was one."""
    item = mailbox.message("A letter", folder=folder)
    item.summary.message.draft = draft
    item.content.recipients.extend(addressed("ben@example.org") if recipients is None else recipients)
    mailbox.put(item, extent=extent)
    return item


def written() -> SyncOperation:
    """A draft that is made here."""
    operation = create("A letter", folder=DRAFTS)
    operation.create_item.item.summary.message.draft = True
    operation.create_item.item.content.recipients.extend(addressed("ben@example.org"))
    return operation


def told(
    mailbox: Sender, item: Item, state: Any = PENDING, *, submission_id: bytes = b"", delivered: Sequence[Any] = ()
) -> Submission:
    """The server tells of a submission, at a revision of its own."""
    submission_id = submission_id or mailbox.ids.new()
    record = Submission(id=submission_id, item_id=item.id, revision=mailbox.next(), state=state, sender="anna@example.org")
    record.submitted.FromMicroseconds(1_750_000_000_000_000)
    record.recipients.extend(SubmissionRecipient(person=Person(address="ben@example.org"), state=each) for each in delivered)
    mailbox.send(submissions=[record])
    return record


def sent_off(replica: Replica) -> list[SyncOperation]:
    """Everything that waits is on its way, and no answer has come."""
    return replica.sending(replica.waiting(*PLENTY))
