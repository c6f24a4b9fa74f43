"""Uploads survive breaks, refuse what does not fit, and belong to who began them."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from rookery.v1 import content_service_pb2, item_pb2
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ResourceExhausted, RookeryError
from rookery_server.services.content import blob_reading
from rookery_server.services.content.uploads import PIECE_BYTES, UploadService, require_finished
from rookery_server.store.tables import blob, blob_chunk, upload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.world import Person, World

Piece = content_service_pb2.UploadRequest
MOST = 20 << 20


@pytest.fixture
def service(world: World) -> UploadService:
    return UploadService(world.database, world.clock, world.ids, max_message_bytes=MOST)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def pieces(upload_id: bytes, data: bytes, *, start: int = 0, size: int = PIECE_BYTES, total: int | None = None) -> list[Piece]:
    whole = len(data) if total is None else total
    offsets = range(start, len(data), size) if len(data) > start else [start]
    return [Piece(upload_id=upload_id, total_bytes=whole, offset=at, data=data[at : at + size]) for at in offsets]


async def stream(sent: list[Piece]) -> AsyncIterator[Piece]:
    for piece in sent:
        yield piece


async def broken(sent: list[Piece]) -> AsyncIterator[Piece]:
    for piece in sent:
        yield piece
    raise ConnectionResetError


async def stored(world: World, person: Person, upload_id: bytes) -> bytes:
    row = await world.database.read(lambda c: require_finished(c, person.number, person.caller.account_id, upload_id))
    assert row.sha256 is not None
    data = await blob_reading.whole(world.database, row.blob_id, 0, row.total_bytes)
    assert hashlib.sha256(data).digest() == row.sha256
    return data


async def rows(world: World, table: object) -> int:
    return int(await world.database.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))  # type: ignore[call-overload]


@pytest.mark.parametrize("size", [0, 1, 262_143, 262_144, 262_145, (9 << 20) + 11])
@pytest.mark.parametrize("step", [PIECE_BYTES, 300_001])
async def test_an_upload_holds_exactly_the_bytes_that_were_sent(
    world: World, anna: Person, service: UploadService, size: int, step: int
) -> None:
    data, upload_id = noise(size), world.ids.new()
    response = await service.upload(anna.caller, stream(pieces(upload_id, data, size=step)))
    assert (response.received_bytes, response.complete, response.revision) == (size, True, 1)
    assert await stored(world, anna, upload_id) == data


@pytest.mark.parametrize("sent_bytes", [100, 262_144, (5 << 20) + 99])
async def test_an_upload_that_was_cut_goes_on_where_it_is_durable(
    world: World, anna: Person, service: UploadService, sent_bytes: int
) -> None:
    data, upload_id = noise((6 << 20) + 7), world.ids.new()
    first = await service.upload(anna.caller, stream(pieces(upload_id, data[:sent_bytes], total=len(data))))
    assert (first.received_bytes, first.complete) == (sent_bytes, False)
    known = await service.get_upload(anna.caller, content_service_pb2.GetUploadRequest(upload_id=upload_id))
    assert (known.received_bytes, known.total_bytes, known.complete) == (sent_bytes, len(data), False)
    second = await service.upload(anna.caller, stream(pieces(upload_id, data, start=sent_bytes)))
    assert (second.received_bytes, second.complete) == (len(data), True)
    assert await stored(world, anna, upload_id) == data


async def test_a_broken_stream_keeps_all_but_the_last_four_megabytes(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(10 << 20), world.ids.new()
    with pytest.raises(ConnectionResetError):
        await service.upload(anna.caller, broken(pieces(upload_id, data)[:9]))
    known = await service.get_upload(anna.caller, content_service_pb2.GetUploadRequest(upload_id=upload_id))
    assert (9 << 20) - known.received_bytes <= 4 << 20
    assert known.received_bytes > 0
    response = await service.upload(anna.caller, stream(pieces(upload_id, data, start=known.received_bytes)))
    assert response.complete
    assert await stored(world, anna, upload_id) == data


async def test_the_unary_twin_writes_piece_by_piece(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(1_000_003), world.ids.new()
    for piece in pieces(upload_id, data, size=150_000):
        response = await service.write_upload(anna.caller, content_service_pb2.WriteUploadRequest(piece=piece))
        assert response.upload.received_bytes == piece.offset + len(piece.data)
    assert response.upload.complete
    assert await stored(world, anna, upload_id) == data


async def test_a_repeated_piece_is_passed_over(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(900_000), world.ids.new()
    first, second, third = pieces(upload_id, data, size=300_000)
    await service.upload(anna.caller, stream([first, first, second]))
    response = await service.upload(anna.caller, stream([first, second, third, third]))
    assert response.complete
    again = await service.upload(anna.caller, stream([third]))
    assert again.complete
    assert await stored(world, anna, upload_id) == data


async def test_a_piece_from_elsewhere_is_refused_with_the_right_offset(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(900_000), world.ids.new()
    first, _, third = pieces(upload_id, data, size=300_000)
    with pytest.raises(OutOfRange) as raised:
        await service.upload(anna.caller, stream([first, third]))
    assert (raised.value.reason, raised.value.metadata) == ("OFFSET_INVALID", {"received_bytes": "300000"})
    known = await service.get_upload(anna.caller, content_service_pb2.GetUploadRequest(upload_id=upload_id))
    assert known.received_bytes == 300_000
    overlapping = Piece(upload_id=upload_id, total_bytes=900_000, offset=200_000, data=data[200_000:500_000])
    with pytest.raises(OutOfRange):
        await service.upload(anna.caller, stream([overlapping]))


async def test_a_wrong_first_offset_leaves_no_trace(world: World, anna: Person, service: UploadService) -> None:
    upload_id = world.ids.new()
    with pytest.raises(OutOfRange):
        await service.upload(anna.caller, stream([Piece(upload_id=upload_id, total_bytes=10, offset=5, data=b"12345")]))
    with pytest.raises(NotFound):
        await service.get_upload(anna.caller, content_service_pb2.GetUploadRequest(upload_id=upload_id))


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (Piece(upload_id=b"short", total_bytes=1, data=b"x"), "ID_INVALID"),
        (Piece(total_bytes=MOST + 1), "MESSAGE_TOO_LARGE"),
        (Piece(total_bytes=3, data=b"four"), "FIELD_INVALID"),
        (Piece(total_bytes=PIECE_BYTES + 1, data=bytes(PIECE_BYTES + 1)), "LIMIT_EXCEEDED"),
        (Piece(total_bytes=(1 << 64) - 1), "MESSAGE_TOO_LARGE"),
    ],
)
async def test_what_can_not_be_is_refused(world: World, anna: Person, service: UploadService, piece: Piece, reason: str) -> None:
    sent = Piece()
    sent.CopyFrom(piece)
    sent.upload_id = sent.upload_id or world.ids.new()
    with pytest.raises(InvalidArgument) as raised:
        await service.upload(anna.caller, stream([sent]))
    assert raised.value.reason == reason
    assert await rows(world, upload) == 0


async def test_a_stream_that_names_nothing_is_refused(anna: Person, service: UploadService) -> None:
    with pytest.raises(InvalidArgument):
        await service.upload(anna.caller, stream([]))


async def test_the_id_of_an_upload_is_not_used_for_other_bytes(world: World, anna: Person, service: UploadService) -> None:
    upload_id = world.ids.new()
    await service.upload(anna.caller, stream(pieces(upload_id, b"x" * 50, total=100)))
    with pytest.raises(FailedPrecondition) as raised:
        await service.upload(anna.caller, stream(pieces(upload_id, b"x" * 60)))
    assert raised.value.reason == "OPERATION_REUSED"


async def test_an_unfinished_upload_can_not_be_used(world: World, anna: Person, service: UploadService) -> None:
    upload_id = world.ids.new()
    await service.upload(anna.caller, stream(pieces(upload_id, b"x" * 50, total=100)))
    with pytest.raises(FailedPrecondition) as raised:
        await stored(world, anna, upload_id)
    assert (raised.value.reason, raised.value.metadata["received_bytes"]) == ("UPLOAD_INCOMPLETE", "50")


async def test_nobody_else_sees_an_upload(world: World, anna: Person, ben: Person, service: UploadService) -> None:
    upload_id = world.ids.new()
    await service.upload(anna.caller, stream(pieces(upload_id, b"x" * 50, total=100)))
    for mailbox_id in (b"", anna.mailbox):
        with pytest.raises(NotFound):
            await service.get_upload(ben.caller, content_service_pb2.GetUploadRequest(mailbox_id=mailbox_id, upload_id=upload_id))
    mine = await service.upload(ben.caller, stream(pieces(upload_id, b"y" * 100)))
    assert mine.complete
    assert await stored(world, ben, upload_id) == b"y" * 100
    foreign = pieces(upload_id, b"x" * 100, start=50)[0]
    foreign.mailbox_id = anna.mailbox
    with pytest.raises(NotFound) as raised:
        await service.upload(ben.caller, stream([foreign]))
    assert raised.value.reason == "MAILBOX_NOT_FOUND"


async def test_two_uploads_of_the_same_bytes_share_one_blob(
    world: World, anna: Person, ben: Person, service: UploadService
) -> None:
    data = noise(700_000)
    one, two = world.ids.new(), world.ids.new()
    await service.upload(anna.caller, stream(pieces(one, data)))
    await service.upload(ben.caller, stream(pieces(two, data)))
    assert await rows(world, blob) == 1
    assert await rows(world, blob_chunk) == 3
    assert await stored(world, anna, one) == await stored(world, ben, two) == data


async def test_uploads_of_the_same_bytes_that_end_at_once_agree_on_one_blob(
    world: World, anna: Person, ben: Person, service: UploadService
) -> None:
    data = noise(300_000)
    sent = [(person, world.ids.new()) for person in (anna, ben) for _ in range(4)]
    await asyncio.gather(*(service.upload(person.caller, stream(pieces(upload_id, data))) for person, upload_id in sent))
    assert [await stored(world, person, upload_id) for person, upload_id in sent] == [data] * 8
    assert await rows(world, blob) == 1
    assert await rows(world, blob_chunk) == 2


async def test_an_upload_needs_room_in_the_mailbox_before_it_begins(world: World, service: UploadService) -> None:
    carl = await world.person("carl", quota=1000)
    await service.upload(carl.caller, stream(pieces(world.ids.new(), b"x" * 600)))
    with pytest.raises(ResourceExhausted) as raised:
        await service.upload(carl.caller, stream(pieces(world.ids.new(), b"y" * 600)))
    assert raised.value.reason == "QUOTA_EXCEEDED"


async def test_of_two_that_fill_one_upload_at_once_none_spoils_it(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(3 << 20), world.ids.new()
    results = await asyncio.gather(
        *(service.upload(anna.caller, stream(pieces(upload_id, data))) for _ in range(4)), return_exceptions=True
    )
    assert any(isinstance(result, content_service_pb2.UploadResponse) and result.complete for result in results)
    for result in results:
        assert isinstance(result, (content_service_pb2.UploadResponse, RookeryError))
    assert await stored(world, anna, upload_id) == data


async def test_an_upload_becomes_an_attachment(world: World, anna: Person, service: UploadService) -> None:
    data, upload_id = noise(300_000), world.ids.new()
    await service.upload(anna.caller, stream(pieces(upload_id, data)))
    record = item_pb2.Item(
        summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject="With a file"),
        content=item_pb2.ItemContent(attachments=[item_pb2.Attachment(name="noise.bin", upload_id=upload_id)]),
    )
    item = await world.create(anna, record)
    [attachment] = (await world.get(anna, item.id)).content.attachments
    assert (attachment.size_bytes, attachment.sha256) == (300_000, hashlib.sha256(data).digest())
