"""Folders as people name them: by role, by path, or by id."""

from __future__ import annotations

import difflib
import uuid
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules.names import key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery_client import Client

ROLES = {
    name.removeprefix("FOLDER_ROLE_").lower(): number
    for name, number in FolderRole.items()
    if number != FolderRole.FOLDER_ROLE_UNSPECIFIED
}
"""The word for each role."""

_WORDS = {number: name for name, number in ROLES.items()}


class FolderName(click.ParamType[str]):
    """A folder on the command line; the shell completes its role."""

    name = "folder"

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The roles that begin so."""
        return [CompletionItem(role) for role in ROLES if role.startswith(incomplete.casefold())]


FOLDER = FolderName()


def role_word(folder: Folder) -> str:
    """The role's word; "" for an ordinary folder."""
    return _WORDS.get(folder.role, "")


def paths(folders: Sequence[Folder]) -> dict[bytes, str]:
    """The path of each folder by its id: names from the top, joined by "/"."""
    by_id = {folder.id: folder for folder in folders}
    known: dict[bytes, str] = {}

    def path_of(folder: Folder, depth: int) -> str:
        if folder.id not in known:
            parent = by_id.get(folder.parent_id)
            above = f"{path_of(parent, depth + 1)}/" if parent is not None and depth < len(folders) else ""
            known[folder.id] = above + folder.name
        return known[folder.id]

    for folder in folders:
        path_of(folder, 0)
    return known


def resolve(folders: Sequence[Folder], text: str) -> Folder:
    """The folder that people mean by `text`: a role, an id, or the name of a folder at the top, and names from there down.

    NotFound ``FOLDER_NOT_FOUND`` names near ones.
    """
    wanted = key(text.strip("/"))
    first, *below = [part for part in text.split("/") if part] or [""]
    for folder in _beginnings(folders, first):
        found = _walk(folders, folder, below)
        if found is not None:
            return found
    names = [*(word for word in (role_word(folder) for folder in folders) if word), *paths(folders).values()]
    near = difflib.get_close_matches(wanted, [key(name) for name in names], n=3, cutoff=0.5)
    shown = list(dict.fromkeys(next(name for name in names if key(name) == word) for word in near))
    hint = f"did you mean {' or '.join(shown)}?" if shown else "`rookery folders` lists them"
    raise NotFound("FOLDER_NOT_FOUND", f"there is no folder “{text}”: {hint}")


def _beginnings(folders: Sequence[Folder], name: str) -> Iterator[Folder]:
    """The folders that a path's first part may stand for, the likeliest first."""
    known = {folder.id for folder in folders}
    role = ROLES.get(key(name).replace("-", "_").replace(" ", "_"))
    yield from (folder for folder in folders if role is not None and folder.role == role)
    yield from (folder for folder in folders if folder.id == _identifier(name))
    yield from (folder for folder in folders if folder.parent_id not in known and key(folder.name) == key(name))


def _walk(folders: Sequence[Folder], folder: Folder, names: Sequence[str]) -> Folder | None:
    """The folder that the names lead to, each one level below the one before."""
    for name in names:
        inside = (each for each in folders if each.parent_id == folder.id and key(each.name) == key(name))
        found = next(inside, None)
        if found is None:
            return None
        folder = found
    return folder


def split_path(folders: Sequence[Folder], path: str) -> tuple[bytes, str]:
    """The id of the parent (b"" at the top) and the name in the path of a folder that shall be made."""
    parent, _, name = path.strip("/").rpartition("/")
    if not name:
        raise InvalidArgument("FIELD_INVALID", f"“{path}” names no folder")
    return (resolve(folders, parent).id if parent else b""), name


async def find(client: Client, text: str) -> Folder:
    """Asks the server for its folders and resolves one."""
    return resolve(await client.folders.list(), text)


def _identifier(text: str) -> bytes | None:
    try:
        return uuid.UUID(text).bytes
    except ValueError:
        return None
