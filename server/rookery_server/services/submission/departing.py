"""Makes a draft ready to leave: whether it may, in whose name, to whom; and the message, written once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Item
from rookery_core.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Stale
from rookery_core.formats import mime
from rookery_core.formats.mime_headers import read_block
from rookery_core.rules import mail_addresses, records
from rookery_core.rules.ids import text_of
from rookery_server.services import access
from rookery_server.services.content.content_sources import Places, read_attachments
from rookery_server.services.items import item_packing
from rookery_server.services.items.item_reading import require_item
from rookery_server.services.submission import envelopes
from rookery_server.store import accounts, blob_chunks, domains, item_blobs, items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery.v1.item_pb2 import Attachment
    from rookery.v1.person_pb2 import Person
    from rookery.v1.submission_service_pb2 import SubmitRequest
    from rookery_server.services.caller import Caller
    from rookery_server.services.submission.envelopes import Addressee
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


class _Draft(NamedTuple):
    """What one look at the database tells of a draft."""

    item: Item
    parts: list[PartRow]
    account: AccountRow | None


async def prepare(
    database: Database, caller: Caller, request: SubmitRequest, *, now: int, blob_id: bytes, max_message_bytes: int
) -> Departing:
    """Reads the draft and writes the message. ``now``, in microseconds, is its date.

    NotFound, FailedPrecondition, PermissionDenied, Stale and InvalidArgument as the contract has them of Submit.
    """
    draft = await database.read(lambda connection: _read(connection, caller, request))
    item = draft.item
    _complete(item, draft.account, now)
    leaving = Item()
    leaving.CopyFrom(item)
    envelopes.expand_groups(leaving.content)
    addressees = envelopes.addressees(leaving.content)
    sender, here = await database.read(lambda connection: _envelope(connection, caller, item, addressees))
    if sum(attachment.size_bytes for attachment in item.content.attachments) > max_message_bytes:
        raise _too_large(max_message_bytes)
    attachments = await read_attachments(database, leaving, draft.parts, Places())
    blob, eight_bit, unicode_header = await asyncio.to_thread(_write, leaving, attachments, blob_id)
    if blob.size > max_message_bytes:
        raise _too_large(max_message_bytes)
    return Departing(item.content_revision, item, sender, addressees, here, blob, eight_bit, unicode_header)


def _read(connection: Connection, caller: Caller, request: SubmitRequest) -> _Draft:
    mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
    row = require_item(connection, mailbox.id, request.item_id)
    summary = item_pb2.ItemSummary.FromString(row.summary)
    if row.life != items.LIVE or summary.kind != item_pb2.ITEM_KIND_MESSAGE or not summary.message.draft:
        raise FailedPrecondition("NOT_A_DRAFT", "only a draft can be sent: this is none, or it is on its way already")
    if request.etag and request.etag != row.content:
        message = "the draft was changed meanwhile: read it again and decide"
        raise Stale("STALE_ETAG", message, metadata={"content_revision": str(row.content)}, field="etag")
    content = item_packing.decompress(items.content(connection, mailbox.id, row.id, row.content))
    parts = item_blobs.parts(connection, mailbox.id, row.id, row.content)
    return _Draft(item_packing.unpack(row, content), parts, accounts.find(connection, caller.account_id))


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


def _envelope(connection: Connection, caller: Caller, item: Item, addressees: Sequence[Addressee]) -> tuple[str, frozenset[str]]:
    """The envelope's sender, and which of the domains are this server's. PermissionDenied ``SENDER_NOT_ALLOWED``."""
    message = item.summary.message
    sender = _require_own(connection, caller, records.author(message))
    if message.HasField("sender") and message.sender.address:
        _require_own(connection, caller, message.sender)
    return sender, domains.known(connection, {addressee.address.domain for addressee in addressees})


def _require_own(connection: Connection, caller: Caller, person: Person) -> str:
    try:
        address = mail_addresses.parse(person.address, "item_id")
    except InvalidArgument:
        owner = None
    else:
        owner = accounts.address_of(connection, address.key)
    if owner is None or owner.account_id != caller.account_id:
        message = f"you can not send as “{person.address[:100]}”: it is no address of yours"
        raise PermissionDenied("SENDER_NOT_ALLOWED", message, metadata={"address": person.address[:320]})
    return address.text


def _write(item: Item, attachments: Sequence[tuple[Attachment, bytes]], blob_id: bytes) -> tuple[PreparedBlob, bool, bool]:
    """The message as it leaves, ready to be stored; whether it, and whether its header, has bytes above 127."""
    seed = item.id + item.content_revision.to_bytes(8, "big")
    data = mime.compose(item.summary, item.content, attachments, boundary_seed=seed, leaving=True)
    header = data[: read_block(data, 0, len(data)).body]
    return blob_chunks.prepare(data, blob_id), not data.isascii(), not header.isascii()


def _too_large(limit: int) -> InvalidArgument:
    message = f"the message is larger than the {limit:,} bytes that this server takes"
    return InvalidArgument("MESSAGE_TOO_LARGE", message, metadata={"limit_bytes": str(limit)}, field="item_id")
