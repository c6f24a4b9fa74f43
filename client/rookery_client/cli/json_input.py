"""JSON back to records: what `--json` prints, and the protobuf JSON form, in any mixture."""

from __future__ import annotations

import base64
import json
import uuid
from typing import TYPE_CHECKING, Any, TypeVar

from google.protobuf import json_format

from rookery_client.cli.json_view import is_identifier, prefix_of
from rookery_core.errors import InvalidArgument

if TYPE_CHECKING:
    from google._upb import _message as fast
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from rookery_client.cli.json_view import Field

Record = TypeVar("Record", bound="Message")

_TOO_DEEP = "it is nested too deep"


def load(text: str) -> Any:
    """The values of a JSON text. ValueError if it is none, or too deep to be read."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def parse(document: Any, record: Record) -> Record:
    """Fills `record` from JSON values and gives it back. InvalidArgument ``FIELD_INVALID`` says what is wrong."""
    if not isinstance(document, dict):
        raise InvalidArgument("FIELD_INVALID", "the JSON is no object: it begins with {")
    try:
        # Protobuf breaks on names that are no text, wherever they stand.
        json.dumps(document, ensure_ascii=False).encode("utf-8")
        return json_format.ParseDict(_plain(record.DESCRIPTOR, document), record)
    except UnicodeEncodeError:
        said = "it holds half of a character, or bytes that are not UTF-8"
    except (json_format.ParseError, ValueError, TypeError) as error:
        said = " ".join(str(error).split())
    except RecursionError:
        said = _TOO_DEEP
    raise InvalidArgument("FIELD_INVALID", f"the JSON is no {record.DESCRIPTOR.name}: {said}")


def _plain(descriptor: Descriptor | fast.Descriptor, document: dict[str, Any]) -> dict[str, Any]:
    """The document as protobuf's own JSON form."""
    by_name: dict[str, Any] = {**descriptor.fields_by_camelcase_name, **descriptor.fields_by_name}
    return {
        name: _value(by_name[name], value) if name in by_name else value for name, value in document.items() if value is not None
    }


def _value(field: Field, value: Any) -> Any:
    if isinstance(value, list):
        return [_value(field, each) for each in value]
    if isinstance(value, dict) and field.message_type is not None:
        return _plain(field.message_type, value)
    if isinstance(value, str) and field.enum_type is not None:
        full = prefix_of(field.enum_type) + value.upper()
        return full if full in field.enum_type.values_by_name else value
    if isinstance(value, str) and is_identifier(field):
        return _identifier(value)
    return value


def _identifier(value: str) -> str:
    try:
        return base64.b64encode(uuid.UUID(value).bytes).decode("ascii")
    except ValueError:
        return value
