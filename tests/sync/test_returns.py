"""Items that were lost when the server was restored from a backup, and that several devices bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import item_pb2, sync_pb2
from rookery.v1.item_pb2 import Attachment, Item
from rookery.v1.sync_pb2 import PUSH_OUTCOME_APPLIED, PUSH_OUTCOME_CONFLICT, PUSH_OUTCOME_MERGED, PUSH_OUTCOME_REJECTED
from rookery_server.store import backup
from tests.sync.acts import SOFTLY
from tests.sync.devices import Fleet, reason

if TYPE_CHECKING:
    from rookery.v1.sync_pb2 import SyncOperation
    from tests.support.world import Person, World
    from tests.sync.devices import Device

OLD, NEW = 500, 900
"""Revisions of versions, from before the restore."""


@pytest.fixture
async def fleet(world: World, anna: Person) -> Fleet:
    """Devices of a mailbox that was restored."""
    await world.database.write(
        lambda transaction: backup.begin_epoch(transaction.connection, world.ids.new, world.clock.micros(), {})
    )
    return Fleet(world, anna)


def version(device: Device, item_id: bytes, revision: int, subject: str, text: str = "", *, at: float = -100) -> SyncOperation:
    """A version of an item as a device has it, edited last ``at`` so many seconds from now."""
    item = Item(id=item_id, revision=revision)
    item.summary.kind, item.summary.subject, item.content.body.text = item_pb2.ITEM_KIND_MESSAGE, subject, text
    return device.operation(create_item={"item": item}, at=at)


async def content(fleet: Fleet, item_id: bytes) -> tuple[str, str]:
    item = await fleet.world.get(fleet.person, item_id)
    return item.summary.subject, item.content.body.text


@pytest.mark.parametrize("newest_first", [True, False])
async def test_the_newest_version_holds_whichever_comes_first(fleet: Fleet, *, newest_first: bool) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    old, new = version(phone, item_id, OLD, "Old", "text", at=-200), version(desk, item_id, NEW, "New", "longer text")
    results = [await desk.do(new), await phone.do(old)] if newest_first else [await phone.do(old), await desk.do(new)]
    assert await content(fleet, item_id) == ("New", "longer text")
    assert results[0].outcome == PUSH_OUTCOME_APPLIED
    assert (results[1].outcome, reason(results[1])) in {(PUSH_OUTCOME_REJECTED, "ID_TAKEN"), (PUSH_OUTCOME_MERGED, "")}
    assert await fleet.conflicts() == []


async def test_the_same_version_from_two_devices_is_taken_once(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await phone.do(version(phone, item_id, NEW, "Same"))
    before = await fleet.revision()
    assert reason(await desk.do(version(desk, item_id, NEW, "Same"))) == "ID_TAKEN"
    assert await fleet.revision() == before


async def test_an_edit_that_is_older_than_what_a_version_has_in_it_does_not_win(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await desk.do(version(desk, item_id, NEW, "Subject", "edited last", at=-100))
    phone.base = OLD
    result = await phone.do(phone.rewrite(item_id, "edited before", at=-200))
    assert (result.outcome, list(result.lost_units)) == (PUSH_OUTCOME_CONFLICT, ["body"])
    assert await content(fleet, item_id) == ("Subject", "edited last")
    assert (await fleet.conflict(item_id, phone)).content.body.text == "edited before"


async def test_an_edit_that_a_version_has_in_it_changes_nothing(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await desk.do(version(desk, item_id, NEW, "Renamed by the phone", "edited last"))
    phone.base = OLD
    result = await phone.do(phone.rename(item_id, "Renamed by the phone", at=-200))
    assert result.outcome == PUSH_OUTCOME_MERGED
    assert await content(fleet, item_id) == ("Renamed by the phone", "edited last")


async def test_an_edit_that_knew_the_version_applies_without_a_conflict_whatever_its_clock_says(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await desk.do(version(desk, item_id, NEW, "Subject", at=-100))
    phone.base = NEW
    assert (await phone.do(phone.rename(item_id, "Knew it", at=-1000))).outcome == PUSH_OUTCOME_APPLIED
    assert await content(fleet, item_id) == ("Knew it", "")


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (0, 2, 1), (1, 2, 0)])
async def test_versions_and_an_edit_that_waits_come_to_the_same_in_any_order(fleet: Fleet, order: tuple[int, ...]) -> None:
    item_id, phone, desk, tablet = fleet.world.ids.new(), fleet.device(), fleet.device(), fleet.device()
    tablet.base = OLD
    old = version(phone, item_id, OLD, "Old", "old text", at=-300)
    new = version(desk, item_id, NEW, "New", "new text", at=-200)
    edit = tablet.rename(item_id, "Renamed since", at=-100)
    sent = [(phone, old), (desk, new), (tablet, edit)]
    for number in order:
        device, operation = sent[number]
        await device.do(operation)
    assert await content(fleet, item_id) == ("Renamed since", "new text")


async def test_a_version_that_the_backup_did_not_have_replaces_the_one_that_it_had(world: World, anna: Person) -> None:
    fleet = Fleet(world, anna)
    desk, phone, other = fleet.device(), fleet.device(), fleet.device()
    item_id = world.ids.new()
    made = version(desk, item_id, 0, "As in the backup", "old text")
    await desk.do(made)
    lost, later = await fleet.revision() + 5, await fleet.revision() + 9
    await world.database.write(
        lambda transaction: backup.begin_epoch(transaction.connection, world.ids.new, world.clock.micros(), {})
    )
    assert (await phone.do(version(phone, item_id, later, "Written last", "new text"))).outcome == PUSH_OUTCOME_MERGED
    assert reason(await other.do(version(other, item_id, lost, "Written between", "new text", at=-200))) == "ID_TAKEN"
    assert await content(fleet, item_id) == ("Written last", "new text")
    assert await fleet.conflicts() == []


async def test_a_version_that_meets_an_edit_of_what_the_backup_had_is_kept_if_it_loses(world: World, anna: Person) -> None:
    fleet = Fleet(world, anna)
    desk, phone = fleet.device(), fleet.device()
    item_id = world.ids.new()
    await desk.do(version(desk, item_id, 0, "As in the backup", "old text"))
    phone.base = await fleet.revision()
    await world.database.write(
        lambda transaction: backup.begin_epoch(transaction.connection, world.ids.new, world.clock.micros(), {})
    )
    await phone.do(phone.rename(item_id, "Renamed later, without a network", at=-50))
    result = await desk.do(version(desk, item_id, phone.base + 2, "Renamed before, and lost", "new text", at=-100))
    assert (result.outcome, list(result.lost_units)) == (PUSH_OUTCOME_CONFLICT, ["summary.subject"])
    assert await content(fleet, item_id) == ("Renamed later, without a network", "new text")
    assert (await fleet.conflict(item_id, desk)).summary.subject == "Renamed before, and lost"


async def test_a_version_does_not_win_against_what_was_written_after_the_restore(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await phone.do(version(phone, item_id, OLD, "Old", "old text", at=-200))
    await phone.see()
    await phone.do(phone.rename(item_id, "Written after the restore"))
    result = await desk.do(version(desk, item_id, NEW, "New", "new text", at=-100))
    assert (result.outcome, list(result.lost_units)) == (PUSH_OUTCOME_CONFLICT, ["summary.subject"])
    assert await content(fleet, item_id) == ("Written after the restore", "new text")


async def test_a_newer_version_adds_the_attachments_that_are_missing(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    old, new = version(phone, item_id, OLD, "Old", at=-200), version(desk, item_id, NEW, "New")
    for operation, names in ((old, ["a.txt"]), (new, ["a.txt", "b.txt"])):
        for number, name in enumerate(names, 5):
            upload_id = await fleet.upload(b"bytes")
            attachment = Attachment(id=number, name=name, media_type="text/plain", size_bytes=5, upload_id=upload_id)
            operation.create_item.item.content.attachments.append(attachment)
    await phone.do(old)
    result = await desk.do(new)
    assert result.outcome == sync_pb2.PUSH_OUTCOME_MERGED
    attached = (await fleet.world.get(fleet.person, item_id)).content.attachments
    assert [(each.id, each.name, each.size_bytes) for each in attached] == [(1, "a.txt", 5), (2, "b.txt", 5)]


async def test_a_version_does_not_revive_what_was_deleted_after_it_came_back(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await phone.do(version(phone, item_id, OLD, "Old", at=-200))
    await fleet.world.delete(fleet.person, [item_id], SOFTLY)
    assert reason(await desk.do(version(desk, item_id, NEW, "New"))) == "ID_TAKEN"
    assert (await fleet.world.get(fleet.person, item_id)).life == item_pb2.ITEM_LIFE_RECOVERABLE


async def test_what_a_device_says_of_a_revision_that_never_was_is_not_believed(fleet: Fleet) -> None:
    item_id, phone, desk = fleet.world.ids.new(), fleet.device(), fleet.device()
    await phone.do(version(phone, item_id, 1 << 62, "Subject", at=-200))
    await desk.see()
    assert (await desk.do(desk.rename(item_id, "Seen and renamed"))).outcome == PUSH_OUTCOME_APPLIED
    assert await content(fleet, item_id) == ("Seen and renamed", "")
