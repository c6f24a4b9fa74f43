"""The ReminderService, answered by a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.reading import reminders
from rookery_core.rules import reminder_requests

if TYPE_CHECKING:
    from rookery.v1.reminder_service_pb2 import ListRemindersRequest, ListRemindersResponse
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.clock import Clock


class OfflineReminders:
    """Gives the responses that the server would give, but that a day begins where this device is."""

    def __init__(self, replica: Replica, reader: Reader, clock: Clock, notes: Notes, time_zone: str) -> None:
        self._replica = replica
        self._reader = reader
        self._clock = clock
        self._notes = notes
        self._time_zone = time_zone

    def list_reminders(self, request: ListRemindersRequest) -> ListRemindersResponse:
        """What is due, or will be until a time."""
        asked = reminder_requests.asked(request, self._clock.micros())
        response = reminders.listed(self._replica, asked, self._time_zone)
        self._notes.add(*self._reader.limits())
        return response
