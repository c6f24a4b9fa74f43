"""A whole server: what it is made of, and how it starts and stops."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from rookery_core.rules.ids import RandomIds
from rookery_server.api import listening
from rookery_server.api.call_counts import CallCounts
from rookery_server.api.calls import Calls
from rookery_server.api.health import Health
from rookery_server.api.registry import register
from rookery_server.bootstrap import mail, services
from rookery_server.bootstrap.availability import availability
from rookery_server.bootstrap.base import DAY, HOUR, Base, Edges, sqlite_file
from rookery_server.bootstrap.listeners import listeners
from rookery_server.bootstrap.web import PublishedCalendars
from rookery_server.jobs.runner import JobRunner
from rookery_server.metrics.endpoint import MetricsEndpoint
from rookery_server.metrics.mail import MailFigures
from rookery_server.metrics.server import CallFigures, GroupFigures, ListenerFigures
from rookery_server.services import keys
from rookery_server.services.accounts.session_tokens import SessionTokens
from rookery_server.services.announcements import Announcements
from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
from rookery_server.services.callers import Callers
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.long_operations import LongOperations
from rookery_server.services.operations import Operations
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.retention import Retention
from rookery_server.services.seals import Seal
from rookery_server.services.search.indexer import Indexer
from rookery_server.services.submission.drafts import Drafts
from rookery_server.services.sync.cursors import Cursors
from rookery_server.services.sync.followers import Followers
from rookery_server.store import migrate
from rookery_server.store.database import Database, open_database
from rookery_server.store.locking import locked

if TYPE_CHECKING:
    from collections.abc import Mapping

    import grpc.aio
    from google.protobuf.descriptor import ServiceDescriptor

    from rookery_server.bootstrap.listeners import Listeners
    from rookery_server.config import Settings
    from rookery_server.gateway.worker import QueueWorker
    from rookery_server.metrics.endpoint import Source
    from rookery_server.services.accounts.passwords import Passwords

_log = structlog.get_logger("rookery.server")


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
        self.mail_addresses: Mapping[str, str] = {}
        """Where each of the listeners for mail is, by the name of its setting, once started."""
        self.calendars_address = ""
        """Where published calendars are, as "HOST:PORT" with the real port, once started; "" if nowhere."""
        self.metrics_address = ""
        """Where Prometheus may ask, as "HOST:PORT" with the real port, once started; "" if nowhere."""

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
        parts = await _build(settings, self._edges, database, indexer, readers, followers, works_on_queue=not self._socket_only)
        loop = asyncio.get_running_loop()
        announcements.listen_for_rings(lambda domains: loop.call_soon_threadsafe(parts.mail.retry, domains))
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
            self._open.push_async_callback(parts.listeners.stop)
            await parts.listeners.start()
            self.mail_addresses = parts.listeners.addresses
            self._open.push_async_callback(parts.calendars.stop)
            self.calendars_address = await parts.calendars.start()
            if settings.metrics:
                metrics = MetricsEndpoint(settings.metrics, parts.figures)
                self.metrics_address = await metrics.start()
                self._open.push_async_callback(metrics.stop)
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


@dataclass(frozen=True)
class _Parts:
    """What the listening server needs of all the rest."""

    calls: Calls
    servicers: list[tuple[ServiceDescriptor, object]]
    passwords: Passwords
    jobs: JobRunner
    mail: QueueWorker
    listeners: Listeners
    calendars: PublishedCalendars
    figures: list[Source]


async def _build(
    settings: Settings,
    edges: Edges,
    database: Database,
    indexer: Indexer,
    readers: DocumentReaders,
    followers: Followers,
    *,
    works_on_queue: bool,
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
    drafts = Drafts(database, clock, ids, max_message_bytes=settings.max_message_bytes)
    outbound = mail.outbound(
        settings, edges, database, clock, ids, here=works_on_queue, elsewhere=works_on_queue and settings.gateway
    )
    base = Base(
        settings,
        database,
        clock,
        ids,
        operations,
        page_tokens,
        cursors,
        long_operations,
        JobRunner(),
        drafts,
        outbound,
        edges.random_bytes,
        ParsedAppointments(),
    )
    published = PublishedCalendars(settings, database, clock)
    passwords = await asyncio.to_thread(edges.passwords)
    callers = Callers(database, tokens, clock)
    sign_in, people = services.people(base, passwords, tokens, callers)
    servicers = [
        *people,
        *services.mailboxes(base, readers, published.base_url),
        availability(base),
        services.search(base, indexer),
        services.sync(base, followers),
        *mail.servicers(base),
    ]
    retention = Retention(database, clock)
    base.jobs.every("compact ledger", HOUR, retention.compact_ledger)
    base.jobs.every("forget departures", DAY, retention.forget_departures)
    counts, incoming = CallCounts(), listeners(base, sign_in)
    sending, groups = MailFigures(database, clock, outbound.traffic), GroupFigures(outbound.groups)
    figures: list[Source] = [sending, CallFigures(counts), ListenerFigures(incoming.counters), groups]
    return _Parts(Calls(callers, ids, counts), servicers, passwords, base.jobs, outbound.worker, incoming, published, figures)
