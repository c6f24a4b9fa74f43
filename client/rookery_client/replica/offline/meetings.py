"""The MeetingService, and splitting a series, answered by a replica: whoever is to be told is told with the next sync."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import calendar_service_pb2 as calendar_pb
from rookery.v1 import meeting_service_pb2 as pb
from rookery.v1.sync_pb2 import CONFLICT_POLICY_FAIL, SyncOperation

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_client.replica.offline.notes import Notes
    from rookery_client.replica.reading.reader import Reader
    from rookery_client.replica.replica import Replica


class OfflineMeetings:
    """Gives the responses that the server would give, but for what it will send. What it would refuse is refused here."""

    def __init__(self, replica: Replica, reader: Reader, notes: Notes) -> None:
        self._replica = replica
        self._reader = reader
        self._notes = notes

    def send(self, request: pb.SendMeetingRequest) -> pb.SendMeetingResponse:
        """Tells the attendees. With an etag the server is asked to tell nothing if it has another version by then."""
        self._record(SyncOperation(operation_id=request.operation_id, send_meeting=request), etag=request.etag)
        return pb.SendMeetingResponse(item=self._item(request.item_id), revision=self._reader.revision())

    def respond(self, request: pb.RespondToMeetingRequest) -> pb.RespondToMeetingResponse:
        """Answers an invitation."""
        recorded = self._record(SyncOperation(operation_id=request.operation_id, respond_to_meeting=request))
        item = self._item(recorded.respond_to_meeting.item_id)
        return pb.RespondToMeetingResponse(item=item, revision=self._reader.revision())

    def cancel(self, request: pb.CancelMeetingRequest) -> pb.CancelMeetingResponse:
        """Calls a meeting off, or an occurrence."""
        self._record(SyncOperation(operation_id=request.operation_id, cancel_meeting=request))
        return pb.CancelMeetingResponse(item=self._item(request.item_id), revision=self._reader.revision())

    def forward(self, request: pb.ForwardMeetingRequest) -> pb.ForwardMeetingResponse:
        """Invites further people."""
        self._record(SyncOperation(operation_id=request.operation_id, forward_meeting=request))
        return pb.ForwardMeetingResponse(revision=self._reader.revision())

    def split(self, request: calendar_pb.SplitSeriesRequest) -> calendar_pb.SplitSeriesResponse:
        """Splits a series. With an etag the server is asked to split nothing if it has another version by then."""
        recorded = self._record(SyncOperation(operation_id=request.operation_id, split_series=request), etag=request.etag)
        parts = (self._item(request.item_id), self._item(recorded.split_series.new_item_id))
        return calendar_pb.SplitSeriesResponse(first=parts[0], second=parts[1], revision=self._reader.revision())

    def _record(self, operation: SyncOperation, *, etag: int = 0) -> SyncOperation:
        """Puts the operation into the outbox; gives it as it stands there."""
        if etag:
            operation.conflict_policy = CONFLICT_POLICY_FAIL
        recorded = self._replica.record(operation)
        self._notes.count_change()
        return recorded

    def _item(self, item_id: bytes) -> Item:
        return self._reader.item(item_id, full=False)
