"""ContentService: bytes up, bytes down, imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery.v1 import content_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.content.downloads import DownloadService
    from rookery_server.services.content.uploads import UploadService
    from rookery_server.services.importing.imports import ImportService


class ContentServicer:
    """Answers the calls of ``rookery.v1.ContentService``."""

    def __init__(self, uploads: UploadService, downloads: DownloadService, imports: ImportService) -> None:
        self._uploads = uploads
        self._downloads = downloads
        self._imports = imports

    async def upload(self, requests: AsyncIterator[messages.UploadRequest], call: Call) -> messages.UploadResponse:
        """See the contract."""
        return await self._uploads.upload(call.caller, requests)

    async def write_upload(self, request: messages.WriteUploadRequest, call: Call) -> messages.WriteUploadResponse:
        """See the contract."""
        return await self._uploads.write_upload(call.caller, request)

    async def get_upload(self, request: messages.GetUploadRequest, call: Call) -> messages.GetUploadResponse:
        """See the contract."""
        return await self._uploads.get_upload(call.caller, request)

    def download_attachment(self, request: messages.DownloadAttachmentRequest, call: Call) -> AsyncIterator[bytes]:
        """See the contract."""
        return self._downloads.download_attachment(call.caller, request)

    def download_document(self, request: messages.DownloadDocumentRequest, call: Call) -> AsyncIterator[bytes]:
        """See the contract."""
        return self._downloads.download_document(call.caller, request)

    async def read_content(self, request: messages.ReadContentRequest, call: Call) -> messages.ReadContentResponse:
        """See the contract."""
        return await self._downloads.read_content(call.caller, request)

    def import_(self, requests: AsyncIterator[messages.ImportRequest], call: Call) -> AsyncIterator[messages.ImportResponse]:
        """See the contract."""
        return self._imports.import_stream(call.caller, requests)

    async def import_item(self, request: messages.ImportItemRequest, call: Call) -> messages.ImportItemResponse:
        """See the contract."""
        return await self._imports.import_item(call.caller, request)
