"""Appointments and tasks that remind, and what there is to say of their reminders."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from rookery.v1 import calendar_pb2, item_pb2
from rookery.v1.calendar_pb2 import CalendarTime, OccurrenceException, Recurrence
from rookery.v1.item_pb2 import Item
from rookery_core.rules import reminder_marks, reminders

if TYPE_CHECKING:
    from rookery.v1.reminder_service_pb2 import Reminder

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MINUTE = 60_000_000
HOUR, DAY = 60 * MINUTE, 1440 * MINUTE
BERLIN, NEW_YORK, AUCKLAND = "Europe/Berlin", "America/New_York", "Pacific/Auckland"


def micros(text: str) -> int:
    return (dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) - EPOCH) // dt.timedelta(microseconds=1)


def at(text: str, zone: str = BERLIN) -> CalendarTime:
    """ "2026-03-02 09:00" in a zone, or a date."""
    day, _, hours = text.partition(" ")
    return CalendarTime(local=f"{day}T{hours}:00", time_zone=zone) if hours else CalendarTime(local=day)


def meeting(
    start: str,
    *rules: str,
    end: str = "",
    minutes: int | None = 15,
    zone: str = BERLIN,
    received: str = "2026-01-01",
    **fields: Any,
) -> Item:
    item = Item(id=bytes(16))
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_APPOINTMENT, "Meeting"
    item.summary.received.FromMicroseconds(micros(received))
    item.summary.appointment.MergeFrom(calendar_pb2.AppointmentSummary(start=at(start, zone), reminder_minutes=minutes, **fields))
    item.summary.appointment.end.CopyFrom(at(end or start, zone))
    if rules:
        item.summary.appointment.recurrence.CopyFrom(Recurrence(rules=rules))
    return item


def excepted(original: str, **fields: Any) -> OccurrenceException:
    changes: dict[str, Any] = {name: at(value) if name in {"start", "end"} else value for name, value in fields.items()}
    return OccurrenceException(original_start=at(original), **changes)


def task(reminder: str, **fields: Any) -> Item:
    item = Item(id=bytes(16))
    item.summary.kind, item.summary.subject = item_pb2.ITEM_KIND_TASK, "Task"
    item.summary.task.SetInParent()
    item.summary.task.reminder.FromMicroseconds(micros(reminder))
    for name, value in fields.items():
        setattr(item.summary.task, name, value)
    return item


def found(item: Item, now: str, zone: str = BERLIN) -> Reminder | None:
    return reminders.find(item, zone, micros(now)).reminder


def due(item: Item, now: str, zone: str = BERLIN) -> str:
    """When its reminder is due; "" if it has none."""
    reminder = found(item, now, zone)
    return "" if reminder is None else f"{reminder.due.ToDatetime():%Y-%m-%d %H:%M}"


def following(item: Item, now: str, zone: str = BERLIN) -> str:
    time = reminders.find(item, zone, micros(now)).following
    return "" if time is None else f"{EPOCH + dt.timedelta(microseconds=time):%Y-%m-%d %H:%M}"


def dismiss(item: Item, now: str, zone: str = BERLIN) -> None:
    """What dismissing the reminder that is shown now makes of the item."""
    reminder = found(item, now, zone)
    assert reminder is not None
    reminder_marks.mark(item.state, reminder_marks.dismissed(reminder))


def snooze(item: Item, now: str, until: str, zone: str = BERLIN) -> None:
    reminder = found(item, now, zone)
    assert reminder is not None
    reminder_marks.mark(item.state, reminder_marks.put_off(reminder, micros(until)))
