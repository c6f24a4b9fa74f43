"""Reminders: what is due, dismissing it, and putting it off. ``sync.watch`` tells them as they become due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import reminder_service_pb2 as pb
from rookery.v1.reminder_service_pb2_grpc import ReminderServiceStub
from rookery_core.rules import reminder_marks

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable

    from rookery_client.client.items import Items
    from rookery_client.connection import Connection


class Reminders:
    """The ReminderService, and the marks by which all devices know what became of a reminder."""

    def __init__(self, connection: Connection, items: Items) -> None:
        self._connection = connection
        self._items = items
        self._stub = ReminderServiceStub(connection.channel)

    async def list(
        self, *, until: datetime.datetime | None = None, most: int = 0, mailbox_id: bytes = b""
    ) -> pb.ListRemindersResponse:
        """What is due, or will be before `until`, which is aware and at most 400 days ahead: the earliest first, `most` of them.

        100 where `most` is 0, 500 at most; the answer says whether there are more, and when the next one becomes due.
        """
        request = pb.ListRemindersRequest(mailbox_id=mailbox_id, until=None if until is None else _stamp(until), most=most)
        return await self._connection.unary(self._stub.ListReminders, request)

    async def dismiss(self, reminders: Iterable[pb.Reminder], *, mailbox_id: bytes = b"") -> None:
        """Ends reminders, on all devices; of a series those that come later stay. NotFound ``ITEM_NOT_FOUND`` offline alone."""
        by_signal: dict[int, list[pb.Reminder]] = {}
        for reminder in reminders:
            by_signal.setdefault(reminder.signal.ToMicroseconds(), []).append(reminder)
        for same in by_signal.values():
            marks = reminder_marks.dismissed(same[0])
            await self._items.set_state([each.item_id for each in same], reminder=marks, mailbox_id=mailbox_id)

    async def snooze(self, reminder: pb.Reminder, until: datetime.datetime, *, mailbox_id: bytes = b"") -> None:
        """Puts a reminder off, on all devices: it is shown again then. If its appointment is moved, it is shown at its new time."""
        marks = reminder_marks.put_off(reminder, _stamp(until).ToMicroseconds())
        await self._items.set_state([reminder.item_id], reminder=marks, mailbox_id=mailbox_id)


def _stamp(moment: datetime.datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
