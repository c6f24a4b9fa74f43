"""From records to rows: the promoted columns, the encoded bytes, and everything that goes in beside an item's row.

The one place where an item comes into being or gets new content: create, update, copy and import all go through it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from rookery.v1 import item_pb2
from rookery_core.errors import AlreadyExists
from rookery_core.rules import calendar_time, names, records, reminders, sort_keys, to_do
from rookery_server.services.items import item_packing
from rookery_server.store import item_blobs, items
from rookery_server.store.tables import FOREVER, NO_TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import ItemContent, ItemState, ItemSummary
    from rookery_server.services.change import MailboxChange

_KEY_LENGTH = 255


@dataclass(slots=True)
class PreparedItem:
    """An item ready to be written: everything that can be computed before the transaction is."""

    columns: dict[str, Any]
    """Columns of ``item`` but mailbox_id, id, folder_id, uid, life, deleted_at and the revisions."""
    codec: int
    content: bytes
    """The encoded content, compressed by ``codec``."""
    categories: list[str]
    """Category keys."""
    blobs: list[dict[str, Any]] = field(default_factory=list)
    """Rows of ``item_blob`` but mailbox_id, item_id and content_revision: the original and the attachments' bytes."""


class EncodedContent(NamedTuple):
    """A content as it is stored."""

    codec: int
    stored: bytes
    size: int
    """Bytes before compression."""


class NewRow(NamedTuple):
    """An item but for its content and what it holds, bound for a folder, under the revision of its own operation."""

    item_id: bytes
    folder_id: bytes
    revision: int
    columns: dict[str, Any]
    """As in ``PreparedItem``."""
    categories: list[str]


@dataclass(frozen=True, slots=True)
class NewItem:
    """A prepared item with its id, bound for a folder, under the revision of its own operation."""

    item_id: bytes
    folder_id: bytes
    revision: int
    prepared: PreparedItem

    def holding(self, blob_id: bytes) -> NewItem:
        """The same, where all that it holds is in this blob: the bytes that were prepared may be there in an older one."""
        if all(row["blob_id"] == blob_id for row in self.prepared.blobs):
            return self
        blobs = [{**row, "blob_id": blob_id} for row in self.prepared.blobs]
        return dataclasses.replace(self, prepared=dataclasses.replace(self.prepared, blobs=blobs))


def encode(content: ItemContent) -> EncodedContent:
    """Encodes and compresses a complete, valid content: the dear part of ``prepare``, which needs no transaction."""
    encoded = content.SerializeToString()
    return EncodedContent(*item_packing.compress(encoded), len(encoded))


def prepare(
    summary: ItemSummary,
    state: ItemState,
    content: ItemContent,
    *,
    now: int,
    size: int | None = None,
    encoded: EncodedContent | None = None,
) -> PreparedItem:
    """Encodes complete, valid records and promotes their columns. ``now`` is the time in microseconds.

    Sets the server's fields of the summary: received and created where they are unset, modified, size_bytes (``size``, or the
    encoded records and the attachments). ``encoded`` is the content, where ``encode`` has been through it already.
    """
    if not summary.HasField("received"):
        summary.received.FromMicroseconds(now)
    if not summary.HasField("created"):
        summary.created.FromMicroseconds(now)
    summary.modified.FromMicroseconds(now)
    encoded = encoded or encode(content)
    summary.size_bytes = size if size is not None else _size_of(summary, encoded, content)
    columns = {**summary_columns(summary), **state_columns(summary, state)}
    columns["external_id"] = external_key(records.external_id(summary, content))
    return PreparedItem(columns, encoded.codec, encoded.stored, [names.key(name) for name in state.categories])


def summary_columns(summary: ItemSummary) -> dict[str, Any]:
    """The columns that follow from a summary alone."""
    received = summary.received.ToMicroseconds()
    span_start, span_end, start = _span(summary)
    return {
        "kind": summary.kind,
        "fill_key": received,
        "span_start": span_start,
        "span_end": span_end,
        "received": received,
        "sent": _micros(summary.sent) if summary.HasField("sent") else NO_TIME,
        "from_key": sort_keys.from_key(summary),
        "subject_key": sort_keys.subject_key(summary),
        "size_bytes": summary.size_bytes,
        "start": start,
        "importance": sort_keys.importance(summary),
        "sensitivity": summary.sensitivity,
        "has_attachments": summary.has_attachments,
        "message_class": _text(summary.message_class, _KEY_LENGTH),
        "conversation_id": summary.conversation_id or None,
        "summary": summary.SerializeToString(),
    }


def state_columns(summary: ItemSummary, state: ItemState, zone: str | None = None) -> dict[str, Any]:
    """The columns that follow from a state, or from the state and the summary together: due, reminder, the list of tasks.

    ``zone`` is the owner's, where ``reminders.depends_on_zone``.
    """
    flag = state.follow_up
    due = _micros(flag.due) if flag.HasField("due") else NO_TIME
    if summary.kind == item_pb2.ITEM_KIND_TASK:
        due = _instant(summary.task.due) if summary.task.HasField("due") else due
    reminder = reminders.earliest(summary, state, zone)
    return {
        "is_read": state.read,
        "flag_status": flag.status,
        "due": due,
        "reminder": NO_TIME if reminder is None else reminder,
        "to_do": to_do.standing(summary, state),
        "state": state.SerializeToString(),
    }


def insert(change: MailboxChange, new: Sequence[NewItem]) -> list[int]:
    """Writes new items, in bulk; gives their uids. Folders exist, ids are free, blobs are there: the caller has looked.

    Counts them into their folders under each one's own revision, which the caller has taken.
    """
    uids = insert_rows(
        change,
        [NewRow(item.item_id, item.folder_id, item.revision, item.prepared.columns, item.prepared.categories) for item in new],
    )
    contents: list[dict[str, Any]] = []
    blobs: list[dict[str, Any]] = []
    for item in new:
        key = {"mailbox_id": change.mailbox.id, "item_id": item.item_id}
        contents.append({**key, "revision": item.revision, "codec": item.prepared.codec, "content": item.prepared.content})
        blobs.extend({**key, "content_revision": item.revision, **blob} for blob in item.prepared.blobs)
    items.add_contents(change.connection, contents)
    if blobs:
        item_blobs.add(change.connection, blobs)
    return uids


def insert_rows(change: MailboxChange, new: Sequence[NewRow]) -> list[int]:
    """``insert`` without contents and blobs: the caller puts them beside the rows, in the same transaction."""
    uids = _take_uids(change, new)
    rows: list[dict[str, Any]] = []
    categories: list[dict[str, Any]] = []
    for item, uid in zip(new, uids, strict=True):
        revisions = dict.fromkeys(("created", "content", "state_revision", "place", "revision"), item.revision)
        place = {"mailbox_id": change.mailbox.id, "id": item.item_id, "folder_id": item.folder_id, "uid": uid, "life": items.LIVE}
        rows.append({**place, **revisions, "deleted_at": None, **item.columns})
        key = {"mailbox_id": change.mailbox.id, "item_id": item.item_id}
        categories.extend({**key, "category_key": name} for name in item.categories)
        size = item.columns["size_bytes"]
        change.count(item.folder_id, items=1, unread=0 if item.columns["is_read"] else 1, size=size, held=size)
    items.add(change.connection, rows, categories)
    return uids


def require_free_ids(change: MailboxChange, item_ids: Sequence[bytes]) -> None:
    """AlreadyExists ``ID_TAKEN`` or ``ID_RETIRED`` if an id names an item already, or one that was purged."""
    taken, retired = items.known(change.connection, change.mailbox.id, item_ids)
    if taken:
        raise AlreadyExists("ID_TAKEN", "an item has this id already", field="item.id")
    if retired:
        raise AlreadyExists("ID_RETIRED", "an item with this id was purged; ids are never used again", field="item.id")


def packed_row(item: NewItem, uid: int) -> items.PackedRow:
    """The row of an item just inserted, without reading it back."""
    return items.PackedRow(
        id=item.item_id,
        folder_id=item.folder_id,
        revision=item.revision,
        content=item.revision,
        uid=uid,
        life=items.LIVE,
        state=item.prepared.columns["state"],
        summary=item.prepared.columns["summary"],
    )


def _take_uids(change: MailboxChange, new: Sequence[NewRow]) -> list[int]:
    wanted: dict[bytes, int] = {}
    for item in new:
        wanted[item.folder_id] = wanted.get(item.folder_id, 0) + 1
    following = {folder_id: change.take_uids(folder_id, count) for folder_id, count in sorted(wanted.items())}
    uids = []
    for item in new:
        uids.append(following[item.folder_id])
        following[item.folder_id] += 1
    return uids


def _size_of(summary: ItemSummary, encoded: EncodedContent, content: ItemContent) -> int:
    return summary.ByteSize() + encoded.size + sum(attachment.size_bytes for attachment in content.attachments)


def _span(summary: ItemSummary) -> tuple[int, int, int]:
    """span_start, span_end and start of an item."""
    if summary.kind == item_pb2.ITEM_KIND_JOURNAL and summary.journal.HasField("start"):
        start = _micros(summary.journal.start)
        return start, _micros(summary.journal.end) if summary.journal.HasField("end") else start, start
    if summary.kind not in {item_pb2.ITEM_KIND_APPOINTMENT, item_pb2.ITEM_KIND_TASK}:
        return NO_TIME, NO_TIME, NO_TIME
    detail = summary.appointment if summary.kind == item_pb2.ITEM_KIND_APPOINTMENT else summary.task
    start = _instant(detail.start) if detail.HasField("start") else NO_TIME
    found = calendar_time.span(summary)
    if found is None:
        return NO_TIME, NO_TIME, start
    first, last = found
    return first, FOREVER if last is None else last, start


def _instant(time: CalendarTime) -> int:
    found = calendar_time.instant(time)
    return NO_TIME if found is None else found


def _micros(stamp: Timestamp) -> int:
    return stamp.ToMicroseconds()


def external_key(external_id: str) -> str | None:
    """A Message-ID or UID as it is looked up, None for none: a long one by its digest, since PostgreSQL indexes at most 2.7 KB."""
    clean = external_id.replace("\0", "")
    if len(clean) > _KEY_LENGTH:
        return "sha256:" + hashlib.sha256(clean.encode()).hexdigest()
    return clean or None


def _text(text: str, limit: int) -> str:
    """What a text column takes: PostgreSQL refuses NUL."""
    return text[:limit].replace("\0", "")
