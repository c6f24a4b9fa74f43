"""What extended properties must keep to (MS-OXCDATA 2.6.1, 2.11): names that are names, values within their types' ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery_core.rules import checks, limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue

_SEVERAL = frozenset({"booleans", "int32s", "int64s", "float64s", "texts", "binaries", "times", "guids"})
_SINGLE = {"time": "times", "guid": "guids"}
_INT32 = 1 << 31


def validate_properties(properties: Sequence[Property], field: str) -> None:
    """InvalidArgument with the path of the first property that is wrong. Doubles may be infinite or no number (IEEE 754)."""
    checks.at_most(len(properties), limits.PROPERTIES, field)
    seen: set[bytes] = set()
    for index, entry in enumerate(properties):
        _key(entry.key, f"{field}[{index}].key")
        _value(entry.value, f"{field}[{index}].value")
        key = entry.key.SerializeToString(deterministic=True)
        if key in seen:
            raise checks.invalid("a property occurs once in an item", f"{field}[{index}].key")
        seen.add(key)


def _key(key: PropertyKey, field: str) -> None:
    match key.WhichOneof("key"):
        case "tag" if 1 <= key.tag <= 0x7FFF:
            pass
        case "named" if len(key.named.property_set) == 16 and key.named.WhichOneof("id"):
            checks.no_longer(key.named.name, limits.PROPERTY_NAME, f"{field}.named.name")
        case _:
            raise checks.invalid("a property is named by a tag (0x0001 to 0x7FFF), or by a 16-byte set and a name", field)


def _value(value: PropertyValue, field: str) -> None:
    arm = value.WhichOneof("value")
    if arm is None:
        raise checks.invalid("a property needs a value", field)
    if arm in _SEVERAL:
        _values(arm, getattr(value, arm).values, f"{field}.{arm}.values")
    else:
        _one(_SINGLE.get(arm, arm), getattr(value, arm), f"{field}.{arm}")


def _values(arm: str, values: Sequence[Any], field: str) -> None:
    checks.at_most(len(values), limits.VALUES, field)
    if arm in {"times", "guids", "int32s"}:
        for index, value in enumerate(values):
            _one(arm, value, f"{field}[{index}]")


def _one(kind: str, value: Any, field: str) -> None:
    match kind:
        case "times":
            checks.moment(value, field)
        case "guids":
            checks.sixteen(value, "a GUID", field)
        case "int32s" if not -_INT32 <= value < _INT32:
            raise checks.invalid("a value of int32s has 32 bits", field)
