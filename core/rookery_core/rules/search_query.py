"""The query language of SearchService: from what people type to a small tree, and whether a document holds what it asks for.

    query   = { ["-"] part }                                       separated by white space; all parts must hold
    part    = word | word "*" | phrase | operator ":" (word | phrase)
    phrase  = '"' anything but '"' '"'
    operator: from to subject          words in that field
              has is kind category     a condition on the item
              before after             a condition on the day it was received (UTC): after includes the day, before does not
              in                       a folder, by role, path or name; several are alternatives

A colon behind any other word is part of the text (``12:30``, ``http://…``). A part without a letter or digit is passed over.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.property_pb2 import PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument
from rookery_core.rules import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_CHARACTERS = 1000

_EQUAL = Restriction.Compare.OPERATOR_EQUAL
_DAY = 86_400_000_000
_EPOCH = dt.date(1970, 1, 1)
_OPERATORS = ("from", "to", "subject", "has", "is", "kind", "category", "before", "after", "in")
_PART = re.compile(
    rf"""(?P<minus>-?)
         (?:(?P<operator>{"|".join(_OPERATORS)}):)?
         (?:["“”„](?P<phrase>[^"“”„]*)(?P<closed>["“”]?)|(?P<word>[^\s"“”„]*))""",
    re.IGNORECASE | re.VERBOSE,
)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z", re.ASCII)
_KINDS = {
    "message": item_pb2.ITEM_KIND_MESSAGE,
    "mail": item_pb2.ITEM_KIND_MESSAGE,
    "appointment": item_pb2.ITEM_KIND_APPOINTMENT,
    "event": item_pb2.ITEM_KIND_APPOINTMENT,
    "task": item_pb2.ITEM_KIND_TASK,
    "contact": item_pb2.ITEM_KIND_CONTACT,
    "list": item_pb2.ITEM_KIND_DISTRIBUTION_LIST,
    "note": item_pb2.ITEM_KIND_NOTE,
    "journal": item_pb2.ITEM_KIND_JOURNAL,
}


class Field(enum.IntEnum):
    """The fields of a document; their numbers are the positions in ``Document``."""

    SUBJECT = 0
    SENDER = 1
    RECIPIENTS = 2
    ATTACHMENTS = 3
    BODY = 4


class Document(NamedTuple):
    """What is searched of an item: the terms (``words.terms``) of each field, in order."""

    subject: Sequence[str]
    sender: Sequence[str]
    recipients: Sequence[str]
    attachments: Sequence[str]
    body: Sequence[str]


class Words(NamedTuple):
    """Terms that a document must hold one after the other in one field, or must not."""

    terms: tuple[str, ...]
    """At least one."""
    prefix: bool = False
    """The last term may go on."""
    field: Field | None = None
    """In this field; None: in any."""
    negated: bool = False


class FolderName(NamedTuple):
    """A folder that is searched, or left out."""

    name: str
    """A role, a path, or a name; not empty."""
    negated: bool = False
    position: int = 0
    """Where it stands in the query, from 1."""


class Query(NamedTuple):
    """What a query asks for; all of it must hold."""

    words: tuple[Words, ...] = ()
    conditions: tuple[Restriction, ...] = ()
    """What is asked of the item itself: has, is, kind, category, before, after."""
    folders: tuple[FolderName, ...] = ()
    after: int | None = None
    """No item received before is asked for (microseconds); also among the conditions."""
    before: int | None = None
    """Only items received before are asked for (microseconds); also among the conditions."""


def parse(text: str) -> Query:
    """The query that people typed; an empty one asks for everything.

    InvalidArgument ``QUERY_INVALID`` names the place (``metadata["position"]``, from 1) and what would be right; no other.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidArgument("QUERY_INVALID", f"a query has at most {MAX_CHARACTERS:,} characters", field="query")
    reader = _Reader()
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _PART.match(text, position)
        if match is None or match.end() == position:  # a closing quote of no phrase
            position += 1
            continue
        reader.part(match)
        position = match.end()
    return reader.query(bool(text.strip()))


def together(query: Query, restriction: Restriction | None) -> Restriction | None:
    """What the query and a restriction beside it ask of the items themselves; None if that is nothing."""
    conditions = [*query.conditions, *([] if restriction is None else [restriction])]
    combined = Restriction()
    getattr(combined, "and").operands.extend(conditions)
    return combined if conditions else None


def holds(query: Query, document: Document) -> bool:
    """Whether the document holds the words that are asked for, and none that must not be there."""
    return all(_holds_words(wanted, document) != wanted.negated for wanted in query.words)


def _holds_words(wanted: Words, document: Document) -> bool:
    fields = document if wanted.field is None else (document[wanted.field],)
    return any(_holds_run(wanted, found) for found in fields)


def _holds_run(wanted: Words, found: Sequence[str]) -> bool:
    *before, last = wanted.terms
    length = len(before)
    for index in range(length, len(found)):
        fits = found[index].startswith(last) if wanted.prefix else found[index] == last
        if fits and list(found[index - length : index]) == before:
            return True
    return False


class _Reader:
    """Gathers the parts of one query."""

    def __init__(self) -> None:
        self._words: list[Words] = []
        self._conditions: list[Restriction] = []
        self._folders: list[FolderName] = []
        self._after: int | None = None
        self._before: int | None = None

    def part(self, match: re.Match[str]) -> None:
        """Takes one part in."""
        operator = (match["operator"] or "").lower()
        position = match.start() + 1
        if match["phrase"] is not None and not match["closed"]:
            raise _invalid("the quotation mark is not closed", match.start("phrase"))
        value = (match["phrase"] if match["phrase"] is not None else match["word"]).strip()
        negated = bool(match["minus"])
        if operator and not value:
            raise _invalid(f"“{operator}:” needs a value right behind it", position)
        match operator:
            case "from" | "to" | "subject" | "":
                self._text(operator, value, position, negated=negated)
            case "in":
                self._folders.append(FolderName(value, negated, position))
            case "before" | "after":
                self._day((operator == "before") != negated, _day(value, operator, position))
            case _:
                condition = _CONDITIONS[operator](value, position)
                self._conditions.append(_not(condition) if negated else condition)

    def query(self, something: bool) -> Query:
        """What was gathered. Something was asked for, so something must be left of it."""
        query = Query(tuple(self._words), tuple(self._conditions), tuple(self._folders), self._after, self._before)
        if something and query == Query():
            raise _invalid("there is no letter or digit to look for", 1)
        return query

    def _text(self, operator: str, value: str, position: int, *, negated: bool) -> None:
        prefix = value.endswith("*")
        found = words.query_terms(value)
        if found.terms:
            self._words.append(Words(found.terms, prefix or found.prefix, _FIELDS.get(operator), negated))
        elif operator:
            raise _invalid(f"“{operator}:” needs a word with a letter or a digit", position)

    def _day(self, before: bool, day: int) -> None:
        if before:
            self._before = day if self._before is None else min(day, self._before)
            self._conditions.append(_received(Restriction.Compare.OPERATOR_LESS, day))
        else:
            self._after = day if self._after is None else max(day, self._after)
            self._conditions.append(_received(Restriction.Compare.OPERATOR_GREATER_OR_EQUAL, day))


_FIELDS = {"from": Field.SENDER, "to": Field.RECIPIENTS, "subject": Field.SUBJECT}


def _invalid(message: str, position: int) -> InvalidArgument:
    return InvalidArgument(
        "QUERY_INVALID", f"at character {position}: {message}", metadata={"position": str(position)}, field="query"
    )


def _day(value: str, operator: str, position: int) -> int:
    match = _DATE.match(value)
    try:
        if match:
            return (dt.date(*map(int, match.groups())) - _EPOCH).days * _DAY
    except ValueError:
        pass
    raise _invalid(f"“{operator}:” takes a day like 2026-03-01, not “{value[:40]}”", position)


def _compare(field: str, value: PropertyValue, operator: Restriction.Compare.Operator.ValueType = _EQUAL) -> Restriction:
    return Restriction(compare=Restriction.Compare(ref=PropertyRef(field=field), operator=operator, value=value))


def _received(operator: Restriction.Compare.Operator.ValueType, day: int) -> Restriction:
    value = PropertyValue()
    value.time.FromMicroseconds(day)
    return _compare("summary.received", value, operator)


def _not(condition: Restriction) -> Restriction:
    negation = Restriction()
    getattr(negation, "not").operand.CopyFrom(condition)
    return negation


def _has(value: str, position: int) -> Restriction:
    if value.lower() not in {"attachment", "attachments"}:
        raise _invalid(f"“has:” knows attachment, not “{value[:40]}”", position)
    return _compare("summary.has_attachments", PropertyValue(boolean=True))


def _is(value: str, position: int) -> Restriction:
    match value.lower():
        case "read" | "unread":
            return _compare("state.read", PropertyValue(boolean=value.lower() == "read"))
        case "flagged":
            return _compare("state.follow_up.status", PropertyValue(int32=item_pb2.FLAG_STATUS_FLAGGED))
        case _:
            raise _invalid(f"“is:” knows read, unread and flagged, not “{value[:40]}”", position)


def _kind(value: str, position: int) -> Restriction:
    kind = _KINDS.get(value.lower())
    if kind is None:
        raise _invalid(f"“kind:” knows {', '.join(_KINDS)}, not “{value[:40]}”", position)
    return _compare("summary.kind", PropertyValue(int32=kind))


def _category(value: str, position: int) -> Restriction:
    del position
    return _compare("state.categories", PropertyValue(text=value))


_CONDITIONS: dict[str, Callable[[str, int], Restriction]] = {
    "has": _has,
    "is": _is,
    "kind": _kind,
    "category": _category,
}
