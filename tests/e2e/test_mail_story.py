"""The whole story of mail: two people with two devices each, a Postfix that is everybody else, and a server that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import dkim_service_pb2, item_pb2, queue_service_pb2
from rookery.v1 import submission_pb2 as records
from rookery.v1.dkim_service_pb2_grpc import DkimServiceStub
from rookery.v1.queue_service_pb2_grpc import QueueServiceStub
from rookery_core.rules.ids import text_of
from tests.e2e.mail_devices import Device, device, eventually
from tests.e2e.outside import BEN, CLEO, GONE, HAS_LEFT, HOME, NO_USER, NOBODY, Outside, running_outside
from tests.gateway.postfix import free_port
from tests.support.server import ServerProcess, rookeryd

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Iterator

    from tests.support.server import Running

ANNA, DORA = f"anna@{HOME}", f"dora@{HOME}"
PICTURE = bytes(range(256)) * 400
DELIVERED, RELAYED, QUEUED, FAILED = (
    records.DeliveryState.Value(f"DELIVERY_STATE_{name}") for name in ("DELIVERED", "RELAYED", "QUEUED", "FAILED")
)
HELD, CANCELLED = records.SUBMISSION_STATE_HELD, records.SUBMISSION_STATE_CANCELLED
OWN_REPORT, THEIR_REPORT = "Not delivered: Otters", "Undelivered Mail Returned to Sender"


@dataclass(frozen=True)
class Post:
    """The server, the world outside, and everybody's devices. The laptops synchronise when they are told to, the phones follow."""

    process: ServerProcess
    outside: Outside
    signature: str
    """The record of the key that signs."""
    laptop: Device
    phone: Device
    doras_laptop: Device
    doras_phone: Device

    async def anna_sees(self, **folders: list[str]) -> None:
        """Waits until both of Anna's devices show these subjects, and nothing else."""
        for each in (self.phone, self.laptop):
            await each.shows(**folders)

    async def dora_sees(self, **folders: list[str]) -> None:
        """The same for Dora."""
        for each in (self.doras_phone, self.doras_laptop):
            await each.shows(**folders)

    async def queued(self) -> dict[str, bool]:
        """Who waits in the server's queue, and whether that is being tried."""
        async with self.process.connected() as server:
            queue: Any = QueueServiceStub(server.machine)
            listed = (await queue.ListQueue(queue_service_pb2.ListQueueRequest())).recipients
        return {one.recipient.person.address: one.is_leased for one in listed}


@contextlib.contextmanager
def running_server(folder: pathlib.Path, outside: Outside, database_url: str) -> Iterator[ServerProcess]:
    """`rookeryd serve`, which always has the same ports; on PostgreSQL, `rookeryd gateway` does the sending."""
    way = ["--mail-delivery", "smarthost", "--smarthost", outside.smarthost, "--mail-name", f"mx.{HOME}"]
    listeners = ["--lmtp", f"127.0.0.1:{outside.doors.lmtp}", "--smtp", f"127.0.0.1:{outside.doors.smtp}"]
    has_gateway = database_url.startswith("postgresql:")
    apart = ["--no-gateway"] if has_gateway else []
    process = ServerProcess(folder, "--database-url", database_url, *way, *listeners, *apart, listen=f"127.0.0.1:{free_port()}")
    with contextlib.ExitStack() as stack:
        process.start()
        stack.callback(process.kill)
        if has_gateway:
            command = [str(rookeryd()), "gateway", "--data", f"{folder}-2", "--database-url", database_url, *way]
            log = stack.enter_context(folder.with_suffix(".gateway").open("wb"))
            gateway = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
            stack.callback(gateway.terminate)
            assert gateway.stdout is not None
            assert "ready" in gateway.stdout.readline()
        yield process


async def signing(process: ServerProcess, server: Running) -> str:
    """Makes a key that signs from now on; gives its record."""
    command = [rookeryd(), "dkim", "create", HOME, "--json", "--data", process.folder]
    made = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=60)
    key: dict[str, str] = json.loads(made.stdout)
    service: Any = DkimServiceStub(server.machine)
    activation = dkim_service_pb2.SetDkimKeyActiveRequest(
        operation_id=server.ids.new(), domain=HOME, selector=key["selector"], active=True
    )
    await service.SetDkimKeyActive(activation)
    return key["record_value"]


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """The world outside, started once."""
    with running_outside() as running:
        yield running


@pytest.fixture
async def post(database_url: str, outside: Outside, tmp_path: pathlib.Path) -> AsyncIterator[Post]:
    """Everything set up, and no mail yet: on SQLite, and on PostgreSQL with the gateway in a process of its own."""
    outside.clear()
    with running_server(tmp_path / "data", outside, database_url) as process:
        async with process.connected() as server, contextlib.AsyncExitStack() as devices:
            for name in ("anna", "dora"):
                await server.add_account(name, display_name=name.title())

            async def new(name: str, address: str, *, follows: bool) -> Device:
                return await devices.enter_async_context(device(tmp_path / name, server, address, follows=follows))

            signature, *all_devices = await asyncio.gather(
                signing(process, server),
                new("laptop", ANNA, follows=False),
                new("phone", ANNA, follows=True),
                new("doras-laptop", DORA, follows=False),
                new("doras-phone", DORA, follows=True),
            )
            yield Post(process, outside, signature, *all_devices)
    sys.stderr.write(process.log() + (outside.postfix.folder / "log").read_text("utf-8"))  # seen where the test has failed


async def test_the_whole_story_of_mail(post: Post) -> None:
    sent = await a_letter_is_written_without_a_network(post)
    await it_leaves_and_the_server_is_killed_while_the_others_do_not_answer(post, sent)
    await each_has_it_once_and_its_sender_knows_what_came_of_it(post, sent)
    await the_reports_name_what_they_are_about(post, sent)
    await an_answer_from_outside_joins_the_conversation(post, sent)
    await a_colleague_answers_without_a_network(post, sent)
    await another_letter_is_called_back_in_time(post)
    await all_is_done_and_every_device_has_what_the_server_has(post)


async def a_letter_is_written_without_a_network(post: Post) -> records.Submission:
    laptop = post.laptop
    (laptop.folder / "otter.png").write_bytes(PICTURE)
    to = ("--to", f"Dora <{DORA}>, {CLEO}", "--cc", f"{NOBODY}, {GONE}", "--bcc", BEN)
    letter = ("--subject", "Otters", "--attach", str(laptop.folder / "otter.png"))
    printed = await laptop.run("--offline", "send", *to, *letter, stdin="Have you seen the otters?\n")
    [waiting] = await laptop.submissions(unfinished=True)
    assert printed == f"{text_of(waiting.id)}\n"
    assert [item.summary.subject for item in await laptop.items("outbox")] == ["Otters"]
    await post.phone.shows()
    return waiting


async def it_leaves_and_the_server_is_killed_while_the_others_do_not_answer(post: Post, sent: records.Submission) -> None:
    with post.outside.postfix.standing_still():
        await post.laptop.run("sync")
        await eventually(post.queued, dict.fromkeys((CLEO, NOBODY, GONE, BEN), True))
        await post.dora_sees(inbox=["Otters"])
        await asyncio.to_thread(post.process.kill)
        [before] = await post.laptop.submissions()
        assert before.id == sent.id and before.revision
        assert {one.state for one in before.recipients if one.person.address != DORA} == {QUEUED}
        await asyncio.to_thread(post.process.start)


async def each_has_it_once_and_its_sender_knows_what_came_of_it(post: Post, sent: records.Submission) -> None:
    await post.anna_sees(sent=["Otters"], inbox=[OWN_REPORT, THEIR_REPORT])
    for each in (post.laptop, post.phone):
        await eventually(each.on_its_way, [])
        [found] = await each.submissions()
        assert (found.id, found.item_id, found.state) == (sent.id, sent.item_id, records.SUBMISSION_STATE_FINAL)
        said = {one.person.address: (one.state, one.status_code, one.reply) for one in found.recipients}
        for taken in (CLEO, BEN):
            assert re.fullmatch(r"250 Ok:.* queued as \w+", said.pop(taken)[2])
        assert said.pop(DORA)[0] == DELIVERED
        assert said == {NOBODY: (FAILED, "5.1.1", NO_USER), GONE: (FAILED, "5.2.1", HAS_LEFT)}
        own = await each.offline.items.get(sent.item_id)
        assert BEN in [recipient.person.address for recipient in own.content.recipients]
    await post.dora_sees(inbox=["Otters"])
    for each in (post.doras_laptop, post.doras_phone):
        came = await each.item("inbox", "Otters")
        assert [recipient.person.address for recipient in came.content.recipients] == [DORA, CLEO, NOBODY, GONE]
        assert [attachment.size_bytes for attachment in came.content.attachments] == [len(PICTURE)]
    for stranger in (CLEO, BEN):
        [letter] = await post.outside.mailbox(stranger, 1)
        assert letter.is_signed(post.signature)
        assert letter.message["Bcc"] is None and (BEN.encode() in letter.data) == (stranger == BEN)
        [picture] = [part.get_content() for part in letter.message.iter_attachments()]
        assert picture == PICTURE


async def the_reports_name_what_they_are_about(post: Post, sent: records.Submission) -> None:
    for each in (post.laptop, post.phone):
        [found] = await each.submissions()
        about = {one.person.address: one.report_item_id for one in found.recipients}
        for address, subject in ((NOBODY, OWN_REPORT), (GONE, THEIR_REPORT)):
            report = await each.item("inbox", subject)
            assert about.pop(address) == report.id and report.summary.message.is_report
            told = report.content.message.report
            assert told.submission_id == sent.id and [one.address for one in told.recipients] == [address]
        assert set(about.values()) == {b""}
    shown = await post.laptop.run("outbox", "show", text_of(sent.id))
    assert HAS_LEFT.split()[-1] in shown and "queued as" in shown


async def an_answer_from_outside_joins_the_conversation(post: Post, sent: records.Submission) -> None:
    [letter] = await post.outside.mailbox(CLEO, 1)
    await post.outside.answer(letter, "Two of them!\n", author=CLEO)
    await post.anna_sees(sent=["Otters"], inbox=["Re: Otters", OWN_REPORT, THEIR_REPORT])
    await post.dora_sees(inbox=["Otters", "Re: Otters"])
    for each in (post.laptop, post.phone):
        question, answer = await each.offline.items.get(sent.item_id), await each.item("inbox", "Re: Otters")
        assert answer.summary.conversation_id == question.summary.conversation_id
        assert answer.content.body.text == "Two of them!\n" and getattr(answer.summary.message, "from").address == CLEO
    for each in (post.doras_laptop, post.doras_phone):
        question, answer = await each.item("inbox", "Otters"), await each.item("inbox", "Re: Otters")
        assert answer.summary.conversation_id == question.summary.conversation_id


async def a_colleague_answers_without_a_network(post: Post, sent: records.Submission) -> None:
    asked = await post.doras_laptop.item("inbox", "Re: Otters")
    to = ("--to", ANNA, "--subject", "Re: Otters, counted")
    await post.doras_laptop.run("--offline", "reply", text_of(asked.id), *to, stdin="Three.\n")
    await post.doras_laptop.catch_up()
    await post.dora_sees(inbox=["Otters", "Re: Otters"], sent=["Re: Otters, counted"])
    await post.anna_sees(sent=["Otters"], inbox=["Re: Otters", "Re: Otters, counted", OWN_REPORT, THEIR_REPORT])
    for each in (post.laptop, post.phone):
        answer = await each.item("inbox", "Re: Otters, counted")
        assert answer.summary.conversation_id == (await each.offline.items.get(sent.item_id)).summary.conversation_id
    _, answer = await post.outside.mailbox(CLEO, 2)
    assert answer.message["Subject"] == "Re: Otters, counted" and answer.is_signed(post.signature)


async def another_letter_is_called_back_in_time(post: Post) -> None:
    """Written on the phone, called back on the laptop."""
    draft = item_pb2.Item()
    draft.summary.kind, draft.summary.subject, draft.summary.message.draft = item_pb2.ITEM_KIND_MESSAGE, "Too early", True
    for address in (DORA, CLEO):
        draft.content.recipients.add().person.address = address
    item_id = (await post.phone.offline.items.create(draft)).id
    held = await post.phone.offline.submissions.submit(item_id, undo_seconds=60)
    inbox = ["Re: Otters", "Re: Otters, counted", OWN_REPORT, THEIR_REPORT]
    await post.anna_sees(sent=["Otters"], inbox=inbox, outbox=["Too early"])
    assert [(one.id, one.state) for one in await post.laptop.submissions(unfinished=True)] == [(held.id, HELD)]
    await post.laptop.run("unsend", text_of(held.id))
    await post.anna_sees(sent=["Otters"], inbox=inbox, drafts=["Too early"])
    for each in (post.laptop, post.phone):
        assert (await each.offline.submissions.get(held.id)).state == CANCELLED
        assert (await each.offline.items.get(item_id)).summary.message.draft


async def all_is_done_and_every_device_has_what_the_server_has(post: Post) -> None:
    assert await post.queued() == {}
    await post.dora_sees(inbox=["Otters", "Re: Otters"], sent=["Re: Otters, counted"])
    assert (len(await post.outside.mailbox(CLEO, 2)), len(await post.outside.mailbox(BEN, 1))) == (2, 1)
    for each in (post.laptop, post.phone, post.doras_laptop, post.doras_phone):
        assert await each.on_its_way() == []
        await each.equals_the_server()
