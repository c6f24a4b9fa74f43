"""The query language."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import words
from rookery_core.rules.restrictions import matches
from rookery_core.rules.search_query import Document, Field, FolderName, Query, Words, holds, parse


def micros(year: int, month: int, day: int) -> int:
    return int(dt.datetime(year, month, day, tzinfo=dt.UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ()),
        ("   ", ()),
        ("one two", (Words(("one",)), Words(("two",)))),
        ("pre*", (Words(("pre",), prefix=True),)),
        ('"a phrase"', (Words(("a", "phrase")),)),
        ("“a phrase”", (Words(("a", "phrase")),)),
        ('"begins wi*"', (Words(("begins", "wi"), prefix=True),)),
        ("-without", (Words(("without",), negated=True),)),
        ('-"not this"', (Words(("not", "this"), negated=True),)),
        ("from:ann", (Words(("ann",), field=Field.SENDER),)),
        ("FROM:ann@mail.example", (Words(("ann", "mail", "example"), field=Field.SENDER),)),
        ('to:"Ben Berg"', (Words(("ben", "berg"), field=Field.RECIPIENTS),)),
        ("-subject:draft", (Words(("draft",), field=Field.SUBJECT, negated=True),)),
        ("12:30", (Words(("12", "30")),)),
        ("http://x.example", (Words(("http", "x", "example")),)),
        ("well-known", (Words(("well", "known")),)),
        ("日本", (Words(("日本",)),)),
        ("本", (Words(("本",), prefix=True),)),
        ("salt & pepper", (Words(("salt",)), Words(("pepper",)))),
        ("a - b", (Words(("a",)), Words(("b",)))),
        ('say"hello you"', (Words(("say",)), Words(("hello", "you")))),
        ("Sinéad", (Words(("sinead",)),)),
    ],
)
def test_words_are_read_as_they_are_meant(query: str, expected: tuple[Words, ...]) -> None:
    assert parse(query) == Query(words=expected)


def test_folders_are_named_by_role_path_or_name() -> None:
    assert parse('in:inbox -in:"Projects/2026"').folders == (FolderName("inbox", False, 1), FolderName("Projects/2026", True, 10))


def test_days_bound_the_time_of_receipt() -> None:
    query = parse("after:2026-02-01 before:2026-03-01 after:2026-2-3")
    assert (query.after, query.before) == (micros(2026, 2, 3), micros(2026, 3, 1))
    assert parse("-after:2026-02-01").before == micros(2026, 2, 1)


def item_of() -> Item:
    item = Item()
    item.summary.kind = 3
    item.summary.received.FromMicroseconds(micros(2026, 3, 1))
    item.state.categories.append("Rot")
    return item


@pytest.mark.parametrize(
    ("query", "holds_"),
    [
        ("kind:task", True),
        ("kind:mail", False),
        ("-kind:MAIL", True),
        ("category:rot", True),
        ('category:"rot grün"', False),
        ("is:unread", True),
        ("is:read", False),
        ("is:flagged", False),
        ("-is:flagged", True),
        ("has:attachment", False),
        ("-has:attachments", True),
        ("after:2026-03-01", True),
        ("before:2026-03-01", False),
        ("after:2026-03-02", False),
        ("before:2026-03-02", True),
        ("before:1969-01-01", False),
        ("after:1900-01-01", True),
    ],
)
def test_conditions_on_the_item_become_restrictions(query: str, holds_: bool) -> None:
    (condition,) = parse(query).conditions
    assert matches(condition, item_of()) == holds_


@pytest.mark.parametrize(
    ("query", "position", "hint"),
    [
        ('word "open', 6, "closed"),
        ("from:", 1, "value"),
        ("a from: b", 3, "value"),
        ("from:&&", 1, "letter"),
        ("has:money", 1, "attachment"),
        ("x is:blue", 3, "read, unread and flagged"),
        ("kind:dog", 1, "task"),
        ("before:tomorrow", 1, "2026-03-01"),
        ("after:2026-02-30", 1, "2026-03-01"),
        ("-", 1, "letter"),
        ("!!!", 1, "letter"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_would_be_right(query: str, position: int, hint: str) -> None:
    with pytest.raises(InvalidArgument, match=hint) as refused:
        parse(query)
    assert refused.value.reason == "QUERY_INVALID"
    assert refused.value.metadata == {"position": str(position)}
    assert refused.value.message.startswith(f"at character {position}: ")


def test_a_query_has_an_end() -> None:
    assert parse("x " * 500).words
    with pytest.raises(InvalidArgument) as refused:
        parse("x" * 1001)
    assert refused.value.reason == "QUERY_INVALID"


OPERATORS = ["from:", "to:", "in:", "is:", "has:", "before:", "after:", "kind:"]
PIECES = [*OPERATORS, "-", '"', "”", "*", ":", " ", "2026-01-01", "x", "日", "\x00"]


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
@example("after:0000-00-00")
@example("before:0001-01-01 after:9999-12-31")
@example("\ud800")
def test_no_text_whatever_is_refused_in_another_way(text: str) -> None:
    try:
        query = parse(text)
    except InvalidArgument as error:
        assert error.reason == "QUERY_INVALID"  # noqa: PT017 - both outcomes are right
    else:
        assert all(wanted.terms for wanted in query.words)


def document(**fields: str) -> Document:
    return Document(*(words.terms(fields.get(name, "")) for name in Document._fields))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lunch friday", True),
        ("lunch monday", False),
        ("lun*", True),
        ('"on friday"', True),
        ('"friday on"', False),
        ("subject:lunch", True),
        ("subject:pizza", False),
        ("from:ann -from:ben", True),
        ("to:ann", False),
        ("ann pizza menu", True),
        ("-pizza", False),
        ("-cake", True),
        ('"friday ann"', False),
    ],
)
def test_a_document_holds_words_in_its_fields(query: str, expected: bool) -> None:
    found = document(subject="Lunch on Friday", sender="Ann Lee", body="There is pizza.", attachments="menu.pdf")
    assert holds(parse(query), found) == expected
