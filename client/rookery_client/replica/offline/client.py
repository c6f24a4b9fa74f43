"""A client that needs no server: it reads from a replica, and what it changes waits in the replica's outbox."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from rookery.v1 import (
    calendar_service_pb2,
    content_service_pb2,
    folder_pb2,
    item_service_pb2,
    mailbox_pb2,
    meeting_service_pb2,
    reminder_service_pb2,
    search_service_pb2,
    submission_service_pb2,
    task_service_pb2,
)
from rookery_client.client import Client
from rookery_client.client.content import Content
from rookery_client.connection.local import LocalConnection
from rookery_client.replica.offline.changes import OfflineChanges
from rookery_client.replica.offline.downloads import OfflineBytes
from rookery_client.replica.offline.meetings import OfflineMeetings
from rookery_client.replica.offline.notes import Notes
from rookery_client.replica.offline.reads import OfflineReading
from rookery_client.replica.offline.reminders import OfflineReminders
from rookery_client.replica.offline.sending import OfflineSending
from rookery_client.replica.offline.tasks import OfflineTasks
from rookery_client.replica.reading.contents import Contents
from rookery_client.replica.reading.reader import Reader
from rookery_client.replica.reading.searching import Searcher
from rookery_client.replica.reading.submissions import Submissions
from rookery_core.errors import NotFound, Unavailable
from rookery_core.rules import zones

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
    from typing import BinaryIO

    from google.protobuf.message import Message

    from rookery.v1.content_service_pb2 import ImportDocument
    from rookery_client.client import Imported
    from rookery_client.replica.replica import Replica
    from rookery_core.errors import RookeryError
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

Key = TypeVar("Key")


class OfflineClient(Client):
    """A client for one replica, with the calls of ``Client``.

    Folders and items are read as the person sees them, changes of their own included; search works; what the replica does not
    hold is FailedPrecondition ``NOT_IN_REPLICA``. Creating, updating, marking, completing, moving, copying, deleting, restoring,
    sending, inviting and answering are recorded in the outbox: the answer tells what they make of things here, and the next sync
    sends them. Everything else (signing in, administration, imports) is Unavailable. Nothing ever waits for a network.
    """

    def __init__(self, replica: Replica, *, clock: Clock, ids: Ids, time_zone: str = zones.UTC) -> None:
        """``time_zone``: where the days of reminders begin."""
        self._notes = Notes()
        answers = _Answers(replica, self._notes, clock, ids, time_zone)
        identity = replica.identity()
        connection = LocalConnection(answers, identity.server if identity else "", clock=clock, ids=ids)
        super().__init__(connection)
        self.content = _OfflineContent(connection, answers)

    @property
    def notes(self) -> list[str]:
        """What a person should know beside the answers so far: what the replica leaves out, and how much waits to be sent."""
        return self._notes.sentences


class _OfflineContent(Content):
    """Content without a server: an upload stays here until an item takes it."""

    def __init__(self, connection: LocalConnection, answers: _Answers) -> None:
        super().__init__(connection)
        self._answers = answers

    async def upload(
        self,
        source: bytes | BinaryIO,
        *,
        progress: Callable[[int], None] | None = None,
        upload_id: bytes = b"",
        mailbox_id: bytes = b"",
    ) -> bytes:
        """See ``Content``; it is kept for as long as this client lives, and sent with the item that names it."""
        self._answers.require_own(mailbox_id)
        data = source if isinstance(source, bytes) else await asyncio.to_thread(_whole, source)
        upload_id = upload_id or self._connection.ids.new()
        self._answers.changes.uploads[upload_id] = data
        if progress is not None:
            progress(len(data))
        return upload_id

    def import_documents(
        self,
        documents: Iterable[tuple[Key, ImportDocument]] | AsyncIterable[tuple[Key, ImportDocument]],
        *,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Imported[Key]]:
        """Unavailable: the server reads documents."""
        del documents, mailbox_id
        raise self._answers.refusal("Import")


class _Answers:
    """Answers the calls (``connection.local.Answers``), by the types of their requests."""

    def __init__(self, replica: Replica, notes: Notes, clock: Clock, ids: Ids, time_zone: str) -> None:
        reader, contents = Reader(replica), Contents(replica, clock)
        self.changes = OfflineChanges(replica, reader, ids, notes)
        self._replica = replica
        sending = OfflineSending(replica, reader, Submissions(replica, clock), ids, notes)
        reading = OfflineReading(replica, reader, Searcher(replica, clock), contents, notes)
        meetings = OfflineMeetings(replica, reader, notes)
        self._calls = _calls(reading, self.changes, sending, meetings, OfflineTasks(replica, reader, notes))
        reminders = OfflineReminders(replica, reader, clock, notes, time_zone)
        self._calls[reminder_service_pb2.ListRemindersRequest] = reminders.list_reminders
        data = OfflineBytes(reader, contents)
        self._streams: dict[type[Message], Callable[[Any], Any]] = {
            content_service_pb2.DownloadAttachmentRequest: data.attachment,
            content_service_pb2.DownloadDocumentRequest: data.document,
        }

    async def unary(self, request: Message) -> Message:
        """See ``Answers``. The event loop goes on meanwhile."""
        call = self._calls.get(type(request))
        if call is None:
            raise self.refusal(_call_of(request))
        self.require_own(getattr(request, "mailbox_id", b""))
        return await asyncio.to_thread(call, request)

    async def stream(self, request: Message) -> AsyncIterator[Message]:
        """See ``Answers``."""
        call = self._streams.get(type(request))
        if call is None:
            raise self.refusal(_call_of(request))
        self.require_own(getattr(request, "mailbox_id", b""))
        for response in await asyncio.to_thread(lambda: list(call(request))):
            yield response

    def refusal(self, call: str) -> RookeryError:
        """See ``Answers``."""
        return Unavailable("SERVER_UNREACHABLE", f"“{call}” needs the server: it can not be done offline")

    def require_own(self, mailbox_id: bytes) -> None:
        """NotFound ``MAILBOX_NOT_FOUND`` for another mailbox than the replica's."""
        identity = self._replica.identity()
        if mailbox_id and (identity is None or mailbox_id != identity.mailbox_id):
            raise NotFound("MAILBOX_NOT_FOUND", "the replica is of another mailbox", field="mailbox_id")


def _calls(
    reading: OfflineReading, changes: OfflineChanges, sending: OfflineSending, meetings: OfflineMeetings, tasks: OfflineTasks
) -> dict[type[Message], Callable[[Any], Message]]:
    return {
        mailbox_pb2.ListMailboxesRequest: reading.list_mailboxes,
        mailbox_pb2.GetMailboxRequest: reading.get_mailbox,
        folder_pb2.ListFoldersRequest: reading.list_folders,
        folder_pb2.GetFolderRequest: reading.get_folder,
        folder_pb2.CreateFolderRequest: changes.create_folder,
        folder_pb2.UpdateFolderRequest: changes.update_folder,
        folder_pb2.DeleteFolderRequest: changes.delete_folder,
        folder_pb2.EmptyFolderRequest: changes.empty_folder,
        item_service_pb2.GetItemRequest: reading.get_item,
        item_service_pb2.BatchGetItemsRequest: reading.batch_get_items,
        item_service_pb2.ListItemsRequest: reading.list_items,
        item_service_pb2.CreateItemRequest: changes.create_item,
        item_service_pb2.UpdateItemRequest: changes.update_item,
        item_service_pb2.SetItemStateRequest: changes.set_item_state,
        item_service_pb2.MoveItemsRequest: changes.move_items,
        item_service_pb2.CopyItemsRequest: changes.copy_items,
        item_service_pb2.DeleteItemsRequest: changes.delete_items,
        item_service_pb2.RestoreItemsRequest: changes.restore_items,
        search_service_pb2.SearchRequest: reading.search,
        calendar_service_pb2.ListOccurrencesRequest: reading.list_occurrences,
        calendar_service_pb2.SplitSeriesRequest: meetings.split,
        meeting_service_pb2.SendMeetingRequest: meetings.send,
        meeting_service_pb2.RespondToMeetingRequest: meetings.respond,
        meeting_service_pb2.CancelMeetingRequest: meetings.cancel,
        meeting_service_pb2.ForwardMeetingRequest: meetings.forward,
        submission_service_pb2.SubmitRequest: sending.submit,
        submission_service_pb2.CancelSubmissionRequest: sending.cancel_submission,
        submission_service_pb2.ResendSubmissionRequest: sending.resend_submission,
        submission_service_pb2.GetSubmissionRequest: sending.get_submission,
        submission_service_pb2.ListSubmissionsRequest: sending.list_submissions,
        task_service_pb2.CompleteTaskRequest: tasks.complete_task,
        task_service_pb2.AssignTaskRequest: tasks.assign_task,
        task_service_pb2.RespondToTaskRequest: tasks.respond_to_task,
        task_service_pb2.ListTasksRequest: tasks.list_tasks,
    }


def _call_of(request: Message) -> str:
    return str(request.DESCRIPTOR.name).removesuffix("Request")


def _whole(source: BinaryIO) -> bytes:
    source.seek(0)
    return source.read()
