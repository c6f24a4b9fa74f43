"""Items as the person sees them, computed: what the server has, and the operations that lie over it, replayed in order.

An operation that was answered lies over an item as long as the server's row of that item is older than the answer: a row that is
not has the operation in it already.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

from rookery.v1.folder_pb2 import Folder
from rookery.v1.person_pb2 import Person
from rookery.v1.sync_pb2 import SyncOperation
from rookery_client.replica.storage import operations, schema, submissions
from rookery_client.replica.storage.identity import Identity
from rookery_client.replica.view import local_edits, shown_contents
from rookery_client.replica.view.local_item import LocalItem
from rookery_core.errors import DataLoss, InvalidArgument, NotFound
from rookery_core.rules.scheduling.itip import Self

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from rookery_client.replica.storage.operations import Recorded
    from rookery_client.replica.view.shown_contents import Held

_BASE = "SELECT id, folder_id, kind, revision, content_revision, uid, fill_key, state, summary FROM item WHERE id = ?"
_AFTER_ALL = (1 << 63) - 1
"""A number after that of every operation."""
_FOLDERS = "SELECT record FROM shown_folder"
_DELETING = frozenset({"delete_folder", "empty_folder"})


class ItemView:
    """Computes items within one transaction. Operations and folders are read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._read: dict[int, Recorded] = {}
        self._roles: dict[int, bytes] | None = None
        self._folder_ids: set[bytes] = set()

    def shown(self, item_id: bytes, seqs: Sequence[int], *, checked: int = 0) -> LocalItem | None:
        """The item after the operations; None if none of them lies over it, or there is nothing to show.

        What does not fit any more is left out; but what does not fit of the operation ``checked`` raises InvalidArgument.
        """
        item = base = self.base(item_id)
        server_revision = 0 if base is None else base.revision
        laid = False
        for seq in seqs:
            recorded = self.operation(seq)
            if recorded.status == schema.ANSWERED and base is not None and recorded.revision <= server_revision:
                continue
            laid = True
            try:
                item = local_edits.apply(recorded.operation, item_id, item, Around(self, recorded))
            except InvalidArgument:
                if seq == checked:
                    raise
        return item if laid else None

    def before(self, item_id: bytes, seq: int) -> LocalItem | None:
        """The item as it was before an operation."""
        seqs = operations.live_of_items(self.connection, [item_id]).get(item_id, [])
        return self.shown(item_id, [each for each in seqs if each < seq]) or self.base(item_id)

    def current(self, item_id: bytes) -> LocalItem:
        """The item after all operations; NotFound ``ITEM_NOT_FOUND``."""
        found = self.before(item_id, _AFTER_ALL)
        if found is None:
            raise NotFound("ITEM_NOT_FOUND", "this device holds no such item", field="item_id")
        return found

    def trial(self, edited: int = 0) -> Around:
        """The surroundings of an operation that is not recorded yet; an edit is made at a time in microseconds."""
        operation = SyncOperation()
        operation.edited.FromMicroseconds(edited)
        return Around(self, operations.Recorded(_AFTER_ALL, operation, schema.WAITING, None, 0, sent=False))

    def base(self, item_id: bytes) -> LocalItem | None:
        """The item as the server has it."""
        row = self.connection.execute(_BASE, (item_id,)).fetchone()
        return None if row is None else LocalItem(*row)

    def role_folder(self, role: int) -> bytes:
        """The folder with a role; empty if it has not come."""
        return self._read_folders().get(role, b"")

    def was_deleted(self, folder_id: bytes, seq: int) -> bool:
        """Whether a folder is gone because of an operation that was made here before this one.

        What is put into one that others have deleted lands in the mailbox all the same; what was in it goes by a removal.
        """
        self._read_folders()
        if folder_id in self._folder_ids:
            return False
        here = (each for each in operations.live_of_folder(self.connection, folder_id) if self.operation(each).action in _DELETING)
        return next(here, seq) < seq

    @functools.cached_property
    def owner(self) -> Self:
        """The owner of the mailbox."""
        identity = Identity.read(self.connection)
        return Self(Person(), frozenset()) if identity is None else identity.owner

    def operation(self, seq: int) -> Recorded:
        """An operation by its number."""
        found = self._read.get(seq)
        if found is None:
            found = self._read[seq] = operations.numbered(self.connection, seq)
        return found

    def _read_folders(self) -> dict[int, bytes]:
        if self._roles is None:
            folders = [Folder.FromString(row[0]) for row in self.connection.execute(_FOLDERS)]
            self._roles = {folder.role: folder.id for folder in folders if folder.role}
            self._folder_ids = {folder.id for folder in folders}
        return self._roles


class Around:
    """The ``Surroundings`` of one operation."""

    def __init__(self, view: ItemView, recorded: Recorded) -> None:
        self._view = view
        self._recorded = recorded

    def held(self, item: LocalItem) -> Held | None:
        """See ``Surroundings``. An older content is better than none to lay an edit over; the server merges for good.

        One that is damaged counts as none, so that it keeps nothing else from coming.
        """
        row = self._view.connection.execute("SELECT extent, encoding, data FROM content WHERE item_id = ?", (item.id,)).fetchone()
        with contextlib.suppress(DataLoss):
            return None if row is None else shown_contents.Held(row[0], shown_contents.decoded(row[1], row[2]))
        return None

    def source(self, item_id: bytes) -> LocalItem | None:
        """See ``Surroundings``."""
        return self._view.before(item_id, self._recorded.seq)

    def role_folder(self, role: int) -> bytes:
        """See ``Surroundings``."""
        return self._view.role_folder(role)

    def was_deleted(self, folder_id: bytes) -> bool:
        """See ``Surroundings``."""
        return self._view.was_deleted(folder_id, self._recorded.seq)

    def emptied(self, folder_id: bytes) -> bool:
        """See ``Surroundings``."""
        return folder_id in operations.folders_of(self._view.connection, self._recorded.seq)

    def can_be_called_back(self) -> bool:
        """See ``Surroundings``."""
        if self._recorded.status == schema.ANSWERED:
            return True
        record = submissions.find(self._view.connection, self._submission_id)
        return self._submitting() is not None if record is None else record.state in submissions.UNDECIDED

    def origin(self, item_id: bytes) -> bytes:
        """See ``Surroundings``."""
        submitting = self._submitting()
        before = None if submitting is None else self._view.before(item_id, submitting.seq)
        return b"" if before is None else before.folder_id

    def upload_size(self, upload_id: bytes) -> int | None:
        """See ``Surroundings``."""
        return operations.upload_size(self._view.connection, upload_id)

    @property
    def _submission_id(self) -> bytes:
        return self._recorded.operation.cancel_submission.submission_id

    def _submitting(self) -> Recorded | None:
        """The operation that makes the submission, if it was made here and has not come back yet."""
        live = operations.live_of_submission(self._view.connection, self._submission_id)
        return next((each for each in live if each.action == "submit"), None)

    @property
    def edited(self) -> int:
        """See ``Surroundings``."""
        return int(self._recorded.operation.edited.ToMicroseconds())

    @property
    def owner(self) -> Self:
        """See ``Surroundings``."""
        return self._view.owner

    @property
    def landed(self) -> bytes:
        """See ``Surroundings``."""
        return b"" if self._recorded.result is None else self._recorded.result.landed_folder_id
