"""Numbers of documents: their own in every mailbox, whatever ids and times clients choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery_core.rules.search_query import Document, parse
from rookery_server.store import search
from tests.support.rows import add_items, add_mailbox

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Connection

    from rookery_server.store.database import Database, Transaction

WORD = Document(["word"], [], [], [], [])


def put(transaction: Transaction, mailbox_id: int, rows: list[dict[str, Any]]) -> bool:
    """Indexes items, each with the same word."""
    connection = transaction.connection
    batch = [search.Indexed(row["id"], row["content"], row["received"], WORD) for row in rows]
    upto = max(row["revision"] for row in rows)
    return search.index_batch(connection, mailbox_id, batch, since=search.progress(connection, mailbox_id), upto=upto)


def found(connection: Connection, mailbox_id: int) -> list[bytes]:
    hits = search.find(connection, mailbox_id, parse("word"), at_least=0, below=search.NUMBERS, limit=1000)
    return [item_id for _, item_id in hits]


async def test_the_same_id_time_and_revision_in_many_mailboxes_leaves_none_of_them_out(database: Database) -> None:
    def work(transaction: Transaction) -> dict[int, bytes]:
        numbers = [add_mailbox(transaction.connection) for _ in range(40)]
        for number in numbers:
            [row] = add_items(transaction.connection, number, 1, id=b"i" * 16, received=5_000, content=1)
            assert put(transaction, number, [row])
        return dict.fromkeys(numbers, b"i" * 16)

    for number, item_id in (await database.write(work)).items():
        assert await database.read(lambda connection, number=number: found(connection, number)) == [item_id]  # type: ignore[misc]


async def test_a_full_millisecond_leaves_documents_out_and_the_index_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "HASH_BITS", 3)

    def work(transaction: Transaction) -> int:
        number = add_mailbox(transaction.connection)
        assert put(transaction, number, add_items(transaction.connection, number, 20, received=5_000))
        assert put(transaction, number, add_items(transaction.connection, number, 1, revision=50, received=9_000))
        return number

    number = await database.write(work)
    hits = await database.read(lambda connection: found(connection, number))
    assert len(hits) == len(set(hits)) == 8 + 1


async def test_a_document_is_known_to_be_current_at_whichever_of_its_places_it_lies(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "HASH_BITS", 6)

    def work(transaction: Transaction) -> list[search.Candidate]:
        number = add_mailbox(transaction.connection)
        assert put(transaction, number, add_items(transaction.connection, number, 30, received=5_000))
        return search.pending(transaction.connection, number, 0, 100)[0]

    candidates = await database.write(work)
    assert all(candidate.is_current for candidate in candidates)
    assert any(candidate.number != candidate.preferred_number for candidate in candidates)
