"""The services and their servicers, but for mail."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

from rookery.v1 import (
    admin_service_pb2,
    auth_service_pb2,
    calendar_service_pb2,
    content_service_pb2,
    folder_pb2,
    item_service_pb2,
    mailbox_pb2,
    meeting_service_pb2,
    reminder_service_pb2,
    search_service_pb2,
    sync_service_pb2,
    task_service_pb2,
)
from rookery_server.api.admin import AdminServicer
from rookery_server.api.auth import AuthServicer
from rookery_server.api.calendar import CalendarServicer
from rookery_server.api.content import ContentServicer
from rookery_server.api.folders import FolderServicer
from rookery_server.api.items import ItemServicer
from rookery_server.api.mailboxes import MailboxServicer
from rookery_server.api.meetings import MeetingServicer
from rookery_server.api.reminders import ReminderServicer
from rookery_server.api.search import SearchServicer
from rookery_server.api.sync import SyncServicer
from rookery_server.api.tasks import TaskServicer
from rookery_server.bootstrap.base import DAY, HOUR, Base
from rookery_server.services.accounts.account_removal import AccountRemoval
from rookery_server.services.accounts.accounts import Accounts
from rookery_server.services.accounts.directory import Directory
from rookery_server.services.accounts.sessions import Sessions
from rookery_server.services.accounts.sign_in import SignIn
from rookery_server.services.accounts.statistics import Statistics
from rookery_server.services.calendar.occurrences import OccurrenceService
from rookery_server.services.calendar.publishing import PublishingService
from rookery_server.services.calendar.splitting import SplittingService
from rookery_server.services.content.blob_sweep import BlobSweep
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.folders.folder_removal import FolderRemoval
from rookery_server.services.folders.folders import FolderService
from rookery_server.services.importing.imports import ImportService
from rookery_server.services.items.item_editing import ItemEditing
from rookery_server.services.items.item_marks import ItemMarks
from rookery_server.services.items.item_places import ItemPlaces
from rookery_server.services.items.item_reading import ItemReading
from rookery_server.services.items.item_removal import ItemRemoval
from rookery_server.services.items.recoverable_purge import RecoverablePurge
from rookery_server.services.mailboxes import MailboxService
from rookery_server.services.reminders.listing import ReminderService
from rookery_server.services.scheduling.meetings import MeetingService
from rookery_server.services.search.search import SearchService
from rookery_server.services.sync.conflicts import ConflictService
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.push import PushService
from rookery_server.services.sync.reconcile import ReconcileService
from rookery_server.services.sync.watch import WatchService
from rookery_server.services.tasks.tasks import TaskService

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import ServiceDescriptor

    from rookery_server.services.accounts.passwords import Passwords
    from rookery_server.services.accounts.session_tokens import SessionTokens
    from rookery_server.services.callers import Callers
    from rookery_server.services.importing.document_readers import DocumentReaders
    from rookery_server.services.search.indexer import Indexer
    from rookery_server.services.sync.followers import Followers


def people(
    base: Base, passwords: Passwords, tokens: SessionTokens, callers: Callers
) -> tuple[SignIn, list[tuple[ServiceDescriptor, object]]]:
    """Who there is, and who is signed in; and what checks passwords, for other protocols."""
    database, operations, clock, ids = base.database, base.operations, base.clock, base.ids
    sessions = Sessions(database, operations, tokens, callers, clock)
    sign_in = SignIn(database, operations, passwords, tokens, sessions, clock, ids)
    quota_bytes = base.settings.quota_bytes
    accounts = Accounts(database, operations, passwords, sessions, base.page_tokens, clock, ids, quota_bytes=quota_bytes)
    removal = AccountRemoval(database, operations, sessions, clock)
    directory = Directory(database, operations, base.page_tokens, clock)
    statistics = Statistics(database, clock, version=importlib.metadata.version("rookery"))
    base.jobs.every("sweep sessions", DAY, sessions.sweep)
    base.jobs.every("remove accounts", HOUR, removal.resume)
    return sign_in, [
        (auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"], AuthServicer(sign_in, sessions)),
        (
            admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
            AdminServicer(accounts, removal, directory, statistics),
        ),
    ]


def search(base: Base, indexer: Indexer) -> tuple[ServiceDescriptor, object]:
    """Finding again what is in the mailboxes."""
    base.jobs.every("compact search index", DAY, indexer.compact)
    service = SearchService(base.database, indexer, base.page_tokens, base.clock)
    return search_service_pb2.DESCRIPTOR.services_by_name["SearchService"], SearchServicer(service)


def sync(base: Base, followers: Followers) -> tuple[ServiceDescriptor, object]:
    """Keeping replicas."""
    database, clock, ids = base.database, base.clock, base.ids
    conflicts = ConflictService(database, base.operations, clock, ids, wake=base.outbound.wake)
    base.jobs.every("forget conflicts", DAY, conflicts.forget_old)
    servicer = SyncServicer(
        PullService(database, base.cursors, followers),
        PushService(database, base.long_operations, clock, ids, base.drafts, wake=base.outbound.wake),
        ReconcileService(database, base.cursors),
        WatchService(database, followers, clock),
        conflicts,
    )
    return sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"], servicer


def mailboxes(base: Base, readers: DocumentReaders, calendars_url: Callable[[], str]) -> list[tuple[ServiceDescriptor, object]]:
    """What is in the mailboxes. ``calendars_url``: how the URLs of published calendars begin."""
    database, operations, clock, ids = base.database, base.operations, base.clock, base.ids
    limit = base.settings.max_message_bytes
    folders = FolderServicer(FolderService(database, operations, ids), FolderRemoval(base.long_operations))
    items = ItemServicer(
        ItemReading(database, base.page_tokens),
        ItemEditing(operations, ids, wake=base.outbound.wake),
        ItemMarks(operations),
        ItemPlaces(operations, ids),
        ItemRemoval(operations),
    )
    content = ContentServicer(
        UploadService(database, clock, ids, max_message_bytes=limit),
        DownloadService(database),
        ImportService(database, clock, ids, readers, max_message_bytes=limit),
    )
    tasks = TaskServicer(TaskService(database, operations, base.page_tokens, wake=base.outbound.wake))
    calendar = CalendarServicer(
        OccurrenceService(database, base.page_tokens, base.parsed),
        SplittingService(operations, ids),
        PublishingService(database, operations, ids, base_url=calendars_url, random_bytes=base.random_bytes),
    )
    meetings = MeetingServicer(MeetingService(operations, wake=base.outbound.wake))
    purge = RecoverablePurge(database, clock, retention_seconds=base.settings.retention_recoverable)
    base.jobs.every("long operations", HOUR, base.long_operations.resume)
    base.jobs.every("purge recoverable items", HOUR, purge.purge)
    base.jobs.every("sweep blobs", HOUR, BlobSweep(database, clock).sweep)
    return [
        (mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"], MailboxServicer(MailboxService(database))),
        (folder_pb2.DESCRIPTOR.services_by_name["FolderService"], folders),
        (item_service_pb2.DESCRIPTOR.services_by_name["ItemService"], items),
        (content_service_pb2.DESCRIPTOR.services_by_name["ContentService"], content),
        (calendar_service_pb2.DESCRIPTOR.services_by_name["CalendarService"], calendar),
        (meeting_service_pb2.DESCRIPTOR.services_by_name["MeetingService"], meetings),
        (
            reminder_service_pb2.DESCRIPTOR.services_by_name["ReminderService"],
            ReminderServicer(ReminderService(database, clock)),
        ),
        (task_service_pb2.DESCRIPTOR.services_by_name["TaskService"], tasks),
    ]
