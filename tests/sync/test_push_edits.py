"""Push, edits: merged by unit with what others edited meanwhile; what loses is kept and told of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, sync_pb2
from rookery.v1.calendar_pb2 import CalendarTime
from rookery.v1.item_pb2 import Attachment, Item, ItemSummary, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person as Name
from rookery_server.store.tables import item_stamp
from tests.sync import acts
from tests.sync.devices import Device, Fleet, reason

if TYPE_CHECKING:
    from tests.support.world import Person, World

APPLIED, MERGED = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_MERGED
CONFLICT, REJECTED = sync_pb2.PUSH_OUTCOME_CONFLICT, sync_pb2.PUSH_OUTCOME_REJECTED
FAIL = sync_pb2.CONFLICT_POLICY_FAIL
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


def to(address: str) -> Recipient:
    return Recipient(type=item_pb2.RECIPIENT_TYPE_TO, person=Name(address=address))


async def subject(fleet: Fleet, item_id: bytes) -> str:
    return (await fleet.world.get(fleet.person, item_id)).summary.subject


async def test_edits_of_different_things_come_together(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    assert (await one.do(one.rename(item.id, "New"))).outcome == APPLIED
    assert (await two.do(two.rewrite(item.id, "Text"))).outcome == MERGED
    found = await fleet.world.get(fleet.person, item.id)
    assert (found.summary.subject, found.content.body.text, found.summary.preview) == ("New", "Text", "Text")
    assert await fleet.conflicts() == []
    await fleet.world.check_counters(fleet.person)


async def test_the_later_edit_wins_though_it_arrives_first(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await two.do(two.rename(item.id, "Late", at=-1))
    revision = (await fleet.world.get(fleet.person, item.id)).revision
    result = await one.do(one.rename(item.id, "Early", at=-2))
    assert (result.outcome, list(result.lost_units), result.item.summary.subject) == (CONFLICT, [SUBJECT], "Late")
    found = await fleet.world.get(fleet.person, item.id)
    assert (found.summary.subject, found.revision) == ("Late", revision)
    kept = await fleet.conflict(item.id, one)
    assert (kept.summary.subject, list(kept.units), kept.revision) == ("Early", [SUBJECT], result.revision)
    assert kept.content.body == found.content.body


async def test_the_later_edit_wins_and_what_it_beats_is_kept(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await one.do(one.rename(item.id, "Early", at=-2))
    result = await two.do(two.rename(item.id, "Late", at=-1))
    assert (result.outcome, list(result.lost_units), result.item.summary.subject) == (CONFLICT, [SUBJECT], "Late")
    kept = await fleet.conflict(item.id, one)
    assert (kept.summary.subject, list(kept.units), kept.item_life) == ("Early", [SUBJECT], item_pb2.ITEM_LIFE_LIVE)
    await fleet.world.check_counters(fleet.person)


async def test_an_edit_may_win_and_lose_at_once(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    three = fleet.device()
    three.base = one.base
    await one.do(one.rename(item.id, "One", at=-3))
    await two.do(two.rewrite(item.id, "Two", at=-1))
    both = Item(id=item.id)
    both.summary.subject = both.content.body.text = "Three"
    result = await three.do(three.edit(both, SUBJECT, "content.body", at=-2))
    assert (result.outcome, list(result.lost_units)) == (CONFLICT, ["body", SUBJECT])
    found = await fleet.world.get(fleet.person, item.id)
    assert (found.summary.subject, found.content.body.text) == ("Three", "Two")
    assert found.revision == result.revision == await fleet.revision()
    assert (await fleet.conflict(item.id, one)).summary.subject == "One"
    assert (await fleet.conflict(item.id, three)).content.body.text == "Three"


async def test_a_device_that_would_rather_be_told_writes_nothing(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await one.do(one.rename(item.id, "One", at=-2))
    revision = await fleet.revision()
    for at in (-1, -3):
        result = await two.do(two.rename(item.id, "Two", at=at, fail=True))
        assert (result.outcome, reason(result)) == (REJECTED, "STALE_ETAG")
    assert (await fleet.revision(), await fleet.conflicts()) == (revision, [])
    assert (await two.do(two.rename(item.id, "One", fail=True))).outcome == MERGED


async def test_a_clock_that_runs_ahead_counts_as_now(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await one.do(one.rename(item.id, "Ahead", at=86_400 * 365))
    fleet.world.clock.advance(seconds=1)
    await two.do(two.rename(item.id, "Now"))
    assert await subject(fleet, item.id) == "Now"


async def test_an_edit_that_saw_the_other_always_applies(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await one.do(one.rename(item.id, "One"))
    await two.see()
    result = await two.do(two.rename(item.id, "Two", at=-1_000))
    assert (result.outcome, await subject(fleet, item.id)) == (APPLIED, "Two")
    between = await one.do(one.rename(item.id, "Between", at=0))  # later by the clock, but made before "Two" was seen
    assert (between.outcome, await subject(fleet, item.id)) == (CONFLICT, "Two")


async def test_equal_edits_are_no_conflict(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    first = await one.do(one.rename(item.id, "Same"))
    second = await two.do(two.rename(item.id, "Same", at=-5))
    assert (second.outcome, second.item.content_revision) == (MERGED, first.revision)
    assert await fleet.conflicts() == []


async def test_an_edit_on_line_counts_as_one_that_has_seen_everything(fleet: Fleet, item: Item, one: Device) -> None:
    await one.do(one.rename(item.id, "Offline"))
    await acts.rename(fleet.world, fleet.person, item.id, "On line")
    result = await one.do(one.rename(item.id, "Older", at=-60))
    assert (result.outcome, await subject(fleet, item.id)) == (CONFLICT, "On line")


async def test_recipients_are_edited_one_by_one(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await one.do(one.edit(Item(id=item.id), lists=ListEdits(add_recipients=[to("a@x.example"), to("b@x.example")])))
    result = await two.do(two.edit(Item(id=item.id), lists=ListEdits(add_recipients=[to("c@x.example")]), at=-1))
    assert result.outcome == MERGED
    await two.see()
    await two.do(two.edit(Item(id=item.id), lists=ListEdits(remove_recipients=[to("a@x.example")])))
    found = await fleet.world.get(fleet.person, item.id)
    assert [each.person.address for each in found.content.recipients] == ["c@x.example", "b@x.example"]
    assert found.summary.message.display_to == "c@x.example; b@x.example"


@pytest.mark.parametrize("path", ["content.recipients", "content.attachments", "content.properties", "content"])
async def test_lists_are_not_pushed_whole(fleet: Fleet, item: Item, one: Device, path: str) -> None:
    request = item_service_pb2.UpdateItemRequest(item=Item(id=item.id))
    request.update_mask.paths.append(path)
    result = await one.do(one.operation(update_item=request))
    assert (result.outcome, reason(result)) == (REJECTED, "FIELD_NOT_WRITABLE")


async def test_a_merge_that_makes_no_valid_item_is_a_conflict_and_nothing_of_it_applies(
    fleet: Fleet, one: Device, two: Device
) -> None:
    start = CalendarTime(local="2026-03-01T09:00:00")
    task = await fleet.world.create(fleet.person, Item(summary=ItemSummary(kind=item_pb2.ITEM_KIND_TASK, subject="Task")))
    await one.see()
    await two.see()
    late = Item(id=task.id)
    late.summary.task.start.CopyFrom(start)
    request = item_service_pb2.UpdateItemRequest(item=late)
    request.update_mask.paths.append("summary.task.start")
    await one.do(one.operation(update_item=request))
    early = Item(id=task.id)
    early.summary.subject = "Sooner"
    early.summary.task.due.local = "2026-02-01T09:00:00"
    request = item_service_pb2.UpdateItemRequest(item=early)
    request.update_mask.paths.extend([SUBJECT, "summary.task.due"])
    result = await two.do(two.operation(update_item=request))
    assert (result.outcome, list(result.lost_units)) == (CONFLICT, [SUBJECT, "time"])
    found = await fleet.world.get(fleet.person, task.id)
    assert (found.summary.subject, found.summary.task.HasField("due")) == ("Task", False)
    assert (await fleet.conflict(task.id, two)).summary.task.due == early.summary.task.due


async def test_an_edit_that_can_not_be_is_rejected(fleet: Fleet, item: Item, one: Device) -> None:
    result = await one.do(one.rename(item.id, "x" * 1001))
    assert (result.outcome, reason(result)) == (REJECTED, "FIELD_INVALID")
    unknown = await one.do(one.rename(fleet.world.ids.new(), "x"))
    assert (unknown.outcome, reason(unknown)) == (REJECTED, "ITEM_NOT_FOUND")
    assert await fleet.conflicts() == []


async def test_an_edit_of_a_deleted_item_is_kept_and_does_not_bring_it_back(fleet: Fleet, item: Item, one: Device) -> None:
    await fleet.world.delete(fleet.person, [item.id], acts.SOFTLY)
    result = await one.do(one.rename(item.id, "After"))
    assert (result.outcome, list(result.lost_units), result.item.life) == (CONFLICT, [SUBJECT], item_pb2.ITEM_LIFE_RECOVERABLE)
    found = await fleet.world.get(fleet.person, item.id)
    assert (found.life, found.summary.subject) == (item_pb2.ITEM_LIFE_RECOVERABLE, "Before")
    kept = await fleet.conflict(item.id, one)
    assert (kept.summary.subject, kept.item_life) == ("After", item_pb2.ITEM_LIFE_RECOVERABLE)
    assert (await one.do(one.rename(item.id, "Before"))).outcome == APPLIED  # equal: nothing is lost


async def test_an_edit_of_a_purged_item_is_kept_and_the_id_stays_retired(fleet: Fleet, item: Item, one: Device) -> None:
    await fleet.world.delete(fleet.person, [item.id], acts.FOR_EVER)
    result = await one.do(one.rewrite(item.id, "After"))
    assert (result.outcome, list(result.lost_units), result.HasField("item")) == (CONFLICT, ["body"], False)
    kept = await fleet.conflict(item.id, one)
    assert (kept.content.body.text, kept.item_life) == ("After", item_pb2.ITEM_LIFE_UNSPECIFIED)
    again = Item(id=item.id, summary=ItemSummary(kind=item_pb2.ITEM_KIND_NOTE))
    result = await one.do(one.operation(create_item=item_service_pb2.CreateItemRequest(item=again)))
    assert (result.outcome, reason(result)) == (REJECTED, "ID_RETIRED")


@pytest.mark.parametrize("mode", [acts.SOFTLY, acts.FOR_EVER])
async def test_with_the_policy_fail_an_edit_of_what_is_deleted_is_rejected(
    fleet: Fleet, item: Item, one: Device, mode: Any
) -> None:
    await fleet.world.delete(fleet.person, [item.id], mode)
    result = await one.do(one.rename(item.id, "After", fail=True))
    assert (result.outcome, reason(result), await fleet.conflicts()) == (REJECTED, "STALE_ETAG", [])


@pytest.mark.parametrize("mode", [acts.SOFTLY, acts.FOR_EVER])
async def test_a_deletion_that_did_not_see_the_newest_content_is_soft(
    fleet: Fleet, item: Item, one: Device, two: Device, mode: Any
) -> None:
    await one.do(one.rename(item.id, "Edited"))
    request = item_service_pb2.DeleteItemsRequest(item_ids=[item.id], mode=mode)
    assert reason(await two.do(two.operation(delete_items=request, fail=True))) == "STALE_ETAG"
    assert (await two.do(two.operation(delete_items=request))).outcome == MERGED
    found = await fleet.world.get(fleet.person, item.id)
    assert (found.life, found.summary.subject) == (item_pb2.ITEM_LIFE_RECOVERABLE, "Edited")
    await fleet.world.check_counters(fleet.person)


async def test_a_deletion_is_soft_too_where_what_others_did_lost(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    await two.do(two.rename(item.id, "Late"))
    await one.do(one.rename(item.id, "Early", at=-1))
    request = item_service_pb2.DeleteItemsRequest(item_ids=[item.id], mode=acts.FOR_EVER)
    assert (await two.do(two.operation(delete_items=request))).outcome == MERGED
    assert (await fleet.conflict(item.id, one)).summary.subject == "Early"


async def test_a_deletion_for_ever_is_for_ever_if_the_device_saw_or_did_everything(fleet: Fleet, item: Item, one: Device) -> None:
    operations = [
        one.rename(item.id, "Edited"),
        one.operation(delete_items=item_service_pb2.DeleteItemsRequest(item_ids=[item.id], mode=acts.FOR_EVER)),
    ]
    assert [result.outcome for result in await one.send(*operations)] == [APPLIED, APPLIED]
    assert (await one.do(one.rename(item.id, "Again"))).outcome == CONFLICT
    await fleet.world.check_counters(fleet.person)


async def test_deleting_moving_and_marking_twice_takes_no_revision(fleet: Fleet, item: Item, one: Device) -> None:
    inbox = item.folder_id
    request = item_service_pb2.DeleteItemsRequest(item_ids=[item.id], mode=acts.SOFTLY)
    await one.send(one.operation(delete_items=request))
    revision = await fleet.revision()
    results = await one.send(
        one.operation(delete_items=request),
        one.operation(set_item_state=item_service_pb2.SetItemStateRequest(item_ids=[item.id], read=True)),
        one.operation(move_items=item_service_pb2.MoveItemsRequest(item_ids=[item.id], folder_id=inbox)),
    )
    assert [(result.outcome, result.revision) for result in results] == [(APPLIED, revision)] * 3
    assert await fleet.revision() == revision


async def test_an_attachment_added_and_one_taken_off_on_two_devices(fleet: Fleet, item: Item, one: Device, two: Device) -> None:
    first = await fleet.upload(b"first")
    await one.do(one.edit(Item(id=item.id), lists=ListEdits(add_attachments=[Attachment(name="1.txt", upload_id=first)])))
    await one.see()
    await two.see()
    second = await fleet.upload(b"second")
    await one.do(one.edit(Item(id=item.id), lists=ListEdits(remove_attachment_ids=[1])))
    result = await two.do(two.edit(Item(id=item.id), lists=ListEdits(add_attachments=[Attachment(name="2.txt", upload_id=second)])))
    assert result.outcome == MERGED
    found = await fleet.world.get(fleet.person, item.id)
    assert [(each.id, each.name, each.size_bytes) for each in found.content.attachments] == [(2, "2.txt", 6)]
    assert found.summary.has_attachments
    await fleet.world.check_counters(fleet.person)


async def test_a_refused_edit_leaves_no_stamp(fleet: Fleet, item: Item, one: Device) -> None:
    lists = ListEdits(add_attachments=[Attachment(name="x", upload_id=fleet.world.ids.new())])
    result = await one.do(one.edit(Item(id=item.id), SUBJECT, lists=lists))
    assert (result.outcome, reason(result)) == (REJECTED, "UPLOAD_NOT_FOUND")
    stamps = await fleet.world.database.read(lambda connection: connection.execute(select(item_stamp.c.unit)).all())
    assert stamps == []
