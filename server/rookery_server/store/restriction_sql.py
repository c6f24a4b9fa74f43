"""Restrictions as SQL, as far as the promoted columns of ``item`` reach.

What SQL decides exactly as ``rookery_core.rules.restrictions`` does needs no second look. Of some conditions SQL can only tell that
they can not hold; those narrow the rows and are checked again on the decoded record. Nothing here gives NULL: a condition on
something absent is false, so its negation is true.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Boolean, LargeBinary, String, and_, false, literal, not_, or_, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rookery.v1.restriction_pb2 import Restriction
from rookery_core.rules import restrictions
from rookery_core.rules.record_paths import ValueType
from rookery_server.store.tables import NO_TIME, item, item_category

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.compiler import SQLCompiler

    from rookery.v1.restriction_pb2 import PropertyRef

_MAX_COLUMN_TEXT = 255


@dataclasses.dataclass(frozen=True)
class _Sql:
    """A condition in SQL that holds wherever the restriction does; ``exact``: and nowhere else."""

    condition: ColumnElement[bool]
    exact: bool


def compile(restriction: Restriction) -> tuple[ColumnElement[bool] | None, Restriction | None]:  # noqa: A001 - what it does
    """A condition on the columns of ``item``, and what is left to be checked on the rows that it lets through.

    Either may be None: no condition, nothing left. An item satisfies the restriction exactly if both hold for it.
    InvalidArgument as ``restrictions.validate``.
    """
    restrictions.validate(restriction)
    conditions: list[ColumnElement[bool]] = []
    left: list[Restriction] = []
    for part in _conjuncts(restriction):
        compiled = _node(part)
        if compiled is not None:
            conditions.append(compiled.condition)
        if compiled is None or not compiled.exact:
            left.append(part)
    return (and_(*conditions) if conditions else None), _all_of(left)


def _conjuncts(restriction: Restriction) -> list[Restriction]:
    if restriction.WhichOneof("node") != "and":
        return [restriction]
    return [part for operand in getattr(restriction, "and").operands for part in _conjuncts(operand)]


def _all_of(parts: list[Restriction]) -> Restriction | None:
    if len(parts) < 2:
        return parts[0] if parts else None
    together = Restriction()
    getattr(together, "and").operands.extend(parts)
    return together


def _node(restriction: Restriction) -> _Sql | None:
    arm = restriction.WhichOneof("node")
    body = getattr(restriction, arm or "and")
    match arm:
        case "and":
            return _and([_node(operand) for operand in body.operands])
        case "or":
            return _or([_node(operand) for operand in body.operands])
        case "not":
            inner = _node(body.operand)
            return _Sql(not_(inner.condition), exact=True) if inner is not None and inner.exact else None
        case "exists":
            return _exists(body.ref)
        case "compare":
            return _compare(body)
        case _:
            return None


def _and(operands: list[_Sql | None]) -> _Sql | None:
    known = [operand for operand in operands if operand is not None]
    if not known:
        return None if operands else _Sql(true(), exact=True)
    exact = len(known) == len(operands) and all(operand.exact for operand in known)
    return _Sql(and_(*(operand.condition for operand in known)), exact)


def _or(operands: list[_Sql | None]) -> _Sql | None:
    known = [operand for operand in operands if operand is not None]
    if len(known) < len(operands):
        return None
    if not known:
        return _Sql(false(), exact=True)
    return _Sql(or_(*(operand.condition for operand in known)), all(operand.exact for operand in known))


_NUMBERS = {
    "life": item.c.life,
    "uid": item.c.uid,
    "revision": item.c.revision,
    "content_revision": item.c.content,
    "summary.kind": item.c.kind,
    "summary.size_bytes": item.c.size_bytes,
    "summary.importance": item.c.importance,
    "summary.sensitivity": item.c.sensitivity,
}
"""Always there."""

_TIMES = {
    "summary.received": item.c.received,
    "summary.sent": item.c.sent,
    "start": item.c.start,
    "end": item.c.span_end,
    "due": item.c.due,
}
"""NO_TIME where they are absent."""

_BOOLEANS = {"state.read": item.c.is_read, "summary.has_attachments": item.c.has_attachments}

_BYTES = {"id": item.c.id, "folder_id": item.c.folder_id, "summary.conversation_id": item.c.conversation_id}

_FLAG_STATUS = "state.follow_up.status"
_CATEGORIES = "state.categories"

_TEXTS = {"summary.message_class": item.c.message_class, "summary.message.message_id": item.c.external_id}
"""As they were written: case-folding is not the database's business, so these only narrow."""


def _exists(ref: PropertyRef) -> _Sql | None:
    path = ref.field
    if path in _TIMES:
        return _Sql(_TIMES[path] > NO_TIME, exact=True)
    if path in _NUMBERS or path in _BOOLEANS:
        return _Sql(true(), exact=True)
    if path in _BYTES:
        return _Sql(_BYTES[path].is_not(None), exact=True)
    if path == _CATEGORIES:
        return _Sql(_category(None), exact=True)
    return None


def _compare(body: Restriction.Compare) -> _Sql | None:
    path = body.ref.field
    value_type, value = restrictions.comparable(body.value)
    compare: Callable[[Any, Any], Any] = restrictions.OPERATORS[body.operator]
    match value_type:
        case ValueType.NUMBER if isinstance(value, int):
            return _number(path, compare, value)
        case ValueType.TIME if path in _TIMES:
            column = _TIMES[path]
            return _Sql(and_(column > NO_TIME, compare(column, _integer(value))), exact=True)
        case ValueType.BOOLEAN if path in _BOOLEANS:
            return _Sql(_BOOLEANS[path].is_(bool(compare(value, True))), exact=True)
        case ValueType.BYTES if path in _BYTES:
            column = _BYTES[path]
            return _Sql(and_(column.is_not(None), compare(column, literal(value, LargeBinary()))), exact=True)
        case ValueType.TEXT:
            return _text(path, body.operator, compare, value)
        case _:
            return None


def _number(path: str, compare: Callable[[Any, Any], Any], value: int) -> _Sql | None:
    if path in _NUMBERS:
        return _Sql(compare(_NUMBERS[path], _integer(value)), exact=True)
    if path == _FLAG_STATUS:
        # The column has 0 both where there is no flag (false) and where one was given without a status (compare with 0).
        flagged = compare(item.c.flag_status, _integer(value))
        return _Sql(flagged, exact=not compare(0, value))
    return None


def _text(path: str, operator: int, compare: Callable[[Any, Any], Any], value: str) -> _Sql | None:
    if path == _CATEGORIES and "\0" not in value and operator in _EQUALITY:
        return _Sql(_category(compare(item_category.c.category_key, value)), exact=True)
    column = _TEXTS.get(path)
    if column is None or operator != Restriction.Compare.OPERATOR_EQUAL or "\0" in value or len(value) >= _MAX_COLUMN_TEXT:
        return None
    # What is not ASCII may fold to anything, and is looked at again.
    narrowed = ~_IsAscii(column)
    if value.isascii():
        narrowed = or_(_AsciiLower(column) == value, narrowed)
    return _Sql(and_(column.is_not(None), narrowed), exact=False)


_EQUALITY = {Restriction.Compare.OPERATOR_EQUAL, Restriction.Compare.OPERATOR_NOT_EQUAL}


def _category(condition: ColumnElement[bool] | None) -> ColumnElement[bool]:
    statement = select(literal(1)).where(item_category.c.mailbox_id == item.c.mailbox_id, item_category.c.item_id == item.c.id)
    return (statement if condition is None else statement.where(condition)).correlate(item).exists()


def _integer(value: int) -> ColumnElement[int]:
    """A number as wide as they come, whatever the column's width."""
    return literal(value, BigInteger())


class _AsciiLower(FunctionElement[str]):
    """The text with A to Z in lower case, and nothing else changed."""

    type = String()
    inherit_cache = True


class _IsAscii(FunctionElement[bool]):
    """Whether a text has ASCII characters only: then it has as many bytes as characters."""

    type = Boolean()
    inherit_cache = True


@compiles(_AsciiLower)
def _lower_sqlite(element: _AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(_AsciiLower, "postgresql")
def _lower_postgresql(element: _AsciiLower, compiler: SQLCompiler, **options: Any) -> str:
    return f'lower({compiler.process(element.clauses, **options)} COLLATE "C")'


@compiles(_IsAscii)
def _is_ascii_sqlite(element: _IsAscii, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"(length(CAST({text} AS BLOB)) = length({text}))"


@compiles(_IsAscii, "postgresql")
def _is_ascii_postgresql(element: _IsAscii, compiler: SQLCompiler, **options: Any) -> str:
    text = compiler.process(element.clauses, **options)
    return f"(octet_length({text}) = char_length({text}))"
