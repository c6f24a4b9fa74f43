"""Which folders a search looks into."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import names
from rookery_core.rules.ids import require_id
from rookery_server.store import folders
from rookery_server.store.folders import TOP

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from rookery_core.rules.search_query import FolderName
    from rookery_server.store.folders import FolderRow

MOST_FOLDERS = 500
_ROLES = {
    **{name.removeprefix("FOLDER_ROLE_").lower(): number for name, number in folder_pb2.FolderRole.items() if number},
    "trash": folder_pb2.FOLDER_ROLE_DELETED,
    "spam": folder_pb2.FOLDER_ROLE_JUNK,
}
_LEFT_OUT = {folder_pb2.FOLDER_ROLE_DELETED, folder_pb2.FOLDER_ROLE_JUNK}


def chosen(connection: Connection, mailbox_id: int, folder_ids: Sequence[bytes], wanted: Sequence[FolderName]) -> set[bytes]:
    """The ids of the folders that a search looks into.

    Those of ``folder_ids`` and of the names, where both are given: in both. All but Deleted Items and Junk, and what is below them,
    where neither is. Without those whose names are negated. NotFound ``FOLDER_NOT_FOUND`` for an unknown id, InvalidArgument
    ``QUERY_INVALID`` for an unknown name.
    """
    if len(folder_ids) > MOST_FOLDERS:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a search names at most {MOST_FOLDERS} folders", field="folder_ids")
    rows = {row.id: row for row in folders.list_all(connection, mailbox_id)}
    named = [name for name in wanted if not name.negated]
    left: set[bytes] = set(rows)
    if not named and not folder_ids:
        left -= _below(rows, (row.id for row in rows.values() if row.role in _LEFT_OUT))
    if folder_ids:
        left &= {_known(rows, folder_id, index) for index, folder_id in enumerate(folder_ids)}
    if named:
        left &= {folder_id for name in named for folder_id in _named(rows, name)}
    for name in wanted:
        if name.negated:
            left -= _named(rows, name)
    return left


def _known(rows: dict[bytes, FolderRow], folder_id: bytes, index: int) -> bytes:
    field = f"folder_ids[{index}]"
    if require_id(folder_id, field) not in rows:
        raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field=field)
    return folder_id


def _named(rows: dict[bytes, FolderRow], name: FolderName) -> set[bytes]:
    """The folder with this role or path, else those with this name."""
    role = _ROLES.get(name.name.lower().replace(" ", "_"))
    found = {row.id for row in rows.values() if role is not None and row.role == role}
    if not found:
        path = [names.key(part.strip()) for part in name.name.strip("/").split("/")]
        found = {row.id for row in rows.values() if _path(rows, row) == path}
        if not found and len(path) == 1:
            found = {row.id for row in rows.values() if row.name_key == path[0]}
    if not found:
        raise InvalidArgument(
            "QUERY_INVALID",
            f"at character {name.position}: there is no folder “{name.name[:80]}”",
            metadata={"position": str(name.position)},
            field="query",
        )
    return found


def _path(rows: dict[bytes, FolderRow], row: FolderRow) -> list[str]:
    parts = [row.name_key]
    while row.parent_id != TOP and row.parent_id in rows:
        row = rows[row.parent_id]
        parts.append(row.name_key)
    return parts[::-1]


def _below(rows: dict[bytes, FolderRow], tops: Iterable[bytes]) -> set[bytes]:
    """The folders and all that are below them."""
    children: dict[bytes, list[bytes]] = {}
    for row in rows.values():
        children.setdefault(row.parent_id, []).append(row.id)
    found: set[bytes] = set()
    waiting = list(tops)
    while waiting:
        folder_id = waiting.pop()
        found.add(folder_id)
        waiting.extend(children.get(folder_id, []))
    return found
