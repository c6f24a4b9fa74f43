"""Whether a restriction is well formed: size, operators, and values that fit what they are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import Item
from rookery.v1.restriction_pb2 import Restriction
from rookery_core.errors import InvalidArgument
from rookery_core.rules import record_paths
from rookery_core.rules.record_paths import ValueType

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

    from rookery.v1.property_pb2 import PropertyValue
    from rookery.v1.restriction_pb2 import PropertyRef

MAX_NODES = 200
MAX_DEPTH = 20
MAX_TEXT = 1000
_YEAR_1, _YEAR_9999 = -62_135_596_800, 253_402_300_799

PARTS: dict[int, tuple[str, Descriptor]] = {
    Restriction.SubObject.KIND_RECIPIENTS: ("recipients", item_pb2.Recipient.DESCRIPTOR),
    Restriction.SubObject.KIND_ATTACHMENTS: ("attachments", item_pb2.Attachment.DESCRIPTOR),
}
"""Where the parts of a sub-object condition are in a content, and what they are."""

VALUE_TYPES: dict[str, ValueType] = {
    "boolean": ValueType.BOOLEAN,
    "int32": ValueType.NUMBER,
    "int64": ValueType.NUMBER,
    "float64": ValueType.NUMBER,
    "text": ValueType.TEXT,
    "binary": ValueType.BYTES,
    "time": ValueType.TIME,
    "guid": ValueType.BYTES,
}
"""The single-valued arms of PropertyValue, which conditions may compare with."""

_EQUALITY = {Restriction.Compare.OPERATOR_EQUAL, Restriction.Compare.OPERATOR_NOT_EQUAL}


def validate(restriction: Restriction, field: str = "restriction") -> None:
    """InvalidArgument ``RESTRICTION_INVALID``, or ``FIELD_UNKNOWN`` for a path, unless every node of the tree is well formed.

    The error's ``field`` is the path of the node that is wrong, below ``field``.
    """
    _Check().node(restriction, field, Item.DESCRIPTOR, 1)


def invalid(message: str, field: str) -> InvalidArgument:
    """The error for a node at a path."""
    return InvalidArgument("RESTRICTION_INVALID", message, field=field)


class _Check:
    """One walk over a tree, counting its nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def node(self, restriction: Restriction, field: str, root: Descriptor, depth: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise invalid(f"a restriction has at most {MAX_NODES} nodes", field)
        if depth > MAX_DEPTH:
            raise invalid(f"a restriction is at most {MAX_DEPTH} deep", field)
        arm = restriction.WhichOneof("node")
        if arm is None:
            raise invalid("a node of the restriction is empty: set one of its arms", field)
        self._arm(arm, getattr(restriction, arm), f"{field}.{arm}", root, depth)

    def _arm(self, arm: str, body: Any, at: str, root: Descriptor, depth: int) -> None:
        match arm:
            case "and" | "or":
                for index, operand in enumerate(body.operands):
                    self.node(operand, f"{at}.operands[{index}]", root, depth + 1)
            case "not":
                self.node(body.operand, f"{at}.operand", root, depth + 1)
            case "sub_object":
                self._sub_object(body, at, root, depth)
            case "exists":
                _ref(body.ref, at, root)
            case "compare":
                _compare(body, at, root)
            case "content":
                _content(body, at, root)
            case "bitmask":
                if _ref(body.ref, at, root) not in {ValueType.NUMBER, None}:
                    raise invalid("only integers have bits to look at", at)

    def _sub_object(self, body: Restriction.SubObject, at: str, root: Descriptor, depth: int) -> None:
        if root is not Item.DESCRIPTOR:
            raise invalid("a recipient or an attachment has no parts of its own", at)
        if body.kind not in PARTS:
            raise invalid("say which parts are meant: recipients or attachments", f"{at}.kind")
        self.node(body.operand, f"{at}.operand", PARTS[body.kind][1], depth + 1)


def _ref(ref: PropertyRef, at: str, root: Descriptor) -> ValueType | None:
    """What the values of a reference are; None for an extended property, whose type only the item knows."""
    match ref.WhichOneof("ref"):
        case "field":
            return record_paths.resolve(ref.field, root).value_type
        case "property":
            _property(ref, f"{at}.ref.property", root)
            return None
        case _:
            raise invalid("say what the condition looks at: a field or a property", f"{at}.ref")


def _property(ref: PropertyRef, at: str, root: Descriptor) -> None:
    if root is not Item.DESCRIPTOR:
        raise invalid("recipients and attachments have no extended properties", at)
    key = ref.property
    named = key.WhichOneof("key") == "named"
    if key.WhichOneof("key") is None or (named and key.named.WhichOneof("id") is None):
        raise invalid("name the property by its tag, or by its set and a number or a name", at)


def _compare(body: Restriction.Compare, at: str, root: Descriptor) -> None:
    if body.operator not in Restriction.Compare.Operator.values() or not body.operator:
        raise invalid("say how to compare: equal, not equal, less, …", f"{at}.operator")
    given = _value_type(body.value, f"{at}.value")
    wanted = _ref(body.ref, at, root)
    if wanted is ValueType.MESSAGE:
        raise invalid(f"“{body.ref.field}” is a group of fields: compare one of them", f"{at}.ref")
    if wanted not in {given, None}:
        raise invalid(f"“{body.ref.field}” is a {wanted.value}, the value is a {given.value}", f"{at}.value")
    if given is ValueType.BOOLEAN and body.operator not in _EQUALITY:
        raise invalid("booleans are equal or not; none is less", f"{at}.operator")


def _value_type(value: PropertyValue, at: str) -> ValueType:
    arm = value.WhichOneof("value")
    if arm is None:
        raise invalid("a comparison needs a value", at)
    if arm not in VALUE_TYPES:
        raise invalid("compare with a single value, not with several", at)
    if arm == "time" and not _YEAR_1 <= value.time.seconds <= _YEAR_9999:
        raise invalid("the time is not between the years 1 and 9999", at)
    return VALUE_TYPES[arm]


def _content(body: Restriction.Content, at: str, root: Descriptor) -> None:
    if body.match not in Restriction.Content.Match.values() or not body.match:
        raise invalid("say where the text is looked for: anywhere, at the beginning, or as words", f"{at}.match")
    if not 0 < len(body.text) <= MAX_TEXT:
        raise invalid(f"the text looked for has 1 to {MAX_TEXT:,} characters", f"{at}.text")
    if _ref(body.ref, at, root) not in {ValueType.TEXT, None}:
        raise invalid(f"“{body.ref.field}” is no text to look into", f"{at}.ref")
