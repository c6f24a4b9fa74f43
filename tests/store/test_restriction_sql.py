"""Restrictions in SQL: with what is left for the records, they mean exactly what they mean on the records alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from rookery.v1.item_pb2 import Item
from rookery.v1.property_pb2 import PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument
from rookery_core.rules import names, records, restrictions
from rookery_server.services.items import item_writer
from rookery_server.store import restriction_sql
from rookery_server.store.database import open_database
from rookery_server.store.tables import item, item_category
from tests.support import restriction_trees as trees
from tests.support.fakes import RecordingNotifier
from tests.support.rows import add_mailbox, item_row

if TYPE_CHECKING:
    from rookery_server.store.database import Database

MAILBOX_ITEMS = 20
RESTRICTIONS = 10


def row_of(mailbox_id: int, record: Item) -> dict[str, Any]:
    """The record as the server writes it."""
    columns = {
        **item_writer.summary_columns(record.summary),
        **item_writer.state_columns(record.summary, record.state),
        "external_id": records.external_id(record.summary, record.content).replace("\0", "") or None,
        "id": record.id,
        "folder_id": record.folder_id,
        "life": record.life,
        "uid": record.uid,
        "revision": record.revision,
        "content": record.content_revision,
    }
    return item_row(mailbox_id, 1, **columns)


async def store(database: Database, found: list[Item]) -> int:
    """Puts the records, numbered, into a new mailbox."""
    for number, record in enumerate(found):
        record.id = number.to_bytes(16, "big")

    def work(transaction: Any) -> int:
        mailbox_id = add_mailbox(transaction.connection)
        transaction.connection.execute(insert(item), [row_of(mailbox_id, record) for record in found])
        categories = [
            {"mailbox_id": mailbox_id, "item_id": record.id, "category_key": names.key(name)}
            for record in found
            for name in record.state.categories
        ]
        if categories:
            transaction.connection.execute(insert(item_category), categories)
        return mailbox_id

    return await database.write(work)


async def selected(database: Database, mailbox_id: int, restriction: Restriction) -> tuple[set[bytes], Restriction | None]:
    """What SQL lets through, and what it leaves to be checked."""
    condition, left = restriction_sql.compile(restriction)
    statement = select(item.c.id).where(item.c.mailbox_id == mailbox_id)
    if condition is not None:
        statement = statement.where(condition)
    return await database.read(lambda connection: set(connection.execute(statement).scalars())), left


@pytest.mark.timeout(600)
@pytest.mark.parametrize("leaves", [trees.summary_leaves, st.one_of(trees.summary_leaves, trees.content_leaves)])
def test_sql_and_the_check_of_what_is_left_select_what_the_restriction_selects(database_url: str, leaves: Any) -> None:
    async def opened() -> Database:
        return open_database(database_url, notifier=RecordingNotifier())

    with asyncio.Runner() as runner:
        database = runner.run(opened())

        @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
        @given(
            st.lists(trees.items(), min_size=MAILBOX_ITEMS, max_size=MAILBOX_ITEMS),
            st.lists(trees.trees(leaves), min_size=RESTRICTIONS, max_size=RESTRICTIONS),
        )
        def check(found: list[Item], asked: list[Restriction]) -> None:
            mailbox_id = runner.run(store(database, found))
            for restriction in asked:
                passed, left = runner.run(selected(database, mailbox_id, restriction))
                chosen = {r.id for r in found if r.id in passed and (left is None or restrictions.matches(left, r))}
                assert chosen == {r.id for r in found if restrictions.matches(restriction, r)}, restriction

        try:
            check()
        finally:
            runner.run(database.close())


def every_sort_of_item() -> list[Item]:
    """Items that differ in each promoted field alone: absent, empty, plain, and odd."""
    found = []

    def add(kind: int = 1) -> Item:
        record = Item(folder_id=b"a" * 16, life=1, uid=1, revision=3, content_revision=1)
        record.summary.kind = kind  # type: ignore[assignment]
        record.summary.received.seconds = 1
        found.append(record)
        return record

    add().folder_id = b"b" * 16
    add().life = 2  # type: ignore[assignment]
    add().uid = 7
    add().state.read = True
    add().summary.has_attachments = True
    for importance in range(4):
        add().summary.importance = importance  # type: ignore[assignment]
    add().summary.sensitivity = 2
    add().summary.size_bytes = 1 << 40
    add().summary.conversation_id = b"a" * 16
    for text in trees.TEXTS:
        add().summary.message_class = text
        add().summary.message.message_id = text
        add().state.follow_up.request = text
    for categories in (["a"], ["Ä", "Straße"], ["K"]):
        add().state.categories.extend(categories)
    for status in range(3):
        add().state.follow_up.status = status  # type: ignore[assignment]
    for seconds in trees.SECONDS:
        add().summary.received.seconds = seconds
        add().summary.sent.seconds = seconds
        add().state.follow_up.due.seconds = seconds
        add(3).state.follow_up.due.seconds = seconds
        add(7).summary.journal.start.seconds = seconds
    for local in ("1970-01-01", "1970-01-01T00:00:01", "no time"):
        add(3).summary.task.due.local = local
        add(3).summary.task.start.local = local
        add(2).summary.appointment.start.local = local
    add(2).summary.appointment.SetInParent()
    found[-1].summary.appointment.start.local = "1970-01-01T00:00:01"
    found[-1].summary.appointment.recurrence.rules.append("FREQ=DAILY")
    return found


async def test_every_comparison_selects_the_same_in_sql_and_so_does_its_negation(database: Database) -> None:
    found = every_sort_of_item()
    mailbox_id = await store(database, found)
    for restriction in trees.every_comparison():
        expected = {record.id for record in found if restrictions.matches(restriction, record)}
        for asked, wanted in ((restriction, expected), (trees.negation(restriction), {r.id for r in found} - expected)):
            passed, left = await selected(database, mailbox_id, asked)
            assert {r.id for r in found if r.id in passed and (left is None or restrictions.matches(left, r))} == wanted, asked


def compare(path: str, op: int, **value: Any) -> Restriction:
    return Restriction(
        compare=Restriction.Compare(ref=PropertyRef(field=path), operator=op, value=PropertyValue(**value))  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    "restriction",
    [
        compare("state.read", 1, boolean=False),
        compare("state.follow_up.status", 1, int32=1),
        compare("state.categories", 1, text="Red"),
        compare("summary.has_attachments", 1, boolean=True),
        compare("summary.kind", 1, int32=3),
        compare("summary.received", 3, time={"seconds": 5}),
        compare("due", 3, time={"seconds": 5}),
        compare("start", 3, time={"seconds": 5}),
        trees.negation(compare("state.read", 1, boolean=True)),
        trees.both([compare("state.read", 1, boolean=True), compare("summary.kind", 1, int32=1)], "or"),
    ],
)
def test_the_common_filters_leave_nothing_to_be_checked(restriction: Restriction) -> None:
    condition, left = restriction_sql.compile(restriction)
    assert condition is not None
    assert left is None


def test_what_only_narrows_is_checked_again() -> None:
    by_class = compare("summary.message_class", 1, text="IPM.Note")
    condition, left = restriction_sql.compile(trees.both([by_class, compare("state.read", 1, boolean=True)], "and"))
    assert condition is not None
    assert left == by_class


def test_a_negation_of_what_only_narrows_is_left_whole() -> None:
    restriction = trees.negation(compare("summary.message_class", 1, text="IPM.Note"))
    assert restriction_sql.compile(restriction) == (None, restriction)


def test_a_malformed_restriction_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        restriction_sql.compile(Restriction())
    assert refused.value.reason == "RESTRICTION_INVALID"
