"""Reading a replica: folders and items as the person sees them, in the records that the server gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.sync_pb2 import CONTENT_EXTENT_FULL
from rookery_client.replica.reading import holdings
from rookery_client.replica.storage import facts
from rookery_client.replica.view import folder_counts, shown_contents, shown_rows
from rookery_core.errors import NotFound
from rookery_core.rules import folder_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rookery.v1.folder_pb2 import Folder
    from rookery.v1.item_pb2 import Item
    from rookery_client.replica.reading.listing import Order, Place
    from rookery_client.replica.replica import Replica


class Page(NamedTuple):
    """A page of a list."""

    items: list[Item]
    last: Place | None
    """Where the next page begins; None at the end."""


class Reader:
    """Reads one replica. May be shared between threads; each call sees one moment."""

    def __init__(self, replica: Replica) -> None:
        self._database = replica.database

    def revision(self) -> int:
        """The mailbox's revision when the replica heard of it last."""
        with self._database.reading() as connection:
            return facts.number(connection, facts.REVISION)

    def limits(self) -> list[str]:
        """What is missing from lists and searches, a sentence each."""
        with self._database.reading() as connection:
            return list(holdings.limits(connection))

    def folders(self) -> list[Folder]:
        """All folders in the order of ListFolders, counters included: the server's, with what was changed here."""
        with self._database.reading() as connection:
            ordered = [branch.record for branch in folder_tree.in_order(shown_rows.folders(connection))]
            folder_counts.adjust(connection, ordered)
            return ordered

    def folder(self, folder_id: bytes) -> Folder:
        """One folder by its id. NotFound ``FOLDER_NOT_FOUND``."""
        return self._one(folder for folder in self.folders() if folder.id == folder_id)

    def role(self, role: int) -> Folder:
        """The folder of a role. NotFound ``FOLDER_NOT_FOUND``."""
        return self._one(folder for folder in self.folders() if folder.role == role)

    def item(self, item_id: bytes, *, full: bool = True) -> Item:
        """One item, with its content if ``full``.

        NotFound ``ITEM_NOT_FOUND``; FailedPrecondition ``NOT_IN_REPLICA`` if it, or its content, is not here.
        """
        with self._database.reading() as connection:
            row = shown_rows.by_ids(connection, [item_id]).get(item_id)
            if row is None:
                raise holdings.unknown_item(connection)
            return shown_contents.full_item(connection, row) if full else row.item()

    def is_whole(self, item_id: bytes) -> bool:
        """Whether all of the item's content is here."""
        with self._database.reading() as connection:
            row = shown_rows.by_ids(connection, [item_id]).get(item_id)
            held = None if row is None else shown_contents.find(connection, item_id, row.content_revision)
            return held is not None and held.extent == CONTENT_EXTENT_FULL

    def items(self, item_ids: Sequence[bytes], *, full: bool = False) -> list[Item]:
        """Those of the items that are here, in the order asked for. FailedPrecondition as ``item``."""
        with self._database.reading() as connection:
            there = shown_rows.by_ids(connection, item_ids)
            rows = [there[item_id] for item_id in item_ids if item_id in there]
            return [shown_contents.full_item(connection, row) if full else row.item() for row in rows]

    def page(self, order: Order, *, after: Place | None = None, size: int = 50, full: bool = False) -> Page:
        """A page of a folder. NotFound ``FOLDER_NOT_FOUND``; FailedPrecondition ``NOT_IN_REPLICA``.

        An ``order`` that is used for all pages is worked out once.
        """
        with self._database.reading() as connection:
            folder = shown_rows.folder(connection, order.folder_id)
            if folder is None:
                raise _no_folder()
            holdings.require_folder(connection, folder)
            rows, last = order.page(connection, after, size)
            return Page([shown_contents.full_item(connection, row) if full else row.item() for row in rows], last)

    def _one(self, found: Iterable[Folder]) -> Folder:
        folder = next(iter(found), None)
        if folder is None:
            raise _no_folder()
        return folder


def _no_folder() -> NotFound:
    return NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field="folder_id")
