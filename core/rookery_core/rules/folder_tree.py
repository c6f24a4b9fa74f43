"""Folders as a tree: the order in which they are listed, and which ones a search looks into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from rookery.v1 import folder_pb2
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import names
from rookery_core.rules.ids import require_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rookery_core.rules.search_query import FolderName


class Branch(Protocol):
    """What the tree needs to know of a folder. One whose parent is not among the folders is at the top."""

    @property
    def id(self) -> bytes:
        """Its id."""
        ...

    @property
    def parent_id(self) -> bytes:
        """Its parent's id."""
        ...

    @property
    def name_key(self) -> str:
        """Its name as names compare (``names.key``)."""
        ...

    @property
    def role(self) -> int:
        """Its role; 0 for an ordinary folder."""
        ...


AnyBranch = TypeVar("AnyBranch", bound=Branch)

MOST_SEARCHED = 500
"""Folders that a search may name."""
_ROLES = {
    **{name.removeprefix("FOLDER_ROLE_").lower(): number for name, number in folder_pb2.FolderRole.items() if number},
    "trash": folder_pb2.FOLDER_ROLE_DELETED,
    "spam": folder_pb2.FOLDER_ROLE_JUNK,
}
_NOT_SEARCHED = {folder_pb2.FOLDER_ROLE_DELETED, folder_pb2.FOLDER_ROLE_JUNK}


def in_order(folders: Iterable[AnyBranch]) -> list[AnyBranch]:
    """Role folders first, in the order of their roles, each followed by what is below it; then the others by name."""
    by_place = sorted(folders, key=lambda folder: (folder.role == 0, folder.role, folder.name_key, folder.id))
    known = {folder.id for folder in by_place}
    below: dict[bytes, list[AnyBranch]] = {}
    for folder in by_place:
        below.setdefault(folder.parent_id if folder.parent_id in known else b"", []).append(folder)
    ordered: list[AnyBranch] = []
    waiting = list(reversed(below.get(b"", [])))
    while waiting:
        folder = waiting.pop()
        ordered.append(folder)
        waiting.extend(reversed(below.get(folder.id, [])))
    return ordered


def searched(folders: Iterable[Branch], folder_ids: Sequence[bytes], wanted: Sequence[FolderName]) -> set[bytes]:
    """The ids of the folders that a search looks into.

    Those of ``folder_ids`` and of the names, where both are given: in both. All but Deleted Items and Junk, and what is below them,
    where neither is. Without those whose names are negated. NotFound ``FOLDER_NOT_FOUND`` for an unknown id, InvalidArgument
    ``QUERY_INVALID`` for an unknown name.
    """
    if len(folder_ids) > MOST_SEARCHED:
        raise InvalidArgument("LIMIT_EXCEEDED", f"a search names at most {MOST_SEARCHED} folders", field="folder_ids")
    known = {folder.id: folder for folder in folders}
    named = [name for name in wanted if not name.negated]
    left: set[bytes] = set(known)
    if not named and not folder_ids:
        left -= _with_below(known, (folder.id for folder in known.values() if folder.role in _NOT_SEARCHED))
    if folder_ids:
        left &= {_require(known, folder_id, index) for index, folder_id in enumerate(folder_ids)}
    if named:
        left &= {folder_id for name in named for folder_id in _named(known, name)}
    for name in wanted:
        if name.negated:
            left -= _named(known, name)
    return left


def _require(known: Mapping[bytes, Branch], folder_id: bytes, index: int) -> bytes:
    field = f"folder_ids[{index}]"
    if require_id(folder_id, field) not in known:
        raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field=field)
    return folder_id


def _named(known: Mapping[bytes, Branch], name: FolderName) -> set[bytes]:
    """The folder with this role or path, else those with this name."""
    role = _ROLES.get(name.name.lower().replace(" ", "_"))
    found = {folder.id for folder in known.values() if role is not None and folder.role == role}
    if not found:
        path = [names.key(part.strip()) for part in name.name.strip("/").split("/")]
        found = {folder.id for folder in known.values() if _path(known, folder) == path}
        if not found and len(path) == 1:
            found = {folder.id for folder in known.values() if folder.name_key == path[0]}
    if not found:
        raise InvalidArgument(
            "QUERY_INVALID",
            f"at character {name.position}: there is no folder “{name.name[:80]}”",
            metadata={"position": str(name.position)},
            field="query",
        )
    return found


def _path(known: Mapping[bytes, Branch], folder: Branch) -> list[str]:
    parts = [folder.name_key]
    while folder.parent_id in known and len(parts) <= len(known):
        folder = known[folder.parent_id]
        parts.append(folder.name_key)
    return parts[::-1]


def _with_below(known: Mapping[bytes, Branch], tops: Iterable[bytes]) -> set[bytes]:
    """The folders and all that are below them."""
    children: dict[bytes, list[bytes]] = {}
    for folder in known.values():
        children.setdefault(folder.parent_id, []).append(folder.id)
    found: set[bytes] = set()
    waiting = list(tops)
    while waiting:
        folder_id = waiting.pop()
        if folder_id not in found:
            found.add(folder_id)
            waiting.extend(children.get(folder_id, []))
    return found
