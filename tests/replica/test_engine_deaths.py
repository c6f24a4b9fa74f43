"""A program that dies at any step of a synchronisation, and is begun again: nothing is lost and nothing is left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from rookery_core.errors import FailedPrecondition, Unavailable
from tests.support.engine_fixtures import Device
from tests.support.sync_fakes import SmallMailbox

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable

Result = TypeVar("Result")
MANY = 25


class Died(Exception):
    """The end of the program, in one of its threads."""


class MortalWorker:
    """A worker that does so many pieces of work, and dies when it is to do the next."""

    def __init__(self, left: int) -> None:
        self.left = left

    async def do(self, work: Callable[[], Result]) -> Result:
        if not self.left:
            raise Died
        self.left -= 1
        return work()

    def close(self) -> None:
        pass


@pytest.fixture
def mailbox():
    mailbox = SmallMailbox(page=10)
    for number in range(MANY):
        mailbox.add(f"Message {number}")
    return mailbox


async def from_an_empty_replica(path: pathlib.Path, mailbox: SmallMailbox) -> Device:
    """A replica that knows of another epoch, and holds nothing."""
    device = Device(path, mailbox)
    device.replica.finish_reconcile("00:1:.", b"before the restore", 1)
    return device


async def from_before_a_restore(path: pathlib.Path, mailbox: SmallMailbox) -> Device:
    """A replica that holds what the server has lost, has made and changed something since the backup, and waits with more."""
    device = Device(path, mailbox)
    await device.sync()
    mailbox.back_up()
    lost = mailbox.add("Lost with the disk")
    made = device.create("Made, and lost with the disk")
    device.rename(min(mailbox.items), "Renamed, and lost with the disk")
    await device.sync()
    mailbox.delete(max(mailbox.items.keys() - {lost, made}))
    device.rename(lost, "Lost, and renamed since")
    device.mark(made)
    device.create("Made offline")
    mailbox.restore_from_backup()
    return device


@pytest.mark.parametrize("begin", [from_an_empty_replica, from_before_a_restore])
async def test_a_program_that_dies_at_any_step_of_a_comparison_comes_to_the_same_end(tmp_path, begin):
    ended: list[list[str]] = []
    for step in range(1000):
        mailbox = SmallMailbox(page=10)
        for number in range(MANY):
            mailbox.add(f"Message {number}")
        device = await begin(tmp_path / f"{step}.replica", mailbox)
        try:
            await device.sync(worker=MortalWorker(step))
        except Died:
            await device.sync()
            died = True
        else:
            died = False
        assert dict(device.replica.entries(b"", b"")) == {key: held.item.revision for key, held in mailbox.items.items()}
        assert device.subjects() == mailbox.subjects()
        assert (device.replica.rejected(), device.replica.waiting(10, 1 << 20), device.replica.lost()) == ([], [], [])
        ended.append(mailbox.subjects())
        device.replica.close()
        if not died:
            break
    assert len(ended) > 10
    assert all(subjects == ended[-1] for subjects in ended)


async def test_failures_of_the_network_do_not_keep_a_server_from_being_compared_with(mailbox, tmp_path):
    device = Device(tmp_path / "anna.replica", mailbox)
    await device.sync()
    mailbox.delete(min(mailbox.items))
    mailbox.fail("pull", Unavailable("SERVER_UNREACHABLE", "nobody listens"), times=3)
    mailbox.fail("pull", FailedPrecondition("CURSOR_EXPIRED", "the cursor is too old"))
    await device.sync()
    assert device.subjects() == mailbox.subjects()
    device.replica.close()
