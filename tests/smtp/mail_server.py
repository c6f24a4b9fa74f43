"""A whole server that mail comes in to, the programs that hand it over, and what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc.aio
from cryptography.hazmat.primitives.serialization import Encoding

from rookery.v1 import content_service_pb2, folder_pb2, item_service_pb2
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_server.bootstrap import Edges, Server
from tests.support.fakes import FakeClock, SequentialIds
from tests.support.mail import until
from tests.support.server import Running, quick_passwords, settings_of

if TYPE_CHECKING:
    import pathlib
    import ssl
    from collections.abc import AsyncIterator, Callable, Sequence

    from rookery.v1.item_pb2 import Item
    from tests.gateway.certificates import Authority
    from tests.support.server import Person

NAME = "mx.rookery.test"
INBOX, SENT = folder_pb2.FOLDER_ROLE_INBOX, folder_pb2.FOLDER_ROLE_SENT


@dataclass(frozen=True)
class MailServer:
    """A server that runs, and where its listeners are."""

    running: Running

    def where(self, listener: str) -> tuple[str, int]:
        """Host and port of a listener."""
        assert self.running.server is not None
        host, _, port = self.running.server.mail_addresses[listener].rpartition(":")
        return host, int(port)

    async def within(self, person: Person, role: int = INBOX, *, count: int = 0) -> list[Item]:
        """What is in a folder, whole, by subject, as soon as there is so much."""
        folders: Any = FolderServiceStub(self.running.channel)
        items: Any = ItemServiceStub(self.running.channel)
        asked = folder_pb2.GetFolderRequest(role=folder_pb2.FolderRole.ValueType(role))
        folder = (await folders.GetFolder(asked, metadata=person.metadata)).folder
        found: list[Item] = []

        async def enough() -> bool:
            found.clear()
            listing = item_service_pb2.ListItemsRequest(folder_id=folder.id, page_size=500)
            while True:
                page = await items.ListItems(listing, metadata=person.metadata)
                found.extend(page.items)
                listing.page_token = page.next_page_token
                if not listing.page_token:
                    return len(found) >= count

        await until(enough)
        wanted = [item_service_pb2.GetItemRequest(item_id=each.id) for each in found]
        whole = [(await items.GetItem(each, metadata=person.metadata)).item for each in wanted]
        return sorted(whole, key=lambda item: item.summary.subject)

    async def original(self, person: Person, item: Item) -> bytes:
        """The bytes of a message, with what its mailbox has on top of them."""
        contents: Any = ContentServiceStub(self.running.channel)
        request = content_service_pb2.ReadContentRequest(item_id=item.id)
        data: bytes = (await contents.ReadContent(request, metadata=person.metadata)).chunk.data
        return data

    async def smtp(self, listener: str, work: Callable[[smtplib.SMTP], Any], **options: Any) -> Any:
        """What an SMTP client does in a thread of its own, said hello."""

        def run() -> Any:
            with smtplib.SMTP(*self.where(listener), timeout=30, **options) as client:
                client.ehlo("client.test")
                return work(client)

        return await asyncio.to_thread(run)

    async def sends(
        self, sender: str, recipients: Sequence[str], message: bytes, listener: str = "smtp"
    ) -> dict[str, tuple[int, bytes]]:
        """Sends a message by SMTP; gives the refused recipients."""
        refused: dict[str, tuple[int, bytes]] = await self.smtp(
            listener, lambda client: client.sendmail(sender, recipients, message)
        )
        return refused


def trusting(authority: Authority) -> ssl.SSLContext:
    """For a client that trusts the server's certificate, by whatever address it reaches it."""
    context = authority.client_context()
    context.check_hostname = False
    return context


@contextlib.asynccontextmanager
async def mail_server(folder: pathlib.Path, authority: Authority | None = None, **settings: Any) -> AsyncIterator[MailServer]:
    """A server with all the listeners that make sense, on free ports; with TLS where somebody issues its certificate."""
    listeners = dict.fromkeys(("lmtp", "smtp", "submission"), "127.0.0.1:0")
    secure: list[tuple[str, str]] = [("grpc.ssl_target_name_override", NAME)]
    credentials = None
    if authority is not None:
        issued = authority.issue(NAME)
        for name, data in (("cert", issued.pem_chain()), ("key", issued.pem_key())):
            (folder / f"{name}.pem").write_bytes(data)
            listeners[f"tls_{name}"] = str(folder / f"{name}.pem")
        listeners["submissions"] = "127.0.0.1:0"
        credentials = grpc.ssl_channel_credentials(authority.certificate.public_bytes(Encoding.PEM))
    clock = FakeClock(time.time_ns() // 1000)
    wanted = settings_of(folder / "data", mail_name=NAME, **{**listeners, **settings})
    server = Server(wanted, Edges(clock=clock, ids=SequentialIds(clock), passwords=quick_passwords))
    await server.start()
    try:
        channel = (
            grpc.aio.secure_channel(server.address, credentials, options=secure)
            if credentials
            else grpc.aio.insecure_channel(server.address)
        )
        async with channel, grpc.aio.insecure_channel(f"unix:{wanted.unix_socket}") as machine:
            yield MailServer(Running(server.address, channel, machine, clock, SequentialIds(clock, stream=1), server))
    finally:
        await server.stop(0)
