"""Search without a server: what is found, in which order, and that the index follows what comes and what is done here."""

from __future__ import annotations

import random
import sqlite3

import pytest

from rookery.v1.item_pb2 import ItemContent, ItemSummary
from rookery.v1.item_service_pb2 import ItemView
from rookery_client.replica.reading import search_index, searching
from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.reading.searching import Searcher
from rookery_client.replica.storage import database
from rookery_core.errors import InvalidArgument, NotFound
from rookery_core.rules import search_query
from rookery_core.rules.search_documents import document_of
from tests.support.replica_filling import DELETED, INBOX, JUNK, NONE, PROJECTS, YEAR, Device


@pytest.fixture
def anna(tmp_path):
    device = Device(tmp_path / "anna.replica")
    yield device
    device.close()


@pytest.fixture
def searcher(anna):
    return Searcher(anna.replica, anna.clock)


async def found(device, query, **options):
    """The subjects of all hits."""
    return [item.summary.subject async for item in device.client.search(query, **options)]


async def test_words_are_found_wherever_an_item_has_them_newest_first(anna):
    anna.put(anna.message("Invoice", "for March"), anna.message("March", "weather"), anna.message("Other", author="March Hare"))
    assert await found(anna, "march") == ["Other", "March", "Invoice"]
    assert await found(anna, "subject:march") == ["March"]
    assert await found(anna, "from:march") == ["Other"]
    assert await found(anna, 'inv* -"march weather"') == ["Invoice"]


async def test_a_query_of_conditions_alone_goes_through_everything(anna):
    anna.put(anna.message("One", read=False), anna.message("Two"), anna.message("Three", read=False))
    assert await found(anna, "is:unread") == ["Three", "One"]
    assert await found(anna, "-two") == ["Three", "One"]


@pytest.mark.parametrize("page_size", [1, 2, 3, 500])
async def test_hits_come_page_by_page(anna, page_size):
    items = [anna.message(f"Word {number}") for number in range(7)]
    anna.put(*items)
    await anna.client.items.update(_renamed(items[3], "Word edited"), ["summary.subject"])
    expected = ["Word 6", "Word 5", "Word 4", "Word edited", "Word 2", "Word 1", "Word 0"]
    assert await found(anna, "word", page_size=page_size) == expected


async def test_deleted_items_and_junk_are_searched_only_if_they_are_named(anna):
    for folder in (INBOX, JUNK, DELETED, YEAR):
        anna.put(anna.message(f"Word {folder[0]}", folder=folder))
    assert await found(anna, "word") == [f"Word {YEAR[0]}", f"Word {INBOX[0]}"]
    assert await found(anna, "word in:trash") == [f"Word {DELETED[0]}"]
    assert await found(anna, "word in:Projects/2026") == [f"Word {YEAR[0]}"]
    assert await found(anna, "word", folder_ids=[JUNK]) == [f"Word {JUNK[0]}"]
    with pytest.raises(NotFound):
        await found(anna, "word", folder_ids=[b"x" * 16])
    with pytest.raises(InvalidArgument) as caught:
        await found(anna, "in:nowhere")
    assert caught.value.reason == "QUERY_INVALID"


async def test_days_are_asked_of_the_time_of_receipt(anna):
    anna.put(anna.message("Word old"))
    anna.clock.advance(days=3)
    anna.put(anna.message("Word new"))
    day = anna.message("").summary.received.ToJsonString()[:10]
    assert await found(anna, f"word after:{day}") == ["Word new"]
    assert await found(anna, f"word before:{day}") == ["Word old"]


async def test_what_came_with_another_content_is_found_by_its_new_words_only(anna):
    item = anna.message("Letter", "apples")
    anna.put(item, anna.message("Other"))
    assert await found(anna, "apples") == ["Letter"]
    item.content.body.text = "pears"
    anna.put(item)
    assert await found(anna, "apples") == [] and await found(anna, "pears") == ["Letter"]


async def test_what_is_gone_is_not_found(anna):
    item = anna.message("Letter", "apples")
    anna.put(item)
    assert await found(anna, "apples") == ["Letter"]
    anna.remove(item)
    assert await found(anna, "apples") == []


async def test_items_are_found_as_they_were_edited_here(anna):
    item = anna.message("Letter", "apples")
    anna.put(item)
    assert await found(anna, "letter") == ["Letter"]
    await anna.client.items.update(_renamed(item, "Postcard"), ["summary.subject"])
    assert await found(anna, "letter") == [] and await found(anna, "postcard apples") == ["Postcard"]


async def test_items_made_here_are_found(anna):
    await anna.client.items.create(anna.message("Shopping list", "two litres of milk"))
    assert await found(anna, "milk") == ["Shopping list"]


async def test_a_move_or_a_mark_made_here_needs_no_new_index(anna, searcher):
    items = [anna.message(f"Word {number}") for number in range(3)]
    anna.put(*items)
    assert searcher.index_some() == 0
    await anna.client.items.move([items[0].id], PROJECTS)
    await anna.client.items.set_state([items[1].id], read=False)
    await anna.client.items.delete([items[2].id])
    assert await found(anna, "word") == ["Word 1", "Word 0"]
    assert await found(anna, "word in:projects") == ["Word 0"]
    assert await found(anna, "word is:unread") == ["Word 1"]


async def test_a_content_that_is_fetched_later_is_found_by_its_words(anna):
    item = anna.message("Letter", "apples")
    anna.put(item, extent=NONE)
    assert await found(anna, "letter") == ["Letter"] and await found(anna, "apples") == []
    assert Contents(anna.replica, anna.clock).put(item.id, item.content_revision, item.content.SerializeToString())
    assert await found(anna, "apples") == ["Letter"]


async def test_a_search_without_time_to_index_says_so(anna, monkeypatch):
    monkeypatch.setattr(searching, "BUDGET_MICROS", 0)
    anna.put(anna.message("Word"))
    page = await anna.client.searching.page("word")
    assert page.incomplete and not page.items
    Searcher(anna.replica, anna.clock).index_some()
    page = await anna.client.searching.page("word")
    assert not page.incomplete and len(page.items) == 1


async def test_a_search_while_another_program_writes_uses_what_is_indexed(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    device = Device(tmp_path / "busy.replica")
    device.put(device.message("Word one"))
    assert await found(device, "word") == ["Word one"]
    device.put(device.message("Word two"))
    other = sqlite3.connect(device.replica.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    page = await device.client.searching.page("word")
    assert page.incomplete and [item.summary.subject for item in page.items] == ["Word one"]
    other.close()
    assert await found(device, "word") == ["Word two", "Word one"]
    device.close()


async def test_hits_can_come_whole(anna):
    anna.put(anna.message("Letter", "apples"))
    hits = [item async for item in anna.client.search("letter", view=ItemView.ITEM_VIEW_FULL)]
    assert hits[0].content.body.text == "apples"


def test_the_index_is_brought_up_in_steps(anna, searcher):
    anna.put(*(anna.message(f"Word {number}") for number in range(10)))
    assert [searcher.index_some(4), searcher.index_some(4), searcher.index_some(4)] == [6, 2, 0]
    assert searcher.index_some() == 0


async def test_an_index_of_mostly_old_words_is_begun_anew(anna, searcher, monkeypatch):
    monkeypatch.setattr(search_index, "_STALE_ALLOWED", 5)
    item = anna.message("Letter")
    anna.put(item)
    sizes = []
    for number in range(10):
        item.content.body.text = f"version {number}"
        anna.put(item)
        while searcher.index_some():
            pass
        with anna.replica.database.reading() as connection:
            sizes.append(connection.execute("SELECT count(*) FROM search_docsize").fetchone()[0])
        assert await found(anna, f'"version {number}"') == ["Letter"]
        assert await found(anna, "letter") == ["Letter"]
    assert max(sizes) <= 7 and sizes != sorted(sizes)


async def test_a_damaged_content_has_no_words_and_stops_nobody(anna):
    broken = anna.message("Broken", "apples")
    anna.put(broken, anna.message("Whole", "apples"))
    with anna.replica.database.writing() as connection:
        connection.execute("UPDATE content SET data = x'ffff' WHERE item_id = ?", (broken.id,))
    assert await found(anna, "apples") == ["Whole"]


def _number(connection, item):
    [(number,)] = connection.execute(
        "SELECT d.number FROM search_document AS d JOIN item AS i ON i.number = d.item_number WHERE i.id = ?", (item.id,)
    )
    return number


def test_documents_of_one_moment_have_numbers_of_their_own(anna, searcher, monkeypatch):
    monkeypatch.setattr(search_index, "HASH_BITS", 3)
    items = [anna.message(f"Word {number}") for number in range(8)]
    for item in items:
        item.summary.received.CopyFrom(items[0].summary.received)
    anna.put(*items)
    assert searcher.index_some() == 0
    with anna.replica.database.reading() as connection:
        assert len({_number(connection, item) for item in items}) == 8


QUERIES = ["apple", "appl*", "apple pear", '"apple pear"', "-apple", "subject:plum -pear", "plum is:unread", "pear -is:unread"]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_a_search_finds_what_the_shown_items_say(anna, seed):
    chance = random.Random(seed)

    def text():
        return " ".join(chance.choice(["apple", "pear", "plum", "apples"]) for _ in range(3))

    items = []
    for step in range(40):
        match chance.randrange(6) if items else 0:
            case 0:
                items.append(anna.message(text(), text(), read=bool(chance.randrange(2))))
                anna.put(items[-1])
            case 1:
                item = chance.choice(items)
                item.summary.subject, item.content.body.text = text(), text()
                anna.put(item)
            case 2:
                gone = items.pop(chance.randrange(len(items)))
                anna.remove(gone)
            case 3:
                item = chance.choice(items)
                await anna.client.items.update(_renamed(item, text()), ["summary.subject"])
            case 4:
                await anna.client.items.set_state([chance.choice(items).id], read=bool(chance.randrange(2)))
            case 5:
                await anna.client.items.create(anna.message(text(), text()))
        if step % 5 == 4:
            await _search_agrees(anna, chance.choice([1, 2, 50]))


async def _search_agrees(device, page_size):
    for query in QUERIES:
        assert await found(device, query, page_size=page_size) == _meant(device, query), query


def _meant(device, query):
    """What a query means, taken literally: each item that is shown, looked through."""
    parsed = search_query.parse(query)
    with device.replica.database.reading() as connection:
        rows = connection.execute("SELECT id, fill_key, is_read, summary FROM shown_item ORDER BY fill_key DESC").fetchall()
        contents = dict(connection.execute("SELECT item_id, data FROM content").fetchall())
        contents |= dict(connection.execute("SELECT id, content FROM local_item WHERE content IS NOT NULL").fetchall())
    subjects = []
    for item_id, _, is_read, encoded in rows:
        summary = ItemSummary.FromString(encoded)
        document = document_of(summary, ItemContent.FromString(contents[item_id]))
        wanted = {"plum is:unread": not is_read, "pear -is:unread": bool(is_read)}.get(query, True)
        if wanted and search_query.holds(parsed, document):
            subjects.append(summary.subject)
    return subjects


def _renamed(item, subject):
    changed = type(item)(id=item.id)
    changed.summary.subject = subject
    return changed
