"""Messages that come in, and what is made of them before any mailbox is looked at."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import ItemContent, ItemState
from rookery_core.errors import FailedPrecondition
from rookery_core.formats import delivery_report_reading, mime, trace
from rookery_core.formats.trace import HOPS_LIMIT, Hop
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.items import item_writer
from rookery_server.services.scheduling import arrivals
from rookery_server.store import blob_chunks

if TYPE_CHECKING:
    from collections.abc import Collection

    from rookery_core.formats.delivery_report import DeliveryReport
    from rookery_core.formats.mime import ParsedMessage
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.services.scheduling.arrivals import Arrived
    from rookery_server.store.blob_chunks import PreparedBlob

_SECOND = 1_000_000
_MOST_RESULTS = 20
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came in."""

    sender: str
    """Of the envelope; "" is the null sender."""
    data: bytes
    hop: Hop
    """How it came."""
    trusted: bool
    """Whether the host that brought it is one of ours, so that what it says of the message may be believed."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that came in, ready to be written into mailboxes."""

    digest: bytes
    """What its repetitions have in common with it."""
    item: PreparedItem
    blob: PreparedBlob
    content: ItemContent
    """The item's, once more."""
    report: DeliveryReport | None
    """What it says became of another message."""
    arrived: Arrived | None
    """What it says of a meeting or a task."""

    def about(self, submission_id: bytes) -> PreparedItem:
        """The item as a report of this submission."""
        content = ItemContent()
        content.CopyFrom(self.content)
        content.message.report.submission_id = submission_id
        encoded = item_writer.encode(content)
        return dataclasses.replace(self.item, codec=encoded.codec, content=encoded.stored)


def read(arrival: Arrival, *, now: int, blob_id: bytes, authserv_ids: Collection[str]) -> Letter:
    """``complete``, from the message's bytes."""
    return complete(arrival, mime.parse(arrival.data), now=now, blob_id=blob_id, authserv_ids=authserv_ids)


def complete(arrival: Arrival, parsed: ParsedMessage, *, now: int, blob_id: bytes, authserv_ids: Collection[str]) -> Letter:
    """The letter of a message that was parsed, into which it goes, and changed.

    ``now`` is in microseconds; ``authserv_ids``: whose Authentication-Results are believed, in lower case. What is written on top
    of the message is the same for all of its recipients. FailedPrecondition ``MAIL_LOOP``.
    """
    message = parsed.content.message
    hops = trace.hops(message.headers)
    if hops > HOPS_LIMIT:
        raise FailedPrecondition("MAIL_LOOP", f"the message went through {hops} hosts: it seems to go round in circles")
    if arrival.trusted and authserv_ids:
        message.authentication_results.extend(trace.trusted_results(message.headers, authserv_ids)[:_MOST_RESULTS])
    # Reports come from nobody (RFC 3461 section 6.1): what a person sends changes no submission.
    report = delivery_report_reading.read(arrival.data) if not arrival.sender else None
    if report is not None:
        parsed.summary.message.is_report = True  # also where only its words say so
    arrived = arrivals.read(arrival.data, parsed) if report is None else None
    prefix = f"Return-Path: <{arrival.sender}>\r\n".encode() + trace.received_lines(arrival.hop)
    marks = Marks(ItemState(), Timestamp(seconds=now // _SECOND, nanos=now % _SECOND * 1000))
    item = documents.prepare_parsed(parsed, arrival.data, marks, now=now, blob_id=blob_id, prefix=prefix)
    blob = blob_chunks.prepare(arrival.data, blob_id)
    is_named = bool(hops or parsed.summary.message.message_id)
    digest = _digest(arrival.sender, blob.sha256) if is_named else blob_id
    return Letter(digest, item, blob, parsed.content, report, arrived)


def _digest(sender: str, sha256: bytes) -> bytes:
    """The same for the same bytes of the same sender: that is a repetition, by somebody who lost our answer.

    Not so where neither a Message-ID nor a host on the way has made the message one of its kind: a program may well say the same
    thing every day. Then the digest is a name of this arrival alone.
    """
    return hashlib.sha256(b"%b\0%b" % (sender.encode(), sha256)).digest()[:_DIGEST_BYTES]
