"""Mail and two devices of one person, over a whole server: written without a network, sent once, seen alike everywhere."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.sync_pb2 import SyncDepth, SyncScope
from rookery_client import Client
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_client.replica.offline.client import OfflineClient
from rookery_client.replica.replica import Replica
from rookery_client.replica.storage.identity import Identity
from rookery_core.errors import FailedPrecondition
from rookery_core.rules.ids import RandomIds
from tests.support.mail import until
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator

    from tests.support.server import Person, Running

DRAFTS, OUTBOX, SENT, INBOX = (
    folder_pb2.FOLDER_ROLE_DRAFTS,
    folder_pb2.FOLDER_ROLE_OUTBOX,
    folder_pb2.FOLDER_ROLE_SENT,
    folder_pb2.FOLDER_ROLE_INBOX,
)


class Device:
    """A device with a replica; ``online`` is its client at the server, ``offline`` works from the replica."""

    def __init__(self, folder: pathlib.Path, name: str, running: Running, person: Person, online: Client) -> None:
        self.clock, self.online = running.clock, online
        self.ids = RandomIds(self.clock)
        self.replica = Replica.open(folder / f"{name}.replica", clock=self.clock, ids=self.ids, create=True)
        self.replica.adopt(Identity(running.address, person.address, person.account.mailbox_id, person.account.id))
        self.replica.set_scope(SyncScope(depth=SyncDepth.SYNC_DEPTH_FULL))
        self.offline = OfflineClient(self.replica, clock=self.clock, ids=self.ids)

    async def sync(self) -> None:
        """Synchronises once."""
        engine = Engine(self.replica, RemoteTransport(self.online), clock=self.clock, ids=self.ids, chance=lambda: 0.5)
        await engine.run_once()

    async def write(self, *addresses: str, subject: str = "A letter") -> bytes:
        """Writes a draft, without a network; gives its id."""
        draft = item_pb2.Item()
        draft.summary.kind = item_pb2.ITEM_KIND_MESSAGE
        draft.summary.subject, draft.summary.message.draft, draft.content.body.text = subject, True, "Hello\n"
        draft.content.recipients.extend(item_pb2.Recipient(person=Named(address=address)) for address in addresses)
        draft.folder_id = (await self.offline.folders.get_role(DRAFTS)).id
        return (await self.offline.items.create(draft)).id


async def place_of(client: Client, item_id: bytes) -> tuple[int, bool]:
    """The role of the folder that an item is in, and whether it is a draft."""
    item = await client.items.get(item_id)
    return (await client.folders.get(item.folder_id)).role, item.summary.message.draft


async def listed(client: Client, **wanted: Any) -> list[records.Submission]:
    return [each async for each in client.submissions.list(**wanted)]


async def subjects(client: Client, role: Any) -> list[str]:
    return [item.summary.subject async for item in client.items.list((await client.folders.get_role(role)).id)]


@contextlib.asynccontextmanager
async def signed_in(running: Running, name: str) -> AsyncIterator[tuple[Person, Client]]:
    person = await running.add_person(name)
    async with Client.connect(running.address, tokens=person.login.tokens) as client:
        yield person, client


@pytest.fixture
async def office(tmp_path: pathlib.Path) -> AsyncIterator[tuple[Running, Device, Device, Client]]:
    """The server; Anna's laptop and phone, both up to date; Ben."""
    async with (
        serving(settings_of(tmp_path)) as running,
        signed_in(running, "anna") as (anna, online),
        signed_in(running, "ben") as (_, ben),
        Client.connect(running.address, tokens=(await running.sign_in(anna.address)).tokens) as mobile,
    ):
        laptop = Device(tmp_path, "laptop", running, anna, online)
        phone = Device(tmp_path, "phone", running, anna, mobile)
        for device in (laptop, phone):
            await device.sync()
        yield running, laptop, phone, ben
        for device in (laptop, phone):
            device.replica.close()


async def test_mail_written_without_a_network_arrives_and_is_seen_alike_on_every_device(
    office: tuple[Running, Device, Device, Client],
) -> None:
    _, laptop, phone, ben = office
    item_id = await laptop.write("ben@rookery.test", "far@other.test", subject="Offline")
    made = await laptop.offline.submissions.submit(item_id)
    assert made.state == records.SUBMISSION_STATE_PENDING and await listed(laptop.offline, unfinished=True) == [made]
    assert await place_of(laptop.offline, item_id) == (OUTBOX, False)
    assert laptop.offline.notes == ["2 changes wait for the next sync."]
    await laptop.sync()

    async def has_arrived() -> bool:
        states = [each.state for each in (await laptop.online.submissions.get(made.id)).recipients]
        return states == [records.DELIVERY_STATE_DELIVERED, records.DELIVERY_STATE_RELAYED]

    await until(has_arrived)
    assert await subjects(ben, INBOX) == ["Offline"]
    for device in (laptop, phone):
        await device.sync()
        assert await listed(device.offline) == await listed(device.online)
        assert await device.offline.submissions.get(made.id) == await device.online.submissions.get(made.id)
        assert await place_of(device.offline, item_id) == (SENT, False)
        assert await listed(device.offline, unfinished=True) == []


async def test_mail_is_called_back_on_another_device_without_a_network(office: tuple[Running, Device, Device, Client]) -> None:
    running, laptop, phone, ben = office
    item_id = await laptop.write("ben@rookery.test", subject="Too early")
    made = await laptop.offline.submissions.submit(item_id, undo_seconds=60)
    for device in (laptop, phone):
        await device.sync()
    held = await phone.offline.submissions.get(made.id)
    assert held.state == records.SUBMISSION_STATE_HELD and held == await phone.online.submissions.get(made.id)
    assert (await phone.offline.submissions.cancel(made.id)).state == records.SUBMISSION_STATE_CANCELLED
    assert await place_of(phone.offline, item_id) == (DRAFTS, True)
    running.clock.advance(seconds=30)
    for device in (phone, laptop):
        await device.sync()
        assert await listed(device.offline) == await listed(device.online)
        assert await place_of(device.offline, item_id) == (DRAFTS, True) == await place_of(device.online, item_id)
    assert await subjects(ben, INBOX) == []


async def test_what_the_server_does_not_let_pass_is_told_and_stays_a_draft(
    office: tuple[Running, Device, Device, Client],
) -> None:
    _, laptop, _, _ = office
    item_id = await laptop.write("ben@rookery.test")
    item = await laptop.offline.items.get(item_id)
    getattr(item.summary.message, "from").address = "ben@rookery.test"
    await laptop.offline.items.update(item, ["summary.message.from"])
    made = await laptop.offline.submissions.submit(item_id)
    await laptop.sync()
    [(operation, result)] = laptop.replica.rejected()
    assert operation.submit.submission_id == made.id and "no address of yours" in result.error.message
    assert await place_of(laptop.offline, item_id) == (DRAFTS, True) and await listed(laptop.offline) == []


async def test_an_edit_that_was_made_elsewhere_keeps_a_draft_from_leaving_only_if_that_is_asked_for(
    office: tuple[Running, Device, Device, Client],
) -> None:
    _, laptop, phone, _ = office
    asked, unasked = await laptop.write("ben@rookery.test"), await laptop.write("ben@rookery.test")
    await laptop.sync()
    etag = (await laptop.offline.items.get(asked)).content_revision
    await laptop.offline.submissions.submit(asked, etag=etag)
    await laptop.offline.submissions.submit(unasked)
    for item_id in (asked, unasked):
        item = item_pb2.Item(id=item_id, summary=item_pb2.ItemSummary(subject="Better"))
        await phone.online.items.update(item, ["summary.subject"])
    await laptop.sync()
    [(operation, _)] = laptop.replica.rejected()
    assert operation.submit.item_id == asked
    assert await place_of(laptop.online, asked) == (DRAFTS, True)
    assert not (await place_of(laptop.online, unasked))[1]


async def test_both_clients_refuse_alike(office: tuple[Running, Device, Device, Client]) -> None:
    _, laptop, _, _ = office
    item_id = await laptop.write()
    await laptop.sync()
    for client in (laptop.online, laptop.offline):
        with pytest.raises(FailedPrecondition) as caught:
            await client.submissions.submit(item_id)
        assert caught.value.reason == "NO_RECIPIENTS"
