"""The one place that builds the server's parts and wires them. Takes fakes."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import pathlib
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from rookery.v1 import (
    admin_service_pb2,
    auth_service_pb2,
    content_service_pb2,
    folder_pb2,
    item_service_pb2,
    mailbox_pb2,
    queue_service_pb2,
    search_service_pb2,
    submission_service_pb2,
    sync_service_pb2,
)
from rookery_core.rules.clock import Clock, SystemClock
from rookery_core.rules.ids import Ids, RandomIds
from rookery_server.api import listening
from rookery_server.api.admin import AdminServicer
from rookery_server.api.auth import AuthServicer
from rookery_server.api.calls import Calls
from rookery_server.api.content import ContentServicer
from rookery_server.api.folders import FolderServicer
from rookery_server.api.health import Health
from rookery_server.api.items import ItemServicer
from rookery_server.api.mailboxes import MailboxServicer
from rookery_server.api.queue import QueueServicer
from rookery_server.api.registry import register
from rookery_server.api.search import SearchServicer
from rookery_server.api.submissions import SubmissionServicer
from rookery_server.api.sync import SyncServicer
from rookery_server.gateway import outside, retry_schedule, smarthosts
from rookery_server.gateway.carriers import CaptureCarrier, HereCarrier
from rookery_server.gateway.destinations import Destinations
from rookery_server.gateway.worker import QueueWorker
from rookery_server.jobs.runner import JobRunner
from rookery_server.services import keys
from rookery_server.services.accounts.account_removal import AccountRemoval
from rookery_server.services.accounts.accounts import Accounts
from rookery_server.services.accounts.directory import Directory
from rookery_server.services.accounts.passwords import Passwords
from rookery_server.services.accounts.session_tokens import SessionTokens
from rookery_server.services.accounts.sessions import Sessions
from rookery_server.services.accounts.sign_in import SignIn
from rookery_server.services.accounts.statistics import Statistics
from rookery_server.services.announcements import Announcements
from rookery_server.services.callers import Callers
from rookery_server.services.content.blob_sweep import BlobSweep
from rookery_server.services.content.downloads import DownloadService
from rookery_server.services.content.uploads import UploadService
from rookery_server.services.folders.folder_removal import FolderRemoval
from rookery_server.services.folders.folders import FolderService
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.importing.imports import ImportService
from rookery_server.services.items.item_editing import ItemEditing
from rookery_server.services.items.item_marks import ItemMarks
from rookery_server.services.items.item_places import ItemPlaces
from rookery_server.services.items.item_reading import ItemReading
from rookery_server.services.items.item_removal import ItemRemoval
from rookery_server.services.items.recoverable_purge import RecoverablePurge
from rookery_server.services.long_operations import LongOperations
from rookery_server.services.mailboxes import MailboxService
from rookery_server.services.operations import Operations
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.retention import Retention
from rookery_server.services.seals import Seal
from rookery_server.services.search.indexer import Indexer
from rookery_server.services.search.search import SearchService
from rookery_server.services.submission.local_delivery import LocalDelivery
from rookery_server.services.submission.queue_administration import QueueAdministration
from rookery_server.services.submission.reports import Reports
from rookery_server.services.submission.submissions import SubmissionService
from rookery_server.services.sync.conflicts import ConflictService
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.followers import Followers
from rookery_server.services.sync.pull import PullService
from rookery_server.services.sync.push import PushService
from rookery_server.services.sync.reconcile import ReconcileService
from rookery_server.services.sync.watch import WatchService
from rookery_server.store import migrate
from rookery_server.store.database import Database, open_database
from rookery_server.store.locking import locked

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc.aio
    from google.protobuf.descriptor import ServiceDescriptor

    from rookery_server.config import Settings
    from rookery_server.gateway.worker import Carrier

CAPTURED = "captured"
"""The folder, below the data, for mail that is not sent to other servers."""

_HOUR = 3600.0
_DAY = 24 * _HOUR
_REPORTS = 300.0

_log = structlog.get_logger("rookery.server")


@dataclass(frozen=True)
class Edges:
    """What reaches outside the program, and is a fake in tests."""

    clock: Clock = field(default_factory=SystemClock)
    ids: Ids | None = None
    """Random ones by the clock where None."""
    random_bytes: Callable[[int], bytes] = os.urandom
    passwords: Callable[[], Passwords] = Passwords
    reader_processes: int = min(4, os.cpu_count() or 1)
    """How many processes read documents in bulk, beside the server's own."""


class Server:
    """A whole server: from ``start`` to ``stop`` it listens. One event loop, one database.

    ``socket_only``: for one administrative command. Nothing is served but the Unix socket, and no periodic work is done.
    """

    def __init__(self, settings: Settings, edges: Edges | None = None, *, socket_only: bool = False) -> None:
        self._settings = settings
        self._edges = edges or Edges()
        self._socket_only = socket_only
        self._open = AsyncExitStack()
        self._grpc: grpc.aio.Server | None = None
        self._health: Health | None = None
        self.address = ""
        """"HOST:PORT" with the real port, once started; "" if only the Unix socket is served."""

    async def start(self) -> None:
        """Brings the schema up to date, opens the database and listens.

        Unavailable: ``DATABASE_BUSY`` if another process has the data folder or the database is not reached,
        ``ADDRESS_IN_USE``; InvalidArgument for settings that can not be.
        """
        try:
            await self._start()
        except BaseException:
            await self._open.aclose()
            raise

    async def stop(self, grace: float) -> None:
        """Refuses new calls, gives those that run so many seconds, finishes what was accepted, closes."""
        if self._health is not None:
            await self._health.stopping()
        if self._grpc is not None:
            await self._grpc.stop(grace)
        await self._open.aclose()

    async def wait(self) -> None:
        """Until the server has stopped."""
        if self._grpc is not None:
            await self._grpc.wait_for_termination()

    async def _start(self) -> None:
        settings = self._settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = sqlite_file(settings.database_url)
        if file is not None:
            self._open.enter_context(locked(file.parent))
        await asyncio.to_thread(migrate.upgrade, settings.database_url)
        announcements = Announcements()
        database = open_database(settings.database_url, notifier=announcements)
        self._open.push_async_callback(database.close)
        self._grpc = listening.create_server(reuse_port=file is None)
        indexer = Indexer(database)
        announcements.listen(indexer.on_commit)
        followers = Followers()
        announcements.listen_everywhere(followers.on_commit, followers.after_gap)
        readers = DocumentReaders(self._edges.reader_processes)
        self._open.callback(readers.close)
        parts = await _build(settings, self._edges, database, indexer, readers, followers)
        self._open.callback(parts.passwords.close)
        for service, servicer in parts.servicers:
            register(self._grpc, parts.calls, service, servicer)
        self._health = Health([service.full_name for service, _ in parts.servicers])
        self._health.register(self._grpc)
        self._listen(self._grpc)
        await self._grpc.start()
        self._open.push_async_callback(self._grpc.stop, None)
        await self._health.serving()
        if not self._socket_only:
            indexer.start()
            self._open.push_async_callback(indexer.stop)
            parts.jobs.start()
            self._open.push_async_callback(parts.jobs.stop)
            parts.mail.start()
            self._open.push_async_callback(parts.mail.stop)
        _log.info("serving", address=self.address, socket=str(settings.unix_socket), database=database.dialect)

    def _listen(self, server: grpc.aio.Server) -> None:
        settings = self._settings
        if not self._socket_only:
            self.address = listening.bind(
                server,
                settings.listen,
                tls_cert=settings.tls_cert,
                tls_key=settings.tls_key,
                insecure_plaintext=settings.insecure_plaintext,
            )
        listening.bind_unix(server, settings.unix_socket)


def sqlite_file(database_url: str) -> pathlib.Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    return pathlib.Path(database_url.removeprefix("sqlite:///")) if database_url.startswith("sqlite:///") else None


@dataclass(frozen=True)
class _Parts:
    """What the listening server needs of all the rest."""

    calls: Calls
    servicers: list[tuple[ServiceDescriptor, object]]
    passwords: Passwords
    jobs: JobRunner
    mail: QueueWorker


@dataclass(frozen=True)
class _Base:
    """What nearly every service is handed."""

    settings: Settings
    database: Database
    clock: Clock
    ids: Ids
    operations: Operations
    page_tokens: PageTokens
    cursors: Cursors
    long_operations: LongOperations
    jobs: JobRunner


async def _build(
    settings: Settings,
    edges: Edges,
    database: Database,
    indexer: Indexer,
    readers: DocumentReaders,
    followers: Followers,
) -> _Parts:
    clock = edges.clock
    ids = edges.ids or RandomIds(clock)

    async def key_of(purpose: str) -> dict[int, bytes]:
        return await keys.load(database, purpose, now=clock.micros(), random_bytes=edges.random_bytes)

    page_tokens = PageTokens((await key_of("page-token"))[1])
    tokens = SessionTokens(Seal("session-token", await key_of("session-token")))
    cursors = Cursors(Seal("sync-cursor", await key_of("sync-cursor"), mac_bytes=16))
    operations = Operations(database, clock)
    long_operations = LongOperations(database, operations, clock)
    base = _Base(settings, database, clock, ids, operations, page_tokens, cursors, long_operations, JobRunner())
    passwords = await asyncio.to_thread(edges.passwords)
    callers = Callers(database, tokens, clock)
    servicers = [
        *_people(base, passwords, tokens, callers),
        *_mailboxes(base, readers),
        _search(base, indexer),
        _sync(base, followers),
    ]
    mail, servicers_of_mail = _mail(base, edges)
    servicers += servicers_of_mail
    retention = Retention(database, clock)
    base.jobs.every("compact ledger", _HOUR, retention.compact_ledger)
    base.jobs.every("forget departures", _DAY, retention.forget_departures)
    return _Parts(Calls(callers, ids), servicers, passwords, base.jobs, mail)


def _people(base: _Base, passwords: Passwords, tokens: SessionTokens, callers: Callers) -> list[tuple[ServiceDescriptor, object]]:
    """Who there is, and who is signed in."""
    database, operations, clock, ids = base.database, base.operations, base.clock, base.ids
    sessions = Sessions(database, operations, tokens, callers, clock)
    sign_in = SignIn(database, operations, passwords, tokens, sessions, clock, ids)
    quota_bytes = base.settings.quota_bytes
    accounts = Accounts(database, operations, passwords, sessions, base.page_tokens, clock, ids, quota_bytes=quota_bytes)
    removal = AccountRemoval(database, operations, sessions, clock)
    directory = Directory(database, operations, base.page_tokens, clock)
    statistics = Statistics(database, clock, version=importlib.metadata.version("rookery"))
    base.jobs.every("sweep sessions", _DAY, sessions.sweep)
    base.jobs.every("remove accounts", _HOUR, removal.resume)
    return [
        (auth_service_pb2.DESCRIPTOR.services_by_name["AuthService"], AuthServicer(sign_in, sessions)),
        (
            admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
            AdminServicer(accounts, removal, directory, statistics),
        ),
    ]


def _search(base: _Base, indexer: Indexer) -> tuple[ServiceDescriptor, object]:
    """Finding again what is in the mailboxes."""
    base.jobs.every("compact search index", _DAY, indexer.compact)
    service = SearchService(base.database, indexer, base.page_tokens, base.clock)
    return search_service_pb2.DESCRIPTOR.services_by_name["SearchService"], SearchServicer(service)


def _sync(base: _Base, followers: Followers) -> tuple[ServiceDescriptor, object]:
    """Keeping replicas."""
    database, clock, ids = base.database, base.clock, base.ids
    conflicts = ConflictService(database, base.operations, clock, ids)
    base.jobs.every("forget conflicts", _DAY, conflicts.forget_old)
    servicer = SyncServicer(
        PullService(database, base.cursors, followers),
        PushService(database, base.long_operations, clock, ids),
        ReconcileService(database, base.cursors),
        WatchService(database, followers),
        conflicts,
    )
    return sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"], servicer


def _mail(base: _Base, edges: Edges) -> tuple[QueueWorker, list[tuple[ServiceDescriptor, object]]]:
    """Mail on its way to mailboxes here and elsewhere: who brings it, and who is asked to."""
    database, clock, ids, settings = base.database, base.clock, base.ids, base.settings

    def chance() -> float:
        return int.from_bytes(edges.random_bytes(6)) / 2**48

    own_name = settings.mail_name or socket.gethostname()
    here = HereCarrier(LocalDelivery(database, clock))
    elsewhere: Carrier = CaptureCarrier(database, settings.data / CAPTURED)
    if settings.mail_delivery != "capture":
        smarthost = smarthosts.parse(settings.smarthost) if settings.smarthost else None
        elsewhere = outside.open_carrier(database, clock, chance, own_name=own_name, smarthost=smarthost)
    reports = Reports(database, clock, ids, own_name=own_name, lifetime=retry_schedule.LIFETIME)
    alone = database.dialect == "sqlite"
    queue = QueueWorker(database, clock, Destinations(clock), here, elsewhere, reports, chance, owner=ids.new(), alone=alone)
    shared = (database, base.operations, base.page_tokens, clock)
    submissions = SubmissionService(*shared, ids, max_message_bytes=settings.max_message_bytes, wake=queue.wake)
    base.jobs.every("mail reports", _REPORTS, reports.tell_all)
    base.jobs.every("forget submissions", _DAY, submissions.forget_old)
    return queue, [
        (submission_service_pb2.DESCRIPTOR.services_by_name["SubmissionService"], SubmissionServicer(submissions)),
        (
            queue_service_pb2.DESCRIPTOR.services_by_name["QueueService"],
            QueueServicer(QueueAdministration(*shared, reports, wake=queue.wake)),
        ),
    ]


def _mailboxes(base: _Base, readers: DocumentReaders) -> list[tuple[ServiceDescriptor, object]]:
    """What is in the mailboxes."""
    database, operations, clock, ids = base.database, base.operations, base.clock, base.ids
    limit = base.settings.max_message_bytes
    folders = FolderServicer(FolderService(database, operations, ids), FolderRemoval(base.long_operations))
    items = ItemServicer(
        ItemReading(database, base.page_tokens),
        ItemEditing(operations, ids),
        ItemMarks(operations),
        ItemPlaces(operations, ids),
        ItemRemoval(operations),
    )
    content = ContentServicer(
        UploadService(database, clock, ids, max_message_bytes=limit),
        DownloadService(database),
        ImportService(database, clock, ids, readers, max_message_bytes=limit),
    )
    purge = RecoverablePurge(database, clock, retention_seconds=base.settings.retention_recoverable)
    base.jobs.every("long operations", _HOUR, base.long_operations.resume)
    base.jobs.every("purge recoverable items", _HOUR, purge.purge)
    base.jobs.every("sweep blobs", _HOUR, BlobSweep(database, clock).sweep)
    return [
        (mailbox_pb2.DESCRIPTOR.services_by_name["MailboxService"], MailboxServicer(MailboxService(database))),
        (folder_pb2.DESCRIPTOR.services_by_name["FolderService"], folders),
        (item_service_pb2.DESCRIPTOR.services_by_name["ItemService"], items),
        (content_service_pb2.DESCRIPTOR.services_by_name["ContentService"], content),
    ]
