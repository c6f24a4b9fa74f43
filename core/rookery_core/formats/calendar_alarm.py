"""Reminders and VALARM (RFC 5545 section 3.6.6): an item has one; a document's further alarms stay where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.formats import calendar_values as values
from rookery_core.formats.contentlines import Component, Line
from rookery_core.formats.item_record import timestamp
from rookery_core.rules import calendar_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery_core.formats.calendar_zones import Zones

_MOST_MINUTES = (1 << 31) - 1


def reminder_minutes(component: Component) -> int | None:
    """How long before the start the first alarm goes off that shows or sounds; negative for after the start."""
    return next((minutes for minutes in map(_minutes, component.components("VALARM")) if minutes is not None), None)


def set_reminder_minutes(component: Component, minutes: int | None) -> None:
    """Moves that alarm, makes one, or takes all such away."""
    if minutes is None:
        _drop(component, lambda alarm: _minutes(alarm) is not None)
        return
    sign = "-" if minutes > 0 else ""
    _set(component, lambda alarm: _minutes(alarm) is not None, Line("TRIGGER", f"{sign}PT{abs(minutes)}M"))


def reminder(component: Component, start: CalendarTime, due: CalendarTime, zones: Zones) -> Timestamp | None:
    """The instant at which the first alarm of a task goes off that shows or sounds."""
    return next((at for at in (_instant(alarm, start, due, zones) for alarm in component.components("VALARM")) if at), None)


def set_reminder(component: Component, at: Timestamp | None, start: CalendarTime, due: CalendarTime, zones: Zones) -> None:
    """Moves that alarm, makes one, or takes all such away."""

    def counts(alarm: Component) -> bool:
        return _instant(alarm, start, due, zones) is not None

    if at is None:
        _drop(component, counts)
    else:
        _set(component, counts, values.stamp_line("TRIGGER", at, VALUE="DATE-TIME"))


def _shows(alarm: Component) -> bool:
    action = alarm.first("ACTION")
    return action is not None and action.value.strip().upper() in ("DISPLAY", "AUDIO")


def _minutes(alarm: Component) -> int | None:
    trigger = alarm.first("TRIGGER")
    if trigger is None or not _shows(alarm) or trigger.param("RELATED").upper() == "END":
        return None
    length = values.duration(trigger.value)
    if length is None:
        return None
    minutes = -(length[0] * 86400 + length[1]) // 60
    return max(-_MOST_MINUTES, min(minutes, _MOST_MINUTES))


def _instant(alarm: Component, start: CalendarTime, due: CalendarTime, zones: Zones) -> Timestamp | None:
    trigger = alarm.first("TRIGGER")
    if trigger is None or not _shows(alarm):
        return None
    length = values.duration(trigger.value)
    if length is None:
        return values.stamp(trigger, zones)
    anchors = (due, start) if trigger.param("RELATED").upper() == "END" else (start, due)
    anchor = next((time for time in anchors if time.local), None)
    instant = calendar_time.instant(anchor) if anchor else None
    if instant is None:
        return None
    moment = instant + (length[0] * 86400 + length[1]) * calendar_time.SECOND
    return timestamp(moment) if calendar_time.from_instant(moment, "UTC") else None


def _drop(component: Component, counts: Callable[[Component], bool]) -> None:
    component.entries = [e for e in component.entries if isinstance(e, Line) or e.name != "VALARM" or not counts(e)]


def _set(component: Component, counts: Callable[[Component], bool], trigger: Line) -> None:
    alarm = next((alarm for alarm in component.components("VALARM") if counts(alarm)), None)
    if alarm is None:
        alarm = Component("VALARM", [Line("ACTION", "DISPLAY"), Line("DESCRIPTION", "Reminder")])
        # Before the alarms that do not count, so that it stays the first even if those are changed elsewhere.
        place = next((i for i, e in enumerate(component.entries) if isinstance(e, Component)), len(component.entries))
        component.entries.insert(place, alarm)
    alarm.replace(lambda line: line.name == "TRIGGER", [trigger])
