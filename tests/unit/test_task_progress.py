"""Status, percentage, completion and times of a task, after an edit that changed some of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.task_pb2 import TaskStatus, TaskSummary
from rookery_core.errors import InvalidArgument
from rookery_core.rules import task_progress, task_series

NONE, NEW, BUSY, DONE, WAITING, DEFERRED, GIVEN_UP = TaskStatus.values()[:7]
NOW, THEN = 1_700_000_000_000_000, 1_600_000_000_000_000


def task(status: int = NONE, percent: int = 0, completed: int = 0, **times: str) -> TaskSummary:
    made = TaskSummary(status=TaskStatus.ValueType(status), percent_complete=percent)
    if completed:
        made.completed.FromMicroseconds(completed)
    for name, local in times.items():
        getattr(made, name).CopyFrom(CalendarTime(local=local))
    return made


def edited(before: TaskSummary, **fields: Any) -> TaskSummary:
    after = TaskSummary()
    after.CopyFrom(before)
    for name, value in fields.items():
        if name == "completed":
            after.ClearField("completed")
            if value:
                after.completed.FromMicroseconds(value)
        elif isinstance(value, str):
            getattr(after, name).CopyFrom(CalendarTime(local=value))
        else:
            setattr(after, name, value)
    task_series.settle_edit(before, after, NOW)
    return after


@pytest.mark.parametrize(
    ("before", "fields", "after"),
    [
        # One field of the three changes, and the others follow.
        (task(NEW), {"status": DONE}, task(DONE, 100, NOW)),
        (task(NEW), {"percent_complete": 100}, task(DONE, 100, NOW)),
        (task(NEW), {"completed": THEN}, task(DONE, 100, THEN)),
        (task(NEW), {"percent_complete": 30}, task(BUSY, 30)),
        (task(NONE), {"percent_complete": 30}, task(BUSY, 30)),
        (task(BUSY, 30), {"status": NEW}, task(NEW, 0)),
        (task(BUSY, 30), {"status": NONE}, task(NONE, 0)),
        (task(BUSY, 30), {"status": DONE}, task(DONE, 100, NOW)),
        (task(DONE, 100, THEN), {"status": BUSY}, task(BUSY, 0)),
        (task(DONE, 100, THEN), {"status": NEW}, task(NEW, 0)),
        (task(DONE, 100, THEN), {"percent_complete": 80}, task(BUSY, 80)),
        (task(DONE, 100, THEN), {"percent_complete": 0}, task(NEW, 0)),
        (task(DONE, 100, THEN), {"completed": 0}, task(NEW, 0)),
        (task(DONE, 100, THEN), {"completed": NOW}, task(DONE, 100, NOW)),
        # What waits or is put off may be half done.
        (task(WAITING, 20), {"percent_complete": 50}, task(WAITING, 50)),
        (task(DEFERRED), {"percent_complete": 50}, task(DEFERRED, 50)),
        (task(BUSY, 50), {"status": GIVEN_UP}, task(GIVEN_UP, 50)),
        (task(BUSY, 50), {"percent_complete": 0}, task(BUSY, 0)),
        (task(WAITING, 20), {"percent_complete": 100}, task(DONE, 100, NOW)),
        # Several change: the status says more than the percentage, and that more than the time.
        (task(NEW), {"status": DONE, "percent_complete": 40}, task(DONE, 100, NOW)),
        (task(NEW), {"status": DONE, "completed": THEN}, task(DONE, 100, THEN)),
        (task(NEW), {"status": BUSY, "percent_complete": 100}, task(BUSY, 0)),
        (task(NEW), {"status": BUSY, "percent_complete": 40}, task(BUSY, 40)),
        (task(DONE, 100, THEN), {"status": BUSY, "percent_complete": 40}, task(BUSY, 40)),
        (task(NEW), {"percent_complete": 40, "completed": THEN}, task(BUSY, 40)),
        (task(NEW), {"percent_complete": 100, "completed": THEN}, task(DONE, 100, THEN)),
        # A field that is named, and stays as it was, has not changed.
        (task(BUSY, 30), {"status": BUSY, "percent_complete": 100}, task(DONE, 100, NOW)),
    ],
)
def test_what_an_edit_leaves_contradictory_follows_what_it_changed(
    before: TaskSummary, fields: dict[str, Any], after: TaskSummary
) -> None:
    assert edited(before, **fields) == after


def test_what_came_contradictory_stays_so_until_its_progress_is_edited() -> None:
    imported = task(DONE, 40)
    assert edited(imported, sequence=1).percent_complete == 40
    assert edited(imported, percent_complete=100) == task(DONE, 100, NOW)


def test_settling_twice_is_settling_once_whatever_was_before() -> None:
    befores = [task(NEW), task(BUSY, 30), task(DONE, 100, THEN), task(DONE, 40)]
    for status, percent, completed in itertools.product(TaskStatus.values(), (0, 1, 99, 100), (0, THEN)):
        settled = task(status, percent, completed)
        task_progress.settle(task(), settled, NOW)
        for before in befores:
            again = TaskSummary()
            again.CopyFrom(settled)
            task_progress.settle(before, again, NOW + 1)
            assert again == settled


def test_a_percentage_that_can_not_be_is_left_for_validation() -> None:
    assert edited(task(NEW), percent_complete=101).percent_complete == 101


@pytest.mark.parametrize(
    ("before", "fields", "after"),
    [
        (("2026-03-02", "2026-03-04"), {"start": "2026-03-09"}, ("2026-03-09", "2026-03-11")),
        (("2026-03-02", "2026-03-04"), {"start": "2026-03-03"}, ("2026-03-03", "2026-03-04")),
        (("2026-03-02", "2026-03-04"), {"due": "2026-03-01"}, ("2026-03-01", "2026-03-01")),
        (
            ("2026-03-02T09:00:00", "2026-03-02T10:00:00"),
            {"start": "2026-03-02T12:00:00"},
            ("2026-03-02T12:00:00", "2026-03-02T13:00:00"),
        ),
        (("2026-03-02", "2026-03-04"), {"start": "2026-03-09", "due": "2026-03-08"}, ("2026-03-09", "2026-03-08")),
    ],
)
def test_the_time_that_was_not_edited_follows(before: tuple[str, str], fields: dict[str, Any], after: tuple[str, str]) -> None:
    found = edited(task(start=before[0], due=before[1]), **fields)
    assert (found.start.local, found.due.local) == after


def test_a_task_of_a_series_is_not_completed_by_an_edit() -> None:
    series = task(NEW, due="2026-03-02")
    series.recurrence.rules.append("FREQ=DAILY")
    for fields in ({"status": DONE}, {"percent_complete": 100}, {"completed": THEN}):
        with pytest.raises(InvalidArgument) as refused:
            edited(series, **fields)
        assert refused.value.reason == "TASK_RECURS"
    assert edited(series, percent_complete=50).status == BUSY
