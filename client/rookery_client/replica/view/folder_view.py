"""The tree of folders as the person sees it: the server's, with operations laid over it by the server's own rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1.folder_pb2 import Folder
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, RookeryError
from rookery_core.rules import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.sync_pb2 import SyncOperation
    from rookery_client.replica.storage.operations import Recorded

MOST_FOLDERS = 10_000
MOST_DEPTH = 100
"""Levels of the tree (rookery.v1.Folder.parent_id)."""


class FolderView:
    """Folders by id. Edits raise what the server would refuse with."""

    def __init__(self, folders: Iterable[Folder]) -> None:
        self.folders = {folder.id: folder for folder in folders}

    def require(self, folder_id: bytes, field: str = "folder_id") -> Folder:
        """The folder; NotFound ``FOLDER_NOT_FOUND``."""
        found = self.folders.get(folder_id)
        if found is None:
            raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field=field)
        return found

    def with_role(self, role: int) -> bytes:
        """The id of the folder with a role; empty if it has not come."""
        return next((folder.id for folder in self.folders.values() if folder.role == role), b"")

    def subtree(self, folder_id: bytes) -> list[Folder]:
        """A folder and all that are below it, parents before children."""
        children: dict[bytes, list[Folder]] = {}
        for folder in self.folders.values():
            children.setdefault(folder.parent_id, []).append(folder)
        found = [self.require(folder_id)]
        seen = {folder_id}
        for folder in found:  # grows meanwhile
            below = [child for child in children.get(folder.id, []) if child.id not in seen]
            seen.update(child.id for child in below)
            found.extend(below)
        return found

    def parents_first(self) -> list[Folder]:
        """All folders, each before those that are in it."""
        return sorted(self.folders.values(), key=lambda folder: len(self._above(folder.id)))

    def unneeded(self, request: folder_pb2.EmptyFolderRequest) -> list[Folder]:
        """What emptying a folder deletes below it: all but role folders and those that have one below them."""
        if not request.include_subfolders:
            return []
        tree = self.subtree(request.folder_id)
        kept: set[bytes] = set()
        for folder in reversed(tree):
            if folder.role or folder.id in kept:
                kept.update((folder.id, folder.parent_id))
        return [folder for folder in tree[1:] if folder.id not in kept]

    def apply(self, operation: SyncOperation, *, other_names: bool) -> None:
        """Carries out an operation on folders; others do nothing. With ``other_names`` a name that is taken is varied, as by Push.

        NotFound ``FOLDER_NOT_FOUND``, AlreadyExists ``FOLDER_NAME_TAKEN`` or ``ID_TAKEN``, InvalidArgument for a name that can not
        be, FailedPrecondition ``FOLDER_PROTECTED``, ``FOLDER_CYCLE``, ``LIMIT_EXCEEDED``. Then nothing is changed.
        """
        match operation.WhichOneof("action"):
            case "create_folder":
                self._create(operation.create_folder.folder, other_names=other_names)
            case "update_folder":
                self._update(operation.update_folder, other_names=other_names)
            case "delete_folder":
                self._delete(operation.delete_folder.folder_id)
            case "empty_folder":
                for folder in self.unneeded(operation.empty_folder):
                    del self.folders[folder.id]

    def replay(self, recorded: Recorded) -> None:
        """``apply`` for an operation that was recorded before: what does not fit any more is left out, what was answered is so.

        A folder that is as new as the answer has the operation in it already.
        """
        result = recorded.result
        known = self.folders.get(result.folder.id) if result is not None else None
        if known is not None and known.revision >= recorded.revision:
            return
        try:
            self.apply(recorded.operation, other_names=True)
        except RookeryError:
            return
        if result is not None and result.folder.id in self.folders:
            self.folders[result.folder.id].name = result.folder.name

    def _create(self, wanted: Folder, *, other_names: bool) -> None:
        if wanted.id in self.folders:
            raise AlreadyExists("ID_TAKEN", "a folder has this id already", field="folder.id")
        if len(self.folders) >= MOST_FOLDERS:
            raise FailedPrecondition("LIMIT_EXCEEDED", f"a mailbox has at most {MOST_FOLDERS:,} folders")
        if wanted.parent_id:
            self.require(wanted.parent_id, "folder.parent_id")
        _require_depth(len(self._above(wanted.parent_id)) + 1)
        name = self._free_name(names.folder_name(wanted.name), wanted.parent_id, wanted.id, other_names=other_names)
        kind = wanted.default_kind or item_pb2.ITEM_KIND_MESSAGE
        self.folders[wanted.id] = Folder(id=wanted.id, parent_id=wanted.parent_id, name=name, default_kind=kind, next_uid=1)

    def _update(self, request: folder_pb2.UpdateFolderRequest, *, other_names: bool) -> None:
        paths = set(request.update_mask.paths)
        if not paths or not paths <= {"name", "parent_id"}:
            raise InvalidArgument(
                "FIELD_NOT_WRITABLE", "an update of a folder names “name”, “parent_id” or both", field="update_mask"
            )
        folder = self.require(request.folder.id, "folder.id")
        name = names.folder_name(request.folder.name) if "name" in paths else folder.name
        parent_id = request.folder.parent_id if "parent_id" in paths else folder.parent_id
        if (name, parent_id) == (folder.name, folder.parent_id):
            return
        if folder.role:
            raise FailedPrecondition("FOLDER_PROTECTED", f"“{folder.name}” is a role folder: it keeps its name and its place")
        if parent_id != folder.parent_id:
            self._require_movable(folder, parent_id)
        name = self._free_name(name, parent_id, folder.id, other_names=other_names)
        changed = Folder()
        changed.CopyFrom(folder)
        changed.name, changed.parent_id = name, parent_id
        self.folders[folder.id] = changed

    def _delete(self, folder_id: bytes) -> None:
        doomed = self.subtree(folder_id)
        for folder in doomed:
            if folder.role:
                raise FailedPrecondition(
                    "FOLDER_PROTECTED", f"“{folder.name}” is a role folder: it can not be deleted, but emptied"
                )
        for folder in doomed:
            del self.folders[folder.id]

    def _require_movable(self, folder: Folder, parent_id: bytes) -> None:
        if parent_id:
            self.require(parent_id, "folder.parent_id")
        above = self._above(parent_id)
        if folder.id in above:
            raise FailedPrecondition("FOLDER_CYCLE", f"“{folder.name}” can not be moved below itself")
        below = max(len(self._above(each.id)) for each in self.subtree(folder.id)) - len(self._above(folder.id)) + 1
        _require_depth(len(above) + below)

    def _above(self, folder_id: bytes) -> list[bytes]:
        """The folder and those that it is in, to the top."""
        path: list[bytes] = []
        while folder_id in self.folders and folder_id not in path:
            path.append(folder_id)
            folder_id = self.folders[folder_id].parent_id
        return path

    def _free_name(self, name: str, parent_id: bytes, folder_id: bytes, *, other_names: bool) -> str:
        """The name, if no other folder there has it; else "name (2)" and so on, as Push does, or ``FOLDER_NAME_TAKEN``."""
        siblings = (folder for folder in self.folders.values() if folder.parent_id == parent_id and folder.id != folder_id)
        taken = {names.key(folder.name) for folder in siblings}
        if names.key(name) not in taken:
            return name
        if not other_names:
            raise AlreadyExists("FOLDER_NAME_TAKEN", f"there is a folder “{name}” already", field="folder.name")
        number = 2
        while names.key(f"{name} ({number})") in taken:
            number += 1
        return f"{name} ({number})"


def _require_depth(levels: int) -> None:
    """FailedPrecondition ``LIMIT_EXCEEDED`` beyond the deepest level; a folder at the top is on level 1."""
    if levels > MOST_DEPTH:
        raise FailedPrecondition("LIMIT_EXCEEDED", f"folders nest at most {MOST_DEPTH} deep", field="folder.parent_id")
