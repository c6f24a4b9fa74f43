"""What a person sees of a replica, in short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import ItemContent, ItemState, ItemSummary

if TYPE_CHECKING:
    from rookery_client.replica.replica import Replica


class Sight:
    """Looks through the views, as every reader does."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """What a statement gives."""
        with self._replica.database.reading() as connection:
            return connection.execute(statement, values).fetchall()

    def subjects(self, folder_id: bytes = b"") -> list[str]:
        """The subjects of all items, or of those in a folder, sorted."""
        rows = self.rows("SELECT folder_id, summary FROM shown_item")
        return sorted(ItemSummary.FromString(row[1]).subject for row in rows if folder_id in {b"", row[0]})

    def summary(self, item_id: bytes) -> ItemSummary:
        return ItemSummary.FromString(self.rows("SELECT summary FROM shown_item WHERE id = ?", item_id)[0][0])

    def state(self, item_id: bytes) -> ItemState:
        return ItemState.FromString(self.rows("SELECT state FROM shown_item WHERE id = ?", item_id)[0][0])

    def folder_of(self, item_id: bytes) -> bytes | None:
        """The folder of an item; None if it is not shown."""
        rows = self.rows("SELECT folder_id FROM shown_item WHERE id = ?", item_id)
        return rows[0][0] if rows else None

    def content(self, item_id: bytes) -> ItemContent:
        """What operations made of the content of an item."""
        return ItemContent.FromString(self.rows("SELECT content FROM local_item WHERE id = ?", item_id)[0][0])

    def folders(self) -> dict[str, Folder]:
        """The folders by name."""
        records = [Folder.FromString(row[0]) for row in self.rows("SELECT record FROM shown_folder")]
        return {folder.name: folder for folder in records}

    def overlaid(self) -> int:
        """Items and folders that are shown otherwise than the server has them."""
        return int(self.rows("SELECT (SELECT count(*) FROM local_item) + (SELECT count(*) FROM local_folder)")[0][0])
