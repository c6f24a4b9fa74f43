"""Downloads give back the bytes that came, whole or from any offset on, to those who may read the item."""

from __future__ import annotations

import asyncio
import email
import email.policy
import random
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from sqlalchemy import update

from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2
from rookery_core.errors import DataLoss, InvalidArgument, NotFound, OutOfRange
from rookery_core.formats import icalendar, mbox, mime, vcard
from rookery_server.services.content import blob_reading
from rookery_server.services.content.content_sources import PIECE_BYTES, Piece
from rookery_server.services.content.downloads import DownloadService, encode_response
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.store.tables import blob_chunk, item_blob
from tests.support import corpus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.world import Person, World

DocumentResponse = content_service_pb2.DownloadDocumentResponse
AttachmentResponse = content_service_pb2.DownloadAttachmentResponse
ZSTD = content_service_pb2.CONTENT_ENCODING_ZSTD
MIXED = (
    b"From: Erika <erika@example.org>\r\nSubject: Two files\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    b"--b1\r\nContent-Type: image/png; name=dot.png\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n"
    b'--b1\r\nContent-Type: text/x-notes; name=notes.txt\r\nContent-Disposition: attachment; filename="notes.txt"\r\n'
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n--b1--\r\n"
)


@pytest.fixture
def service(world: World) -> DownloadService:
    return DownloadService(world.database)


def noise(size: int) -> bytes:
    return random.Random(5).randbytes(size)


async def bring(world: World, person: Person, documents: Sequence[bytes], form: int = 1) -> list[bytes]:
    """Imports documents; gives the items' ids in the same order."""
    service = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=64 << 20)
    asked = [
        content_service_pb2.ImportDocument(operation_id=world.ids.new(), format=item_pb2.DocumentFormat.ValueType(form), data=data)
        for data in documents
    ]

    async def sent() -> AsyncIterator[content_service_pb2.ImportRequest]:
        for document in asked:
            yield content_service_pb2.ImportRequest(documents=[document])

    responses = [response async for response in service.import_stream(person.caller, sent())]
    answers = {result.operation_id: result for response in responses for result in response.results}
    assert not any(answer.HasField("error") for answer in answers.values())
    return [answers[document.operation_id].item_id for document in asked]


async def attach(world: World, person: Person, data: bytes) -> bytes:
    """An item with the bytes as an attachment."""
    uploads = UploadService(world.database, world.clock, world.ids, max_message_bytes=64 << 20)
    upload_id = world.ids.new()

    async def pieces() -> AsyncIterator[content_service_pb2.UploadRequest]:
        for at in range(0, len(data), 1 << 20):
            piece = data[at : at + (1 << 20)]
            yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=len(data), offset=at, data=piece)

    await uploads.upload(person.caller, pieces())
    attachment = item_pb2.Attachment(name="data.bin", media_type="Application/X-Data", upload_id=upload_id)
    record = item_pb2.Item(
        summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_MESSAGE, subject="Files"),
        content=item_pb2.ItemContent(attachments=[attachment]),
    )
    return (await world.create(person, record)).id


def unpacked(frames: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(frames, read_across_frames=True).readall()


def put_together(responses: Sequence[Any], offset: int = 0) -> bytes:
    """The bytes of a download; checks that its messages fit together."""
    assert responses[0].HasField("info")
    assert not any(response.HasField("info") for response in responses[1:])
    total, at, data = responses[0].info.total_bytes, offset, b""
    for response in responses:
        if response.HasField("chunk"):
            chunk = response.chunk
            assert chunk.offset == at
            piece = unpacked(chunk.data) if chunk.encoding == ZSTD else chunk.data
            assert len(piece) == chunk.size_bytes > 0
            data += piece
            at += len(piece)
    assert at == total
    return data


async def document(
    service: DownloadService, person: Person, item_id: bytes, offset: int = 0, **fields: Any
) -> tuple[bytes, content_service_pb2.ContentInfo]:
    request = content_service_pb2.DownloadDocumentRequest(item_id=item_id, offset=offset, **fields)
    responses = [DocumentResponse.FromString(raw) async for raw in service.download_document(person.caller, request)]
    return put_together(responses, offset), responses[0].info


async def attachment(
    service: DownloadService, person: Person, item_id: bytes, number: int, offset: int = 0, **fields: Any
) -> tuple[bytes, content_service_pb2.ContentInfo]:
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=number, offset=offset, **fields)
    responses = [AttachmentResponse.FromString(raw) async for raw in service.download_attachment(person.caller, request)]
    return put_together(responses, offset), responses[0].info


@pytest.mark.parametrize("response_type", [DocumentResponse, AttachmentResponse])
@pytest.mark.parametrize("data", [[b"x"], [b"", b"ab", b"c" * 200], [bytes(300_000), bytes(300_000)]])
@pytest.mark.parametrize("offset", [0, 5, 1 << 40])
def test_a_response_put_together_by_hand_is_what_the_message_class_makes(
    response_type: type[Any], data: list[bytes], offset: int
) -> None:
    size = sum(map(len, data))
    chunk = content_service_pb2.ContentChunk(offset=offset, size_bytes=size, encoding=ZSTD, data=b"".join(data))
    assert response_type.FromString(encode_response(Piece(offset, size, ZSTD, data))) == response_type(chunk=chunk)


async def test_every_message_of_the_corpus_comes_back_as_it_came(world: World, anna: Person, service: DownloadService) -> None:
    corpus.require("mime.tar.gz")
    raws = [data for path in corpus.files("mime") if (data := path.read_bytes())]
    with corpus.mbox().open("rb") as file:
        raws += [entry.raw for _, entry in zip(range(200), mbox.read(file), strict=False)]
    for item_id, raw in zip(await bring(world, anna, raws), raws, strict=True):
        for accepted in ([], [ZSTD]):
            data, info = await document(service, anna, item_id, accept_encodings=accepted)
            assert data == raw
            assert (info.total_bytes, info.media_type) == (len(raw), "message/rfc822")


async def test_attachments_are_what_the_standard_library_decodes(world: World, anna: Person, service: DownloadService) -> None:
    corpus.require("mail.mbox.gz")
    with corpus.mbox().open("rb") as file:
        raws = [entry.raw for entry in mbox.read(file) if b"base64" in entry.raw or b"filename=" in entry.raw][:60]
    compared = 0
    for item_id, raw in zip(await bring(world, anna, raws), raws, strict=True):
        item = await world.get(anna, item_id)
        expected = {
            part.get_payload(decode=True)
            for part in email.message_from_bytes(raw, policy=email.policy.compat32).walk()
            if not part.is_multipart()
        }
        for entry in item.content.attachments:
            data, info = await attachment(service, anna, item_id, entry.id)
            assert (info.total_bytes, info.name, info.media_type) == (entry.size_bytes, entry.name, entry.media_type)
            if not entry.is_message:
                assert {data.rstrip(b"\r\n"), data} & {each.rstrip(b"\r\n") for each in expected if each is not None} | (
                    {data} & expected
                )
                compared += 1
    assert compared > 20


async def test_transfer_encodings_are_undone(world: World, anna: Person, service: DownloadService) -> None:
    [item_id] = await bring(world, anna, [MIXED])
    dot, info = await attachment(service, anna, item_id, 1)
    assert (dot, info.name, info.media_type) == (b"\x89PNG\r\n\x1a\n", "dot.png", "image/png")
    notes, info = await attachment(service, anna, item_id, 2)
    assert (notes.decode(), info.name) == ("Grüße", "notes.txt")
    rest, _ = await attachment(service, anna, item_id, 1, offset=3)
    assert rest == dot[3:]


@pytest.mark.parametrize("accepted", [[], [ZSTD]])
@pytest.mark.parametrize("offset", [0, 1, 262_143, 262_144, 1_500_000, 2_621_440 + 7])
async def test_a_download_goes_on_from_any_offset(
    world: World, anna: Person, service: DownloadService, offset: int, accepted: list[Any]
) -> None:
    data = noise(700_000) + b"a line of text\r\n" * 100_000 + noise(321_447)
    item_id = await attach(world, anna, data)
    rest, info = await attachment(service, anna, item_id, 1, offset=offset, accept_encodings=accepted)
    assert rest == data[offset:]
    assert (info.total_bytes, info.media_type) == (len(data), "application/x-data")
    assert info.content_revision == (await world.get(anna, item_id)).content_revision


async def test_compressed_chunks_travel_as_they_are_stored(world: World, anna: Person, service: DownloadService) -> None:
    item_id = await attach(world, anna, b"a line of text\r\n" * 100_000)
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=1, accept_encodings=[ZSTD])
    sent = [AttachmentResponse.FromString(raw).chunk async for raw in service.download_attachment(anna.caller, request)]
    assert all(chunk.encoding == ZSTD for chunk in sent)
    assert sum(len(chunk.data) for chunk in sent) < 100_000


@pytest.mark.parametrize("accepted", [[], [ZSTD]])
async def test_a_message_is_full_before_the_next_one_begins(
    world: World, anna: Person, service: DownloadService, accepted: list[Any]
) -> None:
    item_id = await attach(world, anna, b"a line of text\r\n" * 200_000)
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=1, accept_encodings=accepted)
    sent = [AttachmentResponse.FromString(raw).chunk async for raw in service.download_attachment(anna.caller, request)]
    assert [chunk.size_bytes for chunk in sent] == [PIECE_BYTES] * 3 + [3_200_000 - 3 * PIECE_BYTES]


async def test_whoever_takes_no_more_has_little_read_ahead(
    world: World, anna: Person, service: DownloadService, monkeypatch: pytest.MonkeyPatch
) -> None:
    item_id = await attach(world, anna, noise(20 << 20))
    read, page = 0, blob_reading.page

    def counted(*given: Any) -> Any:
        nonlocal read
        found = page(*given)
        read += sum(chunk.size for chunk in found)
        return found

    monkeypatch.setattr(blob_reading, "page", counted)
    request = content_service_pb2.DownloadAttachmentRequest(item_id=item_id, attachment_id=1)
    async with aclosing(service.download_attachment(anna.caller, request)) as responses:
        taken, held = 0, 0
        async for raw in responses:
            taken += AttachmentResponse.FromString(raw).chunk.size_bytes
            await asyncio.sleep(0.01)
            held = max(held, read - taken)
    assert (taken, read) == (20 << 20, 20 << 20)
    assert 0 < held <= 4 << 20


async def test_the_unary_twin_reads_piece_by_piece(world: World, anna: Person, service: DownloadService) -> None:
    data = noise(2_000_000)
    item_id = await attach(world, anna, data)
    read, pieces = b"", 0
    while True:
        request = content_service_pb2.ReadContentRequest(item_id=item_id, attachment_id=1, offset=len(read))
        response = await service.read_content(anna.caller, request)
        if not response.HasField("chunk"):
            break
        assert response.chunk.offset == len(read)
        read, pieces = read + response.chunk.data, pieces + 1
    assert (read, pieces, response.info.total_bytes) == (data, 2, len(data))
    request = content_service_pb2.ReadContentRequest(item_id=item_id, attachment_id=1, offset=300_000, limit=5)
    assert (await service.read_content(anna.caller, request)).chunk.data == data[300_000:300_005]
    request.limit = PIECE_BYTES + 1
    with pytest.raises(InvalidArgument):
        await service.read_content(anna.caller, request)


async def test_the_end_is_no_error_and_beyond_it_is_one(world: World, anna: Person, service: DownloadService) -> None:
    [item_id] = await bring(world, anna, [MIXED])
    assert (await document(service, anna, item_id, offset=len(MIXED)))[0] == b""
    with pytest.raises(OutOfRange) as raised:
        await document(service, anna, item_id, offset=len(MIXED) + 1)
    assert (raised.value.reason, raised.value.metadata) == ("OFFSET_INVALID", {"total_bytes": str(len(MIXED))})
    with pytest.raises(OutOfRange):
        await attachment(service, anna, item_id, 1, offset=9)


async def test_an_empty_attachment_is_only_described(world: World, anna: Person, service: DownloadService) -> None:
    raw = MIXED.replace(b"iVBORw0KGgo=\r\n", b"")
    [item_id] = await bring(world, anna, [raw])
    data, info = await attachment(service, anna, item_id, 1)
    assert (data, info.total_bytes, info.name) == (b"", 0, "dot.png")


async def test_what_is_not_there_or_not_ones_own_is_not_found(
    world: World, anna: Person, ben: Person, service: DownloadService
) -> None:
    [item_id] = await bring(world, anna, [MIXED])
    for number in (0, 3, 4_000_000_000):
        with pytest.raises(NotFound) as raised:
            await attachment(service, anna, item_id, number)
        assert raised.value.reason == "ATTACHMENT_NOT_FOUND"
    for person, fields, reason in (
        (anna, {"item_id": world.ids.new()}, "ITEM_NOT_FOUND"),
        (ben, {"item_id": item_id}, "ITEM_NOT_FOUND"),
        (ben, {"item_id": item_id, "mailbox_id": anna.mailbox}, "MAILBOX_NOT_FOUND"),
    ):
        with pytest.raises(NotFound) as raised:
            await document(service, person, **fields)
        assert raised.value.reason == reason


async def test_deleted_items_can_be_read_until_they_are_purged(world: World, anna: Person, service: DownloadService) -> None:
    [item_id] = await bring(world, anna, [MIXED])
    await world.delete(anna, [item_id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    assert (await document(service, anna, item_id))[0] == MIXED
    await world.delete(anna, [item_id], item_service_pb2.DELETE_MODE_PERMANENT)
    with pytest.raises(NotFound):
        await document(service, anna, item_id)


async def test_damage_is_told_and_never_sent(world: World, anna: Person, service: DownloadService) -> None:
    [item_id] = await bring(world, anna, [MIXED + b"a line of text\r\n" * 1000])
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(blob_chunk).values(data=b"\x28\xb5\x2f\xfdrubbish"))
    )
    with pytest.raises(DataLoss) as raised:
        await document(service, anna, item_id)
    assert raised.value.reason == "CONTENT_DAMAGED"


async def test_a_trace_header_comes_before_the_shared_bytes(world: World, anna: Person, service: DownloadService) -> None:
    [item_id] = await bring(world, anna, [MIXED])
    prefix = b"Return-Path: <erika@example.org>\r\n"
    await world.database.write(
        lambda transaction: transaction.connection.execute(update(item_blob).where(item_blob.c.part == 0).values(prefix=prefix))
    )
    for offset in (0, 5, len(prefix), len(prefix) + 5):
        assert (await document(service, anna, item_id, offset=offset))[0] == (prefix + MIXED)[offset:]
    assert (await attachment(service, anna, item_id, 1))[0] == b"\x89PNG\r\n\x1a\n"


async def test_an_item_without_an_original_is_rendered(world: World, anna: Person, service: DownloadService) -> None:
    item_id = await attach(world, anna, noise(10_000))
    data, info = await document(service, anna, item_id)
    assert (info.media_type, info.name) == ("message/rfc822", "Files.eml")
    parsed = mime.parse(data)
    assert (parsed.summary.subject, [entry.name for entry in parsed.content.attachments]) == ("Files", ["data.bin"])
    [part] = parsed.parts
    assert mime.decode_part(data[part.offset : part.offset + part.length], part.encoding) == noise(10_000)
    again, _ = await document(service, anna, item_id, offset=100)
    assert again == data[100:]


async def test_a_note_is_rendered_as_a_message(world: World, anna: Person, service: DownloadService) -> None:
    record = item_pb2.Item(
        summary=item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject="Milk / bread"),
        content=item_pb2.ItemContent(body=item_pb2.Body(text="and butter")),
    )
    data, info = await document(service, anna, (await world.create(anna, record)).id)
    assert info.name == "Milk bread.eml"
    assert mime.parse(data).content.body.text.strip() == "and butter"


async def test_calendar_and_contact_items_come_back_as_their_documents(
    world: World, anna: Person, service: DownloadService
) -> None:
    event = (
        b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:event-1\r\nDTSTAMP:20250101T000000Z\r\n"
        b"DTSTART:20250106T090000Z\r\nSUMMARY:Planning\r\nX-OWN:kept\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    card = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:card-1\r\nFN:Erika Example\r\nX-OWN:kept\r\nEND:VCARD\r\n"
    [event_id] = await bring(world, anna, [event], item_pb2.DOCUMENT_FORMAT_ICALENDAR)
    [card_id] = await bring(world, anna, [card], item_pb2.DOCUMENT_FORMAT_VCARD)
    data, info = await document(service, anna, event_id)
    assert (info.name, info.media_type) == ("Planning.ics", "text/calendar; charset=utf-8")
    assert icalendar.parse(data).summary.subject == "Planning"
    assert b"X-OWN:kept" in data
    data, info = await document(service, anna, card_id)
    assert (info.name, info.media_type) == ("Erika Example.vcf", "text/vcard; charset=utf-8")
    assert vcard.parse(data).summary.subject == "Erika Example"
    assert b"X-OWN:kept" in data
