"""Whether a restriction holds for a decoded record (MS-OXCDATA 2.12). The server, rules and a replica decide with this code.

A condition on something that the item does not have is false, so its negation is true. Strings compare by NFC and case-fold,
times in whole microseconds, numbers by value whatever their width. A condition on a repeated field, or on a multi-valued
property, holds if it holds for one of the values; for none, it is false.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import Item
from rookery.v1.restriction_pb2 import Restriction
from rookery_core.rules import record_paths, words
from rookery_core.rules.names import key
from rookery_core.rules.record_paths import ValueType
from rookery_core.rules.restrictions_check import PARTS, VALUE_TYPES, validate

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from rookery.v1.property_pb2 import PropertyKey, PropertyValue
    from rookery.v1.restriction_pb2 import PropertyRef

__all__ = ["OPERATORS", "comparable", "matches", "needs_content", "predicate", "validate"]

Predicate = Callable[[Any], bool]
Lookup = Callable[[Any], "tuple[ValueType, list[Any]]"]

OPERATORS: dict[int, Callable[[Any, Any], bool]] = {
    Restriction.Compare.OPERATOR_EQUAL: operator.eq,
    Restriction.Compare.OPERATOR_NOT_EQUAL: operator.ne,
    Restriction.Compare.OPERATOR_LESS: operator.lt,
    Restriction.Compare.OPERATOR_LESS_OR_EQUAL: operator.le,
    Restriction.Compare.OPERATOR_GREATER: operator.gt,
    Restriction.Compare.OPERATOR_GREATER_OR_EQUAL: operator.ge,
}
"""What each operator means between two comparable values."""

_MULTIPLE: dict[str, ValueType] = {
    "booleans": ValueType.BOOLEAN,
    "int32s": ValueType.NUMBER,
    "int64s": ValueType.NUMBER,
    "float64s": ValueType.NUMBER,
    "texts": ValueType.TEXT,
    "binaries": ValueType.BYTES,
    "times": ValueType.TIME,
    "guids": ValueType.BYTES,
}


def matches(restriction: Restriction, item: Item) -> bool:
    """Whether the restriction holds for an item. Its content must be there if ``needs_content`` says so.

    InvalidArgument as ``validate``. For many items, make the ``predicate`` once.
    """
    return predicate(restriction)(item)


def predicate(restriction: Restriction) -> Callable[[Item], bool]:
    """The restriction as a function of an item. InvalidArgument as ``validate``."""
    validate(restriction)
    return _node(restriction, Item.DESCRIPTOR)


def needs_content(restriction: Restriction) -> bool:
    """Whether deciding it takes the item's content, beside summary and state. The restriction is valid."""
    arm = restriction.WhichOneof("node")
    body = getattr(restriction, arm or "and")
    match arm:
        case "and" | "or":
            return any(needs_content(operand) for operand in body.operands)
        case "not":
            return needs_content(body.operand)
        case "sub_object":
            return True
        case _:
            return body.ref.WhichOneof("ref") == "property" or record_paths.resolve(body.ref.field).in_content


def comparable(value: PropertyValue) -> tuple[ValueType, Any]:
    """The type of a single value, and the value as records are compared with it: folded text, times in microseconds."""
    arm = value.WhichOneof("value") or ""
    value_type = VALUE_TYPES[arm]
    return value_type, _folded(value_type, getattr(value, arm))


def _node(restriction: Restriction, root: Descriptor) -> Predicate:
    arm = restriction.WhichOneof("node")
    body = getattr(restriction, arm or "and")
    match arm:
        case "and":
            every = [_node(operand, root) for operand in body.operands]
            return lambda record: all(condition(record) for condition in every)
        case "or":
            some = [_node(operand, root) for operand in body.operands]
            return lambda record: any(condition(record) for condition in some)
        case "not":
            inner = _node(body.operand, root)
            return lambda record: not inner(record)
        case "sub_object":
            return _sub_object(body)
        case _:
            return _LEAVES[arm or ""](body, _lookup(body.ref, root))


def _sub_object(body: Restriction.SubObject) -> Predicate:
    name, descriptor = PARTS[body.kind]
    condition = _node(body.operand, descriptor)
    return lambda item: any(condition(part) for part in getattr(item.content, name))


def _exists(body: Restriction.Exists, lookup: Lookup) -> Predicate:
    del body
    return lambda record: bool(lookup(record)[1])


def _compare(body: Restriction.Compare, lookup: Lookup) -> Predicate:
    compare = OPERATORS[body.operator]
    wanted_type, wanted = comparable(body.value)

    def holds(record: Any) -> bool:
        value_type, found = lookup(record)
        return value_type is wanted_type and any(compare(_folded(value_type, value), wanted) for value in found)

    return holds


def _content(body: Restriction.Content, lookup: Lookup) -> Predicate:
    wanted = key(body.text)
    look: Callable[[str, str], bool] = {
        Restriction.Content.MATCH_SUBSTRING: str.__contains__,
        Restriction.Content.MATCH_PREFIX: str.startswith,
        Restriction.Content.MATCH_WORD: _holds_words,
    }[body.match]

    def holds(record: Any) -> bool:
        value_type, found = lookup(record)
        return value_type is ValueType.TEXT and any(look(key(value), wanted) for value in found)

    return holds


def _bitmask(body: Restriction.Bitmask, lookup: Lookup) -> Predicate:
    mask, any_set = body.mask, body.any_set

    def holds(record: Any) -> bool:
        value_type, found = lookup(record)
        if value_type is not ValueType.NUMBER:
            return False
        return any(isinstance(value, int) and bool(value & mask) == any_set for value in found)

    return holds


_LEAVES: dict[str, Callable[[Any, Lookup], Predicate]] = {
    "exists": _exists,
    "compare": _compare,
    "content": _content,
    "bitmask": _bitmask,
}


def _lookup(ref: PropertyRef, root: Descriptor) -> Lookup:
    if ref.WhichOneof("ref") == "property":
        wanted = ref.property
        return lambda item: _property(item, wanted)
    path = record_paths.resolve(ref.field, root)
    return lambda record: (path.value_type, record_paths.values(record, path))


def _property(item: Item, wanted: PropertyKey) -> tuple[ValueType, list[Any]]:
    for candidate in item.content.properties:
        if candidate.key == wanted:
            return _property_values(candidate.value)
    return ValueType.MESSAGE, []


def _property_values(value: PropertyValue) -> tuple[ValueType, list[Any]]:
    arm = value.WhichOneof("value")
    if arm is None:
        return ValueType.MESSAGE, []
    multiple = _MULTIPLE.get(arm)
    value_type = multiple or VALUE_TYPES[arm]
    found = list(getattr(value, arm).values) if multiple else [getattr(value, arm)]
    if value_type is ValueType.TIME:
        found = [record_paths.micros(stamp) for stamp in found]
    return value_type, found


def _folded(value_type: ValueType, value: Any) -> Any:
    if value_type is ValueType.TEXT:
        return key(value)
    if value_type is ValueType.TIME and not isinstance(value, int):
        return record_paths.micros(value)
    return value


def _holds_words(text: str, wanted: str) -> bool:
    """Whether ``wanted`` stands in ``text`` with no letter, digit or mark going on at either end."""
    position = text.find(wanted)
    while position >= 0:
        end = position + len(wanted)
        if not (_joined(text[position - 1 : position], wanted[0]) or _joined(wanted[-1], text[end : end + 1])):
            return True
        position = text.find(wanted, position + 1)
    return False


def _joined(left: str, right: str) -> bool:
    """Whether two neighbours belong to one word. Scripts without spaces between words have a border everywhere."""
    return _in_word(left) and _in_word(right) and not (words.is_paired(left) or words.is_paired(right))


def _in_word(character: str) -> bool:
    return character.isalnum() or (bool(character) and unicodedata.category(character).startswith("M"))
