"""Tasks that recur: what becomes of one when it is completed.

The item of a series is the task that is to be done next. When it is completed, a completed copy of it stays and the item moves on:
to the next start that its rule gives, however long that is past, or to so long after its completion (a regenerating task, MS-ASTASK
2.2.2.21). The rule counts from the start, or from the due time of a task without one, and moves on with it; of a COUNT there is one
less each time. Server and replica both run this, so they make the same of it.
"""

from __future__ import annotations

import calendar
import datetime as dt
import hashlib

from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, Recurrence
from rookery.v1.item_pb2 import ItemSummary
from rookery.v1.task_pb2 import TASK_STATUS_COMPLETED, TaskSummary
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules import calendar_time, ids, task_progress, zones
from rookery_core.rules.recurrence import rule as rules
from rookery_core.rules.recurrence import splitting
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.rule import Frequency, Rule
from rookery_core.rules.recurrence.starts import Budget
from rookery_core.rules.recurrence.wall_clock import WallClock

_STARTS = 10_000
"""Starts of a series that are looked at to find the next."""
_WINDOWS = (1, 40, 400, 4_000, 40_000)
"""Days in which the next start is looked for, ever further: a start a second must not be laid out for a year."""
_SECOND = dt.timedelta(seconds=1)
_LAST = dt.datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - wall-clock arithmetic is naive
_SOME_DAY = CalendarTime(local="2000-01-01")
_FIELD = "item.summary.task.recurrence"


def recurs(task: TaskSummary) -> bool:
    """Whether it is a task of a series."""
    return bool(task.recurrence.rules or task.recurrence.dates)


def is_completed(task: TaskSummary, occurrence: int) -> bool:
    """Whether that task of the series is completed already. FailedPrecondition ``OCCURRENCE_UNKNOWN`` if it is yet to come."""
    if occurrence > task.occurrence:
        message = f"the series has come to occurrence {task.occurrence:,}, not to {occurrence:,}: read the task again"
        raise FailedPrecondition("OCCURRENCE_UNKNOWN", message, field="occurrence")
    return occurrence < task.occurrence or task.status == TASK_STATUS_COMPLETED


def copy_id(item_id: bytes, occurrence: int) -> bytes:
    """The id of the completed copy of a series' task: the same on every device that completes it, and on the server."""
    digest = hashlib.sha256(b"\0".join((b"completed task", item_id, b"%d" % occurrence))).digest()
    return ids.uuid7(ids.millis_of(item_id), int.from_bytes(digest[:10], "big") >> 6)


def completed_copy(summary: ItemSummary, completed: int, new_id: bytes) -> ItemSummary:
    """The summary of what stays of a series' task that was completed: a task by itself, with an id of its own."""
    copy = ItemSummary()
    copy.CopyFrom(summary)
    copy.task.ClearField("recurrence")
    copy.task.ClearField("regenerating")
    copy.task.task_id = ids.text_of(new_id)
    task_progress.complete(copy.task, completed)
    return copy


def following(task: TaskSummary, completed: int, time_zone: str = "") -> TaskSummary | None:
    """The series' next task, once this one was completed at a time in microseconds; None at the series' end.

    ``time_zone`` is the person's: it tells on which day that was, for a task whose own times name no zone.
    """
    found = _regenerated(task, completed, time_zone) if task.regenerating else _next_by_rule(task)
    if found is not None:
        task_progress.begin_anew(found)
        found.occurrence = task.occurrence + 1
    return found


def settle_edit(before: TaskSummary, after: TaskSummary, now: int) -> None:
    """Makes an edited task agree with itself (see ``task_progress``). Raises as ``require_not_completing``."""
    task_progress.settle(before, after, now)
    task_progress.settle_times(before, after)
    require_not_completing(before, after)


def require_not_completing(before: TaskSummary, after: TaskSummary) -> None:
    """InvalidArgument ``TASK_RECURS`` for an edit that completes a task of a series: that takes a copy, and moves the series on."""
    if after.status == TASK_STATUS_COMPLETED != before.status and recurs(after):
        message = "a task that recurs is completed by CompleteTask: so a completed copy of it stays and the series goes on"
        raise InvalidArgument("TASK_RECURS", message, field="item.summary.task.status")


def is_regenerable(recurrence: Recurrence) -> bool:
    """Whether it says how long after a completion the next task comes, and nothing else."""
    alone = not (recurrence.exclusion_rules or recurrence.dates or recurrence.excluded_dates)
    return alone and _interval_rule(recurrence) is not None


def _anchor(task: TaskSummary) -> CalendarTime | None:
    """What the series counts from."""
    return next((getattr(task, name) for name in ("start", "due") if task.HasField(name)), None)


def _next_by_rule(task: TaskSummary) -> TaskSummary | None:
    anchor = _anchor(task)
    if anchor is None:
        return None
    try:
        recurring = Recurring(anchor, task.recurrence)
    except ValueError:
        return None
    point = _first_behind(recurring)
    if point is None:
        return None
    found = _moved(task, point - recurring.first)
    found.recurrence.CopyFrom(_rest(anchor, task.recurrence, recurring.clock.time(point)))
    return found


def _first_behind(recurring: Recurring) -> dt.datetime | None:
    """The first start behind the one that the series counts from."""
    budget = Budget(_STARTS)
    begin = recurring.first + _SECOND if recurring.first < _LAST else _LAST
    for days in (*_WINDOWS, None):
        end = _LAST if days is None or _LAST - begin <= dt.timedelta(days) else begin + dt.timedelta(days)
        found = recurring.between(begin, end, budget)
        if found or budget.is_spent:
            return found[0] if found else None
        begin = end
    return None


def _rest(anchor: CalendarTime, recurrence: Recurrence, at: CalendarTime) -> Recurrence:
    """What is left of a series from one of its starts on. Where that is a further date, which no rule gives, rules stay whole."""
    try:
        _, rest = splitting.split(AppointmentSummary(start=anchor, recurrence=recurrence), at, _FIELD)
    except InvalidArgument:
        left = Recurrence()
        left.CopyFrom(recurrence)
        del left.dates[:]
        left.dates.extend(date for date in recurrence.dates if calendar_time.before(at, date))
        return left
    return rest.recurrence


def _regenerated(task: TaskSummary, completed: int, time_zone: str) -> TaskSummary | None:
    rule = _interval_rule(task.recurrence)
    anchor = _anchor(task)
    day = _day_of(completed, (anchor.time_zone if anchor is not None else "") or time_zone)
    target = None if rule is None or rule.limit == 1 or day is None else _later(day, rule)
    if rule is None or target is None:
        return None
    clock = WallClock(anchor or calendar_time.on(target))
    first = None if anchor is None else clock.read(anchor)
    start = dt.datetime.combine(target, dt.time() if first is None else first.time())
    until = clock.localized(rule).until
    if until is not None and start > until.wall:
        return None
    if anchor is None or first is None:
        found = _moved(task, dt.timedelta())
        found.due.CopyFrom(calendar_time.on(target))
    else:
        found = _moved(task, start - first)
    if rule.limit is not None:
        found.recurrence.CopyFrom(_one_less(task.recurrence))
    return found


def _interval_rule(recurrence: Recurrence) -> Rule | None:
    """The one rule of a regenerating task, if it tells an interval and nothing else."""
    rule = rules.parse(recurrence.rules[0]) if len(recurrence.rules) == 1 else None
    if rule is None or rule.frequency > Frequency.DAILY or (rule.limit is not None and rule.until is not None):
        return None
    bare = Rule(rule.frequency, rule.interval, rule.limit, rule.until, week_start=rule.week_start)
    return rule if rule == bare else None


def _day_of(completed: int, time_zone: str) -> dt.date | None:
    shown = calendar_time.from_instant(completed, time_zone or zones.UTC)
    wall = None if shown is None else calendar_time.wall(shown)
    return None if wall is None else wall.date()


def _later(day: dt.date, rule: Rule) -> dt.date | None:
    """The day one interval later: in a month that is too short, its last. None beyond the year 9999."""
    try:
        if rule.frequency >= Frequency.WEEKLY:
            return day + dt.timedelta(days=rule.interval * (7 if rule.frequency == Frequency.WEEKLY else 1))
        months = day.year * 12 + day.month - 1 + rule.interval * (12 if rule.frequency == Frequency.YEARLY else 1)
        year, month = months // 12, months % 12 + 1
        return dt.date(year, month, min(day.day, calendar.monthrange(year, month)[1]))
    except (OverflowError, ValueError):
        return None


def _one_less(recurrence: Recurrence) -> Recurrence:
    """A rule of an interval with a COUNT that is one less: what is left of it behind its first start, whenever that be."""
    second = _first_behind(Recurring(_SOME_DAY, recurrence))
    return recurrence if second is None else _rest(_SOME_DAY, recurrence, calendar_time.on(second))


def _moved(task: TaskSummary, distance: dt.timedelta) -> TaskSummary:
    """The task, its times and its reminder so much later by the wall clock."""
    found = TaskSummary()
    found.CopyFrom(task)
    for name in ("start", "due"):
        if task.HasField(name):
            getattr(found, name).CopyFrom(task_progress.shifted(getattr(task, name), distance))
    if task.HasField("reminder"):
        anchor = _anchor(task)
        zone = anchor.time_zone if anchor is not None else ""
        found.reminder.FromMicroseconds(_shifted_instant(task.reminder.ToMicroseconds(), zone, distance))
    return found


def _shifted_instant(micros: int, time_zone: str, distance: dt.timedelta) -> int:
    """The instant so much later by the clocks of a zone, so that a reminder keeps its hour when they change; UTC if unknown."""
    shown = calendar_time.from_instant(micros, time_zone or zones.UTC)
    later = None if shown is None else calendar_time.instant(task_progress.shifted(shown, distance))
    return micros if later is None else later
