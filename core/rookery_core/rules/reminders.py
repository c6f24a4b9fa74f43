"""What a person is to be reminded of, and when: of the occurrences of appointments, of tasks, and of what is flagged for follow-up.

An item has at most one reminder at a time. Of a series that is the one that became due last, so that a meeting of last week which
nobody dismissed does not keep silent about today's; or else the next one. What was dismissed or put off are marks on the item
(``reminder_marks``). Pure: the server and a replica ask the same rules.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1 import item_pb2
from rookery.v1.calendar_pb2 import EVENT_STATUS_CANCELLED, RESPONSE_STATUS_DECLINED
from rookery.v1.reminder_service_pb2 import Reminder
from rookery_core.rules import calendar_time, task_progress
from rookery_core.rules.reminder_signals import MINUTE, UNCERTAIN, Signals, within
from rookery_core.rules.zones import UTC

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.item_pb2 import Item, ItemState, ItemSummary, ReminderMarks
    from rookery_core.rules.reminder_signals import Signal

HORIZON = 400 * calendar_time.DAY
"""How far ahead anybody asks."""
TRAVELLED = 11 * calendar_time.HOUR
"""A date that was dismissed in one zone stays so in others up to so much later; the next day is further away than that."""

FORGOTTEN = 30 * calendar_time.DAY
"""So long after an appointment is over nobody is reminded of it any more, whether or not it was dismissed."""

_MICROSECOND = dt.timedelta(microseconds=1)
_DOUBT = 2 * calendar_time.DAY
"""How much later an appointment may be over than its end says: elsewhere, or where the clocks skip it."""


class Found(NamedTuple):
    """What there is to be said of an item at a time."""

    reminder: Reminder | None
    """The one to show, be it now or when it is due."""
    following: int | None
    """When one of the item becomes due next, in microseconds: after the time that was asked about, and within ``HORIZON``."""


NOTHING = Found(None, None)


def find(item: Item, zone: str, now: int) -> Found:
    """The reminder of an item that has a summary and its marks. Dates and floating times are looked at in ``zone``."""
    summary, marks = item.summary, _Marks(item.state.reminder)
    if _is_plain(summary):
        return _of_plain(item, marks, zone, now)
    signals = _signals(summary, zone)
    if signals is not None:
        return _of_appointment(item, signals, marks, now)
    at = _set_time(summary, item.state)
    if at is None or marks.is_dismissed(at):
        return NOTHING
    due = marks.due(at)
    reminder = _reminder(item, due, at)
    _add_times(reminder, item, zone)
    return Found(reminder, due if due > now else None)


def earliest(summary: ItemSummary, state: ItemState, zone: str | None = None) -> int | None:
    """An instant before which the item has no reminder to show, in any zone; None: it will never have one.

    Holds until its summary or its state change, whatever becomes of the owner's zone. Where times depend on that and something was
    dismissed, the result is closer with the zone.
    """
    marks = _Marks(state.reminder)
    if marks.dismissed is None and _is_plain(summary):
        return _earliest_of_plain(summary)
    signals = _signals(summary, zone or UTC)
    if signals is None:
        at = _set_time(summary, state)
        return None if at is None or marks.is_dismissed(at) else at
    doubt = UNCERTAIN if signals.is_local else 0
    if zone is None:
        marks.move_back(doubt)
    wanted = _Wanted(signals, marks, summary.received.ToMicroseconds() - doubt)
    first, looked_until = signals.first(wanted, wanted.floor)
    bounds = [bound for bound in (first.at if first else None, looked_until) if bound is not None]
    return min(bounds) - doubt if bounds else None


def _is_plain(summary: ItemSummary) -> bool:
    """Whether it is an appointment with one occurrence and a reminder: most of them are."""
    appointment = summary.appointment
    if not appointment.HasField("reminder_minutes") or appointment.HasField("recurrence") or appointment.exceptions:
        return False
    return appointment.status != EVENT_STATUS_CANCELLED and appointment.my_response != RESPONSE_STATUS_DECLINED


def _earliest_of_plain(summary: ItemSummary) -> int | None:
    """``earliest`` by nothing but its start and its end: a few times quicker than by laying it out as a series of one."""
    span = calendar_time.span(summary)
    if span is None or (span[1] or 0) + _DOUBT <= summary.received.ToMicroseconds():
        return None
    doubt = 0 if summary.appointment.start.time_zone else UNCERTAIN
    return within(span[0] - summary.appointment.reminder_minutes * MINUTE - doubt)


def _of_plain(item: Item, marks: _Marks, zone: str, now: int) -> Found:
    """``find`` likewise."""
    appointment = item.summary.appointment
    start = appointment.start
    end = appointment.end if appointment.HasField("end") else start
    begins = calendar_time.instant(start, zone)
    if begins is None:
        return NOTHING
    ends = calendar_time.instant(end, zone) or begins
    first, last = calendar_time.wall(start), calendar_time.wall(end)
    if ends <= begins and first is not None and last is not None and start.time_zone == end.time_zone:
        ends = begins + max(0, (last - first) // _MICROSECOND)  # the clocks skip the start
    slack = TRAVELLED if calendar_time.is_date(start) else 0
    at = within(begins - appointment.reminder_minutes * MINUTE)
    over = marks.dismissed is None and ends <= item.summary.received.ToMicroseconds()
    if over or marks.is_dismissed(at, slack):
        return NOTHING
    due = marks.due(at, slack)
    if _is_forgotten(ends, due, now):
        return NOTHING
    reminder = _reminder(item, due, at)
    reminder.location = appointment.location
    reminder.start.CopyFrom(start)
    reminder.begins.FromMicroseconds(within(begins))
    reminder.ends.FromMicroseconds(within(max(ends, begins)))
    return Found(reminder, due if due > now else None)


def depends_on_zone(summary: ItemSummary, state: ItemState) -> bool:
    """Whether ``earliest`` comes closer if it is told the owner's zone."""
    if not state.reminder.HasField("dismissed_through"):
        return False
    signals = _signals(summary, UTC)
    return signals is not None and signals.is_local


class _Marks:
    """What became of an item's reminders."""

    def __init__(self, marks: ReminderMarks) -> None:
        self.dismissed = _micros(marks.dismissed_through) if marks.HasField("dismissed_through") else None
        self._until = _micros(marks.snoozed_until) if marks.HasField("snoozed_until") else None
        self.put_off = _micros(marks.snoozed_signal) if marks.HasField("snoozed_signal") else None
        """Which reminder was put off; None: all until then, if any was."""

    def move_back(self, by: int) -> None:
        """As if what was dismissed had been so much less."""
        if self.dismissed is not None:
            self.dismissed -= by

    def is_dismissed(self, at: int, slack: int = 0) -> bool:
        """Whether a reminder that is to be shown at ``at`` is done with."""
        return self.dismissed is not None and at <= self.dismissed + slack

    def due(self, at: int, slack: int = 0) -> int:
        """When it is to be shown, put off or not."""
        if self._until is None or (self.put_off is not None and not self.is_put_off(at, slack)):
            return at
        return max(at, self._until)

    def is_put_off(self, at: int, slack: int) -> bool:
        """Whether it is the one reminder that was put off."""
        return self.put_off is not None and abs(at - self.put_off) <= slack


class _Wanted:
    """Which reminders of an appointment are to be shown at all."""

    def __init__(self, signals: Signals, marks: _Marks, received: int) -> None:
        self.slack = TRAVELLED if signals.is_dates else 0
        self._marks = marks
        self._received = received
        self.floor = received if marks.dismissed is None else marks.dismissed + signals.least
        """Occurrences that are over before then have none."""

    def __call__(self, signal: Signal) -> bool:
        if self._marks.dismissed is None:
            return signal.occurrence.ends > self._received
        return not self._marks.is_dismissed(signal.at, self.slack)


def _of_appointment(item: Item, signals: Signals, marks: _Marks, now: int) -> Found:
    wanted = _Wanted(signals, marks, item.summary.received.ToMicroseconds())
    ahead = max(now + signals.least, wanted.floor), now + HORIZON + signals.most
    coming, _ = signals.first(lambda each: each.at > now and not marks.is_put_off(each.at, wanted.slack) and wanted(each), *ahead)
    found = [signals.last(wanted, now, wanted.floor), coming]
    if marks.put_off is not None:
        found.append(_put_off(signals, wanted, marks.put_off))
    known = {each.at: each for each in found if each is not None}
    due = {at: marks.due(at, wanted.slack) for at in known}
    known = {at: each for at, each in known.items() if not _is_forgotten(each.occurrence.ends, due[at], now)}
    if not known:
        return NOTHING
    due = {at: due[at] for at in known}
    shown = [at for at in known if due[at] <= now]
    choose = max if shown else min
    at = choose(shown or known, key=lambda each: (due[each], each))
    following = min((each for each in due.values() if each > now), default=None)
    return Found(_of_occurrence(item, signals, known[at], due[at]), following)


def _is_forgotten(ends: int, due: int, now: int) -> bool:
    """Whether an appointment that ended then, with a reminder that was due then, is too long ago."""
    return max(ends, due) < now - FORGOTTEN


def _put_off(signals: Signals, wanted: _Wanted, at: int) -> Signal | None:
    """The reminder that was put off, if it still stands."""
    least, most = at - wanted.slack, at + wanted.slack
    found, _ = signals.first(lambda each: least <= each.at <= most and wanted(each), least + signals.least, most + signals.most + 1)
    return found


def _signals(summary: ItemSummary, zone: str) -> Signals | None:
    """The reminders of an appointment that has some; None for everything else."""
    if summary.kind != item_pb2.ITEM_KIND_APPOINTMENT:
        return None
    appointment = summary.appointment
    reminds = appointment.HasField("reminder_minutes") or any(each.HasField("reminder_minutes") for each in appointment.exceptions)
    if not reminds or appointment.status == EVENT_STATUS_CANCELLED:
        return None
    try:
        return Signals(summary, zone)
    except ValueError:  # it has no place in a calendar
        return None


def _set_time(summary: ItemSummary, state: ItemState) -> int | None:
    """The time at which to remind that somebody set: of a task, else of a follow-up flag. Nobody is reminded of what is done."""
    flag = state.follow_up
    if summary.kind == item_pb2.ITEM_KIND_TASK:
        if task_progress.is_over(summary.task):
            return None
        if summary.task.HasField("reminder"):
            return _micros(summary.task.reminder)
    if flag.status != item_pb2.FLAG_STATUS_FLAGGED or not flag.HasField("reminder"):
        return None
    return _micros(flag.reminder)


def _of_occurrence(item: Item, signals: Signals, signal: Signal, due: int) -> Reminder:
    occurrence = signal.occurrence
    reminder = _reminder(item, due, signal.at)
    if signals.is_series:
        reminder.original_start.CopyFrom(occurrence.original_start)
    reminder.start.CopyFrom(occurrence.start)
    reminder.begins.FromMicroseconds(within(occurrence.begins))
    reminder.ends.FromMicroseconds(within(occurrence.ends))
    reminder.location = item.summary.appointment.location
    exception = occurrence.exception
    if exception is not None:
        reminder.subject = exception.subject if exception.HasField("subject") else reminder.subject
        reminder.location = exception.location if exception.HasField("location") else reminder.location
    return reminder


def _reminder(item: Item, due: int, at: int) -> Reminder:
    reminder = Reminder(item_id=item.id, kind=item.summary.kind, subject=item.summary.subject)
    reminder.due.FromMicroseconds(due)
    reminder.signal.FromMicroseconds(at)
    return reminder


def _add_times(reminder: Reminder, item: Item, zone: str) -> None:
    """When a task, or what is flagged, is due, and where."""
    task, flag = item.summary.task, item.state.follow_up
    reminder.location = task.location
    if task.HasField("due"):
        begins = calendar_time.instant(task.due, zone)
        reminder.start.CopyFrom(task.due)
    else:
        begins = _micros(flag.due) if flag.HasField("due") else None
        start = None if begins is None else calendar_time.from_instant(begins, zone)
        if start is not None:
            reminder.start.CopyFrom(start)
    if begins is not None:
        reminder.begins.FromMicroseconds(within(begins))


def _micros(stamp: Timestamp) -> int:
    return stamp.ToMicroseconds()
