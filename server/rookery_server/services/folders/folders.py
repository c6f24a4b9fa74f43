"""Folders: the tree, its names, its roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1 import folder_pb2, item_pb2
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from rookery_core.rules import folder_tree, names
from rookery_core.rules.ids import require_id, require_minted
from rookery_server.services import access
from rookery_server.store import folders
from rookery_server.store.folders import TOP, FolderRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.ids import Ids
    from rookery_server.services.caller import Caller
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.operations import Operations
    from rookery_server.store.database import Database

MOST_FOLDERS = 10_000
MOST_DEPTH = 100
"""Levels of the tree."""

ROLES: tuple[tuple[int, str, int], ...] = (
    (folder_pb2.FOLDER_ROLE_INBOX, "Inbox", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_DRAFTS, "Drafts", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_OUTBOX, "Outbox", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_SENT, "Sent Items", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_DELETED, "Deleted Items", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_JUNK, "Junk Email", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_ARCHIVE, "Archive", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_CALENDAR, "Calendar", item_pb2.ITEM_KIND_APPOINTMENT),
    (folder_pb2.FOLDER_ROLE_TASKS, "Tasks", item_pb2.ITEM_KIND_TASK),
    (folder_pb2.FOLDER_ROLE_CONTACTS, "Contacts", item_pb2.ITEM_KIND_CONTACT),
    (folder_pb2.FOLDER_ROLE_NOTES, "Notes", item_pb2.ITEM_KIND_NOTE),
    (folder_pb2.FOLDER_ROLE_JOURNAL, "Journal", item_pb2.ITEM_KIND_JOURNAL),
    (folder_pb2.FOLDER_ROLE_SYNC_ISSUES, "Sync Issues", item_pb2.ITEM_KIND_MESSAGE),
    (folder_pb2.FOLDER_ROLE_RECOVERED, "Recovered Items", item_pb2.ITEM_KIND_MESSAGE),
)
"""The role folders of a mailbox: role, first name, kind of what they hold."""


def new_row(
    folder_id: bytes, parent_id: bytes, name: str, *, default_kind: int, revision: int, now: int, role: int = 0
) -> FolderRow:
    """An empty folder, as it is inserted. Its uid validity is the time in seconds, so that it never comes back (RFC 3501)."""
    return FolderRow(
        id=folder_id,
        parent_id=parent_id,
        name=name,
        name_key=names.key(name),
        role=role,
        default_kind=default_kind,
        created=revision,
        revision=revision,
        contents_revision=revision,
        item_count=0,
        unread_count=0,
        size_bytes=0,
        next_uid=1,
        uid_validity=max(1, now // 1_000_000),
    )


def create_role_folders(connection: Connection, mailbox_id: int, ids: Ids, *, revision: int, now: int) -> int:
    """Gives a new mailbox its role folders; gives how many."""
    rows = [new_row(ids.new(), TOP, name, default_kind=kind, revision=revision, now=now, role=role) for role, name, kind in ROLES]
    folders.add(connection, mailbox_id, rows)
    return len(rows)


def require(connection: Connection, mailbox_id: int, folder_id: bytes, field: str = "folder_id") -> FolderRow:
    """The live folder; NotFound ``FOLDER_NOT_FOUND``."""
    found = folders.find(connection, mailbox_id, require_id(folder_id, field))
    if found is None:
        raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no such folder", field=field)
    return found


def require_role(connection: Connection, mailbox_id: int, role: int) -> FolderRow:
    """The folder with a role."""
    found = folders.find_role(connection, mailbox_id, role)
    if found is None:
        raise NotFound("FOLDER_NOT_FOUND", "the mailbox has no folder with this role", field="role")
    return found


def to_message(row: FolderRow) -> folder_pb2.Folder:
    """The record."""
    return folder_pb2.Folder(
        id=row.id,
        parent_id=b"" if row.parent_id == TOP else row.parent_id,
        name=row.name,
        role=folder_pb2.FolderRole.ValueType(row.role),
        default_kind=item_pb2.ItemKind.ValueType(row.default_kind),
        revision=row.revision,
        contents_revision=row.contents_revision,
        item_count=row.item_count,
        unread_count=row.unread_count,
        size_bytes=row.size_bytes,
        next_uid=row.next_uid,
        uid_validity=row.uid_validity,
    )


class FolderService:
    """Carries out the calls of ``rookery.v1.FolderService`` but those that empty or delete (see ``folder_removal``)."""

    def __init__(self, database: Database, operations: Operations, ids: Ids) -> None:
        self._database = database
        self._operations = operations
        self._ids = ids

    async def get_folder(self, caller: Caller, request: folder_pb2.GetFolderRequest) -> folder_pb2.GetFolderResponse:
        """One folder by id or by role."""

        def work(connection: Connection) -> folder_pb2.GetFolderResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            match request.WhichOneof("folder"):
                case "folder_id":
                    row = require(connection, mailbox.id, request.folder_id)
                case "role":
                    row = require_role(connection, mailbox.id, request.role)
                case _:
                    raise InvalidArgument("FIELD_INVALID", "name a folder by its id or by its role", field="folder_id")
            return folder_pb2.GetFolderResponse(folder=to_message(row), revision=mailbox.revision)

        return await self._database.read(work)

    async def list_folders(self, caller: Caller, request: folder_pb2.ListFoldersRequest) -> folder_pb2.ListFoldersResponse:
        """All folders, in the order of the tree."""

        def work(connection: Connection) -> folder_pb2.ListFoldersResponse:
            mailbox = access.open_mailbox(connection, caller, request.mailbox_id)
            rows = folder_tree.in_order(folders.list_all(connection, mailbox.id))
            return folder_pb2.ListFoldersResponse(folders=map(to_message, rows), revision=mailbox.revision)

        return await self._database.read(work)

    async def create_folder(self, caller: Caller, request: folder_pb2.CreateFolderRequest) -> bytes:
        """Creates a folder; the encoded CreateFolderResponse."""
        planned = plan_create(request, self._ids)

        def work(change: MailboxChange) -> folder_pb2.CreateFolderResponse:
            parent_id = _parent(change.connection, change.mailbox.id, request.folder.parent_id)
            return planned.carry_out(change, parent_id, planned.name)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "folder.create", request, work)

    async def update_folder(self, caller: Caller, request: folder_pb2.UpdateFolderRequest) -> bytes:
        """Renames or moves a folder, as one change; the encoded UpdateFolderResponse."""
        planned = plan_update(request)

        def work(change: MailboxChange) -> folder_pb2.UpdateFolderResponse:
            row = require(change.connection, change.mailbox.id, request.folder.id, "folder.id")
            parent_id = row.parent_id
            if planned.moves:
                parent_id = _parent(change.connection, change.mailbox.id, request.folder.parent_id)
            return planned.carry_out(change, row, parent_id, row.name if planned.name is None else planned.name)

        return await self._operations.on_mailbox(caller, request.mailbox_id, request.operation_id, "folder.update", request, work)


@dataclass(frozen=True, slots=True)
class PlannedFolder:
    """A folder whose form is right; where it is to be, and under which name, is for the transaction to say."""

    folder_id: bytes
    minted: bool
    """The client has given the id, which may be taken."""
    name: str
    kind: int

    def carry_out(self, change: MailboxChange, parent_id: bytes, name: str) -> folder_pb2.CreateFolderResponse:
        """Creates the folder below a live one, or ``TOP``.

        AlreadyExists ``ID_TAKEN``, ``FOLDER_NAME_TAKEN``; FailedPrecondition ``LIMIT_EXCEEDED``.
        """
        connection, mailbox_id = change.connection, change.mailbox.id
        if self.minted and folders.is_known(connection, mailbox_id, self.folder_id):
            raise AlreadyExists("ID_TAKEN", "a folder has this id already", field="folder.id")
        if change.folder_count >= MOST_FOLDERS:
            raise FailedPrecondition("LIMIT_EXCEEDED", f"a mailbox has at most {MOST_FOLDERS:,} folders")
        _require_depth(len(folders.path(connection, mailbox_id, parent_id)) + 1)
        _require_free(connection, mailbox_id, parent_id, name)
        row = new_row(self.folder_id, parent_id, name, default_kind=self.kind, revision=change.revision, now=change.now)
        folders.add(connection, mailbox_id, [row])
        change.count_folders(1)
        return folder_pb2.CreateFolderResponse(folder=to_message(row), revision=change.revision)


@dataclass(frozen=True, slots=True)
class PlannedFolderUpdate:
    """A renaming or a move whose form is right."""

    name: str | None
    """The new name; None leaves it."""
    moves: bool
    """There may be a new parent."""

    def carry_out(self, change: MailboxChange, row: FolderRow, parent_id: bytes, name: str) -> folder_pb2.UpdateFolderResponse:
        """Gives a folder this name and this parent, a live one or ``TOP``.

        FailedPrecondition ``FOLDER_PROTECTED``, ``FOLDER_CYCLE``, ``LIMIT_EXCEEDED``; AlreadyExists ``FOLDER_NAME_TAKEN``.
        """
        connection, mailbox_id = change.connection, change.mailbox.id
        if (name, parent_id) == (row.name, row.parent_id):
            return folder_pb2.UpdateFolderResponse(folder=to_message(change.counted(row)), revision=change.current_revision)
        if row.role:
            raise FailedPrecondition("FOLDER_PROTECTED", f"“{row.name}” is a role folder: it keeps its name and its place")
        if parent_id != row.parent_id:
            _require_movable(connection, mailbox_id, row, parent_id)
        if names.key(name) != row.name_key or parent_id != row.parent_id:
            _require_free(connection, mailbox_id, parent_id, name)
        new = row._replace(name=name, name_key=names.key(name), parent_id=parent_id, revision=change.revision)
        changed = ("name", "name_key", "parent_id", "revision")
        folders.change(connection, mailbox_id, row.id, {column: getattr(new, column) for column in changed})
        return folder_pb2.UpdateFolderResponse(folder=to_message(change.counted(new)), revision=change.revision)


def plan_create(request: folder_pb2.CreateFolderRequest, ids: Ids) -> PlannedFolder:
    """Checks a request to create a folder."""
    wanted = request.folder
    folder_id = require_minted(wanted.id, "folder.id") if wanted.id else ids.new()
    kind = wanted.default_kind or item_pb2.ITEM_KIND_MESSAGE
    return PlannedFolder(folder_id, bool(wanted.id), names.folder_name(wanted.name), kind)


def plan_update(request: folder_pb2.UpdateFolderRequest) -> PlannedFolderUpdate:
    """Checks a request to rename or move a folder."""
    paths = set(request.update_mask.paths)
    if not paths or not paths <= {"name", "parent_id"}:
        raise InvalidArgument("FIELD_NOT_WRITABLE", "an update of a folder names “name”, “parent_id” or both", field="update_mask")
    return PlannedFolderUpdate(names.folder_name(request.folder.name) if "name" in paths else None, "parent_id" in paths)


def _parent(connection: Connection, mailbox_id: int, parent_id: bytes) -> bytes:
    return require(connection, mailbox_id, parent_id, "folder.parent_id").id if parent_id else TOP


def _require_free(connection: Connection, mailbox_id: int, parent_id: bytes, name: str) -> None:
    if folders.find_name(connection, mailbox_id, parent_id, names.key(name)):
        raise AlreadyExists("FOLDER_NAME_TAKEN", f"there is a folder “{name}” already", field="folder.name")


def _require_depth(levels: int) -> None:
    """FailedPrecondition ``LIMIT_EXCEEDED`` beyond the deepest level; a folder at the top is on level 1."""
    if levels > MOST_DEPTH:
        raise FailedPrecondition("LIMIT_EXCEEDED", f"folders nest at most {MOST_DEPTH} deep", field="folder.parent_id")


def _require_movable(connection: Connection, mailbox_id: int, moved: FolderRow, parent_id: bytes) -> None:
    """FailedPrecondition ``FOLDER_CYCLE`` if the new parent lies below the folder (MS-OXCFOLD: ecFolderCycle).

    ``LIMIT_EXCEEDED`` if what is below the folder would come to lie too deep.
    """
    above = folders.path(connection, mailbox_id, parent_id)
    if moved.id in above:
        raise FailedPrecondition("FOLDER_CYCLE", f"“{moved.name}” can not be moved below itself")
    _require_depth(len(above) + folders.height(connection, mailbox_id, moved.id))
