"""The full-text index, on every engine, against the plain meaning of queries."""

from __future__ import annotations

import itertools
import random
import sqlite3
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert, select, update

from rookery_core.rules import words
from rookery_core.rules.search_numbers import number_at
from rookery_core.rules.search_query import Document, holds, parse
from rookery_server.store import search, search_postgresql, search_sqlite
from rookery_server.store.tables import item, mailbox, search_document, search_progress
from tests.support.rows import add_items, add_mailbox

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction

SENTENCES = [
    "the quick brown fox",
    "brown fox the quick",
    "Straße und Café, 42 Äpfel",
    "日本語のテキスト",
    "本日は晴天なり",
    "학교에 갔다",
    "สวัสดีครับ",
    "नमस्ते दुनिया",
    "שלום עולם",
    "мир и труд",
    "a_b c-d e.f@g.example",
    "x" * 100,
    "",
    "ℌello ﬁne ①",
]
QUERIES = [
    "quick",
    "qui*",
    '"quick brown"',
    '"brown quick"',
    "quick -fox",
    "-quick",
    "strasse cafe",
    "ÄPFEL",
    "日本",
    "本",
    "本*",
    '"晴天 なり"',
    "학교",
    "สวัสดี",
    "दुनिया",
    "שָׁלוֹם",
    "Мир",
    "e.f@g.example",
    "subject:quick",
    "from:quick",
    "to:fox",
    '-subject:"brown fox"',
    "x" * 64,
    "x" * 70,
    "hello fine 1",
    "nowhere",
    "fox the",
    '"fox the"',
]


def document(*texts: str) -> Document:
    return Document(*(words.terms(text) for text in texts))


def indexed(row: dict[str, object], found: Document) -> search.Indexed:
    return search.Indexed(row["id"], row["content"], row["received"], found)  # type: ignore[arg-type]


async def fill(database: Database, mailbox_id: int, rows: list[dict[str, object]], documents: list[Document]) -> None:
    def work(transaction: Transaction) -> bool:
        connection = transaction.connection
        since = search.progress(connection, mailbox_id)
        batch = [indexed(row, found) for row, found in zip(rows, documents, strict=True)]
        return search.index_batch(connection, mailbox_id, batch, since=since, upto=max(row["revision"] for row in rows))  # type: ignore[type-var]

    assert await database.write(work)


def found(connection: Connection, mailbox_id: int, query: str, **limits: int) -> list[bytes]:
    given = {"at_least": 0, "below": search.NUMBERS, "limit": 1000, **limits}
    return [item_id for _, item_id in search.find(connection, mailbox_id, parse(query), **given)]


@pytest.fixture
async def two_mailboxes(database: Database) -> tuple[int, int]:
    return await database.write(lambda transaction: (add_mailbox(transaction.connection), add_mailbox(transaction.connection)))


async def test_the_index_finds_exactly_what_a_query_means_newest_first(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, other = two_mailboxes
    chooser = random.Random(5)
    documents = [document(*(chooser.choice(SENTENCES) for _ in range(5))) for _ in range(60)]
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, len(documents)))
    others = await database.write(lambda transaction: add_items(transaction.connection, other, len(documents)))
    await fill(database, mailbox_id, rows, documents)
    await fill(database, other, others, documents)
    newest = [(row["id"], document) for row, document in sorted(zip(rows, documents, strict=True), key=lambda p: -p[0]["received"])]
    for query in QUERIES:
        expected = [item_id for item_id, document in newest if holds(parse(query), document)]
        assert await database.read(lambda connection, q=query: found(connection, mailbox_id, q)) == expected, query


async def test_pages_follow_each_other_by_number(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 25))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 25)

    def pages(connection: Connection) -> list[bytes]:
        gathered, below = [], search.NUMBERS
        while page := search.find(connection, mailbox_id, parse("word"), at_least=0, below=below, limit=7):
            gathered += page
            below = page[-1][0]
        return [item_id for _, item_id in gathered]

    newest = sorted(rows, key=lambda row: -row["received"])
    assert await database.read(pages) == [row["id"] for row in newest]
    half = number_at(newest[10]["received"])
    assert await database.read(lambda c: found(c, mailbox_id, "word", at_least=half)) == [row["id"] for row in newest[:11]]
    assert await database.read(lambda c: found(c, mailbox_id, "word", below=half)) == [row["id"] for row in newest[11:]]


async def test_an_item_with_new_content_is_found_by_that_alone(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    (row,) = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 1))
    await fill(database, mailbox_id, [row], [document("before", "", "", "", "")])
    changed = {**row, "content": 90, "revision": 91}
    await database.write(lambda t: t.connection.execute(update(item).where(item.c.id == row["id"]).values(content=90, revision=91)))
    waiting, upto = await database.read(lambda connection: search.pending(connection, mailbox_id, row["revision"], 10))
    assert [candidate.is_current for candidate in waiting] == [False]
    assert upto is None
    await fill(database, mailbox_id, [changed], [document("after", "", "", "", "")])
    assert await database.read(lambda connection: found(connection, mailbox_id, "before")) == []
    assert await database.read(lambda connection: found(connection, mailbox_id, "after")) == [row["id"]]


async def test_an_item_whose_state_changed_needs_no_new_document(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 3))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 3)
    await database.write(lambda t: t.connection.execute(update(item).where(item.c.id == rows[1]["id"]).values(revision=70)))
    waiting, _ = await database.read(lambda connection: search.pending(connection, mailbox_id, 3, 10))
    assert [(candidate.item_id, candidate.is_current) for candidate in waiting] == [(rows[1]["id"], True)]


async def test_a_window_of_changes_never_cuts_a_revision_in_two(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    await database.write(lambda t: add_items(t.connection, mailbox_id, 3))
    await database.write(lambda t: add_items(t.connection, mailbox_id, 5, revision=50))
    waiting, upto = await database.read(lambda connection: search.pending(connection, mailbox_id, 0, 4))
    assert (len(waiting), upto) == (8, 50)
    waiting, upto = await database.read(lambda connection: search.pending(connection, mailbox_id, 0, 2))
    assert (len(waiting), upto) == (2, 2)
    assert await database.read(lambda connection: search.pending(connection, mailbox_id, 50, 2)) == ([], None)


async def test_a_batch_that_comes_late_changes_nothing(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 2))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 2)
    late = [indexed(rows[0], document("late", "", "", "", ""))]
    assert not await database.write(lambda t: search.index_batch(t.connection, mailbox_id, late, since=0, upto=1))
    assert await database.read(lambda connection: found(connection, mailbox_id, "late")) == []
    assert await database.read(lambda connection: search.progress(connection, mailbox_id)) == 2


async def test_items_that_changed_or_went_meanwhile_are_passed_over(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 2))
    gone = {**rows[0], "id": bytes(16)}
    older = {**rows[1], "content": rows[1]["content"] - 1}
    await fill(database, mailbox_id, [gone, older], [document("word", "", "", "", "")] * 2)
    assert await database.read(lambda connection: found(connection, mailbox_id, "word")) == []


async def test_a_purged_item_is_found_no_more(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 2))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 2)
    await database.write(lambda transaction: search.forget(transaction.connection, mailbox_id, [rows[0]["id"]]))
    assert await database.read(lambda connection: found(connection, mailbox_id, "word")) == [rows[1]["id"]]


async def test_documents_received_in_the_same_instant_all_have_numbers_of_their_own(
    database: Database, two_mailboxes: tuple[int, int]
) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda t: add_items(t.connection, mailbox_id, 400, received=-5))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 400)
    assert len(await database.read(lambda connection: found(connection, mailbox_id, "word"))) == 400


async def test_mailboxes_that_lag_are_known(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, other = two_mailboxes
    await database.write(lambda t: t.connection.execute(update(mailbox).values(revision=2)))
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 2))
    await fill(database, mailbox_id, rows, [document("word", "", "", "", "")] * 2)
    lagging = await database.read(search.behind)
    expected = await database.read(lambda c: c.execute(select(mailbox.c.uid).where(mailbox.c.id == other)).scalars().all())
    assert lagging == expected


async def test_words_that_nearly_all_documents_hold_are_found_window_by_window(
    database: Database, two_mailboxes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_postgresql, "_FEW", 3)
    monkeypatch.setattr(search_postgresql, "_FIRST_WINDOW", 4)
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 30))
    early = await database.write(lambda t: add_items(t.connection, mailbox_id, 9, revision=40, received=-7, fill_key=-7))
    texts = [document("common" if number % 3 else "", "", "", "", "") for number in range(30)]
    await fill(database, mailbox_id, [*rows, *early], [*texts, *[document("common", "", "", "", "")] * 9])
    newest = [row["id"] for number, row in reversed(list(enumerate(rows))) if number % 3]
    hits = await database.read(lambda connection: found(connection, mailbox_id, "common"))
    assert hits[:20] == newest
    assert set(hits[20:]) == {row["id"] for row in early}
    assert await database.read(lambda connection: found(connection, mailbox_id, "common", limit=5)) == newest[:5]
    bound = number_at(rows[10]["received"])
    assert await database.read(lambda connection: found(connection, mailbox_id, "common", below=bound)) == hits[14:]
    assert await database.read(lambda connection: found(connection, mailbox_id, "common", at_least=bound)) == hits[:14]


async def test_a_long_document_is_found_by_its_last_word(database: Database, two_mailboxes: tuple[int, int]) -> None:
    mailbox_id, _ = two_mailboxes
    rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 1))
    body = " ".join(f"word{number}" for number in range(30_000)) + " again" * 1000 + " end"
    await fill(database, mailbox_id, rows, [document("subject", "", "", "", body)])
    for query in ["word29999", "end", "again", '"word7 word8"', "word1*"]:
        assert await database.read(lambda c, q=query: found(c, mailbox_id, q)) == [rows[0]["id"]], query


async def test_hits_stream_newest_first_without_a_sort(sqlite_url: str) -> None:
    with sqlite3.connect(sqlite_url.removeprefix("sqlite:///")) as connection:
        statement = str(search_sqlite._find).replace(":expression", "'x'").replace(":limit", "9")
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", {"at_least": 0, "below": 9, "mailbox": 1}).fetchall()
    assert not [row for row in plan if "TEMP B-TREE" in row[3]]


class TestCompaction:
    """On SQLite, where postings can not be taken out one by one."""

    @pytest.fixture
    def database_url(self, sqlite_url: str) -> str:
        return sqlite_url

    async def test_it_takes_the_words_of_purged_items_out_for_ever(
        self, database: Database, two_mailboxes: tuple[int, int]
    ) -> None:
        mailbox_id, _ = two_mailboxes
        rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 40))
        await fill(database, mailbox_id, rows, [document("secret", "", "", "", f"word{n}") for n in range(40)])
        await database.write(lambda t: search.forget(t.connection, mailbox_id, [row["id"] for row in rows[:10]]))
        kept = {row["id"]: document("kept", "", "", "", f"word{n}") for n, row in enumerate(rows)}
        for step in itertools.count():
            if step == 2:  # one comes, one changes, one goes while the new table is made
                await self._disturb(database, mailbox_id, rows, kept)
            if await self._step(database, kept):
                break
        for n, row in enumerate(rows[10:], start=10):
            expected = [] if n == 30 else [row["id"]]
            assert await database.read(lambda c, n=n: found(c, mailbox_id, f"word{n}")) == expected, n
        assert await database.read(lambda connection: found(connection, mailbox_id, "changed")) == [rows[20]["id"]]
        assert len(await database.read(lambda connection: found(connection, mailbox_id, "new"))) == 1
        assert await self._vocabulary(database) >= {"1_kept", "1_word39"}
        assert not await self._vocabulary(database) & {"1_word0", "1_secret", "1_word30"}

    async def _disturb(
        self, database: Database, mailbox_id: int, rows: list[dict[str, object]], kept: dict[bytes, Document]
    ) -> None:
        new = await database.write(lambda t: add_items(t.connection, mailbox_id, 1, revision=60, received=rows[3]["received"]))  # type: ignore[arg-type]
        changed = {**rows[20], "content": 61, "revision": 61}
        await database.write(
            lambda t: t.connection.execute(update(item).where(item.c.id == rows[20]["id"]).values(content=61, revision=61))
        )
        texts = [document("new", "", "", "", ""), document("changed", "", "", "", "word20")]
        await fill(database, mailbox_id, [*new, changed], texts)
        kept[new[0]["id"]], kept[rows[20]["id"]] = texts  # type: ignore[index]
        await database.write(lambda t: search.forget(t.connection, mailbox_id, [rows[30]["id"]]))  # type: ignore[list-item]

    async def _step(self, database: Database, documents: dict[bytes, Document]) -> bool:
        await database.write(lambda transaction: search_sqlite.begin_compaction(transaction.connection))
        listed = await database.read(lambda connection: search_sqlite.next_to_compact(connection, 7))
        if not listed:
            return await database.write(lambda transaction: search_sqlite.finish_compaction(transaction.connection))
        batch = [(number, mailbox_id, documents[item_id]) for number, mailbox_id, item_id in listed]
        await database.write(lambda transaction: search_sqlite.compact(transaction.connection, batch))
        return False

    async def _vocabulary(self, database: Database) -> set[str]:
        def work(transaction: Transaction) -> set[str]:
            connection = transaction.connection
            connection.exec_driver_sql("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, search_postings, row)")
            return {row.term for row in connection.exec_driver_sql("SELECT term FROM temp.vocabulary")}

        found = await database.write(work)
        await database.write(lambda t: t.connection.exec_driver_sql("DROP TABLE temp.vocabulary"))
        return found

    async def test_a_document_that_comes_between_the_listed_ones_is_not_lost(
        self, database: Database, two_mailboxes: tuple[int, int]
    ) -> None:
        mailbox_id, _ = two_mailboxes
        rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 10))
        texts = [document(f"word{n}", "", "", "", "") for n in range(10)]
        await fill(database, mailbox_id, [rows[n] for n in range(10) if n != 4], [texts[n] for n in range(10) if n != 4])
        await database.write(lambda transaction: search_sqlite.begin_compaction(transaction.connection))
        listed = await database.read(lambda connection: search_sqlite.next_to_compact(connection, 7))
        await fill(database, mailbox_id, [rows[4]], [texts[4]])
        texts_by_id = {row["id"]: text for row, text in zip(rows, texts, strict=True)}
        stale = [(number, mailbox_id, texts_by_id[item_id]) for number, _, item_id in listed]
        await database.write(lambda transaction: search_sqlite.compact(transaction.connection, stale))
        while not await self._step(database, texts_by_id):
            pass
        for n, row in enumerate(rows):
            assert await database.read(lambda c, n=n: found(c, mailbox_id, f"word{n}")) == [row["id"]]

    async def test_it_is_worth_it_when_more_than_half_is_stale(self, database: Database, two_mailboxes: tuple[int, int]) -> None:
        mailbox_id, _ = two_mailboxes
        rows = await database.write(lambda transaction: add_items(transaction.connection, mailbox_id, 1))
        await fill(database, mailbox_id, rows, [document("word", "", "", "", "")])
        assert not await database.read(search_sqlite.is_worth_compacting)
        await database.write(lambda t: t.connection.execute(update(search_progress).values(stale=1001)))
        assert await database.read(search_sqlite.is_worth_compacting)
        filler = [{"number": 10 + n, "mailbox_id": 9, "item_id": n.to_bytes(16, "big")} for n in range(3000)]
        await database.write(lambda t: t.connection.execute(insert(search_document), filler))
        assert not await database.read(search_sqlite.is_worth_compacting)
