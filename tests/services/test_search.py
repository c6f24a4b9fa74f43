"""Search, as people use it: over a real database, with the index behind, beside, or ahead of what is asked."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, search_service_pb2
from rookery.v1.property_pb2 import PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument, NotFound
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.search import indexer as indexing
from rookery_server.services.search import search as searching
from rookery_server.services.search import search_page
from rookery_server.services.search.indexer import Indexer
from rookery_server.services.search.search import SearchService
from rookery_server.store import search as search_store
from rookery_server.store import search_sqlite
from rookery_server.store.tables import search_document
from tests.support.fakes import FakeClock
from tests.support.world import Person, World

if TYPE_CHECKING:
    from rookery_server.store.database import Database

INBOX = folder_pb2.FOLDER_ROLE_INBOX


class Searching(World):
    """A world with an index and a search."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.indexer = Indexer(database, pause=0.0)
        self.stopwatch = FakeClock()
        self.service = SearchService(database, self.indexer, PageTokens(b"k" * 32), self.stopwatch)

    async def page_of(self, person: Person, query: str = "", **request: Any) -> search_service_pb2.SearchResponse:
        response = await self.service.search(person.caller, search_service_pb2.SearchRequest(query=query, **request))
        return search_service_pb2.SearchResponse.FromString(response)

    async def search(self, person: Person, query: str = "", **request: Any) -> list[str]:
        """The subjects of all pages."""
        subjects, token = [], ""
        while True:
            page = await self.page_of(person, query, page_token=token, **request)
            assert not page.incomplete
            subjects += [item.summary.subject for item in page.items]
            token = page.next_page_token
            if not token:
                return subjects

    async def documents(self) -> int:
        return await self.database.read(lambda c: c.execute(select(func.count()).select_from(search_document)).scalar_one())

    async def message(self, person: Person, subject: str, *, folder: bytes = b"", text: str = "", **fields: Any) -> item_pb2.Item:
        """A message, a minute younger than the one before."""
        self.clock.advance(seconds=60)
        record = item_pb2.Item(folder_id=folder or await self.folder_of(person, INBOX))
        record.summary.kind = item_pb2.ITEM_KIND_MESSAGE
        record.summary.subject = subject
        record.content.body.text = text
        for path, value in fields.items():
            {"sender": _sender, "to": _to, "attachment": _attachment, "html": _html, "received": _received}[path](record, value)
        return await self.create(person, record)


def _sender(record: item_pb2.Item, value: tuple[str, str]) -> None:
    person = getattr(record.summary.message, "from")
    person.name, person.address = value


def _to(record: item_pb2.Item, value: tuple[str, str]) -> None:
    person = record.content.recipients.add().person
    person.name, person.address = value


def _attachment(record: item_pb2.Item, value: str) -> None:
    record.content.attachments.add(name=value, media_type="text/plain")


def _html(record: item_pb2.Item, value: str) -> None:
    record.content.body.html = value


def _received(record: item_pb2.Item, value: str) -> None:
    record.summary.received.FromDatetime(dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC))


@pytest.fixture
def world(database: Database) -> Searching:
    return Searching(database)


async def test_a_message_is_found_at_once_by_any_word_of_it(world: Searching, anna: Person) -> None:
    await world.message(
        anna,
        "Lunch on Friday",
        text="Shall we eat at the Café Großmann?",
        sender=("Ben Berg", "ben@mail.example"),
        to=("Cleo", "cleo.c@else.example"),
    )
    await world.message(anna, "Other", text="nothing")
    for query in [
        "lunch",
        "FRIDAY lunch",
        "cafe grossmann",
        '"eat at the"',
        "from:ben",
        "from:ben@mail.example",
        "to:cleo",
        "subject:lunch",
        "gross*",
        "cleo.c@else.example",
        "lunch -nothing",
    ]:
        assert await world.search(anna, query) == ["Lunch on Friday"], query
    for query in ["to:ben", "from:cleo", "subject:eat", '"at eat"', "lunch -friday", "nowhere"]:
        assert await world.search(anna, query) == [], query


async def test_an_html_body_is_searched_as_it_is_read(world: Searching, anna: Person) -> None:
    await world.message(anna, "Styled", html="<style>p {color: red}</style><p>Good <b>news</b></p>")
    assert await world.search(anna, '"good news"') == ["Styled"]
    assert await world.search(anna, "color") == []


async def test_hits_come_newest_first_page_by_page(world: Searching, anna: Person) -> None:
    for number in range(12):
        await world.message(anna, f"Report {number}")
    first = await world.page_of(anna, "report", page_size=5)
    assert [item.summary.subject for item in first.items] == [f"Report {number}" for number in (11, 10, 9, 8, 7)]
    assert await world.search(anna, "report", page_size=5) == [f"Report {number}" for number in reversed(range(12))]


async def test_a_page_is_neither_doubled_nor_torn_when_the_index_catches_up_between_pages(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        await world.message(anna, f"Report {number}")
    with monkeypatch.context() as without_indexing:
        without_indexing.setattr(searching, "INDEXING_MICROS", 0)
        first = await world.page_of(anna, "report", page_size=5)
        assert await world.documents() == 0
    second = await world.page_of(anna, "report", page_size=50, page_token=first.next_page_token)
    assert await world.documents() == 12
    assert [item.summary.subject for item in first.items] == [f"Report {number}" for number in (11, 10, 9, 8, 7)]
    assert [item.summary.subject for item in second.items] == [f"Report {number}" for number in reversed(range(7))]


async def test_a_backlog_that_takes_too_long_is_told_of(world: Searching, anna: Person) -> None:
    await world.message(anna, "Report")
    world.stopwatch.tick = 300_000
    page = await world.page_of(anna, "report")
    assert page.incomplete
    assert not page.items


async def test_what_is_not_indexed_counts_as_it_is_now(world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    item = await world.message(anna, "Before")
    assert await world.search(anna, "before") == ["Before"]
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item_pb2.Item(id=item.id))
    request.item.summary.subject = "After"
    request.update_mask.paths.append("summary.subject")
    await world.editing.update_item(anna.caller, request)
    with monkeypatch.context() as without_indexing:
        without_indexing.setattr(searching, "INDEXING_MICROS", 0)
        assert await world.search(anna, "before") == []
        assert await world.search(anna, "after") == ["After"]
    assert await world.search(anna, "before") == []
    assert await world.search(anna, "after") == ["After"]


async def test_deleted_items_and_junk_are_searched_only_where_they_are_named(world: Searching, anna: Person) -> None:
    deleted = await world.folder_of(anna, folder_pb2.FOLDER_ROLE_DELETED)
    below = await world.folder(anna, "Old", parent=deleted)
    await world.message(anna, "report in inbox")
    await world.message(anna, "report in deleted", folder=deleted)
    await world.message(anna, "report below deleted", folder=below.id)
    await world.message(anna, "report in junk", folder=await world.folder_of(anna, folder_pb2.FOLDER_ROLE_JUNK))
    assert await world.search(anna, "report") == ["report in inbox"]
    assert await world.search(anna, "report in:junk") == ["report in junk"]
    assert await world.search(anna, "report in:trash") == ["report in deleted"]
    assert await world.search(anna, 'report in:"Deleted Items/old"') == ["report below deleted"]
    assert await world.search(anna, "report in:old in:inbox") == ["report below deleted", "report in inbox"]
    assert await world.search(anna, "report -in:inbox") == []
    assert await world.search(anna, "report", folder_ids=[deleted, below.id]) == ["report below deleted", "report in deleted"]
    assert await world.search(anna, "report in:old", folder_ids=[deleted]) == []


async def test_purged_and_recoverable_items_are_not_found(world: Searching, anna: Person) -> None:
    kept, soft, hard = [await world.message(anna, f"report {name}") for name in ("kept", "soft", "hard")]
    assert len(await world.search(anna, "report")) == 3
    await world.delete(anna, [soft.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    await world.delete(anna, [hard.id], item_service_pb2.DELETE_MODE_PERMANENT)
    assert await world.search(anna, "report") == [kept.summary.subject]


async def test_conditions_of_the_query_and_of_the_request_hold_together(world: Searching, anna: Person) -> None:
    plain = await world.message(anna, "report plain", received="2026-02-01")
    marked = await world.message(anna, "report marked", received="2026-03-01")
    request = item_service_pb2.SetItemStateRequest(operation_id=world.ids.new(), item_ids=[marked.id])
    request.read = False
    request.add_categories.append("Red")
    request.follow_up.status = item_pb2.FLAG_STATUS_FLAGGED
    await world.marks.set_item_state(anna.caller, request)
    only_marked = ["is:unread", "is:flagged", "category:RED", "after:2026-02-02", "after:2026-03-01", "-before:2026-03-01"]
    for query in only_marked:
        assert await world.search(anna, f"report {query}") == ["report marked"], query
        assert await world.search(anna, query) == ["report marked"], query
    for query in ["-is:unread", "is:read", "-is:flagged", "-category:red", "before:2026-03-01", "kind:mail before:2026-02-02"]:
        assert await world.search(anna, f"report {query}") == ["report plain"], query
    for query in ["kind:task", "has:attachment", "before:2026-02-01", "after:2026-03-02"]:
        assert await world.search(anna, f"report {query}") == [], query
    value = PropertyValue(text="REPORT PLAIN")
    compare = Restriction.Compare(ref=PropertyRef(field="summary.subject"), operator="OPERATOR_EQUAL", value=value)
    assert await world.search(anna, "report", restriction=Restriction(compare=compare)) == [plain.summary.subject]
    content = Restriction.Content(ref=PropertyRef(field="content.body.text"), match="MATCH_WORD", text="word")
    await world.message(anna, "report with text", text="one word")
    assert await world.search(anna, "report", restriction=Restriction(content=content)) == ["report with text"]
    assert await world.search(anna, "report is:flagged", restriction=Restriction(content=content)) == []


async def test_the_full_view_brings_the_content(world: Searching, anna: Person) -> None:
    await world.message(anna, "report", text="the text")
    (summary,) = (await world.page_of(anna, "report")).items
    (full,) = (await world.page_of(anna, "report", view=item_service_pb2.ITEM_VIEW_FULL)).items
    assert not summary.HasField("content")
    assert full.content.body.text == "the text"


async def test_nobody_finds_what_is_in_another_mailbox(world: Searching, anna: Person) -> None:
    ben = await world.person("ben")
    await world.message(anna, "secret")
    assert await world.search(ben, "secret") == []
    with pytest.raises(NotFound) as refused:
        await world.search(ben, "secret", mailbox_id=anna.mailbox)
    assert refused.value.reason == "MAILBOX_NOT_FOUND"
    with pytest.raises(NotFound) as refused:
        await world.search(ben, "secret", folder_ids=[await world.folder_of(anna, INBOX)])
    assert refused.value.reason == "FOLDER_NOT_FOUND"


async def test_what_can_not_be_understood_is_refused_with_its_place(world: Searching, anna: Person) -> None:
    for query, position in [('one "two', "5"), ("one in:nowhere", "5"), ("is:blue", "1"), ("-- ?", "1")]:
        with pytest.raises(InvalidArgument) as refused:
            await world.search(anna, query)
        assert (refused.value.reason, refused.value.metadata["position"]) == ("QUERY_INVALID", position)
    with pytest.raises(InvalidArgument) as refused:
        await world.search(anna, "one", page_size=501)
    assert refused.value.reason == "LIMIT_EXCEEDED"
    with pytest.raises(InvalidArgument) as refused:
        await world.search(anna, "one", restriction=Restriction())
    assert refused.value.reason == "RESTRICTION_INVALID"


async def test_a_page_token_of_another_query_is_refused(world: Searching, anna: Person) -> None:
    for number in range(3):
        await world.message(anna, f"Report {number}")
    token = (await world.page_of(anna, "report", page_size=1)).next_page_token
    with pytest.raises(InvalidArgument) as refused:
        await world.page_of(anna, "other", page_token=token)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_a_page_looks_at_so_many_hits_and_no_more(world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_page, "HIT_BUDGET", 4)
    monkeypatch.setattr(search_page, "_FIRST_HITS", 2)
    await world.message(anna, "report wanted", text="wanted")
    for number in range(9):
        await world.message(anna, f"report {number}")
    content = Restriction(
        content=Restriction.Content(ref=PropertyRef(field="content.body.text"), match="MATCH_WORD", text="wanted")
    )
    first = await world.page_of(anna, "report", restriction=content)
    assert not first.items
    assert first.next_page_token
    assert await world.search(anna, "report", restriction=content) == ["report wanted"]


async def test_appointments_and_contacts_are_found_by_what_is_written_on_them(world: Searching, anna: Person) -> None:
    meeting = item_pb2.Item(folder_id=await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CALENDAR))
    meeting.summary.kind = item_pb2.ITEM_KIND_APPOINTMENT
    meeting.summary.subject = "Planning"
    meeting.summary.appointment.location = "Room Kilimanjaro"
    meeting.summary.appointment.start.local = "2026-03-01T10:00:00"
    meeting.summary.appointment.end.local = "2026-03-01T11:00:00"
    meeting.content.appointment.attendees.add().person.address = "dora@mail.example"
    await world.create(anna, meeting)
    card = item_pb2.Item(folder_id=await world.folder_of(anna, folder_pb2.FOLDER_ROLE_CONTACTS))
    card.summary.kind = item_pb2.ITEM_KIND_CONTACT
    card.summary.subject = "Emil"
    card.content.contact.addresses.add(locality="Reykjavík")
    card.content.contact.phones.add(number="+49 30 123456")
    await world.create(anna, card)
    assert await world.search(anna, "kilimanjaro") == ["Planning"]
    assert await world.search(anna, "to:dora") == ["Planning"]
    assert await world.search(anna, "reykjavik") == ["Emil"]
    assert await world.search(anna, "123456 kind:contact") == ["Emil"]


async def test_the_index_follows_the_commits_by_itself(world: Searching, anna: Person) -> None:
    await world.message(anna, "from before")
    world.indexer.start()
    await _until(world, 1)
    await world.message(anna, "from now")
    world.indexer.on_commit(anna.mailbox, 3)
    await _until(world, 2)
    await world.indexer.stop()


async def test_a_mailbox_that_can_not_be_indexed_holds_up_no_other_and_comes_again(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    ben = await world.person("ben")
    real = search_store.index_batch

    def failing(connection: Any, mailbox_id: int, *rest: Any, **named: Any) -> bool:
        if mailbox_id == anna.number:
            raise ZeroDivisionError
        return real(connection, mailbox_id, *rest, **named)

    monkeypatch.setattr(search_store, "index_batch", failing)
    monkeypatch.setattr(indexing, "RETRY_SECONDS", 0.05)
    await world.message(anna, "of anna")
    await world.message(ben, "of ben")
    world.indexer.start()
    await _until(world, 1)
    await asyncio.sleep(0.2)
    await world.message(ben, "more of ben")
    world.indexer.on_commit(ben.mailbox, 3)
    await _until(world, 2)
    monkeypatch.setattr(search_store, "index_batch", real)
    await _until(world, 3)
    await world.indexer.stop()


async def _until(world: Searching, documents: int) -> None:
    for _ in range(2000):
        if await world.documents() >= documents:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the index does not follow")


async def test_a_backlog_larger_than_a_batch_is_indexed_whole(
    world: Searching, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "_BATCH_BYTES", 300)
    for number in range(9):
        await world.message(anna, f"Report {number}")
    assert await world.indexer.catch_up(anna.mailbox, more=lambda: True, batch=4)
    assert await world.documents() == 9
    assert len(await world.search(anna, "report")) == 9


async def test_compaction_keeps_everything_that_is_there(world: Searching, anna: Person) -> None:
    for number in range(5):
        await world.message(anna, f"Report {number}", text=f"text{number}")
    assert len(await world.search(anna, "report")) == 5
    assert not await world.indexer.compact()
    if world.database.dialect == "sqlite":
        await world.database.write(lambda transaction: search_sqlite.begin_compaction(transaction.connection))
        assert await world.indexer.compact()
        assert await world.search(anna, "text3") == ["Report 3"]
        assert len(await world.search(anna, "report")) == 5
