"""What the parts of a server are built of: its edges, and what nearly every service is handed."""

from __future__ import annotations

import os
import pathlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument
from rookery_core.rules import domains
from rookery_core.rules.clock import Clock, SystemClock
from rookery_server.services.accounts.passwords import Passwords

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_core.rules.ids import Ids
    from rookery_server.bootstrap.mail import Outbound
    from rookery_server.config import Settings
    from rookery_server.gateway.resolver import Resolver
    from rookery_server.jobs.runner import JobRunner
    from rookery_server.services.calendar.parsed_appointments import ParsedAppointments
    from rookery_server.services.long_operations import LongOperations
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.services.submission.drafts import Drafts
    from rookery_server.services.sync.cursors import Cursors
    from rookery_server.store.database import Database

HOUR = 3600.0
DAY = 24 * HOUR


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
    resolver: Resolver | None = None
    """What the gateway asks; the system's name servers where None."""
    smtp_port: int = 25
    """Where other domains' hosts listen."""
    lease_seconds: float = 120.0
    """After so long another process takes over what the queue's worker of a dead one had taken on."""


@dataclass(frozen=True)
class Base:
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
    drafts: Drafts
    outbound: Outbound
    random_bytes: Callable[[int], bytes]
    parsed: ParsedAppointments


def mail_name(settings: Settings) -> str:
    """What the server calls itself to other mail servers, ASCII. InvalidArgument ``FIELD_INVALID`` if the setting is no name."""
    name = domains.to_ascii(settings.mail_name or socket.gethostname(), underscores=True)
    if settings.mail_name and not name:
        raise InvalidArgument("FIELD_INVALID", f"“{settings.mail_name[:100]}” is no DNS name", field="mail_name")
    return name or "localhost"


def sqlite_file(database_url: str) -> pathlib.Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    return pathlib.Path(database_url.removeprefix("sqlite:///")) if database_url.startswith("sqlite:///") else None
