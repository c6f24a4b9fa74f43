"""The client: one object for one signed-in device at one server."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Self

from rookery_client.client.admin import Admin
from rookery_client.client.auth import Auth
from rookery_client.client.availability import Availability
from rookery_client.client.calendar import Calendar
from rookery_client.client.content import Content
from rookery_client.client.folders import Folders
from rookery_client.client.items import Items
from rookery_client.client.mailboxes import Mailboxes
from rookery_client.client.meetings import Meetings
from rookery_client.client.reminders import Reminders
from rookery_client.client.searching import Searching
from rookery_client.client.submissions import Submissions
from rookery_client.client.syncing import Syncing
from rookery_client.client.tasks import Tasks
from rookery_client.connection import Connection, RetryPolicy, open_channel
from rookery_client.connection.credentials import no_lock
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import RandomIds

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

    from rookery.v1.auth_service_pb2 import LoginResponse, Tokens
    from rookery.v1.item_pb2 import Item
    from rookery.v1.item_service_pb2 import ItemView
    from rookery.v1.restriction_pb2 import Restriction
    from rookery_client.connection import TokenLock


class Client:
    """Calls a Rookery server; every call may be made from any task of the event loop that opened the client.

    The calls stand in groups: ``auth``, ``mailboxes``, ``folders``, ``items``, ``content``, ``calendar``, ``availability``,
    ``meetings``, ``reminders``, ``submissions``, ``tasks``, ``sync``, ``admin``; ``search`` is one by itself. ``mailbox_id`` is the
    caller's own mailbox wherever it is left out. Ids are 16 bytes. A call that changes something mints its operation id itself and
    keeps it while it tries again, so nothing happens twice.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.auth = Auth(connection)
        self.mailboxes = Mailboxes(connection)
        self.folders = Folders(connection)
        self.items = Items(connection)
        self.content = Content(connection)
        self.calendar = Calendar(connection)
        self.availability = Availability(connection)
        self.meetings = Meetings(connection)
        self.reminders = Reminders(connection, self.items)
        self.submissions = Submissions(connection)
        self.tasks = Tasks(connection)
        self.sync = Syncing(connection)
        self.admin = Admin(connection)
        self._searching = Searching(connection)

    @classmethod
    def connect(
        cls,
        server: str,
        *,
        tls: bool | None = None,
        ca_file: str | pathlib.Path | None = None,
        insecure: bool = False,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        token_lock: TokenLock = no_lock,
        deadline: float = 30.0,
        retry: RetryPolicy | None = None,
    ) -> Self:
        """A client for the server at "HOST:PORT". Call it inside a running event loop; the first call connects.

        `tls`: None is TLS except to loopback; `ca_file` trusts the authorities in a PEM file instead of the system's;
        `insecure` allows plain text to other machines. `tokens` of an earlier sign-in go on where it stopped; `on_tokens` is
        called with each new pair, to be kept, and with None after signing out. `token_lock` is for processes that share one
        pair. `deadline`: seconds for a call, its repetitions included. InvalidArgument for an address that is none.
        """
        clock = SystemClock()
        connection = Connection(
            open_channel(server, tls=tls, ca_file=ca_file, insecure=insecure),
            server,
            clock=clock,
            ids=RandomIds(clock),
            chance=random.SystemRandom().random,
            retry=retry or RetryPolicy(),
            deadline=deadline,
            tokens=tokens,
            on_tokens=on_tokens,
            token_lock=token_lock,
        )
        return cls(connection)

    @property
    def server(self) -> str:
        """The server's address, as it was given."""
        return self._connection.server

    @property
    def tokens(self) -> Tokens | None:
        """The tokens now held; None if nobody is signed in."""
        return self._connection.credentials.tokens

    async def login(self, address: str, password: str, device_name: str) -> LoginResponse:
        """Signs in; see ``auth.login``."""
        return await self.auth.login(address, password, device_name)

    async def logout(self) -> None:
        """Signs out; see ``auth.logout``."""
        await self.auth.logout()

    def search(
        self,
        query: str,
        *,
        restriction: Restriction | None = None,
        folder_ids: Sequence[bytes] = (),
        view: ItemView.ValueType | None = None,
        page_size: int = 0,
        mailbox_id: bytes = b"",
    ) -> AsyncIterator[Item]:
        """The live items that `query` finds, newest first, page after page. The query's words are those of SearchRequest."""
        return self._searching.all(
            query, restriction=restriction, folder_ids=folder_ids, view=view, page_size=page_size, mailbox_id=mailbox_id
        )

    @property
    def searching(self) -> Searching:
        """Search page by page."""
        return self._searching

    async def close(self) -> None:
        """Closes the connection; calls under way are cancelled."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
