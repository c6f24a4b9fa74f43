"""Documents and queries as SQLite's FTS5 takes them: for the server's index and for the replica's.

Every term stands behind a prefix, which ends with "_" and is also a term by itself: the mark of all documents that share it. No
term holds an underscore, so no term behind one prefix is the beginning of one behind another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules.search_query import Document, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery_core.rules.search_query import Words

OPTIONS = f"{', '.join(Document._fields)}, content='', tokenize=\"ascii tokenchars '_'\""
"""What a table of postings is made with: its columns are those of ``Document``, and it holds words and no text. The tokenizer
splits at ASCII punctuation only and changes no other character, so terms come through as they are."""


def texts(prefix: str, document: Document) -> dict[str, str]:
    """What goes into each column."""
    joined = (prefix + f" {prefix}".join(terms) if terms else "" for terms in document)
    columns = dict(zip(Document._fields, joined, strict=True))
    columns["attachments"] += f" {prefix}"
    return columns


def expression(prefix: str, wanted: Sequence[Words]) -> str:
    """The words of a query as an expression for MATCH. Terms hold letters, digits and marks only: nothing needs escaping."""
    positive = [_phrase(prefix, words) for words in wanted if not words.negated]
    negative = [_phrase(prefix, words) for words in wanted if words.negated]
    together = " AND ".join(positive) if positive else f'"{prefix}"'
    return f"({together}) NOT ({' OR '.join(negative)})" if negative else together


def _phrase(prefix: str, words: Words) -> str:
    column = "" if words.field is None else f"{Document._fields[Field(words.field)]} : "
    phrase = " ".join(f"{prefix}{term}" for term in words.terms)
    return f'({column}"{phrase}"{" *" if words.prefix else ""})'
