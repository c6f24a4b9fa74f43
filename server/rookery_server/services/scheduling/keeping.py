"""What scheduling writes of appointments and tasks: the server's own edits, and where an item belongs after them.

Found by UID, edited like a device would that had seen everything, so that devices' edits merge with it by the usual rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1.item_pb2 import Item, ItemSummary
from rookery_core.rules import homes, merging, records, units, validation
from rookery_core.rules.merging import Changes, Merged
from rookery_core.rules.scheduling.receiving import Home
from rookery_core.rules.stamps import Edit
from rookery_server.services.folders import folders
from rookery_server.services.items import item_places, item_removal, item_updates, item_writer
from rookery_server.services.items.item_writer import NewItem
from rookery_server.services.tasks import task_reports
from rookery_server.store import folders as folder_rows
from rookery_server.store import item_stamps, items, scheduled

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.calendar_pb2 import Attendee
    from rookery.v1.person_pb2 import Person
    from rookery_server.services.change import MailboxChange
    from rookery_server.store.item_blobs import PartRow
    from rookery_server.store.items import PackedRow

_OWNER = "summary.task.owner"
_MOST_ALIKE = 10
"""Meetings of different organisers with one UID."""


def find(change: MailboxChange, kind: int, uid: str, organizes: Callable[[str], bool]) -> PackedRow | None:
    """The item of a meeting or a task: a live one, rather outside of Deleted Items than there, else one that is recoverable.

    Of several, such as copies that somebody made, the one that was edited last. A meeting is told by its organiser too, of whose
    address ``organizes`` is asked: else whoever has learnt a UID could keep the meeting out, by one of their own that bears it.
    An appointment without an organiser, which is nobody else's meeting, is given where there is none that is meant. So is any
    where ten have this UID already.
    """
    external_id = item_writer.external_key(uid)
    if external_id is None:
        return None
    connection, mailbox_id = change.connection, change.mailbox.id
    found = scheduled.find(connection, mailbox_id, kind, external_id)
    if len(found) > 1:
        thrown = {folder_id for folder_id in {row.folder_id for row in found} if _is_thrown_away(change, folder_id)}
        found.sort(key=lambda row: (row.life, row.folder_id in thrown))
    second: PackedRow | None = None
    for place in found:
        row = items.packed(connection, mailbox_id, place.id)
        if row is None or kind != item_pb2.ITEM_KIND_APPOINTMENT:
            return row
        organizer = ItemSummary.FromString(row.summary).appointment.organizer.address
        if organizes(organizer):
            return row
        if second is None and (not organizer or len(found) >= _MOST_ALIKE):
            second = row
    return second


def touched(before: Item, after: Item) -> set[str]:
    """The merge units in which two versions of an item differ.

    Answers of attendees are no edit of their list, nor is asking for them: they are not to keep an edit made offline from applying.
    Neither is the name that somebody has answered by, where there was none.
    """
    paths = dict.fromkeys([*units.writable_paths(before), *units.writable_paths(after)])
    differing = merging.differing(before, after, Changes(after, tuple(paths)))
    if before.summary.appointment.recurrence != after.summary.appointment.recurrence:
        differing.add(units.RULE)
    was, now = _invited(before), _invited(after)
    if _is_named_only(before.summary.task.owner, after.summary.task.owner):
        differing.discard(_OWNER)
    return {unit for unit in differing if unit not in now or unit not in was or _is_edited(was[unit], now[unit])}


def _invited(item: Item) -> dict[str, Attendee]:
    """Who is invited, by merge units."""
    return dict(units.ATTENDEES.by_unit(item))


def _is_edited(was: Attendee, now: Attendee) -> bool:
    """Whether somebody is invited in another way."""
    return was.role != now.role or (was.person != now.person and not _is_named_only(was.person, now.person))


def _is_named_only(was: Person, now: Person) -> bool:
    return was.address == now.address and not was.name


def create(change: MailboxChange, item_id: bytes, item: Item, home: Home, *, reserved: int = 0) -> PackedRow:
    """Writes a new item, read, since a message told of it; it goes to its home, or to the role folder of its kind for KEEP.

    ResourceExhausted ``QUOTA_EXCEEDED`` unless there is room beside the ``reserved`` bytes; InvalidArgument for what
    can not be. The id is free: it follows from the message's, which is new.
    """
    new = Item()
    new.CopyFrom(item)
    new.state.read = True
    validation.validate_item(new.summary, new.content)
    new.content.next_attachment_id = max(new.content.next_attachment_id, 1)
    records.complete(new.summary, new.content, item_id)
    prepared = item_writer.prepare(new.summary, new.state, new.content, now=change.now)
    change.require_room(reserved + prepared.columns["size_bytes"])
    row = NewItem(item_id, _folder(change, new.summary.kind, home), change.revision, prepared)
    return item_writer.packed_row(row, item_writer.insert(change, [row])[0])


def update(
    change: MailboxChange,
    row: PackedRow,
    before: Item,
    held: list[PartRow],
    after: Item,
    home: Home,
    *,
    reserved: int = 0,
    edited: int | None = None,
) -> PackedRow:
    """Writes what became of an item, which ``item_updates.read`` gave as ``before`` and ``held``, and brings it home.

    It is an edit of now, or of when a person decided it on a device without a network (``edited``, in microseconds).
    Nothing, and no revision, where nothing differs and it is at home. A recoverable item that is to stay where it is stays as it
    is. ResourceExhausted ``QUOTA_EXCEEDED`` unless there is room beside the ``reserved`` bytes; InvalidArgument for what can not
    be.
    """
    if row.life != items.LIVE and home is Home.KEEP:
        return row
    wanted = Item()
    wanted.CopyFrom(after)
    known = item_stamps.find(change.connection, change.mailbox.id, row.id)
    edit = Edit(change.now if edited is None else edited, change.caller.session_id, change.current_revision)
    merged = Merged(wanted, touched(before, wanted), set(), {})
    drafted = item_updates.prepare(change, row, before, held, known, edit, merged)
    if drafted.prepared is not None:
        growth = drafted.prepared.columns["size_bytes"] - before.summary.size_bytes
        change.require_room(reserved + max(0, growth))
    drafted.row = row = bring_home(change, row, before.summary.kind, home)
    if drafted.prepared is not None:
        row = task_reports.write(change, drafted, change.revision)
        item_updates.stamp(change, drafted, change.revision)
    return row


def bring_home(change: MailboxChange, row: PackedRow, kind: int, home: Home) -> PackedRow:
    """Moves or restores an item to where it belongs. Whoever has it in another calendar than the first keeps it there."""
    if home is Home.KEEP:
        return row
    connection, mailbox_id = change.connection, change.mailbox.id
    is_live = row.life == items.LIVE
    if is_live and _is_thrown_away(change, row.folder_id) == (home is Home.DELETED):
        return row
    folder_id = _folder(change, kind, home)
    place = items.places(connection, mailbox_id, [row.id])[row.id]
    if is_live:
        item_places.move(change, [place], folder_id)
    else:
        item_removal.restore(change, [place], folder_id)
    moved = items.packed(connection, mailbox_id, row.id)
    return row if moved is None else moved


def _is_thrown_away(change: MailboxChange, folder_id: bytes) -> bool:
    """Whether a folder is Deleted Items, or lies in it."""
    connection, mailbox_id = change.connection, change.mailbox.id
    deleted = folders.require_role(connection, mailbox_id, folder_pb2.FOLDER_ROLE_DELETED).id
    return deleted in folder_rows.path(connection, mailbox_id, folder_id)


def _folder(change: MailboxChange, kind: int, home: Home) -> bytes:
    role = folder_pb2.FOLDER_ROLE_DELETED if home is Home.DELETED else homes.home_of(kind)
    return folders.require_role(change.connection, change.mailbox.id, role).id
