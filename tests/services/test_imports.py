"""Imports: each document is an operation of its own, in the company of others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from google.rpc import code_pb2, error_details_pb2
from sqlalchemy import func, select

from rookery.v1 import content_service_pb2, folder_pb2, item_pb2, item_service_pb2
from rookery_core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ResourceExhausted
from rookery_core.formats import icalendar, mbox, vcard
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.importing import document_readers, documents
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.import_stream import STREAM_DOCUMENTS
from rookery_server.services.importing.imports import ImportService
from rookery_server.store.tables import blob, item_blob
from tests.support import corpus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from rookery_core.formats.item_record import ItemRecord
    from rookery_core.formats.mime import ParsedMessage
    from tests.support.fakes import RecordingNotifier
    from tests.support.world import Person, World

ImportDocument = content_service_pb2.ImportDocument
ImportRequest = content_service_pb2.ImportRequest
ImportResult = content_service_pb2.ImportResult

EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Test//EN\r\nBEGIN:VEVENT\r\nUID:event-1\r\nDTSTAMP:20250101T000000Z\r\n"
    b"DTSTART:20250106T090000Z\r\nDTEND:20250106T100000Z\r\nSUMMARY:Planning\r\nCATEGORIES:Work,Projects\r\nEND:VEVENT\r\n"
    b"END:VCALENDAR\r\n"
)
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:card-1\r\nFN:Erika Example\r\nEMAIL:erika@example.org\r\nEND:VCARD\r\n"


@pytest.fixture
def service(world: World) -> ImportService:
    return ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=20 << 20)


def mail(number: int = 1, **header: str) -> bytes:
    lines = {"From": "Erika <erika@example.org>", "Subject": f"Number {number}", "Message-ID": f"<{number}@example.org>", **header}
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode() + b"\r\nHello\r\n"


def message(world: World, data: bytes, **fields: Any) -> ImportDocument:
    fields.setdefault("operation_id", world.ids.new())
    return ImportDocument(format=item_pb2.DOCUMENT_FORMAT_MESSAGE, data=data, **fields)


async def stream(
    service: ImportService, person: Person, documents: Iterable[ImportDocument], *, mailbox_id: bytes = b"", together: int = 7
) -> dict[bytes, ImportResult]:
    """Imports documents, so many in a request; gives the results by operation id."""
    waiting = list(documents)

    async def sent() -> AsyncIterator[ImportRequest]:
        for first in range(0, len(waiting), together):
            yield ImportRequest(mailbox_id=mailbox_id, documents=waiting[first : first + together])

    responses = [response async for response in service.import_stream(person.caller, sent())]
    return {result.operation_id: result for response in responses for result in response.results}


async def one(service: ImportService, person: Person, document: ImportDocument, *, mailbox_id: bytes = b"") -> ImportResult:
    request = content_service_pb2.ImportItemRequest(mailbox_id=mailbox_id, document=document)
    return (await service.import_item(person.caller, request)).result


def reason(result: ImportResult) -> str:
    info = error_details_pb2.ErrorInfo()
    result.error.details[0].Unpack(info)
    return info.reason


async def rows(world: World, table: Any) -> int:
    return int(await world.database.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()))


async def test_an_imported_message_lies_in_the_inbox_as_it_came(world: World, anna: Person, service: ImportService) -> None:
    data = mail(Received="from a by b; Mon, 06 Jan 2025 10:00:00 +0000", Date="Mon, 06 Jan 2025 09:00:00 +0000")
    response = await one(service, anna, message(world, data))
    assert (response.existed, response.revision) == (False, 2)
    item = await world.get(anna, response.item_id)
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    assert (item.folder_id, item.uid, item.revision, item.content_revision) == (inbox, 1, 2, 2)
    assert (item.summary.subject, item.summary.size_bytes, item.state.read) == ("Number 1", len(data), False)
    assert item.summary.received.ToJsonString() == "2025-01-06T10:00:00Z"
    assert item.summary.sent.ToJsonString() == "2025-01-06T09:00:00Z"
    assert item.summary.created.ToMicroseconds() == world.clock.micros()
    assert item.content.message.has_original
    assert await world.counts(anna, inbox) == (1, 1, len(data))


async def test_the_importer_marks_times_and_places_an_item(world: World, anna: Person, service: ImportService) -> None:
    folder = await world.folder(anna, "Old")
    state = item_pb2.ItemState(read=True, categories=["Red"], follow_up=item_pb2.FollowUp(status=item_pb2.FLAG_STATUS_FLAGGED))
    request = message(world, mail(), folder_id=folder.id, item_id=world.ids.new(), state=state)
    request.received.FromJsonString("2001-02-03T04:05:06.789Z")
    response = await one(service, anna, request)
    assert response.item_id == request.item_id
    item = await world.get(anna, response.item_id)
    assert (item.folder_id, item.state) == (folder.id, state)
    assert item.summary.received == request.received
    assert await world.counts(anna, folder.id) == (1, 0, len(request.data))


async def test_a_message_without_any_date_came_now(world: World, anna: Person, service: ImportService) -> None:
    response = await one(service, anna, message(world, mail()))
    item = await world.get(anna, response.item_id)
    assert item.summary.received.ToMicroseconds() == world.clock.micros()


async def test_each_kind_goes_to_its_own_folder(world: World, anna: Person, service: ImportService) -> None:
    todo = EVENT.replace(b"VEVENT", b"VTODO").replace(b"DTEND", b"DUE").replace(b"event-1", b"todo-1")
    requests = [
        ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_ICALENDAR, data=EVENT),
        ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_ICALENDAR, data=todo),
        ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_VCARD, data=CARD),
    ]
    answers = await stream(service, anna, requests)
    roles = (folder_pb2.FOLDER_ROLE_CALENDAR, folder_pb2.FOLDER_ROLE_TASKS, folder_pb2.FOLDER_ROLE_CONTACTS)
    for request, role in zip(requests, roles, strict=True):
        item = await world.get(anna, answers[request.operation_id].item_id)
        assert item.folder_id == await world.folder_of(anna, role)
    event = await world.get(anna, answers[requests[0].operation_id].item_id)
    assert (event.summary.subject, list(event.state.categories)) == ("Planning", ["Work", "Projects"])
    assert event.content.source.data == EVENT


async def test_a_stream_imports_everything_and_answers_each_once(world: World, anna: Person, service: ImportService) -> None:
    requests = [message(world, mail(number)) for number in range(2 * STREAM_DOCUMENTS + 30)]
    answers = await stream(service, anna, requests)
    assert answers.keys() == {request.operation_id for request in requests}
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    found = await world.walk(anna, inbox, page_size=500)
    assert {item.id for item in found} == {answer.item_id for answer in answers.values()}
    assert sorted(item.uid for item in found) == list(range(1, len(requests) + 1))
    assert len({item.revision for item in found}) == len(requests)
    assert await world.counts(anna, inbox) == (len(requests), len(requests), sum(len(request.data) for request in requests))


async def test_documents_that_wait_together_share_a_transaction(
    world: World, anna: Person, service: ImportService, notifier: RecordingNotifier
) -> None:
    await stream(service, anna, [message(world, mail(number)) for number in range(200)])
    revisions = [revision for uid, revision in notifier.published if uid == anna.mailbox]
    assert max(revisions) == 201
    assert len(revisions) < 50


async def test_a_repeated_import_gives_the_first_answer(world: World, anna: Person, service: ImportService) -> None:
    request = message(world, mail())
    first = await one(service, anna, request)
    restarted = ImportService(world.database, world.clock, world.ids, DocumentReaders(0), max_message_bytes=20 << 20)
    assert await one(restarted, anna, request) == first
    assert (await stream(service, anna, [request, request]))[request.operation_id] == first
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    assert (await world.counts(anna, inbox))[0] == 1


async def test_the_same_operation_twice_in_one_stream_imports_once(world: World, anna: Person, service: ImportService) -> None:
    request, other = message(world, mail()), message(world, mail(2))
    other.operation_id = request.operation_id

    async def sent() -> AsyncIterator[ImportRequest]:
        yield ImportRequest(documents=[request, request])
        yield ImportRequest(documents=[other])

    answers = [result async for response in service.import_stream(anna.caller, sent()) for result in response.results]
    good = [answer for answer in answers if not answer.HasField("error")]
    assert len(answers) == 3
    assert len(good) == 2
    assert good[0] == good[1]
    assert [reason(answer) for answer in answers if answer.HasField("error")] == ["OPERATION_REUSED"]


async def test_an_operation_id_is_not_used_for_another_document(world: World, anna: Person, service: ImportService) -> None:
    request = message(world, mail())
    await one(service, anna, request)
    for change in ({"data": mail(2)}, {"skip_existing": True}, {"item_id": world.ids.new()}):
        other = ImportDocument()
        other.CopyFrom(request)
        other.MergeFrom(ImportDocument(**change))
        with pytest.raises(FailedPrecondition) as raised:
            await one(service, anna, other)
        assert raised.value.reason == "OPERATION_REUSED"


async def test_a_refused_document_touches_no_other(world: World, anna: Person, service: ImportService) -> None:
    taken = (await one(service, anna, message(world, mail(0)))).item_id
    good = [message(world, mail(number)) for number in range(1, 5)]
    calendar = item_pb2.DOCUMENT_FORMAT_ICALENDAR
    bad = {
        "FOLDER_NOT_FOUND": message(world, mail(11), folder_id=world.ids.new()),
        "ID_TAKEN": message(world, mail(12), item_id=taken),
        "DOCUMENT_INVALID": ImportDocument(operation_id=world.ids.new(), format=calendar, data=b"no calendar"),
        "ID_INVALID": message(world, mail(13), operation_id=b"short"),
        "UPLOAD_NOT_FOUND": ImportDocument(operation_id=world.ids.new(), format=calendar, upload_id=world.ids.new()),
        "FIELD_INVALID": ImportDocument(operation_id=world.ids.new(), format=calendar),
        "OPERATION_EXPIRED": message(world, mail(14), operation_id=bytes(6) + world.ids.new()[6:]),
    }
    answers = await stream(service, anna, [good[0], *bad.values(), *good[1:]])
    assert not any(answers[request.operation_id].HasField("error") for request in good)
    assert {word: reason(answers[request.operation_id]) for word, request in bad.items()} == {word: word for word in bad}
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    assert (await world.counts(anna, inbox))[0] == 5
    assert await rows(world, item_blob) == 5


async def test_a_definitive_refusal_is_kept(world: World, anna: Person, service: ImportService) -> None:
    minted = world.ids.new()
    request = message(world, mail(), folder_id=minted)
    with pytest.raises(NotFound):
        await one(service, anna, request)
    made = folder_pb2.CreateFolderRequest(operation_id=world.ids.new(), folder=folder_pb2.Folder(id=minted, name="Late"))
    await world.folders.create_folder(anna.caller, made)
    with pytest.raises(NotFound) as raised:
        await one(service, anna, request)
    assert raised.value.reason == "FOLDER_NOT_FOUND"
    assert (await one(service, anna, message(world, mail(), folder_id=minted))).item_id


async def test_a_full_mailbox_takes_what_fits(world: World, service: ImportService) -> None:
    carl = await world.person("carl", quota=len(mail()) * 3 + 10)
    requests = [message(world, mail(number)) for number in range(5)]
    answers = await stream(service, carl, requests)
    assert sorted(reason(answer) for answer in answers.values() if answer.HasField("error")) == ["QUOTA_EXCEEDED"] * 2
    late = next(request for request in requests if answers[request.operation_id].HasField("error"))
    with pytest.raises(ResourceExhausted):
        await one(service, carl, late)
    kept = [answer.item_id for answer in answers.values() if answer.item_id]
    await world.delete(carl, kept, item_service_pb2.DELETE_MODE_PERMANENT)
    assert (await one(service, carl, late)).item_id, "room was made: the same operation may succeed now"


async def test_purged_ids_never_come_back(world: World, anna: Person, service: ImportService) -> None:
    item_id = (await one(service, anna, message(world, mail()))).item_id
    await world.delete(anna, [item_id], item_service_pb2.DELETE_MODE_PERMANENT)
    with pytest.raises(AlreadyExists) as raised:
        await one(service, anna, message(world, mail(), item_id=item_id))
    assert raised.value.reason == "ID_RETIRED"


async def test_foreign_mailboxes_are_not_imported_into(world: World, anna: Person, ben: Person, service: ImportService) -> None:
    document, own = message(world, mail()), message(world, mail())
    with pytest.raises(NotFound) as raised:
        await one(service, ben, document, mailbox_id=anna.mailbox)
    assert raised.value.reason == "MAILBOX_NOT_FOUND"

    async def sent() -> AsyncIterator[ImportRequest]:
        yield ImportRequest(mailbox_id=anna.mailbox, documents=[document])
        yield ImportRequest(documents=[own])

    results = [result async for response in service.import_stream(ben.caller, sent()) for result in response.results]
    answers = {result.operation_id: result for result in results}
    assert reason(answers[document.operation_id]) == "MAILBOX_NOT_FOUND"
    assert answers[own.operation_id].item_id


async def test_what_is_there_already_is_skipped_if_asked_for(world: World, anna: Person, service: ImportService) -> None:
    calendar, card = item_pb2.DOCUMENT_FORMAT_ICALENDAR, item_pb2.DOCUMENT_FORMAT_VCARD
    for make in (
        lambda: message(world, mail(), skip_existing=True),
        lambda: ImportDocument(operation_id=world.ids.new(), format=calendar, data=EVENT, skip_existing=True),
        lambda: ImportDocument(operation_id=world.ids.new(), format=card, data=CARD, skip_existing=True),
    ):
        first = await one(service, anna, make())
        again = await stream(service, anna, [make(), make()])
        assert {(answer.item_id, answer.existed) for answer in again.values()} == {(first.item_id, True)}
        elsewhere = await world.folder(anna, f"Other {make().format}")
        moved = make()
        moved.folder_id = elsewhere.id
        assert not (await one(service, anna, moved)).existed
        unasked = make()
        unasked.skip_existing = False
        assert not (await one(service, anna, unasked)).existed


async def test_the_same_message_twice_in_one_batch_is_imported_once_if_asked_for(
    world: World, anna: Person, service: ImportService
) -> None:
    answers = await stream(service, anna, [message(world, mail(), skip_existing=True) for _ in range(5)])
    assert len({answer.item_id for answer in answers.values()}) == 1
    assert sorted(answer.existed for answer in answers.values()) == [False, True, True, True, True]


async def test_equal_messages_share_their_bytes(world: World, anna: Person, ben: Person, service: ImportService) -> None:
    await stream(service, anna, [message(world, mail()) for _ in range(3)])
    await one(service, ben, message(world, mail()))
    assert await rows(world, blob) == 1
    assert await rows(world, item_blob) == 4


async def test_a_large_document_comes_as_an_upload(world: World, anna: Person, service: ImportService) -> None:
    data = mail() + b"x" * 70 + b"\r\n" + b"line of text\r\n" * 500_000
    uploads = UploadService(world.database, world.clock, world.ids, max_message_bytes=20 << 20)
    upload_id = world.ids.new()

    async def pieces() -> AsyncIterator[content_service_pb2.UploadRequest]:
        for at in range(0, len(data), 1 << 20):
            piece = data[at : at + (1 << 20)]
            yield content_service_pb2.UploadRequest(upload_id=upload_id, total_bytes=len(data), offset=at, data=piece)

    await uploads.upload(anna.caller, pieces())
    request = ImportDocument(operation_id=world.ids.new(), format=item_pb2.DOCUMENT_FORMAT_MESSAGE, upload_id=upload_id)
    response = await one(service, anna, request)
    item = await world.get(anna, response.item_id)
    assert item.summary.size_bytes == len(data)
    assert await one(service, anna, request) == response
    assert await rows(world, blob) == 1


async def test_a_document_on_which_the_server_fails_fails_alone(
    world: World, anna: Person, service: ImportService, monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = documents.parse

    def faulty(document_format: int, raw: bytes) -> ParsedMessage | ItemRecord:
        if b"poison" in raw:
            raise ZeroDivisionError
        return parse(document_format, raw)

    monkeypatch.setattr(document_readers.documents, "parse", faulty)
    requests = [message(world, mail(number)) for number in range(6)]
    requests.insert(3, message(world, mail(99) + b"poison"))
    answers = await stream(service, anna, requests)
    assert answers.pop(requests[3].operation_id).error.code == code_pb2.INTERNAL
    assert len(answers) == 6
    assert not any(answer.HasField("error") for answer in answers.values())


async def test_a_client_that_goes_away_leaves_whole_items_only(world: World, anna: Person, service: ImportService) -> None:
    async def sent() -> AsyncIterator[ImportRequest]:
        for number in range(300):
            yield ImportRequest(documents=[message(world, mail(number))])

    answers = service.import_stream(anna.caller, sent())
    acknowledged = [result.item_id for result in (await anext(answers)).results]
    await answers.aclose()
    await asyncio.sleep(0.3)
    inbox = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_INBOX)
    found = await world.walk(anna, inbox, page_size=500)
    assert set(acknowledged) <= {item.id for item in found}
    assert await world.counts(anna, inbox) == (len(found), len(found), sum(item.summary.size_bytes for item in found))


async def test_the_whole_corpus_is_imported_or_refused_with_a_reason(world: World, anna: Person, service: ImportService) -> None:
    corpus.require("mime.tar.gz")
    requests = [message(world, path.read_bytes()) for path in corpus.files("mime") if path.stat().st_size]
    with corpus.mbox().open("rb") as file:
        requests += [message(world, entry.raw) for _, entry in zip(range(200), mbox.read(file), strict=False)]
    for name, split, document_format in (
        ("calendars", icalendar.split, item_pb2.DOCUMENT_FORMAT_ICALENDAR),
        ("contacts", vcard.split, item_pb2.DOCUMENT_FORMAT_VCARD),
    ):
        for path in corpus.files(name):
            try:
                found = split(path.read_bytes()).documents
            except InvalidArgument:
                found = [path.read_bytes()]
            requests += [ImportDocument(operation_id=world.ids.new(), format=document_format, data=data) for data in found]
    answers = await stream(service, anna, requests)
    refused = [reason(answer) for answer in answers.values() if answer.HasField("error")]
    assert len(answers) == len(requests) > 400
    assert set(refused) <= {"DOCUMENT_INVALID"}
    assert not any(
        answers[request.operation_id].HasField("error")
        for request in requests
        if request.format == item_pb2.DOCUMENT_FORMAT_MESSAGE
    )
