"""Folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import folder_pb2 as pb
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_pb2 import ItemKind

if TYPE_CHECKING:
    from rookery_client.connection import Connection

EMPTYING_SECONDS = 600.0
"""What emptying or deleting a large folder may take: the server goes on where a broken call stopped."""


class Folders:
    """The FolderService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = FolderServiceStub(connection.channel)

    async def list(self, *, mailbox_id: bytes = b"") -> list[pb.Folder]:
        """All folders, role folders first, then by path."""
        response = await self._connection.unary(self._stub.ListFolders, pb.ListFoldersRequest(mailbox_id=mailbox_id))
        return list(response.folders)

    async def get(self, folder_id: bytes, *, mailbox_id: bytes = b"") -> pb.Folder:
        """One folder by its id. NotFound ``FOLDER_NOT_FOUND``."""
        request = pb.GetFolderRequest(mailbox_id=mailbox_id, folder_id=folder_id)
        return (await self._connection.unary(self._stub.GetFolder, request)).folder

    async def get_role(self, role: pb.FolderRole.ValueType, *, mailbox_id: bytes = b"") -> pb.Folder:
        """The folder of a role, e.g. ``FOLDER_ROLE_INBOX``."""
        request = pb.GetFolderRequest(mailbox_id=mailbox_id, role=role)
        return (await self._connection.unary(self._stub.GetFolder, request)).folder

    async def create(
        self,
        name: str,
        *,
        parent_id: bytes = b"",
        default_kind: ItemKind.ValueType = ItemKind.ITEM_KIND_UNSPECIFIED,
        folder_id: bytes = b"",
        mailbox_id: bytes = b"",
    ) -> pb.Folder:
        """Makes a folder, at the top level without a parent. AlreadyExists ``FOLDER_NAME_TAKEN`` if a sibling has the name."""
        folder = pb.Folder(id=folder_id, parent_id=parent_id, name=name, default_kind=default_kind)
        request = pb.CreateFolderRequest(mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), folder=folder)
        return (await self._connection.unary(self._stub.CreateFolder, request)).folder

    async def update(
        self, folder_id: bytes, *, name: str | None = None, parent_id: bytes | None = None, mailbox_id: bytes = b""
    ) -> pb.Folder:
        """Renames a folder, moves it below another (b"": to the top level), or both."""
        folder, mask = pb.Folder(id=folder_id), FieldMask()
        if name is not None:
            folder.name = name
            mask.paths.append("name")
        if parent_id is not None:
            folder.parent_id = parent_id
            mask.paths.append("parent_id")
        request = pb.UpdateFolderRequest(
            mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), folder=folder, update_mask=mask
        )
        return (await self._connection.unary(self._stub.UpdateFolder, request)).folder

    async def delete(self, folder_id: bytes, *, mailbox_id: bytes = b"") -> pb.DeleteFolderResponse:
        """Deletes a folder with everything below it; its items become recoverable."""
        request = pb.DeleteFolderRequest(mailbox_id=mailbox_id, operation_id=self._connection.ids.new(), folder_id=folder_id)
        return await self._connection.unary(self._stub.DeleteFolder, request, deadline=self._long())

    async def empty(
        self, folder_id: bytes, *, include_subfolders: bool = False, permanent: bool = False, mailbox_id: bytes = b""
    ) -> pb.EmptyFolderResponse:
        """Deletes all items of a folder; recoverable unless `permanent`."""
        request = pb.EmptyFolderRequest(
            mailbox_id=mailbox_id,
            operation_id=self._connection.ids.new(),
            folder_id=folder_id,
            include_subfolders=include_subfolders,
            permanent=permanent,
        )
        return await self._connection.unary(self._stub.EmptyFolder, request, deadline=self._long())

    def _long(self) -> float:
        return max(self._connection.deadline, EMPTYING_SECONDS)
