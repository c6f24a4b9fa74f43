"""``rookery.v1.FolderService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import folder_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.folders.folder_removal import FolderRemoval
    from rookery_server.services.folders.folders import FolderService


class FolderServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, folders: FolderService, removal: FolderRemoval) -> None:
        self._folders = folders
        self._removal = removal

    async def create_folder(self, request: folder_pb2.CreateFolderRequest, call: Call) -> bytes:
        """CreateFolder."""
        return await self._folders.create_folder(call.caller, request)

    async def get_folder(self, request: folder_pb2.GetFolderRequest, call: Call) -> folder_pb2.GetFolderResponse:
        """GetFolder."""
        return await self._folders.get_folder(call.caller, request)

    async def list_folders(self, request: folder_pb2.ListFoldersRequest, call: Call) -> folder_pb2.ListFoldersResponse:
        """ListFolders."""
        return await self._folders.list_folders(call.caller, request)

    async def update_folder(self, request: folder_pb2.UpdateFolderRequest, call: Call) -> bytes:
        """UpdateFolder."""
        return await self._folders.update_folder(call.caller, request)

    async def delete_folder(self, request: folder_pb2.DeleteFolderRequest, call: Call) -> bytes:
        """DeleteFolder."""
        return await self._removal.delete_folder(call.caller, request)

    async def empty_folder(self, request: folder_pb2.EmptyFolderRequest, call: Call) -> bytes:
        """EmptyFolder."""
        return await self._removal.empty_folder(call.caller, request)
