"""Delivery reports from other servers find the submission that they are about, and say there what became of recipients.

Anybody can write a report, and whoever got the message knows its Message-ID. So a report changes nothing but what its own reader,
the sender of the message, is shown: of recipients that were handed on already, whose addresses it has to know. It does not touch
what the queue still does, nor what this server knows itself to have delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.submission_pb2 import (
    DELIVERY_STATE_DEFERRED,
    DELIVERY_STATE_EXPIRED,
    DELIVERY_STATE_FAILED,
    DELIVERY_STATE_RELAYED,
)
from rookery_core.errors import InvalidArgument, Unavailable
from rookery_core.formats.addressees import MOST_RECIPIENTS
from rookery_core.formats.delivery_report import DELAYED, FAILED
from rookery_core.rules import ids, mail_addresses
from rookery_server.services.items import item_writer
from rookery_server.store import items, submissions

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.formats.delivery_report import DeliveryReport, RecipientReport
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.submissions import RecipientRow

_ID_LENGTHS = (32, 36)
_LONGEST_REPLY = 500
_LONGEST_HOST = 255
_REPORTED_ON = frozenset({DELIVERY_STATE_DEFERRED, DELIVERY_STATE_EXPIRED, DELIVERY_STATE_FAILED, DELIVERY_STATE_RELAYED})
"""States of recipients that other servers may have something to say of."""


def link(change: MailboxChange, report: DeliveryReport, item_id: bytes) -> bytes:
    """Notes what a report says with the recipients that it names, in the operation that brings it as ``item_id``.

    Gives the submission that it is about, "" if it is about none of this mailbox. One that was handed on and is reported as failed
    has failed; of others the state stays.
    """
    connection, mailbox_id = change.connection, change.mailbox.id
    submission_id = _find(connection, mailbox_id, report)
    if not submission_id:
        return b""
    told = _by_address(report)
    recipients = submissions.recipients(connection, mailbox_id, [submission_id], lock=True)[submission_id]
    changes = [
        _columns(row, said, report, item_id, change.now)
        for row in recipients
        if row.state in _REPORTED_ON and (said := told.get(mail_addresses.key_of(row.address))) is not None
    ]
    if changes:
        submissions.change_recipients(connection, mailbox_id, submission_id, changes)
        submissions.change(connection, mailbox_id, submission_id, {"revision": change.revision})
    return submission_id


def require_settled(change: MailboxChange, report: DeliveryReport) -> None:
    """Unavailable ``DATABASE_BUSY`` while a recipient that a report names is being handed over.

    A host may report before its own answer is written down here. The report is to come again then: what it says would be lost.
    """
    connection, mailbox_id = change.connection, change.mailbox.id
    submission_id = _find(connection, mailbox_id, report)
    if not submission_id:
        return
    told = _by_address(report)
    for row in submissions.recipients(connection, mailbox_id, [submission_id], lock=True)[submission_id]:
        is_leased = row.lease_owner is not None and row.next_attempt is not None and row.next_attempt > change.now
        if is_leased and mail_addresses.key_of(row.address) in told:
            raise Unavailable("DATABASE_BUSY", "the message that this reports on is being handed over at this moment: come again")


def _find(connection: Connection, mailbox_id: int, report: DeliveryReport) -> bytes:
    """The submission whose id came back as the envelope's, else the latest of the message."""
    if len(report.envelope_id) in _ID_LENGTHS:
        try:
            submission_id = ids.parse(report.envelope_id)
        except InvalidArgument:
            submission_id = b""
        if submission_id and submissions.find(connection, mailbox_id, submission_id) is not None:
            return submission_id
    external_id = item_writer.external_key(report.message_id)
    if external_id is None:
        return b""
    item_ids = items.by_external(connection, mailbox_id, external_id)
    return submissions.newest_of_items(connection, mailbox_id, item_ids) if item_ids else b""


def _by_address(report: DeliveryReport) -> dict[str, RecipientReport]:
    """What is said by whom it is said of, as the sender wrote them or as the other host knew them. What failed counts most.

    Of as many as a message goes to: more are not looked at, while the mailbox is locked, whatever others write.
    """
    told: dict[str, RecipientReport] = {}
    for said in sorted(report.recipients[:MOST_RECIPIENTS], key=lambda each: each.action == FAILED):
        for address in filter(None, (said.address, said.original)):
            told[mail_addresses.key_of(address)] = said
    return told


def _columns(row: RecipientRow, said: RecipientReport, report: DeliveryReport, item_id: bytes, now: int) -> dict[str, Any]:
    columns = {name: getattr(row, name) for name in ("position", "state", "status_code", "reply", "host")}
    columns |= {"report_item_id": item_id, "changed": now}
    if row.state != DELIVERY_STATE_RELAYED:
        return columns
    host = (said.remote_host or report.reporting_host)[:_LONGEST_HOST]
    columns |= {"reply": _one_line(said.diagnostic) or f"reported as {said.action}", "host": _one_line(host)}
    if said.action != DELAYED:
        columns["status_code"] = said.status
    if said.action == FAILED:
        columns["state"] = DELIVERY_STATE_FAILED
    return columns


def _one_line(text: str) -> str:
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_REPLY]).split())
