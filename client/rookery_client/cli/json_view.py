"""Records as JSON for programs: one shape for everything that `--json` prints.

Fields have the contract's names. Every field is there: what is not set is null, "", 0, false or []; of a oneof only the set arm.
Ids are UUID text, other bytes base64, times RFC 3339 in UTC, enumerations one lower-case word (null where not given).
Numbers that JSON has no word for are "NaN", "Infinity" and "-Infinity", as in protobuf's own JSON; a time outside the years 1
to 9999 is "@" with its seconds since 1970.
"""

from __future__ import annotations

import base64
import json
import math
import re
import uuid
from typing import TYPE_CHECKING, Any

import click
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.timestamp_pb2 import Timestamp

from rookery_client.cli.terminal import time_text

if TYPE_CHECKING:
    from google._upb import _message as fast
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

    from rookery.v1.item_pb2 import Item

    Field = FieldDescriptor | fast.FieldDescriptor

_NOT_UUID = {"sha256", "data", "binary", "values"}
_ODD_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_RISKY = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def emit(document: dict[str, Any]) -> None:
    """Prints one JSON document. Characters that could trouble a terminal are escaped."""
    _print(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False))


def emit_line(document: dict[str, Any]) -> None:
    """The same in one line, for one of many documents."""
    _print(json.dumps(document, ensure_ascii=False, allow_nan=False))


def _print(text: str) -> None:
    click.echo(_RISKY.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode("utf-8", "backslashreplace"))


def view(message: Message) -> dict[str, Any]:
    """A record as JSON values."""
    shown: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.containing_oneof is not None and not message.HasField(field.name):
            if len(field.containing_oneof.fields) == 1:
                shown[field.name] = None
            continue
        value = getattr(message, field.name)
        if field.is_repeated:
            shown[field.name] = [_value(field, each) for each in value]
        elif field.message_type is not None and not message.HasField(field.name):
            shown[field.name] = None
        else:
            shown[field.name] = _value(field, value)
    return shown


def item_view(item: Item) -> dict[str, Any]:
    """An item as JSON values. Its state is always there: a state without marks is one too."""
    return {**view(item), "state": view(item.state)}


def word(enum: EnumDescriptor | fast.EnumDescriptor, number: int) -> str | None:
    """An enumeration's value as one lower-case word, e.g. "high" for IMPORTANCE_HIGH; None where it is not given."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = prefix_of(enum)
    return None if number == 0 else value.name.removeprefix(prefix).lower()


def prefix_of(enum: EnumDescriptor | fast.EnumDescriptor) -> str:
    """What the names of an enumeration's values begin with."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")


def identifier(value: bytes) -> str | None:
    """An id as UUID text; None for no id."""
    return str(uuid.UUID(bytes=value)) if value else None


def _value(field: Field, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return time_text(value)
    if field.message_type is not None:
        return view(value)
    if field.enum_type is not None:
        return word(field.enum_type, value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _ODD_NUMBERS[str(value)]
    if isinstance(value, bytes):
        return identifier(value) if is_identifier(field) and len(value) in {0, 16} else base64.b64encode(value).decode("ascii")
    return value


def is_identifier(field: Field) -> bool:
    """Whether a field of bytes holds an id."""
    return field.type == FieldDescriptor.TYPE_BYTES and field.name not in _NOT_UUID
