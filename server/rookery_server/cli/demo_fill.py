"""Fills the demonstration's mailboxes, through the same calls as everybody else's."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rookery.v1 import admin_service_pb2, auth_service_pb2, content_service_pb2, folder_pb2, item_pb2, item_service_pb2
from rookery.v1.admin_service_pb2_grpc import AdminServiceStub
from rookery.v1.auth_service_pb2_grpc import AuthServiceStub
from rookery.v1.content_service_pb2_grpc import ContentServiceStub
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_server.cli.demo_content import calendars, contacts, mail
from rookery_server.cli.demo_content.people import ANNA, BEN, DOMAIN, HUT, Person
from rookery_server.cli.demo_scheduling import arrange

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc.aio

    from rookery.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from rookery_core.rules.ids import Ids

PASSWORDS = {ANNA: "anna likes herons", BEN: "ben likes otters"}

_TOGETHER = 50
"""Documents in a request: all of the demonstration's are small."""

Metadata = tuple[tuple[str, str], ...]


async def fill(channel: grpc.aio.Channel, ids: Ids, now: datetime) -> int:
    """Creates domain, accounts and content where they are not there yet; gives how many documents were imported.

    ``channel`` leads to the socket. After a break the same ``now`` makes the same documents, so that none comes twice.
    """
    await _create_people(AdminServiceStub(channel), ids)
    signed_in = {person: await _sign_in(channel, ids, person) for person in (ANNA, BEN)}
    imported = 0
    for person, metadata in signed_in.items():
        mailbox = _Mailbox(channel, ids, metadata)
        await mailbox.write_notes(person)
        imported += await mailbox.import_all(person, now)
    await arrange(channel, ids, signed_in, now)
    for metadata in signed_in.values():
        await AuthServiceStub(channel).Logout(auth_service_pb2.LogoutRequest(), metadata=metadata)
    return imported


async def _create_people(admin: AdminServiceAsyncStub, ids: Ids) -> None:
    domains = await admin.ListDomains(admin_service_pb2.ListDomainsRequest())
    if DOMAIN not in {domain.name for domain in domains.domains}:
        domain = admin_service_pb2.Domain(name=DOMAIN)
        await admin.CreateDomain(admin_service_pb2.CreateDomainRequest(operation_id=ids.new(), domain=domain))
    known = {account.address for account in (await admin.ListAccounts(admin_service_pb2.ListAccountsRequest())).accounts}
    for person in (ANNA, BEN):
        if person.address not in known:
            account = admin_service_pb2.Account(address=person.address, display_name=person.name, administrator=person is ANNA)
            request = admin_service_pb2.CreateAccountRequest(operation_id=ids.new(), account=account, password=PASSWORDS[person])
            await admin.CreateAccount(request)
    if HUT.address not in known:
        room = admin_service_pb2.Account(address=HUT.address, display_name=HUT.name, kind=admin_service_pb2.ACCOUNT_KIND_ROOM)
        await admin.CreateAccount(admin_service_pb2.CreateAccountRequest(operation_id=ids.new(), account=room))


async def _sign_in(channel: grpc.aio.Channel, ids: Ids, person: Person) -> Metadata:
    request = auth_service_pb2.LoginRequest(
        address=person.address, password=PASSWORDS[person], device_name="demonstration", operation_id=ids.new()
    )
    response = await AuthServiceStub(channel).Login(request)
    return (("authorization", f"Bearer {response.tokens.access_token}"),)


class _Mailbox:
    """One person's mailbox."""

    def __init__(self, channel: grpc.aio.Channel, ids: Ids, metadata: Metadata) -> None:
        self._folders = FolderServiceStub(channel)
        self._items = ItemServiceStub(channel)
        self._content = ContentServiceStub(channel)
        self._ids = ids
        self._metadata = metadata
        self._known: dict[str, bytes] = {}

    async def write_notes(self, person: Person) -> None:
        """Writes the person's notes, unless there are some."""
        request = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_NOTES)
        if (await self._folders.GetFolder(request, metadata=self._metadata)).folder.item_count:
            return
        for owner, title, text in contacts.NOTES:
            if owner is person:
                item = item_pb2.Item()
                item.summary.kind = item_pb2.ITEM_KIND_NOTE
                item.summary.subject = title
                item.content.body.text = text
                create = item_service_pb2.CreateItemRequest(operation_id=self._ids.new(), item=item)
                await self._items.CreateItem(create, metadata=self._metadata)

    async def import_all(self, person: Person, now: datetime) -> int:
        """Imports the person's documents but those that are there; gives how many."""
        documents = [await self._message(one) for one in mail.messages(now) if one.owner is person]
        documents.extend(self._documents(person, now))
        requests = [
            content_service_pb2.ImportRequest(documents=documents[first : first + _TOGETHER])
            for first in range(0, len(documents), _TOGETHER)
        ]
        imported = 0
        async for response in self._content.Import(iter(requests), metadata=self._metadata):
            for result in response.results:
                if result.HasField("error"):
                    raise RuntimeError(f"the demonstration's own document was refused: {result.error.message}")
                imported += not result.existed
        return imported

    async def _message(self, one: mail.Mail) -> content_service_pb2.ImportDocument:
        request = content_service_pb2.ImportDocument(
            operation_id=self._ids.new(),
            folder_id=await self._folder(one.folder),
            format=item_pb2.DOCUMENT_FORMAT_MESSAGE,
            data=one.raw,
            skip_existing=True,
        )
        request.received.FromDatetime(one.received)
        request.state.read = one.read
        request.state.categories.extend(one.categories)
        if one.flag:
            request.state.follow_up.status = item_pb2.FLAG_STATUS_FLAGGED
            request.state.follow_up.request = one.flag
        return request

    def _documents(self, person: Person, now: datetime) -> Iterator[content_service_pb2.ImportDocument]:
        for entry in calendars.entries(now):
            if entry.owner is person:
                yield self._document(item_pb2.DOCUMENT_FORMAT_ICALENDAR, entry.data, entry.categories)
        for owner, card in contacts.cards():
            if owner is person:
                yield self._document(item_pb2.DOCUMENT_FORMAT_VCARD, card, ())

    def _document(
        self, kind: item_pb2.DocumentFormat.ValueType, data: bytes, categories: tuple[str, ...]
    ) -> content_service_pb2.ImportDocument:
        request = content_service_pb2.ImportDocument(operation_id=self._ids.new(), format=kind, data=data, skip_existing=True)
        request.state.read = True
        request.state.categories.extend(categories)
        return request

    async def _folder(self, path: str) -> bytes:
        """The folder's id; made if it is not there. "" is the inbox, for which an import needs no id."""
        if not path:
            return b""
        if not self._known:
            await self._learn()
        if path == mail.SENT:
            return self._known["\0sent"]
        if path not in self._known:
            parent, _, name = path.rpartition("/")
            folder = folder_pb2.Folder(name=name, parent_id=await self._folder(parent))
            request = folder_pb2.CreateFolderRequest(operation_id=self._ids.new(), folder=folder)
            self._known[path] = (await self._folders.CreateFolder(request, metadata=self._metadata)).folder.id
        return self._known[path]

    async def _learn(self) -> None:
        listed = await self._folders.ListFolders(folder_pb2.ListFoldersRequest(), metadata=self._metadata)
        paths: dict[bytes, str] = {}
        for folder in listed.folders:  # parents come before what is below them
            above = paths.get(folder.parent_id)
            paths[folder.id] = f"{above}/{folder.name}" if above else folder.name
            self._known[paths[folder.id]] = folder.id
            if folder.role == folder_pb2.FOLDER_ROLE_SENT:
                self._known["\0sent"] = folder.id


def start_of(text: str) -> datetime:
    """The time that a first start noted."""
    return datetime.fromisoformat(text.strip()).astimezone(UTC)
