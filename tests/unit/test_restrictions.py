"""Restrictions: what is well formed, and what holds for a record."""

from __future__ import annotations

import contextlib
import operator
import re
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.item_pb2 import Item
from rookery.v1.property_pb2 import PropertyKey, PropertyValue
from rookery.v1.restriction_pb2 import PropertyRef, Restriction
from rookery_core.errors import InvalidArgument
from rookery_core.rules import restrictions
from tests.support import restriction_trees as trees

_COMPARISONS = {1: operator.eq, 2: operator.ne, 3: operator.lt, 4: operator.le, 5: operator.gt, 6: operator.ge}


class Naive:
    """The contract's words, one after the other, on the fields that the trees use; text only of what reads and writes easily."""

    def __init__(self, item: Item) -> None:
        self.item = item

    def holds(self, node: Restriction, part: Any = None) -> bool:
        arm = node.WhichOneof("node")
        body = getattr(node, arm)
        if arm == "and":
            return all(self.holds(operand, part) for operand in body.operands)
        if arm == "or":
            return any(self.holds(operand, part) for operand in body.operands)
        if arm == "not":
            return not self.holds(body.operand, part)
        if arm == "sub_object":
            return any(self.holds(body.operand, recipient) for recipient in self.item.content.recipients)
        kind, found = self.look_up(body.ref, part)
        if arm == "exists":
            return bool(found)
        if arm == "bitmask":
            return kind == "number" and any(isinstance(v, int) and bool(v & body.mask) == body.any_set for v in found)
        if arm == "content":
            return kind == "text" and any(self.inside(body.match, trees.folded(v), trees.folded(body.text)) for v in found)
        wanted_kind, (wanted,) = self.of_property(body.value)
        compare = _COMPARISONS[body.operator]
        return kind == wanted_kind and any(compare(trees.folded(v), trees.folded(wanted)) for v in found)

    @staticmethod
    def inside(match: int, text: str, wanted: str) -> bool:
        if match == 1:
            return wanted in text
        if match == 2:
            return text[: len(wanted)] == wanted
        return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None

    def look_up(self, ref: PropertyRef, part: Any) -> tuple[str, list[Any]]:
        if ref.WhichOneof("ref") == "property":
            for found in self.item.content.properties:
                if found.key.SerializeToString() == ref.property.SerializeToString():
                    return self.of_property(found.value)
            return "nothing", []
        if part is not None:
            value = {"person.name": part.person.name, "person.address": part.person.address, "type": part.type}[ref.field]
            return ("number", [value]) if ref.field == "type" else ("text", [value] if value else [])
        return self.field(ref.field)

    def of_property(self, value: PropertyValue) -> tuple[str, list[Any]]:
        arm = value.WhichOneof("value")
        found = getattr(value, arm)
        several = list(found.values) if hasattr(found, "values") else [found]
        if arm.startswith("time"):
            return "time", [stamp.seconds * 10**6 + stamp.nanos // 1000 for stamp in several]
        stem = {"b": "boolean", "i": "number", "f": "number", "t": "text", "g": "bytes"}[arm[0]]
        return ("bytes" if arm.startswith("binar") else stem), several

    def field(self, path: str) -> tuple[str, list[Any]]:
        if path in trees.TIME_PATHS:
            return "time", self.times(path)
        holder: Any = self.item
        *inner, leaf = path.split(".")
        for number, name in enumerate(inner):
            if name == "recipients":
                return "text", [r.person.name for r in holder.recipients if r.HasField("person") and r.person.name]
            if number and not holder.HasField(name):
                return self.kind(path), []
            holder = getattr(holder, name)
        value = getattr(holder, leaf)
        if path in {"summary.task", "state.follow_up"}:
            return "message", [value] if holder.HasField(leaf) else []
        if not isinstance(value, str | bytes | int | float):
            return "text", list(value)
        if path == "summary.importance":
            value = value or 2
        return self.kind(path), [] if value in ("", b"") else [value]

    @staticmethod
    def kind(path: str) -> str:
        groups = {"number": trees.NUMBER_PATHS, "boolean": trees.BOOLEAN_PATHS, "bytes": trees.BYTES_PATHS}
        return next((kind for kind, paths in groups.items() if path in paths), "text")

    def times(self, path: str) -> list[int]:
        summary, follow_up = self.item.summary, self.item.state.follow_up
        days = {"1970-01-01": 0, "1970-01-01T00:00:01": 10**6}
        local = {2: summary.appointment, 3: summary.task}.get(summary.kind)
        stamps = {
            "summary.received": (summary, "received"),
            "summary.sent": (summary, "sent"),
            "state.follow_up.due": (follow_up, "due"),
        }
        if path == "due" and summary.kind == 3 and summary.task.HasField("due"):
            return [days[summary.task.due.local]] if summary.task.due.local in days else []
        if path == "start" and local is not None:
            return [days[local.start.local]] if local.HasField("start") and local.start.local in days else []
        holder, name = stamps.get(path) or {"due": (follow_up, "due"), "start": (summary.journal, "start")}[path]
        if (path == "start" and summary.kind != 7) or not holder.HasField(name):
            return []
        return [getattr(holder, name).seconds * 10**6 + getattr(holder, name).nanos // 1000]


def _without_end(restriction: Restriction) -> bool:
    return b"\x0a\x03end" not in restriction.SerializeToString()  # its model is calendar_time, tested there


@settings(max_examples=600, deadline=None)
@given(trees.trees(st.one_of(trees.summary_leaves, trees.content_leaves)).filter(_without_end), trees.items())
def test_a_restriction_means_what_the_contract_says(restriction: Restriction, item: Item) -> None:
    assert restrictions.matches(restriction, item) == Naive(item).holds(restriction)


@settings(max_examples=300, deadline=None)
@given(trees.trees(st.one_of(trees.summary_leaves, trees.content_leaves)), trees.items())
def test_what_needs_no_content_is_decided_without(restriction: Restriction, item: Item) -> None:
    whole = restrictions.matches(restriction, item)
    if not restrictions.needs_content(restriction):
        item.ClearField("content")
        assert restrictions.matches(restriction, item) == whole


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_whatever_make_the_check_fail_in_any_other_way(data: bytes) -> None:
    restriction = Restriction()
    with contextlib.suppress(DecodeError, UnicodeDecodeError):
        restriction.ParseFromString(data)
    with contextlib.suppress(InvalidArgument):
        restrictions.matches(restriction, Item())


def word(text: str, looked_for: str) -> bool:
    item = Item()
    item.summary.subject = text
    content = Restriction.Content(ref=PropertyRef(field="summary.subject"), match="MATCH_WORD", text=looked_for)
    return restrictions.matches(Restriction(content=content), item)


def test_a_word_ends_where_no_letter_goes_on() -> None:
    assert word("the blackbird sings", "THE")
    assert word("a blackbird, a bird", "bird")
    assert word("one two three", "two three")
    assert word("(two)", "two")
    assert not word("blackbird", "bird")
    assert not word("birds", "bird")
    assert not word("नमस्ते", "नमस")


def test_scripts_without_spaces_have_a_border_everywhere() -> None:
    assert word("日本語", "本")
    assert word("สวัสดีครับ", "ครับ")


def test_the_end_of_an_open_series_is_after_every_time() -> None:
    item = Item()
    item.summary.kind = 2
    item.summary.appointment.start.local = "2026-01-01T10:00:00"
    item.summary.appointment.end.local = "2026-01-01T11:00:00"
    item.summary.appointment.recurrence.rules.append("FREQ=DAILY")
    value = PropertyValue()
    value.time.seconds = 253_402_300_799
    later = Restriction(compare=Restriction.Compare(ref=PropertyRef(field="end"), operator="OPERATOR_GREATER", value=value))
    assert restrictions.matches(later, item)


SUBJECT = PropertyRef(field="summary.subject")
EMPTY_AND = trees.both([], "and")


def compare(ref: PropertyRef, op: int, **value: Any) -> Restriction:
    return Restriction(compare=Restriction.Compare(ref=ref, operator=op, value=PropertyValue(**value)))  # type: ignore[arg-type]


def deep(levels: int) -> Restriction:
    node = EMPTY_AND
    for _ in range(levels - 1):
        node = trees.negation(node)
    return node


@pytest.mark.parametrize(
    ("restriction", "reason", "field"),
    [
        (Restriction(), "RESTRICTION_INVALID", "restriction"),
        (trees.both([EMPTY_AND, Restriction()], "or"), "RESTRICTION_INVALID", "restriction.or.operands[1]"),
        (trees.negation(Restriction()), "RESTRICTION_INVALID", "restriction.not.operand"),
        (trees.both([EMPTY_AND] * 200, "and"), "RESTRICTION_INVALID", "restriction.and.operands[199]"),
        (deep(21), "RESTRICTION_INVALID", "restriction" + ".not.operand" * 20),
        (compare(PropertyRef(field="summary.colour"), 1, text="x"), "FIELD_UNKNOWN", "summary.colour"),
        (compare(PropertyRef(field="summary.received.seconds"), 1, int64=1), "FIELD_UNKNOWN", "summary.received.seconds"),
        (compare(PropertyRef(), 1, text="x"), "RESTRICTION_INVALID", "restriction.compare.ref"),
        (compare(SUBJECT, 0, text="x"), "RESTRICTION_INVALID", "restriction.compare.operator"),
        (compare(SUBJECT, 99, text="x"), "RESTRICTION_INVALID", "restriction.compare.operator"),
        (compare(SUBJECT, 1), "RESTRICTION_INVALID", "restriction.compare.value"),
        (compare(SUBJECT, 1, int64=1), "RESTRICTION_INVALID", "restriction.compare.value"),
        (compare(SUBJECT, 1, texts=PropertyValue.Strings(values=["x"])), "RESTRICTION_INVALID", "restriction.compare.value"),
        (compare(PropertyRef(field="state.read"), 3, boolean=True), "RESTRICTION_INVALID", "restriction.compare.operator"),
        (compare(PropertyRef(field="summary.task"), 1, text="x"), "RESTRICTION_INVALID", "restriction.compare.ref"),
        (compare(PropertyRef(property=PropertyKey()), 1, text="x"), "RESTRICTION_INVALID", "restriction.compare.ref.property"),
        (Restriction(exists=Restriction.Exists()), "RESTRICTION_INVALID", "restriction.exists.ref"),
        (
            Restriction(bitmask=Restriction.Bitmask(ref=SUBJECT, mask=1)),
            "RESTRICTION_INVALID",
            "restriction.bitmask",
        ),
        (
            Restriction(content=Restriction.Content(ref=SUBJECT, match="MATCH_PREFIX")),
            "RESTRICTION_INVALID",
            "restriction.content.text",
        ),
        (Restriction(content=Restriction.Content(ref=SUBJECT, text="x")), "RESTRICTION_INVALID", "restriction.content.match"),
        (
            Restriction(content=Restriction.Content(ref=PropertyRef(field="summary.kind"), match="MATCH_PREFIX", text="x")),
            "RESTRICTION_INVALID",
            "restriction.content.ref",
        ),
        (
            Restriction(sub_object=Restriction.SubObject(operand=EMPTY_AND)),
            "RESTRICTION_INVALID",
            "restriction.sub_object.kind",
        ),
        (
            Restriction(
                sub_object=Restriction.SubObject(
                    kind="KIND_ATTACHMENTS",
                    operand=Restriction(sub_object=Restriction.SubObject(kind="KIND_ATTACHMENTS", operand=EMPTY_AND)),
                )
            ),
            "RESTRICTION_INVALID",
            "restriction.sub_object.operand.sub_object",
        ),
        (
            Restriction(
                sub_object=Restriction.SubObject(
                    kind="KIND_ATTACHMENTS", operand=compare(PropertyRef(property=PropertyKey(tag=1)), 1, text="x")
                )
            ),
            "RESTRICTION_INVALID",
            "restriction.sub_object.operand.compare.ref.property",
        ),
    ],
)
def test_a_malformed_restriction_is_refused_with_its_place(restriction: Restriction, reason: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        restrictions.validate(restriction)
    assert (refused.value.reason, refused.value.field) == (reason, field)


def test_the_largest_allowed_tree_is_allowed() -> None:
    restrictions.validate(trees.both([EMPTY_AND] * 199, "and"))
    restrictions.validate(deep(20))
