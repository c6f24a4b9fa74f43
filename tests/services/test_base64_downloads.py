"""Attachments that came as base64 are decoded as they are sent, from any offset on, and are what decoding all at once gives."""

from __future__ import annotations

import base64
import random
import re
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import content_service_pb2
from rookery_core.formats import mime
from rookery_server.services.content import blob_reading, content_sources
from rookery_server.services.content.downloads import DownloadService
from rookery_server.store.blob_chunks import CHUNK_BYTES, Chunk, encode
from tests.services.test_downloads import attachment, bring

if TYPE_CHECKING:
    from tests.support.world import Person, World

DATA = random.Random(7).randbytes(3_000_017)


@pytest.fixture
def service(world: World) -> DownloadService:
    return DownloadService(world.database)


class Reading:
    """What is read of blobs."""

    def __init__(self) -> None:
        self.chunks = 0
        self.whole = 0


@pytest.fixture
def reading(monkeypatch: pytest.MonkeyPatch) -> Reading:
    counted, page, whole = Reading(), blob_reading.page, blob_reading.whole

    def counting_page(*given: Any) -> list[Chunk]:
        found = page(*given)
        counted.chunks += len(found)
        return found

    async def counting_whole(*given: Any) -> bytes:
        counted.whole += 1
        return await whole(*given)

    monkeypatch.setattr(blob_reading, "page", counting_page)
    monkeypatch.setattr(blob_reading, "whole", counting_whole)
    return counted


def mail(encoded: bytes, *, first: bytes = b"Hello") -> bytes:
    """A message with one file, of which these are the encoded bytes."""
    return (
        b"From: a@example.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\n"
        b"Content-Type: text/plain\r\n\r\n" + first + b"\r\n--b1\r\nContent-Type: application/octet-stream; name=x.bin\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + encoded + b"\r\n--b1--\r\n"
    )


def lines(data: bytes) -> bytes:
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 786_430, 786_431, 786_432, 3_000_015, 3_000_016, 3_000_017])
async def test_a_file_comes_back_without_being_in_memory_as_a_whole(
    world: World, anna: Person, service: DownloadService, reading: Reading, size: int
) -> None:
    [item_id] = await bring(world, anna, [mail(lines(DATA[:size]))])
    data, info = await attachment(service, anna, item_id, 1)
    assert (data, info.total_bytes) == (DATA[:size], size)
    assert reading.whole == 0


@pytest.mark.parametrize("shift", range(6))
async def test_padding_is_understood_wherever_pages_end(
    world: World, anna: Person, service: DownloadService, reading: Reading, shift: int
) -> None:
    page = blob_reading.PAGE_CHUNKS * CHUNK_BYTES
    head = mail(b"").index(b"base64\r\n\r\n") + 10
    encoded = base64.b64encode(DATA[: (page - head) // 4 * 3 - 2])
    assert encoded.endswith(b"==")
    raw = mail(encoded, first=b"Hello" + b"." * (page - head - len(encoded) - 2 + shift))
    assert abs(raw.index(b"==\r\n") - page) < 5
    [item_id] = await bring(world, anna, [raw])
    data, _ = await attachment(service, anna, item_id, 1)
    assert data == base64.b64decode(encoded)
    assert reading.whole == 0


@pytest.mark.parametrize("offset", [1, 57, 786_432, 1_000_000, 3_000_016, 3_000_017])
async def test_a_download_goes_on_from_any_offset_after_a_break(
    world: World, anna: Person, service: DownloadService, offset: int
) -> None:
    [item_id] = await bring(world, anna, [mail(lines(DATA))])
    for _ in range(2):  # first by passing over what comes before, then from a place that is known
        assert (await attachment(service, anna, item_id, 1, offset=offset))[0] == DATA[offset:]


async def test_reading_piece_by_piece_never_begins_anew(
    world: World, anna: Person, service: DownloadService, reading: Reading
) -> None:
    [item_id] = await bring(world, anna, [mail(lines(DATA))])
    read = b""
    while len(read) < len(DATA):
        request = content_service_pb2.ReadContentRequest(item_id=item_id, attachment_id=1, offset=len(read), limit=100_000)
        read += (await service.read_content(anna.caller, request)).chunk.data
    assert read == DATA
    assert reading.chunks < 31 * 3 * blob_reading.PAGE_CHUNKS  # calls, pages of each (with one ahead), whatever the offset
    assert reading.whole == 0


@pytest.mark.parametrize(
    "encoded",
    [
        lines(DATA) + b"-- \r\nA list's footer: http://example.org/\r\n",
        lines(DATA[:1_000_000]) + lines(DATA[1_000_000:]),
        base64.urlsafe_b64encode(DATA),
        lines(DATA).rstrip(b"=\r\n")[:-1],
        b"=" * 2_000_000,
    ],
    ids=["rubbish behind it", "two blocks", "the other alphabet", "cut off", "nothing but padding"],
)
async def test_whatever_else_is_in_it_counts_as_where_all_is_decoded_at_once(
    world: World, anna: Person, service: DownloadService, encoded: bytes
) -> None:
    [item_id] = await bring(world, anna, [mail(encoded)])
    whole = mime.decode_part(encoded + b"\r\n", "base64")
    for offset in (0, len(whole) // 2):
        data, info = await attachment(service, anna, item_id, 1, offset=offset)
        assert (data, info.total_bytes) == (whole[offset:], len(whole))


def test_what_is_decoded_page_by_page_is_the_beginning_of_what_is_decoded_at_once() -> None:
    chooser = random.Random(3)
    finished = 0
    for _ in range(3000):
        encoded = bytearray(base64.b64encode(chooser.randbytes(chooser.randrange(1, 60))))
        for _ in range(chooser.randrange(4)):
            encoded.insert(chooser.randrange(len(encoded) + 1), chooser.choice(b"\r\n\t =-_!+/A"))
        raw, size = bytes(encoded), chooser.randrange(1, 30)
        data, pending, at = b"", b"", 0
        for at in range(0, len(raw), size):
            chunk = encode(raw[at : at + size])[0]._replace(offset=at)
            decoded = content_sources._decode_page([chunk], at, len(raw), pending)
            if decoded is None:
                break
            data, pending = data + decoded[0], decoded[1]
        whole = mime.decode_part(raw, "base64")
        assert whole.startswith(data), raw
        if decoded is not None:
            assert data == whole, raw
            finished += 1
        else:
            assert re.search(rb"=.*[^=\r\n\t ]|[-_!]", raw, re.DOTALL), raw
    assert 500 < finished < 2500
