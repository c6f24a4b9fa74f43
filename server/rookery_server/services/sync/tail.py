"""The tail: what happened since a cursor's base, as far as it concerns a device.

Every entry is told against the base, whatever the pages before have told: an item that moved three times comes once, as it is
now. What a device may hold is what was in its scope at the base, or at any moment since. It follows from the folders that the item
left since (departures) and the one it is in. Only what was created behind both the base and the last page read is new to the
device for certain; and where something else than the tail may have brought later things, nothing is.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias

from rookery.internal.v1.packed_pb2 import PackedItemChange
from rookery.v1 import sync_pb2
from rookery.v1.folder_pb2 import Folder
from rookery_server.services.folders.folders import to_message
from rookery_server.services.sync.batches import carried
from rookery_server.store import sync_tail
from rookery_server.store.items import LIVE
from rookery_server.store.sync_rows import SyncRow
from rookery_server.store.sync_tail import DepartureEntry, FolderEntry, ItemEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from rookery.internal.v1.packed_pb2 import SyncCursor
    from rookery_server.services.sync.batches import Batch, ContentForm
    from rookery_server.services.sync.scopes import Scope
    from rookery_server.store.sync_tail import Candidate

_FOLDERS, _ITEMS, _DEPARTURES = 1, 2, 3
_BEHIND_ALL = b"\xff" * 17
"""Comes behind every id."""
_ANY = (1 << 63) - 1
"""Beyond every revision."""

_Key: TypeAlias = tuple[int, int, bytes]
"""Revision, sort, id: the order of the tail."""
_Entry: TypeAlias = FolderEntry | ItemEntry | DepartureEntry
_News: TypeAlias = Folder | sync_pb2.FolderRemoval | SyncRow | PackedItemChange | sync_pb2.ItemRemoval
_Reader: TypeAlias = "Callable[[Connection, int, sync_tail.After, int], Sequence[_Entry]]"

_SORTS: tuple[tuple[int, _Reader], ...] = (
    (_FOLDERS, sync_tail.folders),
    (_ITEMS, sync_tail.items),
    (_DEPARTURES, sync_tail.departures),
)


class Verdict(Enum):
    """What a device is told of a live item."""

    NOTHING = auto()
    WHOLE = auto()
    CHANGED = auto()
    LEFT = auto()


def verdict(entry: ItemEntry, left: Sequence[Candidate], scope: Scope, *, base: int, told: int) -> Verdict:
    """What a device whose replica equals ``base`` needs to know of a live item that changed since.

    ``left``: the folders that the item left since the base. ``told``: the revision up to which pages have told something; a device
    does not hold what was created later.
    """
    row = entry.row
    if not scope.holds(row.folder_id, entry.kind, row.fill_key, entry.span_start, entry.span_end):
        if entry.created > told or not scope.has_kind(entry.kind):
            return Verdict.NOTHING
        # It left a folder in scope; or only the window leaves it out, and the content changed, which its time is part of.
        held = any(scope.has_folder(folder_id) for folder_id, _ in left)
        return Verdict.LEFT if held or (row.content > base and scope.has_folder(row.folder_id)) else Verdict.NOTHING
    stayed = all(scope.has_folder(folder_id) for folder_id, _ in left) if left else entry.place <= base
    if not stayed or row.content > base:
        return Verdict.WHOLE
    return Verdict.CHANGED


def page(
    connection: Connection, mailbox_id: int, cursor: SyncCursor, scope: Scope, form: ContentForm, batch: Batch, most: int
) -> bool:
    """Adds the next entries of the tail to an empty batch, and moves the cursor's position on; looks at ``most`` of each kind.

    Gives whether those were the last: then the batch tells all that this transaction sees.
    """
    position = _before(cursor.base)
    if cursor.tail_revision:
        position = (cursor.tail_revision, cursor.tail_kind, cursor.tail_id)
    entries, complete = _entries(connection, mailbox_id, position, most)
    judge = _Judge(cursor.base, _ANY if cursor.tail_ahead else position[0], scope)
    judge.look_up(connection, mailbox_id, [entry for _, entry in entries])
    said = [(key, judge.says(entry)) for key, entry in entries]
    whole = carried(connection, mailbox_id, [news for _, news in said if isinstance(news, SyncRow)], form)
    response = batch.response
    lists = {
        Folder: response.folders,
        sync_pb2.FolderRemoval: response.removed_folders,
        PackedItemChange: response.changes,
        sync_pb2.ItemRemoval: response.removals,
    }
    for key, news in said:
        if isinstance(news, SyncRow):
            row, content = next(whole)
            fits = batch.add_item(row, content)
        else:
            fits = news is None or batch.add(lists[type(news)], news)
        if not fits:
            complete = False
            break
        position = key
    cursor.tail_revision, cursor.tail_kind, cursor.tail_id = position
    return complete


def begin_ahead(cursor: SyncCursor) -> None:
    """Lets the tail begin at the cursor's base, for a replica that may hold things that came later.

    It got them from a tail that has to be read again, or from a comparison. Until it has caught up, nothing that goes is passed
    over in silence because it came behind the base.
    """
    cursor.tail_revision, cursor.tail_kind, cursor.tail_id = _before(cursor.base)
    cursor.tail_ahead = True


def end(cursor: SyncCursor) -> None:
    """The replica equals the cursor's base: the tail is at its beginning."""
    for name in ("tail_revision", "tail_kind", "tail_id", "tail_ahead"):
        cursor.ClearField(name)


def _before(revision: int) -> _Key:
    """The position behind everything up to a revision."""
    return revision, _DEPARTURES, _BEHIND_ALL


def _entries(connection: Connection, mailbox_id: int, position: _Key, most: int) -> tuple[list[tuple[_Key, _Entry]], bool]:
    """Entries behind a position, in order; and whether those are all. What may have others before it is left out."""
    revision, kind, id_ = position
    found: list[tuple[_Key, _Entry]] = []
    horizon: _Key | None = None
    for this, read in _SORTS:
        after = (revision, id_ if this == kind else b"" if this > kind else _BEHIND_ALL)
        rows = read(connection, mailbox_id, after, most)
        found.extend(((row.revision, this, row.id), row) for row in rows)
        if len(rows) == most:
            last = (rows[-1].revision, this, rows[-1].id)
            horizon = last if horizon is None else min(horizon, last)
    found.sort(key=_key_of)
    if horizon is None:
        return found, True
    return [entry for entry in found if entry[0] <= horizon], False


def _key_of(entry: tuple[_Key, _Entry]) -> _Key:
    return entry[0]


class _Judge:
    """Says what each entry means to a device."""

    def __init__(self, base: int, told: int, scope: Scope) -> None:
        self._base = base
        self._told = told
        self._scope = scope
        self._left: dict[bytes, list[Candidate]] = {}

    def look_up(self, connection: Connection, mailbox_id: int, entries: Sequence[_Entry]) -> None:
        """Reads where items were that may have been elsewhere since the base, in one statement; in none for marks and new items."""
        moved = {entry.id for entry in entries if self._may_have_moved(entry)}
        self._left = sync_tail.left(connection, mailbox_id, moved, self._base)

    def _may_have_moved(self, entry: _Entry) -> bool:
        match entry:
            case ItemEntry():
                return entry.life == LIVE and entry.place > self._base and entry.created <= self._told
            case DepartureEntry():
                return entry.life != LIVE and entry.created <= self._told
            case FolderEntry():
                return False

    def says(self, entry: _Entry) -> _News | None:
        """What a device is told; None where the entry does not concern it."""
        match entry:
            case ItemEntry():
                return self._of_item(entry) if entry.life == LIVE else None
            case DepartureEntry():
                return self._of_departure(entry)
            case FolderEntry():
                return self._of_folder(entry)

    def _of_folder(self, entry: FolderEntry) -> Folder | sync_pb2.FolderRemoval | None:
        if not entry.deleted:
            return to_message(entry.row)
        if entry.row.created > self._told:
            return None
        return sync_pb2.FolderRemoval(folder_id=entry.id, revision=entry.revision)

    def _of_item(self, entry: ItemEntry) -> SyncRow | PackedItemChange | sync_pb2.ItemRemoval | None:
        left = self._left.get(entry.id, [])
        match verdict(entry, left, self._scope, base=self._base, told=self._told):
            case Verdict.WHOLE:
                return entry.row
            case Verdict.CHANGED:
                return self._change(entry, left)
            case Verdict.LEFT:
                return _removal(entry.id, entry.revision, sync_pb2.REMOVAL_REASON_LEFT_SCOPE)
            case Verdict.NOTHING:
                return None

    def _change(self, entry: ItemEntry, left: Sequence[Candidate]) -> PackedItemChange:
        change = PackedItemChange(item_id=entry.id, revision=entry.revision)
        if entry.state_revision > self._base:
            change.state = entry.row.state
        if entry.place > self._base:
            came_from = min(left, key=lambda candidate: candidate.revision).folder_id
            change.place.CopyFrom(sync_pb2.ItemPlace(folder_id=entry.row.folder_id, uid=entry.row.uid, from_folder_id=came_from))
        return change

    def _of_departure(self, entry: DepartureEntry) -> sync_pb2.ItemRemoval | None:
        """Told once, with the item's last departure: by then all folders that it was in are known."""
        left = self._left.get(entry.id, ())
        if entry.life == LIVE or not any(self._scope.has_folder(folder_id) for folder_id, _ in left):
            return None
        if entry.revision < max(revision for _, revision in left):
            return None
        return _removal(entry.id, entry.revision, sync_pb2.REMOVAL_REASON_DELETED)


def _removal(item_id: bytes, revision: int, reason: sync_pb2.RemovalReason.ValueType) -> sync_pb2.ItemRemoval:
    return sync_pb2.ItemRemoval(item_id=item_id, revision=revision, reason=reason)
