"""What a person does with reminders: dismissing them, and putting them off. Marks on the item, which all devices share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ReminderMarks
from rookery_core.rules import checks

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import ItemState
    from rookery.v1.reminder_service_pb2 import Reminder

_TIMES = ("dismissed_through", "snoozed_until", "snoozed_signal")


def dismissed(reminder: Reminder) -> ReminderMarks:
    """The marks that dismiss a reminder, and those of the item before it."""
    return ReminderMarks(dismissed_through=reminder.signal)


def put_off(reminder: Reminder, until: int) -> ReminderMarks:
    """The marks that put a reminder off, until a time in microseconds."""
    marks = ReminderMarks(snoozed_signal=reminder.signal)
    marks.snoozed_until.FromMicroseconds(until)
    return marks


def validate(marks: ReminderMarks, field: str) -> None:
    """InvalidArgument ``FIELD_INVALID`` for times that are none, and for a reminder that was put off, but not until when."""
    checks.moments(marks, field, _TIMES)
    if marks.HasField("snoozed_signal") and not marks.HasField("snoozed_until"):
        raise checks.invalid("say until when the reminder is put off: snoozed_until", f"{field}.snoozed_until")


def mark(state: ItemState, marks: ReminderMarks) -> None:
    """Puts marks on an item: the later dismissal stays, in whichever order they come; otherwise the last holds.

    What is dismissed can not be put off any more.
    """
    before = ReminderMarks()
    before.CopyFrom(state.reminder)
    after = ReminderMarks()
    after.CopyFrom(marks)
    if before.HasField("dismissed_through") and _later(before, after):
        after.dismissed_through.CopyFrom(before.dismissed_through)
    if (
        after.HasField("snoozed_signal")
        and after.HasField("dismissed_through")
        and after.snoozed_signal.ToMicroseconds() <= after.dismissed_through.ToMicroseconds()
    ):
        after.ClearField("snoozed_until")
        after.ClearField("snoozed_signal")
    state.ClearField("reminder")
    if after.ByteSize():
        state.reminder.CopyFrom(after)


def _later(before: ReminderMarks, after: ReminderMarks) -> bool:
    return before.dismissed_through.ToMicroseconds() > after.dismissed_through.ToMicroseconds()
