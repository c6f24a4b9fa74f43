"""The contract's downloads, answered by a replica: attachments that are cached, and documents that can be made of what is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery.v1 import content_service_pb2 as pb
from rookery_core.errors import FailedPrecondition, NotFound, OutOfRange
from rookery_core.formats import rendering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery.v1.item_pb2 import Attachment, Item
    from rookery_client.replica.reading.contents import Contents
    from rookery_client.replica.reading.reader import Reader

Response = TypeVar("Response", pb.DownloadAttachmentResponse, pb.DownloadDocumentResponse)

_PIECE_BYTES = 1 << 20


class OfflineBytes:
    """Gives the responses that the server would give, of what the replica holds."""

    def __init__(self, reader: Reader, contents: Contents) -> None:
        self._reader = reader
        self._contents = contents

    def attachment(self, request: pb.DownloadAttachmentRequest) -> Iterator[pb.DownloadAttachmentResponse]:
        """An attachment. FailedPrecondition ``NOT_IN_REPLICA`` if its bytes are not here."""
        item = self._reader.item(request.item_id)
        found = rendering.attachment_of(item.content, request.attachment_id)
        if found is None:
            raise NotFound("ATTACHMENT_NOT_FOUND", "the item has no such attachment", field="attachment_id")
        info = self._info(item, found.name, found.media_type)
        return _pieces(pb.DownloadAttachmentResponse, info, self._bytes_of(item, found), request.offset)

    def document(self, request: pb.DownloadDocumentRequest) -> Iterator[pb.DownloadDocumentResponse]:
        """An item as a document. FailedPrecondition ``NOT_IN_REPLICA`` if that takes more than is here: original bytes, say."""
        item = self._reader.item(request.item_id)
        if item.content.message.has_original or not self._reader.is_whole(item.id):
            raise _not_here(f"the document that “{item.summary.subject[:60]}” is")
        attachments: list[tuple[Attachment, bytes]] = []
        if rendering.needs_attachments(item.summary.kind):
            attachments = [(each, self._bytes_of(item, each)) for each in item.content.attachments]
        info = self._info(item, rendering.file_name(item.summary), rendering.media_type(item.summary.kind))
        return _pieces(pb.DownloadDocumentResponse, info, rendering.render(item, attachments), request.offset)

    def _bytes_of(self, item: Item, attachment: Attachment) -> bytes:
        data = self._contents.attachment(item.id, attachment.id)
        if data is None:
            raise _not_here(f"“{attachment.name[:60]}”")
        return data

    def _info(self, item: Item, name: str, media_type: str) -> pb.ContentInfo:
        return pb.ContentInfo(
            media_type=media_type, name=name, content_revision=item.content_revision, revision=self._reader.revision()
        )


def _pieces(kind: type[Response], info: pb.ContentInfo, data: bytes, offset: int) -> Iterator[Response]:
    if offset > len(data):
        raise OutOfRange("OFFSET_INVALID", f"there are only {len(data):,} bytes", field="offset")
    info.total_bytes = len(data)
    yield kind(info=info)
    for begin in range(offset, len(data), _PIECE_BYTES):
        piece = data[begin : begin + _PIECE_BYTES]
        yield kind(chunk=pb.ContentChunk(offset=begin, size_bytes=len(piece), encoding=pb.CONTENT_ENCODING_IDENTITY, data=piece))


def _not_here(what: str) -> FailedPrecondition:
    return FailedPrecondition("NOT_IN_REPLICA", f"{what} is not in the replica: go online to get it")
