"""Text to search terms: the one tokenizer, for indexing and for queries, on every database.

A term is a run of letters, digits and the marks that belong to them: compatibility-normalised (NFKC), case-folded, without the
diacritics of Latin, Greek, Cyrillic, Hebrew and Arabic (elsewhere marks are letters in all but name and stay). Scripts that are
written without spaces between words, and Korean, whose words carry their particles, become overlapping pairs of characters, so
that any piece of a text can be found without a dictionary. An address falls into its parts: ``ann@mail.example`` gives
``ann mail example``. Terms hold nothing else (no punctuation, no underscore), so that an index may join its own prefix to them.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TERM_CHARACTERS = 64
"""Longer words are cut here, in the index and in queries alike: the beginning tells them apart well enough."""

_PAIRED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e"  # Thai
    "\u0e81-\u0ece\u0edc-\u0edf"  # Lao
    "\u1000-\u103f\u1050-\u108f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17d3\u17dd"  # Khmer
    "\u1100-\u11ff\uac00-\ud7fb"  # Hangul
    "\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u303c"  # marks and numerals written among ideographs
    "\u3041-\u3096\u3099\u309a\u309d-\u309f"  # Hiragana
    "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # Katakana
    "\u3105-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # ideographs
)
_PAIRED_CHARACTER = re.compile(f"[{_PAIRED}]")
_PAIRED_RUN = re.compile(f"([{_PAIRED}]+)|[^{_PAIRED}]+")
_ASCII_WORD = re.compile(rf"([a-z0-9]{{1,{MAX_TERM_CHARACTERS}}})[a-z0-9]*")
_DIACRITICS = re.compile(
    "[\u0300-\u036f"  # Latin, Greek, Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8]+"  # Arabic
)
_VANISHING = re.compile(
    # Inside words without being part of them: soft hyphen, Arabic stretching, joiners, directions, variants.
    "[\xad\u034f\u061c\u0640\u180e\u200c-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]+"
)
_SYMBOLS = re.compile(
    # Signs like ™ and ㎏, which become letters by NFKC: words of their own, not the end of the word before them.
    "["
    + "".join(
        chr(code)
        for block in ((0x2100, 0x2150), (0x2460, 0x2500), (0x3200, 0x3400), (0x1F100, 0x1F200))
        for code in range(*block)
        if unicodedata.category(chr(code)) == "So"
    )
    + "]"
)
_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i"})  # no decomposition takes these apart


class QueryTerms(NamedTuple):
    """What a piece of a query looks for: terms one after the other."""

    terms: tuple[str, ...]
    """None, if the piece has no letter and no digit."""
    prefix: bool
    """The last of them may go on: it is a single character of a script that is indexed in pairs."""


def terms(text: str) -> list[str]:
    """The terms of a text, in order, for an index."""
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    found: list[str] = []
    for run, paired in _runs(text):
        if paired:
            found.extend(run[index : index + 2] for index in range(len(run)))
        else:
            found.append(run)
    return found


def query_terms(text: str) -> QueryTerms:
    """The terms that a document holding ``text`` as whole words has one after the other.

    A run of paired characters may stand anywhere inside a longer run of the document, unless more follows in the query.
    """
    if text.isascii():
        return QueryTerms(tuple(_ASCII_WORD.findall(text.lower())), prefix=False)
    found: list[str] = []
    prefix = False
    runs = list(_runs(text))
    for position, (run, paired) in enumerate(runs):
        last = position == len(runs) - 1
        if not paired:
            found.append(run)
        elif not last:
            found.extend(run[index : index + 2] for index in range(len(run)))
        elif len(run) == 1:
            found.append(run)
            prefix = True
        else:
            found.extend(run[index : index + 2] for index in range(len(run) - 1))
    return QueryTerms(tuple(found), prefix)


def is_paired(character: str) -> bool:
    """Whether the character belongs to a script that is indexed in pairs: a word may begin or end beside it anywhere."""
    return _PAIRED_CHARACTER.match(character) is not None


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Runs of one sort of characters: words (cut to the longest allowed), and runs of paired scripts (whole)."""
    text = _SYMBOLS.sub(r" \g<0> ", _VANISHING.sub("", text))
    folded = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    for word in _word_pattern().findall(folded):
        if word.isascii():
            yield word[:MAX_TERM_CHARACTERS], False
        else:
            yield from _runs_of_word(word) if len(word) <= MAX_TERM_CHARACTERS else _runs_of_long_word(word)


def _runs_of_long_word(word: str) -> tuple[tuple[str, bool], ...]:
    bare = _DIACRITICS.sub("", unicodedata.normalize("NFKD", word)).translate(_STROKES)
    return tuple(
        (match[0] if match[1] else match[0][:MAX_TERM_CHARACTERS], match[1] is not None)
        for match in _PAIRED_RUN.finditer(unicodedata.normalize("NFC", bare))
    )


_runs_of_word = functools.lru_cache(maxsize=8192)(_runs_of_long_word)


def _mark_ranges() -> Iterator[str]:
    begin: int | None = None
    for point in range(0x300, 0x1F000):
        if unicodedata.category(chr(point)) in {"Mn", "Mc"}:
            begin = point if begin is None else begin
        elif begin is not None:
            yield f"{chr(begin)}-{chr(point - 1)}"
            begin = None


@functools.cache
def _word_pattern() -> re.Pattern[str]:
    """Letters, digits and marks. Python's own class has no marks, so they are gathered once, when the first text needs them."""
    return re.compile(rf"[\w{''.join(_mark_ranges())}]+")
