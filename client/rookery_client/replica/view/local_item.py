"""An item as the person sees it: the server's row with operations laid over it, encoded parts undecoded until one needs them."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL
from rookery_client.replica.storage import rows

if TYPE_CHECKING:
    from rookery_client.replica.view.shown_contents import Held
    from rookery_core.rules.scheduling.itip import Self


class Life(enum.Enum):
    """Where an item is in its life."""

    LIVE = "live"
    RECOVERABLE = "recoverable"
    PURGED = "purged"


@dataclass(slots=True)
class LocalItem:
    """One item. ``state`` and ``summary`` are encoded records."""

    id: bytes
    folder_id: bytes
    kind: int
    revision: int
    """The server's; 0 for an item that it does not know yet."""
    content_revision: int
    uid: int
    fill_key: int
    state: bytes
    summary: bytes
    content: bytes | None = None
    """An encoded ItemContent, if operations touched it; None where what the server sent is good."""
    extent: int = CONTENT_EXTENT_FULL
    """How much of the content ``content`` is."""
    life: Life = Life.LIVE

    def row(self) -> tuple[object, ...]:
        """The row of ``local_item``: ``LOCAL_COLUMNS``."""
        gone = self.life is not Life.LIVE
        place = (self.id, int(gone), self.folder_id, self.kind, self.revision, self.content_revision, self.uid, self.fill_key)
        if gone:  # nobody looks at its records
            return (*place, 0, 0, b"", b"", 0, None)
        return (*place, *rows.marks_of(self.state), self.state, self.summary, self.extent, self.content)


LOCAL_COLUMNS = (
    "id, gone, folder_id, kind, revision, content_revision, uid, fill_key, is_read, flag_status, state, summary, extent, content"
)


class Surroundings(Protocol):
    """What an operation needs to know beside the item that it changes."""

    def held(self, item: LocalItem) -> Held | None:
        """The content of the item, as the server sent it, as far as it is here."""
        ...

    def source(self, item_id: bytes) -> LocalItem | None:
        """Another item, as it was before the operation."""
        ...

    def role_folder(self, role: int) -> bytes:
        """The folder with a role; empty if it has not come yet."""
        ...

    def was_deleted(self, folder_id: bytes) -> bool:
        """Whether a folder had been deleted here when the operation was made."""
        ...

    def emptied(self, folder_id: bytes) -> bool:
        """Whether the operation touches the folder."""
        ...

    def can_be_called_back(self) -> bool:
        """Whether the submission that the operation calls back can be, as far as is known here."""
        ...

    def origin(self, item_id: bytes) -> bytes:
        """The folder from which that submission took the item; empty if that was not done here."""
        ...

    def upload_size(self, upload_id: bytes) -> int | None:
        """Bytes of an upload that is kept here."""
        ...

    @property
    def edited(self) -> int:
        """When the operation was made, in microseconds since 1970."""
        ...

    @property
    def owner(self) -> Self:
        """The owner of the mailbox."""
        ...

    @property
    def landed(self) -> bytes:
        """Where items went whose folder had vanished, if the server has answered so."""
        ...
