"""Tells senders what did not arrive, and what is late: delivery reports (RFC 3464) into their inboxes.

What a sender is to be told stands in the queue's rows and is struck out in the transaction that brings the report: it is told
once, whatever crashes in between. A report joins the message's conversation, and its Original-Envelope-Id is the submission's id.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import folder_pb2
from rookery.v1.item_pb2 import ItemState
from rookery.v1.submission_pb2 import DELIVERY_STATE_EXPIRED
from rookery_core.formats import automatic, delivery_report, mime
from rookery_core.formats.delivery_report import DeliveryReport, RecipientReport, Returned
from rookery_core.rules.ids import text_of
from rookery_server.services.caller import NO_ID
from rookery_server.services.change import MailboxChange
from rookery_server.services.content import blob_reading
from rookery_server.services.content.blobs import BlobStore
from rookery_server.services.folders import folders
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.items import item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.submission.settling import MAIL_SYSTEM, OWES_DELAY, OWES_NOTHING
from rookery_server.store import blob_chunks, mailboxes, outgoing, submissions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.blob_chunks import PreparedBlob
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Owed
    from rookery_server.store.submissions import RecipientRow, SubmissionRow
    from rookery_server.store.units import Transaction

_AT_ONCE = 100
_HEADER_BYTES = 1 << 20
"""As much of a message as is looked at for its header."""
_SECOND = 1_000_000
_NOT_IN_TIME = "5.4.7"


@dataclass(frozen=True, slots=True)
class _Report:
    """A report that is ready to be brought."""

    item_id: bytes
    item: PreparedItem
    blob: PreparedBlob


class Reports:
    """Writes delivery reports. ``own_name`` is what the server calls itself; ``lifetime`` how long it tries, in microseconds."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, *, own_name: str, lifetime: int) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._own_name = own_name
        self._lifetime = lifetime

    async def tell_all(self) -> int:
        """Tells what is still to be told, as after a crash; gives how many reports that made, a bounded number."""
        told = 0
        for owed in await self._database.read(lambda connection: outgoing.owed(connection, _AT_ONCE)):
            told += await self.tell(owed)
        return told

    async def tell(self, owed: Owed) -> bool:
        """Tells a sender what there is to be told of a submission, in one report; False if there is nothing (any more)."""
        found = await self._database.read(lambda connection: _read(connection, owed))
        if found is None:
            return False
        row, concerned = found
        header = b""
        if row.blob_id is not None:
            header = await blob_reading.whole(self._database, row.blob_id, 0, min(row.size_bytes, _HEADER_BYTES))
        report = await asyncio.to_thread(self._compose, row, concerned, header)
        return await self._database.write(partial(_bring, owed=owed, concerned=concerned, report=report, now=self._clock.micros()))

    def _compose(self, row: SubmissionRow, concerned: list[RecipientRow], original: bytes) -> _Report | None:
        """The report; None where nobody may be told (RFC 3834, RFC 5321 section 4.5.5)."""
        if not automatic.may_be_told(row.sender, mime.parse(original).content.message.headers):
            return None
        now, item_id = self._clock.micros(), self._ids.new()
        told = DeliveryReport(
            reporting_host=self._own_name,
            recipients=tuple(self._of(recipient) for recipient in concerned),
            arrival=row.submitted // _SECOND,
            envelope_id=text_of(row.id),
        )
        message_id = f"{text_of(item_id)}@{self._own_name}"
        raw = delivery_report.compose(told, Returned(row.sender, message_id, now // _SECOND, original))
        blob = blob_chunks.prepare(raw, self._ids.new())
        received = Timestamp()
        received.FromMicroseconds(now)
        marks = Marks(ItemState(), received)
        prefix = b"Return-Path: <>\r\n"
        item = documents.prepare_message(raw, marks, now=now, blob_id=blob.id, prefix=prefix, reports_on=row.id)
        return _Report(item_id, item, blob)

    def _of(self, row: RecipientRow) -> RecipientReport:
        is_late = row.report == OWES_DELAY
        return RecipientReport(
            address=row.address,
            action=delivery_report.DELAYED if is_late else delivery_report.FAILED,
            status=_NOT_IN_TIME if row.state == DELIVERY_STATE_EXPIRED else row.status_code,
            diagnostic=row.reply,
            diagnostic_type="smtp" if row.host else "x-rookery",
            remote_host=row.host.partition("[")[0],
            last_attempt=row.changed // _SECOND,
            retry_until=(row.queued + self._lifetime) // _SECOND if is_late else None,
        )


def _read(connection: Connection, owed: Owed) -> tuple[SubmissionRow, list[RecipientRow]] | None:
    row = submissions.find(connection, owed.mailbox_id, owed.submission_id)
    concerned = _concerned(connection, owed, lock=False)
    return (row, concerned) if row is not None and concerned else None


def _concerned(connection: Connection, owed: Owed, *, lock: bool) -> list[RecipientRow]:
    """Those of whom the sender is to be told."""
    found = submissions.recipients(connection, owed.mailbox_id, [owed.submission_id], lock=lock)[owed.submission_id]
    return [row for row in found if row.report != OWES_NOTHING]


def _bring(transaction: Transaction, *, owed: Owed, concerned: list[RecipientRow], report: _Report | None, now: int) -> bool:
    """Puts the report into the inbox, however full the mailbox is, and strikes out what it tells.

    False if somebody has told it meanwhile, or there is something else to be told by now.
    """
    connection = transaction.connection
    mailbox = mailboxes.find(connection, owed.mailbox_uid, lock=True)
    if mailbox is None or _concerned(connection, owed, lock=True) != concerned:
        return False
    struck = [
        {"position": row.position, "report": OWES_NOTHING, "report_item_id": report.item_id if report else row.report_item_id}
        for row in concerned
    ]
    submissions.change_recipients(connection, mailbox.id, owed.submission_id, struck)
    if report is None:
        return False
    change = MailboxChange(transaction, mailbox, MAIL_SYSTEM, now)
    change.begin("mail.report", NO_ID)
    submissions.change(connection, mailbox.id, owed.submission_id, {"revision": change.revision})
    # The bytes are this report's alone: its Message-ID is in them.
    BlobStore.link(connection, [report.blob], now)
    inbox = folders.require_role(connection, mailbox.id, folder_pb2.FOLDER_ROLE_INBOX).id
    item_writer.insert(change, [NewItem(report.item_id, inbox, change.revision, report.item)])
    change.finish()
    return True
