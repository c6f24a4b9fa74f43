"""Bulk bytes: uploads, downloads, imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery_client.client.downloads import AttachmentDownload, DocumentDownload, Download
from rookery_client.client.imports import Import, Imported
from rookery_client.client.uploads import upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
    from typing import BinaryIO

    from rookery.v1.content_service_pb2 import ImportDocument
    from rookery_client.connection import Connection

Key = TypeVar("Key")


class Content:
    """The ContentService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = ContentServiceStub(connection.channel)

    async def upload(
        self,
        source: bytes | BinaryIO,
        *,
        progress: Callable[[int], None] | None = None,
        upload_id: bytes = b"",
        mailbox_id: bytes = b"",
    ) -> bytes:
        """Uploads bytes, or a file from its beginning (it must be seekable), and gives back the upload's id.

        The id may be used for an attachment or an import for 24 hours. Broken off, the upload goes on where the server's
        durable bytes end; so does one whose `upload_id`, a UUIDv7, the caller minted and used before with the same bytes.
        `progress` is told how many bytes have been sent.
        """
        return await upload(self._connection, self._stub, source, mailbox_id, progress, upload_id)

    def download_attachment(self, item_id: bytes, attachment_id: int, *, mailbox_id: bytes = b"", offset: int = 0) -> Download:
        """An attachment's bytes, to be iterated over with ``async for``."""
        return AttachmentDownload(self._connection, mailbox_id, item_id, attachment_id, offset)

    def download_document(self, item_id: bytes, *, mailbox_id: bytes = b"", offset: int = 0) -> Download:
        """An item as a document: a message exactly as it came, iCalendar, or vCard; to be iterated over with ``async for``."""
        return DocumentDownload(self._connection, mailbox_id, item_id, 0, offset)

    def import_documents(
        self,
        documents: Iterable[tuple[Key, ImportDocument]] | AsyncIterable[tuple[Key, ImportDocument]],
        *,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Imported[Key]]:
        """Imports documents and gives their results as they become durable, in any order, each with the key it came with.

        A document needs its ``format`` and ``data``; mailbox and operation id are filled in here. At most 400 documents are
        under way at once, and `documents` is asked for more only as they are answered. Data of more than 4 MiB is uploaded
        first. A document that the server refuses is a result with its ``error``; a broken connection is made again, and what
        was not answered is sent again under the same operation ids. Raises when the server stays away.
        """
        return Import[Key](self._connection, self._stub, mailbox_id).run(documents)
