"""Conflicts: the versions that lost are there to be listed, looked at, restored and dismissed, and go when their time is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2, sync_service_pb2
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import Attachment, Item, ItemSummary, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person as Name
from rookery_core.errors import InvalidArgument, NotFound
from rookery_server.services.content.blob_sweep import BlobSweep
from rookery_server.services.items.recoverable_purge import RecoverablePurge
from tests.sync import acts
from tests.sync.devices import Device, Fleet

if TYPE_CHECKING:
    from tests.support.world import Person, World

CONFLICT = sync_pb2.PUSH_OUTCOME_CONFLICT
SUBJECT = "summary.subject"


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.fixture
async def item(fleet: Fleet) -> Item:
    return await fleet.world.item(fleet.person, await fleet.world.folder_of(fleet.person, folder_pb2.FOLDER_ROLE_INBOX), "Before")


@pytest.fixture
async def one(fleet: Fleet, item: Item) -> Device:
    device = fleet.device()
    await device.see()
    return device


@pytest.fixture
async def two(fleet: Fleet, item: Item) -> Device:
    device = fleet.device()
    await device.see()
    return device


async def whole(fleet: Fleet, item_id: bytes) -> Item:
    return await fleet.world.get(fleet.person, item_id)


async def lose(item_id: bytes, loser: Device, winner: Device, text: str = "Lost") -> None:
    """The loser's subject loses against the winner's."""
    await winner.do(winner.rename(item_id, "Won", at=-1))
    assert (await loser.do(loser.rename(item_id, text, at=-2))).outcome == CONFLICT


def adding(device: Device, item_id: bytes, upload_id: bytes) -> Any:
    return device.edit(Item(id=item_id), lists=ListEdits(add_attachments=[Attachment(name="file", upload_id=upload_id)]))


async def test_a_restored_version_is_the_current_one_in_the_units_that_lost(
    fleet: Fleet, item: Item, one: Device, two: Device
) -> None:
    await lose(item.id, one, two)
    await acts.rename(fleet.world, fleet.person, item.id, "Later still")
    await two.do(two.rewrite(item.id, "Another text"))
    restored = await fleet.restore(item.id, one)
    found = await whole(fleet, item.id)
    assert (found.summary.subject, found.content.body.text) == ("Lost", "Another text")
    assert (restored.summary, restored.revision) == (found.summary, await fleet.revision())
    assert await fleet.conflicts() == []
    assert await fleet.versions(item.id) == ([found.content_revision], [])
    result = await two.do(two.rename(item.id, "Late", at=-1))
    assert (result.outcome, result.item.summary.subject) == (CONFLICT, "Lost")  # restoring is an edit that saw everything
    await fleet.world.check_counters(fleet.person)


async def test_what_a_device_loses_later_is_laid_over_what_it_lost_before(
    fleet: Fleet, item: Item, one: Device, two: Device
) -> None:
    winner = Item(id=item.id)
    winner.summary.subject = winner.content.body.text = "Won"
    winner.summary.importance = item_pb2.IMPORTANCE_HIGH
    await two.do(two.edit(winner, SUBJECT, "content.body", "summary.importance", at=-1))
    first = Item(id=item.id)
    first.summary.subject = first.content.body.text = "First"
    await one.do(one.edit(first, SUBJECT, "content.body", at=-3))
    second = Item(id=item.id)
    second.content.body.text = "Second"
    second.summary.importance = item_pb2.IMPORTANCE_LOW
    await one.do(one.edit(second, "content.body", "summary.importance", at=-2))
    (listed,) = await fleet.conflicts()
    assert list(listed.units) == ["body", "summary.importance", SUBJECT]
    kept = await fleet.conflict(item.id, one)
    assert (kept.summary.subject, kept.content.body.text) == ("First", "Second")
    assert (kept.summary.importance, kept.summary.preview) == (item_pb2.IMPORTANCE_LOW, "Second")
    assert len((await fleet.versions(item.id))[0]) == 2
    await fleet.restore(item.id, one)
    found = await whole(fleet, item.id)
    assert (found.summary.subject, found.content.body.text) == ("First", "Second")


async def test_a_stored_version_that_loses_twice_keeps_both_losses(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    both = Item(id=item.id)
    both.summary.subject = both.content.body.text = "One"
    await one.do(one.edit(both, SUBJECT, "content.body", at=-9))
    await two.do(two.rename(item.id, "Two", at=-8))
    assert (await two.do(two.rewrite(item.id, "Two", at=-7))).outcome == CONFLICT
    kept = await fleet.conflict(item.id, one)
    assert (list(kept.units), kept.summary.subject, kept.content.body.text) == (["body", SUBJECT], "One", "One")
    found = await whole(fleet, item.id)
    contents, _ = await fleet.versions(item.id)
    assert len(contents) == 2 and found.content_revision in contents


async def test_each_device_has_its_own_conflict(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    three = fleet.device()
    three.base = one.base
    await lose(item.id, one, two, "One")
    await three.do(three.rename(item.id, "Three", at=-3))
    listed = await fleet.conflicts()
    assert [(each.device_id, each.summary.subject) for each in listed] == [
        (three.caller.session_id, "Three"),
        (one.caller.session_id, "One"),
    ]
    assert not any(each.HasField("content") for each in listed)


async def test_a_dismissed_conflict_is_gone_with_its_version_and_takes_no_revision(
    fleet: Fleet, item: Item, one: Device, two: Device
) -> None:
    await lose(item.id, one, two)
    revision = await fleet.revision()
    request = sync_service_pb2.DismissConflictRequest(
        operation_id=fleet.world.ids.new(), item_id=item.id, device_id=one.caller.session_id
    )
    answers = [await fleet.conflict_service.dismiss_conflict(fleet.person.caller, request) for _ in range(2)]
    assert answers[0] == answers[1]
    assert sync_service_pb2.DismissConflictResponse.FromString(answers[0]).revision == revision == await fleet.revision()
    assert await fleet.versions(item.id) == ([(await whole(fleet, item.id)).content_revision], [])
    with pytest.raises(NotFound) as missing:
        await fleet.conflict(item.id, one)
    assert missing.value.reason == "CONFLICT_NOT_FOUND"


async def test_restoring_twice_is_one_restore(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await lose(item.id, one, two)
    request = sync_service_pb2.RestoreConflictRequest(
        operation_id=fleet.world.ids.new(), item_id=item.id, device_id=one.caller.session_id
    )
    first = await fleet.conflict_service.restore_conflict(fleet.person.caller, request)
    assert await fleet.conflict_service.restore_conflict(fleet.person.caller, request) == first


async def test_a_conflict_of_a_deleted_item_restores_it_first(fleet: Fleet, item: Item, one: Device) -> None:
    await fleet.world.delete(fleet.person, [item.id], acts.SOFTLY)
    await one.do(one.rename(item.id, "After"))
    restored = await fleet.restore(item.id, one)
    assert (restored.life, restored.summary.subject, restored.folder_id) == (item_pb2.ITEM_LIFE_LIVE, "After", item.folder_id)
    await fleet.world.check_counters(fleet.person)


@pytest.mark.parametrize("kind", [item_pb2.ITEM_KIND_MESSAGE, item_pb2.ITEM_KIND_TASK])
async def test_a_conflict_of_a_purged_item_restores_as_a_new_one(fleet: Fleet, kind: Any) -> None:
    purged = await fleet.world.create(fleet.person, Item(summary=ItemSummary(kind=kind, subject="Before")))
    device = fleet.device()
    await device.see()
    await fleet.world.delete(fleet.person, [purged.id], acts.FOR_EVER)
    edit = device.rename(purged.id, "After")
    edit.update_item.item.summary.kind = kind
    upload_id = await fleet.upload(b"attached")
    edit.update_item.list_edits.add_attachments.add(name="file", upload_id=upload_id)
    edit.update_item.list_edits.add_recipients.append(Recipient(person=Name(address="a@x.example")))
    await device.do(edit)
    restored = await fleet.restore(purged.id, device)
    found = await whole(fleet, restored.id)
    role = folder_pb2.FOLDER_ROLE_TASKS if kind == item_pb2.ITEM_KIND_TASK else folder_pb2.FOLDER_ROLE_RECOVERED
    assert restored.id != purged.id
    assert (found.summary.kind, found.summary.subject, found.folder_id) == (
        kind,
        "After",
        await fleet.world.folder_of(fleet.person, role),
    )
    assert [(each.id, each.name, each.size_bytes) for each in found.content.attachments] == [(1, "file", 8)]
    assert await fleet.versions(restored.id) == ([found.content_revision], [found.content_revision])
    assert await fleet.versions(purged.id) == ([], [])
    await fleet.world.check_counters(fleet.person)


async def test_the_bytes_of_a_version_that_lost_stay_while_it_does(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    added = await one.do(adding(one, item.id, await fleet.upload(b"first")))
    await one.do(one.rename(item.id, "One", at=-2))
    assert (await two.do(two.rename(item.id, "Two", at=-1))).outcome == CONFLICT
    unnamed = item_service_pb2.UpdateItemRequest(operation_id=fleet.world.ids.new(), item=Item(id=item.id))
    unnamed.update_mask.paths.append("content.attachments")
    await fleet.world.editing.update_item(fleet.person.caller, unnamed)
    assert await fleet.versions(item.id) == (
        [added.revision + 1, (await whole(fleet, item.id)).content_revision],
        [added.revision + 1],
    )
    assert len((await fleet.conflict(item.id, one)).content.attachments) == 1
    await fleet.restore(item.id, one)
    found = await whole(fleet, item.id)
    assert (found.summary.subject, len(found.content.attachments)) == ("One", 0)  # the attachment had not lost
    assert await fleet.versions(item.id) == ([found.content_revision], [])


async def test_an_attachment_of_a_version_that_was_kept_comes_back_with_it_under_its_own_id(
    fleet: Fleet, item: Item, one: Device, two: Device
) -> None:
    await fleet.world.delete(fleet.person, [item.id], acts.SOFTLY)
    result = await one.do(adding(one, item.id, await fleet.upload(b"of one")))
    assert list(result.lost_units) == ["attachment:1"]
    await acts.restore(fleet.world, fleet.person, [item.id])
    await two.do(adding(two, item.id, await fleet.upload(b"of number two")))
    fleet.world.clock.advance(days=2)
    assert await BlobSweep(fleet.world.database, fleet.world.clock).sweep() == 0
    await fleet.restore(item.id, one)
    found = await whole(fleet, item.id)
    assert [(each.id, each.size_bytes) for each in found.content.attachments] == [(1, 13), (2, 6)]
    assert found.content.next_attachment_id == 3
    await fleet.world.check_counters(fleet.person)


async def test_with_the_rule_of_a_series_its_own_exceptions_come_back_and_no_others(fleet: Fleet, one: Device, two: Device) -> None:
    def series(rule: str, *days: int) -> Item:
        made = Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_APPOINTMENT, subject="Series"))
        detail = made.summary.appointment
        detail.start.local, detail.end.local = "2026-03-02T09:00:00", "2026-03-02T10:00:00"
        detail.recurrence.rules.append(rule)
        for day in days:
            detail.exceptions.add(original_start=CalendarTime(local=f"2026-03-{day:02}T09:00:00"), location=f"room {day}")
        return made

    def days(found: Item) -> tuple[list[str], list[str]]:
        appointment = found.summary.appointment
        return list(appointment.recurrence.rules), [each.original_start.local[8:10] for each in appointment.exceptions]

    async def edit(device: Device, wanted: Item, at: float) -> int:
        wanted.id = item.id
        paths = ["summary.appointment.recurrence", "summary.appointment.exceptions"]
        return (await device.do(device.edit(wanted, *paths, at=at))).outcome

    item = await fleet.world.create(fleet.person, series("FREQ=WEEKLY", 9))
    third = fleet.device()
    for device in (one, two, third):
        await device.see()
    assert await edit(one, series("FREQ=WEEKLY;COUNT=5", 9, 16), -3) == sync_pb2.PUSH_OUTCOME_APPLIED
    assert await edit(two, series("FREQ=DAILY", 10), -1) == CONFLICT  # wins against the first
    assert await edit(third, series("FREQ=DAILY;INTERVAL=2", 4), -2) == CONFLICT  # loses against the second
    assert days(await whole(fleet, item.id)) == (["FREQ=DAILY"], ["10"])
    assert days(await fleet.restore(item.id, third)) == (["FREQ=DAILY;INTERVAL=2"], ["04"])
    assert days(await fleet.restore(item.id, one)) == (["FREQ=WEEKLY;COUNT=5"], ["09", "16"])


async def test_a_version_that_makes_no_valid_item_is_not_restored(fleet: Fleet, one: Device, two: Device) -> None:
    task = await fleet.world.create(fleet.person, Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Task")))
    await one.see()
    await two.see()
    late, early = Item(id=task.id), Item(id=task.id)
    late.summary.task.start.CopyFrom(CalendarTime(local="2026-03-01T09:00:00"))
    early.summary.task.due.CopyFrom(CalendarTime(local="2026-02-01T09:00:00"))
    for device, changed, path in ((one, late, "summary.task.start"), (two, early, "summary.task.due")):
        request = item_service_pb2.UpdateItemRequest(item=changed)
        request.update_mask.paths.append(path)
        await device.do(device.operation(update_item=request))
    with pytest.raises(InvalidArgument):
        await fleet.restore(task.id, two)
    assert [conflict.item_id for conflict in await fleet.conflicts()] == [task.id]
    assert not (await whole(fleet, task.id)).summary.task.HasField("due")


async def test_a_mailbox_keeps_the_latest_hundred(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await two.do(two.rename(item.id, "Won", at=-1))
    losers = []
    for number in range(102):
        losers.append(fleet.device())
        losers[-1].base = one.base
        await losers[-1].do(losers[-1].rename(item.id, f"Lost {number}", at=-2))
    listed = await fleet.conflicts()
    assert [each.summary.subject for each in listed] == [f"Lost {number}" for number in reversed(range(2, 102))]
    assert len((await fleet.versions(item.id))[0]) == 101


async def test_after_ninety_days_a_conflict_is_forgotten(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await lose(item.id, one, two)
    fleet.world.clock.advance(days=89)
    assert await fleet.conflict_service.forget_old() == 0
    fleet.world.clock.advance(days=2)
    assert await fleet.conflict_service.forget_old() == 1
    assert await fleet.conflicts() == []
    assert len((await fleet.versions(item.id))[0]) == 1


async def test_a_conflict_outlives_the_item_whose_time_to_be_restored_is_over(
    fleet: Fleet, item: Item, one: Device, two: Device
) -> None:
    await one.do(adding(one, item.id, await fleet.upload(b"first")))
    await one.do(one.rename(item.id, "One", at=-2))
    await two.do(two.rename(item.id, "Two", at=-1))
    await fleet.world.delete(fleet.person, [item.id], acts.SOFTLY)
    fleet.world.clock.advance(days=1)
    assert await RecoverablePurge(fleet.world.database, fleet.world.clock, retention_seconds=60).purge() == 1
    (listed,) = await fleet.conflicts()
    assert (listed.summary.subject, listed.item_life) == ("One", item_pb2.ITEM_LIFE_UNSPECIFIED)
    restored = await whole(fleet, (await fleet.restore(item.id, one)).id)
    assert (restored.summary.subject, restored.content.body.text) == ("One", "Hello.\n\nHow are you?\n")
    assert [each.size_bytes for each in restored.content.attachments] == [5]
    await fleet.world.check_counters(fleet.person)


async def test_who_purges_an_item_purges_its_conflicts(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await lose(item.id, one, two)
    await fleet.world.delete(fleet.person, [item.id], acts.FOR_EVER)
    assert await fleet.conflicts() == []
    assert await fleet.versions(item.id) == ([], [])


async def test_conflicts_are_their_owners_alone(fleet: Fleet, item: Item, one: Device, two: Device, ben: Person) -> None:
    await lose(item.id, one, two)
    service = fleet.conflict_service
    assert not (await service.list_conflicts(ben.caller, sync_service_pb2.ListConflictsRequest())).conflicts
    request = sync_service_pb2.GetConflictRequest(item_id=item.id, device_id=one.caller.session_id)
    with pytest.raises(NotFound):
        await service.get_conflict(ben.caller, request)
