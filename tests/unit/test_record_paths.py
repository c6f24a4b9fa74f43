"""Paths of fields, and the values that records have there."""

from __future__ import annotations

from typing import Any

import pytest

from rookery.v1.item_pb2 import Attachment, Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules import record_paths
from rookery_core.rules.record_paths import FOREVER, ValueType, resolve, values


def of(item: Item, path: str) -> list[Any]:
    return values(item, resolve(path))


@pytest.mark.parametrize(
    ("path", "value_type", "in_content"),
    [
        ("summary.subject", ValueType.TEXT, False),
        ("summary.kind", ValueType.NUMBER, False),
        ("summary.size_bytes", ValueType.NUMBER, False),
        ("summary.task.percent_complete", ValueType.NUMBER, False),
        ("summary.received", ValueType.TIME, False),
        ("state.read", ValueType.BOOLEAN, False),
        ("state.categories", ValueType.TEXT, False),
        ("summary.conversation_id", ValueType.BYTES, False),
        ("summary.task", ValueType.MESSAGE, False),
        ("start", ValueType.TIME, False),
        ("end", ValueType.TIME, False),
        ("due", ValueType.TIME, False),
        ("content.body.text", ValueType.TEXT, True),
        ("content.recipients.person.address", ValueType.TEXT, True),
        ("summary.message.from.name", ValueType.TEXT, False),
    ],
)
def test_a_path_says_what_is_there(path: str, value_type: ValueType, in_content: bool) -> None:
    found = resolve(path)
    assert (found.value_type, found.in_content) == (value_type, in_content)


@pytest.mark.parametrize(
    "path", ["", ".", "summary.", "subject", "summary.colour", "summary.subject.x", "summary.received.seconds", "Summary.Subject"]
)
def test_a_path_that_the_contract_does_not_have_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        resolve(path)
    assert refused.value.reason == "FIELD_UNKNOWN"


def test_a_path_may_begin_at_a_part() -> None:
    path = resolve("size_bytes", Attachment.DESCRIPTOR)
    assert values(Attachment(size_bytes=7), path) == [7]
    with pytest.raises(InvalidArgument):
        resolve("start", Attachment.DESCRIPTOR)


def test_what_is_absent_has_no_value() -> None:
    item = Item()
    for path in ["summary.subject", "summary.sent", "summary.task", "summary.task.percent_complete", "state.follow_up.status"]:
        assert of(item, path) == []
    for path in ["start", "end", "due", "state.categories", "content.body.text", "id"]:
        assert of(item, path) == []


def test_numbers_and_booleans_have_a_value_once_the_message_around_them_is_there() -> None:
    item = Item()
    item.summary.task.SetInParent()
    item.state.follow_up.SetInParent()
    assert of(item, "summary.task.percent_complete") == [0]
    assert of(item, "state.follow_up.status") == [0]
    assert of(item, "state.read") == [False]
    assert of(item, "summary.appointment.reminder_minutes") == []
    item.summary.appointment.reminder_minutes = 0
    assert of(item, "summary.appointment.reminder_minutes") == [0]


def test_an_unset_importance_is_the_normal_one() -> None:
    item = Item()
    assert of(item, "summary.importance") == [2]
    item.summary.importance = 3
    assert of(item, "summary.importance") == [3]


def test_a_repeated_field_has_the_values_of_all_its_elements() -> None:
    item = Item()
    item.state.categories.extend(["a", "b"])
    item.content.recipients.add().person.address = "x@example.org"
    item.content.recipients.add()
    item.content.recipients.add().person.address = "y@example.org"
    assert of(item, "state.categories") == ["a", "b"]
    assert of(item, "content.recipients.person.address") == ["x@example.org", "y@example.org"]


def test_times_are_whole_microseconds() -> None:
    item = Item()
    item.summary.received.seconds = -1
    item.summary.received.nanos = 1999
    assert of(item, "summary.received") == [-999_999]


def test_the_computed_instants_follow_from_the_kind() -> None:
    meeting = Item()
    meeting.summary.kind = 2
    meeting.summary.appointment.start.local = "1970-01-02T00:00:00"
    meeting.summary.appointment.start.time_zone = "UTC"
    meeting.summary.appointment.end.local = "1970-01-02T01:00:00"
    meeting.summary.appointment.end.time_zone = "UTC"
    day, hour = 86_400_000_000, 3_600_000_000
    assert (of(meeting, "start"), of(meeting, "end")) == ([day], [day + hour])
    meeting.summary.appointment.recurrence.rules.append("FREQ=DAILY")
    assert of(meeting, "end") == [FOREVER]
    entry = Item()
    entry.summary.kind = 7
    entry.summary.journal.start.seconds = 5
    assert (of(entry, "start"), of(entry, "end")) == ([5_000_000], [5_000_000])
    entry.summary.journal.end.seconds = 6
    assert of(entry, "end") == [6_000_000]


def test_a_task_is_due_by_its_own_date_before_the_flags() -> None:
    task = Item()
    task.summary.kind = 3
    task.state.follow_up.due.seconds = 9
    assert of(task, "due") == [9_000_000]
    task.summary.task.due.local = "1970-01-02"
    assert of(task, "due") == [86_400_000_000]
    assert record_paths.start_of(task) is None
