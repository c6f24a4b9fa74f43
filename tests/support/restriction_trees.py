"""Random restrictions and the items that they are tried on, and what a restriction means, said as plainly as possible."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import strategies as st

from rookery.v1.item_pb2 import Item
from rookery.v1.property_pb2 import PropertyKey, PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction

TEXTS = ["", "a", "Ä", "ä", "a\u0308", "Straße", "STRASSE", "IPM.Note", "ipm.note", "\u212apm", "K", "one two", "two", "ein\x00s"]
NUMBERS = [-1, 0, 1, 2, 3, 7, 1 << 40]
SECONDS = [-1, 0, 1, 1_700_000_000]
BYTES = [b"", b"a" * 16, b"b" * 16]
OPERATORS = [number for number in Restriction.Compare.Operator.values() if number]

TEXT_PATHS = [
    "summary.subject",
    "summary.message_class",
    "summary.message.message_id",
    "state.categories",
    "state.follow_up.request",
]
TEXT_CONTENT_PATHS = ["content.body.text", "content.recipients.person.name", "content.message.references"]
NUMBER_PATHS = [
    "summary.kind",
    "summary.importance",
    "summary.sensitivity",
    "summary.size_bytes",
    "summary.task.percent_complete",
    "state.follow_up.status",
    "life",
    "uid",
    "revision",
    "content_revision",
]
TIME_PATHS = ["summary.received", "summary.sent", "state.follow_up.due", "start", "end", "due"]
BOOLEAN_PATHS = ["state.read", "summary.has_attachments", "summary.message.draft"]
BYTES_PATHS = ["id", "folder_id", "summary.conversation_id"]
EVERY_PATH = [*TEXT_PATHS, *NUMBER_PATHS, *TIME_PATHS, *BOOLEAN_PATHS, *BYTES_PATHS, "summary.task", "state.follow_up"]
KEYS = [PropertyKey(tag=1), PropertyKey(named=PropertyKey.Name(property_set=b"s" * 16, name="x"))]


def _value(arm: str, value: Any) -> PropertyValue:
    if arm == "time":
        found = PropertyValue()
        found.time.seconds = value
        found.time.nanos = 1999  # less than a microsecond of it counts for nothing
        return found
    return PropertyValue(**{arm: value})


def _values(arm: str, choices: list[Any]) -> st.SearchStrategy[PropertyValue]:
    return st.sampled_from(choices).map(lambda value: _value(arm, value))


_TEXT = _values("text", TEXTS)
_NUMBER = st.one_of(_values("int64", NUMBERS), _values("int32", [-1, 0, 2]), _values("float64", [0.5, 2.0]))
_TIME = _values("time", SECONDS)
_BYTES = st.one_of(_values("binary", BYTES), _values("guid", BYTES[1:]))
_BOOLEAN = _values("boolean", [True, False])


def _compare(
    refs: st.SearchStrategy[PropertyRef], values: st.SearchStrategy[PropertyValue], operators: list[int] = OPERATORS
) -> Any:
    return st.builds(Restriction.Compare, ref=refs, operator=st.sampled_from(operators), value=values).map(
        lambda compare: Restriction(compare=compare)
    )


def _fields(paths: list[str]) -> st.SearchStrategy[PropertyRef]:
    return st.sampled_from(paths).map(lambda path: PropertyRef(field=path))


def _content(refs: st.SearchStrategy[PropertyRef]) -> Any:
    texts = st.sampled_from([text for text in TEXTS if text])
    return st.builds(Restriction.Content, ref=refs, match=st.sampled_from([1, 2, 3]), text=texts).map(
        lambda content: Restriction(content=content)
    )


def _bitmask(refs: st.SearchStrategy[PropertyRef]) -> Any:
    return st.builds(Restriction.Bitmask, ref=refs, mask=st.sampled_from([0, 1, 6]), any_set=st.booleans()).map(
        lambda bitmask: Restriction(bitmask=bitmask)
    )


def _exists(refs: st.SearchStrategy[PropertyRef]) -> Any:
    return refs.map(lambda ref: Restriction(exists=Restriction.Exists(ref=ref)))


_PROPERTIES = st.sampled_from(KEYS).map(lambda key: PropertyRef(property=key))


def every_comparison() -> list[Restriction]:
    """Each way to compare each path of summary and state with each value."""
    found = [
        Restriction(compare=Restriction.Compare(ref=PropertyRef(field=path), operator=op, value=_value(arm, value)))
        for paths, arm, values in (
            (TEXT_PATHS, "text", TEXTS),
            (NUMBER_PATHS, "int64", NUMBERS),
            (TIME_PATHS, "time", SECONDS),
            (BYTES_PATHS, "binary", BYTES),
        )
        for path in paths
        for op in OPERATORS
        for value in values
    ]
    found += [
        Restriction(compare=Restriction.Compare(ref=PropertyRef(field=path), operator=op, value=PropertyValue(boolean=value)))
        for path in BOOLEAN_PATHS
        for op in OPERATORS[:2]
        for value in (True, False)
    ]
    return found + [Restriction(exists=Restriction.Exists(ref=PropertyRef(field=path))) for path in EVERY_PATH]


summary_leaves = st.one_of(
    _compare(_fields(TEXT_PATHS), _TEXT),
    _compare(_fields(NUMBER_PATHS), _NUMBER),
    _compare(_fields(TIME_PATHS), _TIME),
    _compare(_fields(BOOLEAN_PATHS), _BOOLEAN, [1, 2]),
    _compare(_fields(BYTES_PATHS), _BYTES),
    _content(_fields(TEXT_PATHS)),
    _bitmask(_fields(NUMBER_PATHS)),
    _exists(_fields(EVERY_PATH)),
)
"""Conditions on summary and state."""

_PART = st.one_of(
    _compare(_fields(["person.name", "person.address"]), _TEXT),
    _compare(_fields(["type"]), _NUMBER),
    _content(_fields(["person.name"])),
    _exists(_fields(["person.name"])),
)

content_leaves = st.one_of(
    _compare(_fields(TEXT_CONTENT_PATHS), _TEXT),
    _content(_fields(TEXT_CONTENT_PATHS)),
    _compare(_PROPERTIES, st.one_of(_TEXT, _NUMBER, _TIME, _BYTES)),
    _compare(_PROPERTIES, _BOOLEAN, [1, 2]),
    _content(_PROPERTIES),
    _bitmask(_PROPERTIES),
    _exists(_PROPERTIES),
    _PART.map(lambda part: Restriction(sub_object=Restriction.SubObject(kind="KIND_RECIPIENTS", operand=part))),
)
"""Conditions on the content."""


def both(operands: list[Restriction], arm: str) -> Restriction:
    """All of them ("and"), or any ("or")."""
    node = Restriction()
    getattr(node, arm).SetInParent()
    getattr(node, arm).operands.extend(operands)
    return node


def negation(operand: Restriction) -> Restriction:
    """Not that."""
    node = Restriction()
    getattr(node, "not").operand.CopyFrom(operand)
    return node


def trees(leaves: Any) -> Any:
    """Whole restrictions over some leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.builds(both, st.lists(inner, max_size=3), st.sampled_from(["and", "or"])), inner.map(negation)),
        max_leaves=6,
    )


@st.composite
def items(draw: Any) -> Item:
    """Items of several kinds with few, often equal values."""
    item = Item(
        id=b"i" * 16,
        folder_id=draw(st.sampled_from(BYTES[1:])),
        life=draw(st.sampled_from([1, 2])),
        uid=draw(st.sampled_from([1, 2, 7])),
    )
    item.revision = draw(st.sampled_from([3, 7]))
    item.content_revision = draw(st.sampled_from([1, 3]))
    _draw_summary(draw, item)
    _draw_state(draw, item)
    _draw_content(draw, item)
    return item


def _draw_summary(draw: Any, item: Item) -> None:
    text, maybe = st.sampled_from(TEXTS), st.booleans()
    summary = item.summary
    summary.kind = draw(st.sampled_from([1, 2, 3, 7]))
    summary.subject, summary.message_class = draw(text), draw(text)
    summary.received.seconds = draw(st.sampled_from(SECONDS))
    summary.importance, summary.sensitivity = draw(st.sampled_from([0, 1, 2, 3])), draw(st.sampled_from([0, 2]))
    summary.size_bytes = draw(st.sampled_from([0, 1, 1 << 40]))
    summary.has_attachments = draw(maybe)
    summary.conversation_id = draw(st.sampled_from(BYTES))
    if draw(maybe):
        summary.sent.seconds, summary.sent.nanos = draw(st.sampled_from(SECONDS)), 1500
    days = st.sampled_from(["1970-01-01", "1970-01-01T00:00:01", "not a time", ""])
    match summary.kind:
        case 1:
            summary.message.message_id, summary.message.draft = draw(text), draw(maybe)
        case 2:
            summary.appointment.start.local = draw(days)
            summary.appointment.end.local = draw(days)
            if draw(maybe):
                summary.appointment.recurrence.rules.append("FREQ=DAILY")
        case 3:
            summary.task.percent_complete = draw(st.sampled_from([0, 7]))
            if draw(maybe):
                summary.task.due.local = draw(days)
        case 7:
            if draw(maybe):
                summary.journal.start.seconds = draw(st.sampled_from(SECONDS))
            if draw(maybe):
                summary.journal.end.seconds = draw(st.sampled_from(SECONDS))


def _draw_state(draw: Any, item: Item) -> None:
    state = item.state
    state.read = draw(st.booleans())
    state.categories.extend(draw(st.sampled_from([[], ["a"], ["Ä", "Straße"]])))
    if draw(st.booleans()):
        state.follow_up.status = draw(st.sampled_from([0, 1, 2]))
        state.follow_up.request = draw(st.sampled_from(TEXTS))
        if draw(st.booleans()):
            state.follow_up.due.seconds = draw(st.sampled_from(SECONDS))


def _draw_content(draw: Any, item: Item) -> None:
    content = item.content
    content.body.text = draw(st.sampled_from(TEXTS))
    for name in draw(st.lists(st.sampled_from(TEXTS), max_size=2)):
        content.recipients.add(type=draw(st.sampled_from([0, 1, 2]))).person.name = name
    content.message.references.extend(draw(st.lists(st.sampled_from(TEXTS), max_size=2)))
    for key in draw(st.sampled_from([[], KEYS[:1], KEYS])):
        content.properties.add(key=key, value=draw(st.one_of(_TEXT, _NUMBER, _TIME, _BYTES, _BOOLEAN, _SEVERAL)))


_SEVERAL = st.sampled_from(
    [
        PropertyValue(texts=PropertyValue.Strings(values=["a", "one two"])),
        PropertyValue(int64s=PropertyValue.Integers(values=[1, 7])),
        PropertyValue(int32s=PropertyValue.Integers()),
        PropertyValue(booleans=PropertyValue.Booleans(values=[True])),
        PropertyValue(guids=PropertyValue.Guids(values=BYTES[1:])),
    ]
)


def folded(value: Any) -> Any:
    """What a string is compared by."""
    if not isinstance(value, str):
        return value
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", value).casefold())
