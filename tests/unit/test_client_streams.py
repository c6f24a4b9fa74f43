from __future__ import annotations

import asyncio
import contextlib
import io
import os

import pytest
import zstandard
from google.rpc import code_pb2

from rookery.v1 import content_service_pb2 as pb
from rookery_core import errors
from tests.support.client_fakes import QUICK, client_of, refuse

ITEM = b"i" * 16
PIECE = 1000


class Shelf:
    """Holds one attachment and one document, in pieces, half of them compressed; breaks off after `breaks` pieces each time."""

    def __init__(self, data: bytes, breaks: list[int] | None = None) -> None:
        self.data = data
        self.breaks = breaks or []
        self.offsets: list[int] = []
        self.revision = 7
        self.told = len(data)

    async def download(self, request, context, response):
        self.offsets.append(request.offset)
        if request.offset > len(self.data):
            await refuse(context, code_pb2.OUT_OF_RANGE, "OFFSET_INVALID")
        left = self.breaks.pop(0) if self.breaks else None
        info = pb.ContentInfo(total_bytes=self.told, media_type="text/plain", name="a.txt", content_revision=self.revision)
        first = True
        # As a store does that keeps whole chunks, the first piece may begin before the offset.
        for start in range(request.offset - request.offset % PIECE, len(self.data), PIECE):
            if left == 0:
                await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")
            left = None if left is None else left - 1
            part = self.data[start : start + PIECE]
            chunk = pb.ContentChunk(offset=start, size_bytes=len(part), data=part)
            if start // PIECE % 2:
                chunk.encoding, chunk.data = pb.CONTENT_ENCODING_ZSTD, zstandard.compress(part)
            yield response(info=info if first else None, chunk=chunk)
            first = False
        if first:
            yield response(info=info)

    async def attachment(self, request, context):
        assert request.attachment_id == 3
        async for response in self.download(request, context, pb.DownloadAttachmentResponse):
            yield response

    async def document(self, request, context):
        async for response in self.download(request, context, pb.DownloadDocumentResponse):
            yield response

    @property
    def handlers(self):
        return {"ContentService.DownloadAttachment": self.attachment, "ContentService.DownloadDocument": self.document}


@pytest.mark.parametrize("size", [0, 1, PIECE, 5 * PIECE + 17])
async def test_a_download_gives_the_bytes(size):
    shelf = Shelf(os.urandom(size))
    async with client_of(shelf.handlers) as client:
        download = client.content.download_attachment(ITEM, 3)
        assert await download.read() == shelf.data
        assert download.info is not None
        assert (download.info.total_bytes, download.info.name) == (size, "a.txt")
        assert await client.content.download_document(ITEM).read() == shelf.data


async def test_a_broken_download_goes_on_at_the_next_byte():
    shelf = Shelf(os.urandom(20 * PIECE + 1), breaks=[2, 0, 1, 5])
    async with client_of(shelf.handlers) as client:
        assert await client.content.download_attachment(ITEM, 3).read() == shelf.data
    assert shelf.offsets == [0, 2 * PIECE, 2 * PIECE, 3 * PIECE, 8 * PIECE]


async def test_a_download_may_begin_in_the_middle_of_a_piece():
    shelf = Shelf(os.urandom(3 * PIECE))
    async with client_of(shelf.handlers) as client:
        assert await client.content.download_document(ITEM, offset=1234).read() == shelf.data[1234:]


async def test_a_download_without_progress_ends():
    shelf = Shelf(os.urandom(3 * PIECE), breaks=[1] + [0] * 50)
    async with client_of(shelf.handlers) as client:
        with pytest.raises(errors.Unavailable):
            await client.content.download_document(ITEM).read()
    assert len(shelf.offsets) == QUICK.resumptions


async def test_an_item_that_changes_in_a_break_is_not_glued_together():
    shelf = Shelf(os.urandom(3 * PIECE), breaks=[1])
    async with client_of(shelf.handlers) as client:
        pieces = aiter(client.content.download_document(ITEM))
        await anext(pieces)
        shelf.revision = 8
        with pytest.raises(errors.Stale):
            await anext(pieces)


async def test_a_download_that_ends_short_is_never_taken_for_whole():
    shelf = Shelf(os.urandom(3 * PIECE))
    shelf.told += 1
    async with client_of(shelf.handlers) as client:
        with pytest.raises(errors.RookeryError):
            await client.content.download_document(ITEM).read()


async def test_compressed_pieces_may_be_several_frames_and_large():
    parts = [os.urandom(1000) * 200, b"", os.urandom(300_000), bytes(70_000)]
    data = b"".join(parts)
    chunk = pb.ContentChunk(size_bytes=len(data), encoding=pb.CONTENT_ENCODING_ZSTD, data=b"".join(map(zstandard.compress, parts)))

    async def document(request, context):
        yield pb.DownloadDocumentResponse(info=pb.ContentInfo(total_bytes=len(data)), chunk=chunk)

    async with client_of({"ContentService.DownloadDocument": document}) as client:
        assert await client.content.download_document(ITEM).read() == data


async def test_whoever_has_enough_stops_in_the_middle():
    ended = asyncio.Event()

    async def document(request, context):
        context.add_done_callback(lambda _: ended.set())
        for start in range(100):
            info = pb.ContentInfo(total_bytes=100) if not start else None
            yield pb.DownloadDocumentResponse(info=info, chunk=pb.ContentChunk(offset=start, size_bytes=1, data=b"x"))
        await asyncio.Event().wait()

    async with client_of({"ContentService.DownloadDocument": document}) as client:
        async with contextlib.aclosing(aiter(client.content.download_document(ITEM))) as pieces:
            assert [await anext(pieces) for _ in range(3)] == [b"x"] * 3
        await asyncio.wait_for(ended.wait(), 10)


@pytest.mark.parametrize(
    "chunk",
    [
        pb.ContentChunk(offset=0, size_bytes=3, data=b"four"),
        pb.ContentChunk(offset=2, size_bytes=4, data=b"four"),
        pb.ContentChunk(offset=0, size_bytes=4, data=b"nozs", encoding=pb.CONTENT_ENCODING_ZSTD),
        pb.ContentChunk(offset=0, size_bytes=4, data=zstandard.compress(b"0" * 1000), encoding=pb.CONTENT_ENCODING_ZSTD),
        pb.ContentChunk(offset=0, size_bytes=4, data=zstandard.compress(b"fou"), encoding=pb.CONTENT_ENCODING_ZSTD),
        pb.ContentChunk(offset=0, size_bytes=4, data=zstandard.compress(b"four") * 2, encoding=pb.CONTENT_ENCODING_ZSTD),
        pb.ContentChunk(offset=0, size_bytes=4, data=zstandard.compress(b"four") + b"more", encoding=pb.CONTENT_ENCODING_ZSTD),
        pb.ContentChunk(offset=0, size_bytes=1 << 30, data=zstandard.compress(b"0"), encoding=pb.CONTENT_ENCODING_ZSTD),
    ],
)
async def test_pieces_that_do_not_fit_are_damage(chunk):
    async def document(request, context):
        yield pb.DownloadDocumentResponse(info=pb.ContentInfo(total_bytes=4), chunk=chunk)

    async with client_of({"ContentService.DownloadDocument": document}) as client:
        with pytest.raises(errors.DataLoss):
            await client.content.download_document(ITEM).read()


class Dock:
    """Takes uploads; breaks a stream off after so many pieces."""

    def __init__(self, breaks: list[int] | None = None) -> None:
        self.breaks = breaks or []
        self.uploads: dict[bytes, bytearray] = {}
        self.total = 0
        self.offsets: list[int] = []

    async def upload(self, requests, context):
        left = self.breaks.pop(0) if self.breaks else None
        held = bytearray()
        first = True
        async for request in requests:
            if first:
                held = self.uploads.setdefault(request.upload_id, bytearray())
                self.offsets.append(request.offset)
                self.total = request.total_bytes
                first = False
            assert request.offset == len(held)
            held += request.data
            if left is not None:
                left -= 1
                if left <= 0:
                    await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")
        return pb.UploadResponse(received_bytes=len(held), complete=len(held) == self.total)

    async def how_far(self, request, context):
        if request.upload_id not in self.uploads:
            await refuse(context, code_pb2.NOT_FOUND, "UPLOAD_NOT_FOUND")
        held = self.uploads[request.upload_id]
        return pb.GetUploadResponse(received_bytes=len(held), total_bytes=self.total)

    @property
    def handlers(self):
        return {"ContentService.Upload": self.upload, "ContentService.GetUpload": self.how_far}


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
async def test_an_upload_brings_all_bytes(size):
    dock, data, told = Dock(), os.urandom(size), []
    async with client_of(dock.handlers) as client:
        upload_id = await client.content.upload(io.BytesIO(data), progress=told.append)
    assert dock.uploads == {upload_id: data}
    assert told[-1] == size


async def test_a_broken_upload_goes_on_where_the_durable_bytes_end():
    dock, data = Dock([2, 1, 1]), os.urandom(4 << 20)
    async with client_of(dock.handlers) as client:
        upload_id = await client.content.upload(data)
    assert dock.uploads == {upload_id: data}
    assert len(dock.offsets) == 4
    assert dock.offsets == sorted(set(dock.offsets))


async def test_an_upload_that_the_server_refuses_is_not_tried_again():
    seen = []

    async def full(requests, context):
        seen.append(1)
        await refuse(context, code_pb2.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED", "the mailbox is full")

    async with client_of({"ContentService.Upload": full}) as client:
        with pytest.raises(errors.ResourceExhausted, match="full"):
            await client.content.upload(os.urandom(8 << 20))
    assert seen == [1]
