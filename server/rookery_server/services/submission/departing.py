"""Makes a draft ready to leave: whether it may, in whose name, to whom; and the message, written once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, Stale
from rookery_core.formats import addressees, mime
from rookery_core.formats.mime_headers import read_block
from rookery_core.rules import limits, records, validation
from rookery_core.rules.ids import require_id, text_of
from rookery_server.services import access
from rookery_server.services.brief import BRIEF_BYTES
from rookery_server.services.content.content_sources import Places, read_attachments
from rookery_server.services.items import item_packing, item_writer
from rookery_server.services.submission import list_members, senders
from rookery_server.store import accounts, blob_chunks, domains, item_blobs, items
from rookery_server.store.blob_chunks import damaged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import Attachment
    from rookery.v1.submission_service_pb2 import SubmitRequest
    from rookery_core.formats.addressees import Addressee
    from rookery_server.services.caller import Caller
    from rookery_server.services.items.item_writer import PreparedItem
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.blob_chunks import PreparedBlob
    from rookery_server.store.database import Database
    from rookery_server.store.item_blobs import PartRow


@dataclass(frozen=True, slots=True)
class Departing:
    """A draft that may leave, and the message that it is."""

    content_revision: int
    """Of the draft: of another content this is not the message."""
    item: Item
    """The draft as its sender keeps it once it is submitted."""
    sender: str
    """The address in the envelope."""
    addressees: Sequence[Addressee]
    here: frozenset[str]
    """Those of the addressees' domains that are this server's."""
    blob: PreparedBlob
    eight_bit: bool
    unicode_header: bool
    copy: PreparedItem | None = None
    """``item`` ready to be written; None where it holds attachments, which the transaction has to link, or is new."""
    message: bytes | None = None
    """It itself, if it is brief."""


class _Written(NamedTuple):
    """A message, and what is to be known of it."""

    blob: PreparedBlob
    eight_bit: bool
    unicode_header: bool
    copy: PreparedItem | None
    message: bytes | None


class _Draft(NamedTuple):
    """What one look at the database tells of a draft."""

    item: Item
    """As its sender keeps it."""
    leaving: Item
    """As it leaves: without groups."""
    parts: list[PartRow]
    sender: str
    addressees: Sequence[Addressee]
    here: frozenset[str]


async def prepare(
    database: Database, caller: Caller, request: SubmitRequest, *, now: int, blob_id: bytes, max_message_bytes: int
) -> Departing:
    """Reads the draft and writes the message. ``now``, in microseconds, is its date.

    NotFound, FailedPrecondition, PermissionDenied, Stale and InvalidArgument as the contract has them of Submit.
    """
    draft = await database.peek(lambda connection: _read(connection, caller, request, now, BRIEF_BYTES))
    if draft is None:
        draft = await database.read(lambda connection: _read(connection, caller, request, now, limits.RECORD_BYTES))
    if draft is None:
        raise damaged()
    item, leaving = draft.item, draft.leaving
    if sum(attachment.size_bytes for attachment in item.content.attachments) > max_message_bytes:
        raise _too_large(max_message_bytes)
    attachments = await read_attachments(database, leaving, draft.parts, Places())
    write = partial(_write, draft, attachments, blob_id, now)
    written = await asyncio.to_thread(write) if attachments or leaving.content.ByteSize() > BRIEF_BYTES else write()
    if written.blob.size > max_message_bytes:
        raise _too_large(max_message_bytes)
    return Departing(item.content_revision, item, draft.sender, draft.addressees, draft.here, *written)


def _read(connection: Connection, caller: Caller, request: SubmitRequest, now: int, most: int) -> _Draft | None:
    """The draft as it leaves; None if more than so many bytes are to be read, as they may be with lists among the recipients."""
    mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
    found = items.whole(connection, mailbox.id, require_id(request.item_id, "item_id"), most=most)
    if found is None:
        raise NotFound("ITEM_NOT_FOUND", "the mailbox has no such item", field="item_id")
    row, content = found
    summary = item_pb2.ItemSummary.FromString(row.summary)
    if row.life != items.LIVE or summary.kind != item_pb2.ITEM_KIND_MESSAGE or not summary.message.draft:
        raise FailedPrecondition("NOT_A_DRAFT", "only a draft can be sent: this is none, or it is on its way already")
    if request.etag and request.etag != row.content:
        message = "the draft was changed meanwhile: read it again and decide"
        raise Stale("STALE_ETAG", message, metadata={"content_revision": str(row.content)}, field="etag")
    if content is None:
        return None
    item = item_packing.unpack(row, item_packing.decompress(content))
    if most <= BRIEF_BYTES and list_members.has_lists(item.content):
        return None
    list_members.expand(connection, mailbox.id, item.content)
    account = accounts.find(connection, caller.account_id)
    _complete(item, account, now)
    leaving = Item()
    leaving.CopyFrom(item)
    addressees.expand_groups(leaving.content)
    everybody = addressees.addressees(leaving.content)
    sender = _sender(connection, account, item)
    here = domains.known(connection, {addressee.address.domain for addressee in everybody})
    parts = item_blobs.parts(connection, mailbox.id, row.id, row.content)
    return _Draft(item, leaving, parts, sender, everybody, here)


def _complete(item: Item, account: AccountRow | None, now: int) -> None:
    """What a message has that left: a date, an author, an id that names the author's domain."""
    message = item.summary.message
    author = records.author(message)
    if not author.address and account is not None:
        author.name, author.address = author.name or account.display_name, account.address
        if message.message_id == f"{text_of(item.id)}@localhost":  # what a draft without an author was given
            message.message_id = ""
    message.draft = False
    item.summary.sent.FromSeconds(now // 1_000_000)
    records.complete(item.summary, item.content, item.id)


def _sender(connection: Connection, account: AccountRow | None, item: Item) -> str:
    """The envelope's sender. PermissionDenied ``SENDER_NOT_ALLOWED``."""
    message = item.summary.message
    sender = senders.require_own(connection, account, records.author(message).address)
    if message.HasField("sender") and message.sender.address:
        senders.require_own(connection, account, message.sender.address)
    return sender


def _write(draft: _Draft, attachments: Sequence[tuple[Attachment, bytes]], blob_id: bytes, now: int) -> _Written:
    """The message as it leaves, ready to be stored; whether it, and whether its header, has bytes above 127; the sender's copy."""
    item, leaving = draft.item, draft.leaving
    seed = leaving.id + leaving.content_revision.to_bytes(8, "big")
    data = mime.compose(leaving.summary, leaving.content, attachments, boundary_seed=seed, leaving=True)
    header = data[: read_block(data, 0, len(data)).body]
    copy = None
    if not (draft.parts or item.content.attachments):
        validation.validate_item(item.summary, item.content)
        copy = item_writer.prepare(item.summary, item.state, item.content, now=now)
    message = data if len(data) <= BRIEF_BYTES else None
    return _Written(blob_chunks.prepare(data, blob_id), not data.isascii(), not header.isascii(), copy, message)


def _too_large(limit: int) -> InvalidArgument:
    message = f"the message is larger than the {limit:,} bytes that this server takes"
    return InvalidArgument("MESSAGE_TOO_LARGE", message, metadata={"limit_bytes": str(limit)}, field="item_id")
