"""How far a task is, and when: status, percentage, completion, start and due time, kept in accord where somebody edits them.

A task that is COMPLETED has 100 percent and a time of completion, any other has less and none, and one that is not started has 0
percent. What an edit leaves in contradiction is settled by the field that it changed: "setting CompleteDate has the same effect as
setting PercentComplete to 100 or Status to Completed" (MS-OXWSTASK 2.2.4.6). Where it changed several, status says more than the
percentage, and that more than the time. What nobody edits stays as it came, contradictory or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import task_pb2
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    import datetime as dt

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.task_pb2 import TaskStatus, TaskSummary

_ALL = 100
_UNBEGUN = {task_pb2.TASK_STATUS_UNSPECIFIED, task_pb2.TASK_STATUS_NOT_STARTED}
_OVER = {task_pb2.TASK_STATUS_COMPLETED, task_pb2.TASK_STATUS_CANCELLED}


def settle(before: TaskSummary, after: TaskSummary, now: int) -> None:
    """Makes an edited task's progress agree with itself.

    ``before`` is the task before the edit, empty for a new one; ``now`` in microseconds. Idempotent: what it has settled it leaves
    alone, whatever was before.
    """
    if after.percent_complete > _ALL or _agrees(after):
        return
    if after.status != before.status:
        _follow_status(after, now)
    elif after.percent_complete != before.percent_complete:
        _follow_percentage(after, now)
    elif after.HasField("completed") != before.HasField("completed") or after.completed != before.completed:
        if after.HasField("completed"):
            complete(after, after.completed.ToMicroseconds())
        else:
            begin_anew(after)


def settle_times(before: TaskSummary, after: TaskSummary) -> None:
    """Sees that a task is not due before it starts: the time that was not edited follows. Where both were, validation says no."""
    if not (after.HasField("start") and after.HasField("due") and calendar_time.before(after.due, after.start)):
        return
    if after.due == before.due and after.start != before.start:
        old, new = calendar_time.wall(before.start), calendar_time.wall(after.start)
        if old is not None and new is not None:
            after.due.CopyFrom(shifted(after.due, new - old))
        if calendar_time.before(after.due, after.start):
            after.due.CopyFrom(after.start)
    elif after.start == before.start and after.due != before.due:
        after.start.CopyFrom(after.due)


def is_over(task: TaskSummary) -> bool:
    """Whether nothing is to be done any more."""
    return task.status in _OVER


def complete(task: TaskSummary, completed: int) -> None:
    """Makes it completed, at a time in microseconds."""
    task.status = task_pb2.TASK_STATUS_COMPLETED
    task.percent_complete = _ALL
    task.completed.FromMicroseconds(completed)


def begin_anew(task: TaskSummary) -> None:
    """Makes it one that nobody has begun."""
    task.status = task_pb2.TASK_STATUS_NOT_STARTED
    task.percent_complete = 0
    task.ClearField("completed")


def shifted(time: CalendarTime, distance: dt.timedelta) -> CalendarTime:
    """The time so much later by its own wall clock; a date stays one. Itself where that lies outside the years 1 to 9999."""
    wall = calendar_time.wall(time)
    try:
        later = None if wall is None else wall + distance
    except OverflowError:
        later = None
    if later is None:
        return time
    return calendar_time.on(later) if calendar_time.is_date(time) else calendar_time.at(later, time.time_zone)


def _agrees(task: TaskSummary) -> bool:
    done = task.percent_complete == _ALL
    if task.status == task_pb2.TASK_STATUS_COMPLETED:
        return done and task.HasField("completed")
    return not done and not task.HasField("completed") and not (task.percent_complete and task.status in _UNBEGUN)


def _follow_status(task: TaskSummary, now: int) -> None:
    if task.status == task_pb2.TASK_STATUS_COMPLETED:
        complete(task, task.completed.ToMicroseconds() if task.HasField("completed") else now)
        return
    task.ClearField("completed")
    if task.status in _UNBEGUN or task.percent_complete == _ALL:
        task.percent_complete = 0


def _follow_percentage(task: TaskSummary, now: int) -> None:
    if task.percent_complete == _ALL:
        complete(task, task.completed.ToMicroseconds() if task.HasField("completed") else now)
        return
    task.ClearField("completed")
    task.status = _status_at(task.percent_complete, task.status)


def _status_at(percent: int, status: TaskStatus.ValueType) -> TaskStatus.ValueType:
    """The status of a task that has come so far, if its status does not say so: waiting and deferred tasks may be half done."""
    if percent and (status in _UNBEGUN or status == task_pb2.TASK_STATUS_COMPLETED):
        return task_pb2.TASK_STATUS_IN_PROGRESS
    return task_pb2.TASK_STATUS_NOT_STARTED if status == task_pb2.TASK_STATUS_COMPLETED else status
