"""What becomes of a task of a series when it is completed."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.task_pb2 import TaskStatus, TaskSummary
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import task_series

ITEM = uuid.UUID("01890000-0000-7000-8000-000000000001").bytes


def at(local: str) -> int:
    return int(dt.datetime.fromisoformat(local).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


def series(*rules: str, zone: str = "", regenerating: bool = False, **times: str) -> TaskSummary:
    task = TaskSummary(status=TaskStatus.TASK_STATUS_IN_PROGRESS, percent_complete=50, regenerating=regenerating)
    task.recurrence.rules.extend(rules)
    for name, local in times.items():
        getattr(task, name).CopyFrom(CalendarTime(local=local, time_zone=zone))
    return task


def walked(task: TaskSummary, most: int, completed: int = 0) -> list[str]:
    """The due times of the task and of those that come after it."""
    found: list[str] = []
    following: TaskSummary | None = task
    while following is not None and len(found) < most:
        found.append(following.due.local or following.start.local)
        following = task_series.following(following, completed)
    return found


@pytest.mark.parametrize(
    ("task", "dues"),
    [
        (series("FREQ=DAILY", due="2026-03-30"), ["2026-03-30", "2026-03-31", "2026-04-01"]),
        (series("FREQ=WEEKLY;BYDAY=MO,TH", due="2026-03-02"), ["2026-03-02", "2026-03-05", "2026-03-09"]),
        (series("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE", due="2026-03-02"), ["2026-03-02", "2026-03-04", "2026-03-16", "2026-03-18"]),
        (series("FREQ=MONTHLY;BYMONTHDAY=-1", due="2026-01-31"), ["2026-01-31", "2026-02-28", "2026-03-31"]),
        (series("FREQ=MONTHLY", due="2026-01-31"), ["2026-01-31", "2026-03-31", "2026-05-31"]),
        (series("FREQ=YEARLY", due="2024-02-29"), ["2024-02-29", "2028-02-29"]),
        (series("FREQ=YEARLY;INTERVAL=40", due="2026-03-02"), ["2026-03-02", "2066-03-02"]),
        (series("FREQ=DAILY;COUNT=3", due="2026-03-01"), ["2026-03-01", "2026-03-02", "2026-03-03"]),
        (series("FREQ=DAILY;UNTIL=20260302", due="2026-03-01"), ["2026-03-01", "2026-03-02"]),
        (series("FREQ=SECONDLY", due="2026-03-01T00:00:00"), ["2026-03-01T00:00:00", "2026-03-01T00:00:01"]),
        (series("FREQ=DAILY", start="2026-03-01"), ["2026-03-01", "2026-03-02"]),
    ],
)
def test_the_next_task_is_at_the_next_start_of_the_rule(task: TaskSummary, dues: list[str]) -> None:
    endless = "COUNT" not in task.recurrence.rules[0] and "UNTIL" not in task.recurrence.rules[0]
    assert walked(task, len(dues) if endless else len(dues) + 1) == dues


def test_the_next_task_is_one_that_nobody_has_begun() -> None:
    task = series("FREQ=DAILY", due="2026-03-01")
    task.occurrence = 4
    found = task_series.following(task, 0)
    assert found is not None
    assert (found.status, found.percent_complete, found.occurrence) == (TaskStatus.TASK_STATUS_NOT_STARTED, 0, 5)
    assert not found.HasField("completed")


def test_an_excluded_date_is_passed_over_and_a_further_date_is_taken() -> None:
    task = series("FREQ=WEEKLY", due="2026-03-02")
    task.recurrence.excluded_dates.append(CalendarTime(local="2026-03-09"))
    assert walked(task, 3) == ["2026-03-02", "2026-03-16", "2026-03-23"]
    alone = series(due="2026-03-02")
    alone.recurrence.dates.extend([CalendarTime(local="2026-03-20"), CalendarTime(local="2026-03-11")])
    assert walked(alone, 4) == ["2026-03-02", "2026-03-11", "2026-03-20"]


def test_start_and_reminder_keep_their_distance_and_their_hour_when_the_clocks_change() -> None:
    task = series("FREQ=WEEKLY", zone="Europe/Berlin", start="2026-03-23T09:00:00", due="2026-03-25T17:00:00")
    task.reminder.FromMicroseconds(at("2026-03-23T07:00:00"))  # 8 o'clock in Berlin, in winter
    found = task_series.following(task, 0)
    assert found is not None
    assert (found.start.local, found.due.local, found.due.time_zone) == (
        "2026-03-30T09:00:00",
        "2026-04-01T17:00:00",
        "Europe/Berlin",
    )
    assert found.reminder.ToMicroseconds() == at("2026-03-30T06:00:00")


@pytest.mark.parametrize(
    ("rule", "due", "completed", "following"),
    [
        ("FREQ=DAILY;INTERVAL=3", "2026-03-01", "2026-03-10T12:00:00", "2026-03-13"),
        ("FREQ=WEEKLY;INTERVAL=2", "2026-03-01", "2026-03-10T12:00:00", "2026-03-24"),
        ("FREQ=MONTHLY", "2026-01-01", "2026-01-31T12:00:00", "2026-02-28"),
        ("FREQ=YEARLY", "2024-02-01", "2024-02-29T12:00:00", "2025-02-28"),
        ("FREQ=DAILY", "2026-03-20T18:00:00", "2026-03-10T12:00:00", "2026-03-11T18:00:00"),
        ("FREQ=WEEKLY;UNTIL=20260317", "2026-03-01", "2026-03-10T12:00:00", "2026-03-17"),
        ("FREQ=WEEKLY;UNTIL=20260316", "2026-03-01", "2026-03-10T12:00:00", None),
        ("FREQ=YEARLY;INTERVAL=9000", "2026-03-01", "2026-03-10T12:00:00", None),
    ],
)
def test_a_regenerating_task_comes_so_long_after_its_completion(rule: str, due: str, completed: str, following: str | None) -> None:
    found = task_series.following(series(rule, regenerating=True, due=due), at(completed))
    assert (found.due.local if found is not None else None) == following


def test_the_day_of_a_completion_is_that_of_the_tasks_zone_or_else_of_the_person() -> None:
    late = at("2026-03-10T23:30:00")
    for zone, person, due in (("", "Europe/Berlin", "2026-03-12"), ("", "", "2026-03-11"), ("", "No/Where", "2026-03-11")):
        found = task_series.following(series("FREQ=DAILY", regenerating=True, zone=zone, due="2026-03-01"), late, person)
        assert found is not None
        assert found.due.local == due
    there = series("FREQ=DAILY", regenerating=True, zone="Asia/Tokyo", due="2026-03-01T10:00:00")
    found = task_series.following(there, late, "America/New_York")
    assert found is not None
    assert found.due.local == "2026-03-12T10:00:00"


def test_a_regenerating_task_without_times_gets_a_due_date() -> None:
    found = task_series.following(series("FREQ=WEEKLY", regenerating=True), at("2026-03-10T12:00:00"))
    assert found is not None
    assert found.due == CalendarTime(local="2026-03-17")


def test_a_regenerating_series_counts_down() -> None:
    task: TaskSummary | None = series("FREQ=MONTHLY;COUNT=3", regenerating=True, due="2026-01-31")
    rules = []
    while task is not None:
        rules.append(list(task.recurrence.rules))
        task = task_series.following(task, at("2026-01-31T12:00:00"))
    assert rules == [["FREQ=MONTHLY;COUNT=3"], ["FREQ=MONTHLY;COUNT=2"], ["FREQ=MONTHLY;COUNT=1"]]


@pytest.mark.parametrize(
    "task",
    [
        series("FREQ=DAILY"),
        series("FREQ=NEVER", due="2026-03-01"),
        series("FREQ=DAILY", due="9999-12-31"),
        series("FREQ=DAILY", due="tomorrow"),
        series("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", due="2026-03-01"),
        series("FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", due="2026-03-01T00:00:00"),
        series("FREQ=HOURLY", regenerating=True, due="2026-03-01"),
        TaskSummary(),
    ],
)
def test_a_series_that_leads_nowhere_ends(task: TaskSummary) -> None:
    assert task_series.following(task, at("2026-03-10T12:00:00")) is None


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY", "FREQ=WEEKLY;BYDAY=MO", "FREQ=DAILY;COUNT=2;UNTIL=20260301", "FREQ=DAILY;BYHOUR=9", "no"]
)
def test_only_an_interval_regenerates(rule: str) -> None:
    assert not task_series.is_regenerable(series(rule).recurrence)
    assert task_series.is_regenerable(series("FREQ=WEEKLY;INTERVAL=2;WKST=SU").recurrence)


def test_the_copy_is_a_completed_task_by_itself() -> None:
    summary = ItemSummary(subject="Water the plants", task=series("FREQ=DAILY", due="2026-03-01"))
    new_id = task_series.copy_id(ITEM, 0)
    copy = task_series.completed_copy(summary, at("2026-03-01T12:00:00"), new_id)
    assert (copy.subject, copy.task.status, copy.task.due.local) == (
        "Water the plants",
        TaskStatus.TASK_STATUS_COMPLETED,
        "2026-03-01",
    )
    assert not task_series.recurs(copy.task)
    assert copy.task.task_id == str(uuid.UUID(bytes=new_id))
    assert task_series.recurs(summary.task)


def test_the_id_of_a_copy_follows_from_the_item_and_the_occurrence() -> None:
    ids = [task_series.copy_id(ITEM, number) for number in range(50)]
    assert len(set(ids)) == 50
    assert ids == [task_series.copy_id(ITEM, number) for number in range(50)]
    assert all(uuid.UUID(bytes=each).version == 7 for each in ids)


def test_only_the_occurrence_that_the_series_has_come_to_is_open() -> None:
    task = series("FREQ=DAILY", due="2026-03-01")
    task.occurrence = 2
    assert [task_series.is_completed(task, number) for number in (0, 1, 2)] == [True, True, False]
    with pytest.raises(FailedPrecondition) as refused:
        task_series.is_completed(task, 3)
    assert refused.value.reason == "OCCURRENCE_UNKNOWN"
