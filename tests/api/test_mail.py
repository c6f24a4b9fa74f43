"""Sending through a whole server: to colleagues at once, to others through a smarthost, or into the folder for captured mail."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import grpc.aio
import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1 import submission_service_pb2 as messages
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery.v1.submission_service_pb2_grpc import SubmissionServiceStub
from rookery_core.errors import InvalidArgument
from rookery_server.bootstrap import CAPTURED
from rookery_server.gateway import smarthosts
from rookery_server.gateway.security import Level
from tests.gateway.postfix import free_port, running_sink
from tests.support.mail import until
from tests.support.server import serving, settings_of

if TYPE_CHECKING:
    import pathlib

    from tests.support.server import Person, Running

RELAYED, DELIVERED = records.DELIVERY_STATE_RELAYED, records.DELIVERY_STATE_DELIVERED


class Mail:
    """Somebody who sends and reads."""

    def __init__(self, running: Running, person: Person) -> None:
        self._running = running
        self._metadata = person.metadata
        self._items: Any = ItemServiceStub(running.channel)
        self._folders: Any = FolderServiceStub(running.channel)
        self._submissions: Any = SubmissionServiceStub(running.channel)

    async def send(self, *recipients: str, text: str = "Hello\n", **fields: Any) -> records.Submission:
        draft = item_pb2.Item()
        draft.summary.kind = item_pb2.ITEM_KIND_MESSAGE
        draft.summary.subject, draft.summary.message.draft, draft.content.body.text = "A letter", True, text
        for address in recipients:
            draft.content.recipients.add().person.address = address
        creation = item_service_pb2.CreateItemRequest(operation_id=self._running.ids.new(), item=draft)
        item_id = (await self._items.CreateItem(creation, metadata=self._metadata)).item.id
        request = messages.SubmitRequest(operation_id=self._running.ids.new(), item_id=item_id, **fields)
        found: records.Submission = (await self._submissions.Submit(request, metadata=self._metadata)).submission
        return found

    async def states(self, submission: records.Submission) -> list[int]:
        request = messages.GetSubmissionRequest(submission_id=submission.id)
        found = (await self._submissions.GetSubmission(request, metadata=self._metadata)).submission
        return [each.state for each in found.recipients]

    async def arrives(self, submission: records.Submission, *states: int) -> None:
        async def has_arrived() -> bool:
            return await self.states(submission) == list(states)

        await until(has_arrived)

    async def within(self, role: int) -> list[item_pb2.Item]:
        request = folder_pb2.GetFolderRequest(role=folder_pb2.FolderRole.ValueType(role))
        folder = (await self._folders.GetFolder(request, metadata=self._metadata)).folder
        listing = item_service_pb2.ListItemsRequest(folder_id=folder.id)
        return list((await self._items.ListItems(listing, metadata=self._metadata)).items)


@contextlib.asynccontextmanager
async def office(folder: pathlib.Path, **flags: object) -> Any:
    """A server, and two people who work there."""
    async with serving(settings_of(folder, **flags)) as running:
        yield [Mail(running, await running.add_person(name)) for name in ("anna", "ben")]


async def test_colleagues_have_it_at_once_and_strangers_are_captured(tmp_path: pathlib.Path) -> None:
    async with office(tmp_path) as (anna, ben):
        sent = await anna.send("ben@rookery.test", "far@other.test")
        await anna.arrives(sent, DELIVERED, RELAYED)
        [came] = await ben.within(folder_pb2.FOLDER_ROLE_INBOX)
        assert came.summary.subject == "A letter" and not came.state.read
        assert len(await anna.within(folder_pb2.FOLDER_ROLE_SENT)) == 1
    [captured] = (tmp_path / CAPTURED).iterdir()
    assert b"far@other.test" in captured.read_bytes()


async def test_mail_leaves_through_a_smarthost(tmp_path: pathlib.Path) -> None:
    with running_sink() as sink:
        way = {"mail_delivery": "smarthost", "smarthost": f"smtp://127.0.0.1:{sink.port}", "mail_name": "mail.rookery.test"}
        async with office(tmp_path, **way) as (anna, _):
            sent = [await anna.send("a@one.test", "b@two.test", text=f"Letter {number}\n") for number in range(5)]
            for each in sent:
                await anna.arrives(each, RELAYED, RELAYED)
        found = sink.messages()
    assert len(found) == 10
    assert all(b"Letter" in message for message in found)
    assert not (tmp_path / CAPTURED).exists()


async def test_a_message_waits_while_the_smarthost_is_not_there(tmp_path: pathlib.Path) -> None:
    way = {"mail_delivery": "smarthost", "smarthost": f"smtp://127.0.0.1:{free_port()}"}
    async with office(tmp_path, **way) as (anna, _):
        await anna.arrives(await anna.send("a@one.test"), records.DELIVERY_STATE_DEFERRED)


async def test_what_a_server_had_accepted_is_delivered_by_the_next(tmp_path: pathlib.Path) -> None:
    async with serving(settings_of(tmp_path)) as running:
        person = await running.add_person("anna")
        sent = await Mail(running, person).send("anna@rookery.test", undo_seconds=30)
        clock = running.clock
    clock.advance(seconds=31)
    async with serving(settings_of(tmp_path), clock) as running:
        anna = Mail(running, person)
        await anna.arrives(sent, DELIVERED)
        assert len(await anna.within(folder_pb2.FOLDER_ROLE_INBOX)) == 1


async def test_a_refused_submission_tells_why(tmp_path: pathlib.Path) -> None:
    async with office(tmp_path) as (anna, _):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await anna.send("no address")
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and "no address" in str(refused.value.details())


@pytest.mark.parametrize(
    ("url", "port", "level", "immediate", "user"),
    [
        ("smtp://relay.test", 25, Level.MAY, False, None),
        ("smtp://relay.test:2525", 2525, Level.MAY, False, None),
        ("smtp://anna:pass%40word@relay.test", 587, Level.VERIFY, False, "anna"),
        ("smtps://anna:pass%40word@relay.test", 465, Level.VERIFY, True, "anna"),
        ("smtps://relay.test:10465", 10465, Level.VERIFY, True, None),
    ],
)
def test_a_smarthost_is_written_as_a_url(url: str, port: int, level: Level, immediate: bool, user: str | None) -> None:
    found = smarthosts.parse(url)
    assert (found.host, found.port, found.level, found.immediate_tls) == ("relay.test", port, level, immediate)
    assert (found.credentials and (found.credentials.user, found.credentials.password)) == (user and (user, "pass@word"))


@pytest.mark.parametrize(
    "url", ["relay.test", "http://relay.test", "smtp://", "smtp://relay.test:port", "smtp://relay.test/x", "smtp://[::1"]
)
def test_what_is_no_smarthost_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="smtps://USER"):
        smarthosts.parse(url)


@pytest.mark.parametrize("flags", [{"mail_delivery": "smarthost"}, {"smarthost": "smtp://relay.test"}])
def test_a_smarthost_and_the_way_through_it_belong_together(flags: dict[str, str], tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidArgument, match="belong together"):
        settings_of(tmp_path, **flags)
