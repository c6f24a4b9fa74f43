"""The demonstration: two people with real-looking content, the same after every start."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import grpc.aio

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.folder_pb2_grpc import FolderServiceStub
from rookery.v1.item_service_pb2_grpc import ItemServiceStub
from rookery_core.rules.ids import RandomIds
from rookery_server.cli.demo_content.people import ANNA, BEN
from rookery_server.cli.demo_fill import PASSWORDS
from tests.support.fakes import FakeClock
from tests.support.server import Running, bearer, rookeryd

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


@contextlib.contextmanager
def demo(folder: pathlib.Path, *, until: str = "rookeryd: serving on ") -> Iterator[list[str]]:
    """Runs the demonstration, until a line begins so; gives what it printed. Ended with SIGTERM."""
    command = [str(rookeryd()), "demo", "--data", str(folder), "--listen", "127.0.0.1:0"]
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((folder.parent / "demo.log").open("a"))
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True))
        assert process.stdout is not None
        printed: list[str] = []
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith(until):
                break
        try:
            yield printed
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


async def counts(address: str) -> dict[str, dict[str, int]]:
    """Items by folder, for each of the two."""
    clock = FakeClock(time.time_ns() // 1000)
    found: dict[str, dict[str, int]] = {}
    async with grpc.aio.insecure_channel(address) as channel:
        running = Running(address, channel, channel, clock, RandomIds(clock))
        for person in (ANNA, BEN):
            login = await running.sign_in(person.address, PASSWORDS[person])
            metadata = bearer(login.tokens.access_token)
            listed = await FolderServiceStub(channel).ListFolders(folder_pb2.ListFoldersRequest(), metadata=metadata)
            found[person.address] = {folder.name: folder.item_count for folder in listed.folders}
    return found


async def test_the_first_start_fills_two_mailboxes_and_a_second_one_keeps_them(tmp_path: pathlib.Path) -> None:
    with demo(tmp_path / "demo") as printed:
        address = printed[-1].split()[-1]
        assert any(ANNA.address in line and PASSWORDS[ANNA] in line for line in printed)
        assert f"  rookery login {ANNA.address} --server {address}" in printed
        first = await counts(address)
    for folders in first.values():
        assert all(folders[name] for name in ("Inbox", "Sent Items", "Calendar", "Tasks", "Contacts", "Notes", "Newsletters"))
        assert sum(folders.values()) > 60
    with demo(tmp_path / "demo") as printed:
        assert not any("Made two mailboxes" in line for line in printed)
        assert await counts(printed[-1].split()[-1]) == first


async def test_a_first_start_that_broke_off_is_finished_without_anything_twice(tmp_path: pathlib.Path) -> None:
    with demo(tmp_path / "whole") as printed:
        whole = await counts(printed[-1].split()[-1])
    with demo(tmp_path / "demo"):
        pass
    # As if the start had been killed after the last import: the note that all is done is not there yet.
    (tmp_path / "demo" / "demo.filled").rename(tmp_path / "demo" / "demo.begun")
    with demo(tmp_path / "demo") as printed:
        assert "Made two mailboxes with 0 messages, appointments, tasks and contacts." in printed
        assert await counts(printed[-1].split()[-1]) == whole


async def test_there_is_something_unread_flagged_categorised_and_attached(tmp_path: pathlib.Path) -> None:
    with demo(tmp_path / "demo") as printed:
        clock, address = FakeClock(time.time_ns() // 1000), printed[-1].split()[-1]
        async with grpc.aio.insecure_channel(address) as channel:
            running = Running(address, channel, channel, clock, RandomIds(clock))
            metadata = bearer((await running.sign_in(ANNA.address, PASSWORDS[ANNA])).tokens.access_token)
            get = folder_pb2.GetFolderRequest(role=folder_pb2.FOLDER_ROLE_INBOX)
            inbox = (await FolderServiceStub(channel).GetFolder(get, metadata=metadata)).folder
            request = item_service_pb2.ListItemsRequest(folder_id=inbox.id, page_size=200)
            items = (await ItemServiceStub(channel).ListItems(request, metadata=metadata)).items
    assert any(not item.state.read for item in items)
    assert any(item.state.follow_up.status == item_pb2.FLAG_STATUS_FLAGGED for item in items)
    assert any(item.state.categories for item in items)
    assert any(item.summary.has_attachments for item in items)
    conversations = [item.summary.conversation_id for item in items]
    assert len(set(conversations)) < len(conversations)
