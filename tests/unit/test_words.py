"""The tokenizer."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rookery_core.rules import words
from rookery_core.rules.search_query import Document, Words, holds, parse

anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("don't", ["don", "t"]),
        ("snake_case and kebab-case", ["snake", "case", "and", "kebab", "case"]),
        ("Ann.Lee@Mail.Example", ["ann", "lee", "mail", "example"]),
        ("1,234.56 €", ["1", "234", "56"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("Crème brûlée", ["creme", "brulee"]),
        ("Łódź, Ørsted, Đà Nẵng, ışık", ["lodz", "orsted", "da", "nang", "isik"]),
        ("Ёж и йод", ["еж", "и", "иод"]),
        ("Ελλάδα ΕΛΛΆΣ", ["ελλαδα", "ελλασ"]),
        ("שָׁלוֹם", ["שלום"]),
        ("مُحَمَّد", ["محمد"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("ﬁne ① ²", ["fine", "1", "2"]),
        ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"]),
        ("soft\u00adhyphen zero\u200bwidth", ["softhyphen", "zero", "width"]),
        ("日本語", ["日本", "本語", "語"]),
        ("日", ["日"]),
        ("ﾃｽﾄ", ["テス", "スト", "ト"]),
        ("ガ", ["ガ"]),
        ("학교에", ["학교", "교에", "에"]),
        ("ไทย", ["ไท", "ทย", "ย"]),
        ("iPhone用のケース", ["iphone", "用の", "のケ", "ケー", "ース", "ス"]),
        ("", []),
        ("… — !", []),
        ("👋🏽", []),
    ],
)
def test_a_text_falls_into_terms(text: str, expected: list[str]) -> None:
    assert words.terms(text) == expected


@pytest.mark.parametrize("letter", ["x", "ä", "и"])
def test_a_long_word_is_cut(letter: str) -> None:
    (term,) = words.terms(letter * 1000)
    assert len(term) == words.MAX_TERM_CHARACTERS
    assert words.query_terms(letter * 70).terms == (term,)


@given(anything)
def test_terms_hold_letters_digits_and_marks_only(text: str) -> None:
    for term in words.terms(text):
        assert term
        assert len(term) <= words.MAX_TERM_CHARACTERS
        assert {unicodedata.category(character)[0] for character in term} <= {"L", "N", "M"}


@given(anything, anything)
def test_ascii_text_and_the_same_text_among_other_give_the_same_terms(text: str, other: str) -> None:
    assert words.terms(f"{text} é {other}") == [*words.terms(text), "e", *words.terms(other)]


@given(anything)
@example("日本語 text ไทย")
@example("ŉ\u0345")
def test_composition_and_case_make_no_difference(text: str) -> None:
    assert words.terms(unicodedata.normalize("NFD", text)) == words.terms(unicodedata.normalize("NFC", text))
    assert words.terms(text.casefold()) == words.terms(text)


@given(anything, anything, anything)
@example("", "日本", "語")
@example("", "本", "")
@example("x", "日 b", "y")
def test_what_is_written_between_spaces_is_found_as_a_phrase(before: str, text: str, after: str) -> None:
    wanted = words.query_terms(text)
    if wanted.terms:
        document = Document(words.terms(f"{before} {text} {after}"), [], [], [], [])
        assert holds(parse("")._replace(words=(Words(*wanted),)), document)


@pytest.mark.parametrize(
    ("text", "piece"), [("日本語テキスト", "本語"), ("日本語テキスト", "ト"), ("학교에서", "교에"), ("สวัสดีครับ", "ครับ")]
)
def test_any_piece_of_a_text_without_spaces_is_found(text: str, piece: str) -> None:
    document = Document([], [], [], [], words.terms(text))
    assert holds(parse(piece), document)
    assert not holds(parse(piece[::-1] + "木"), document)


@given(anything)
def test_an_index_keeps_every_term_as_it_is(text: str) -> None:
    terms = [f"1_{term}" for term in words.terms(text)]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize=\"ascii tokenchars '_'\")")
        connection.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, instance)")
        connection.execute("INSERT INTO t VALUES (?)", [" ".join(terms)])
        kept = connection.execute("SELECT term FROM v ORDER BY offset").fetchall()
    connection.close()
    assert [term for (term,) in kept] == terms


def test_a_sign_that_stands_for_letters_is_no_part_of_the_word_before_it() -> None:
    assert words.terms("Matrox Parhelia™ now") == ["matrox", "parhelia", "tm", "now"]
    assert words.terms("5㎏") == ["5", "kg"]
