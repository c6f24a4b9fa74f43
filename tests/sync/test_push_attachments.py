"""Push, attachments that are taken over from other items of the mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery.v1.item_pb2 import Attachment, AttachmentSource, Item
from rookery.v1.item_service_pb2 import CreateItemRequest, ListEdits
from tests.sync.devices import Fleet, reason

if TYPE_CHECKING:
    from tests.support.world import Person, World

APPLIED, CONFLICT = sync_pb2.PUSH_OUTCOME_APPLIED, sync_pb2.PUSH_OUTCOME_CONFLICT


@pytest.fixture
def fleet(world: World, anna: Person) -> Fleet:
    return Fleet(world, anna)


@pytest.fixture
async def source(fleet: Fleet) -> Item:
    """An item with an attachment."""
    record = message(Attachment(name="plan.txt", upload_id=await fleet.upload(b"the plan")))
    record.summary.subject = "Plan"
    return await fleet.world.create(fleet.person, record)


def message(*attachments: Attachment) -> Item:
    record = Item()
    record.summary.kind = item_pb2.ITEM_KIND_MESSAGE
    record.content.attachments.extend(attachments)
    return record


def taken(item: Item) -> Attachment:
    return Attachment(copy_of=AttachmentSource(item_id=item.id, attachment_id=1))


async def test_a_device_makes_and_edits_items_with_attachments_of_others(fleet: Fleet, source: Item) -> None:
    device, record = fleet.device(), message(taken(source))
    record.id = fleet.world.ids.new()
    record.folder_id = await fleet.world.folder_of(fleet.person, folder_pb2.FOLDER_ROLE_DRAFTS)
    made = await device.do(device.operation(create_item=CreateItemRequest(item=record)))
    assert made.outcome == APPLIED and made.item.summary.has_attachments
    await device.see()
    added = await device.do(device.edit(Item(id=record.id), lists=ListEdits(add_attachments=[taken(source)])))
    assert added.outcome == APPLIED
    found = (await fleet.world.get(fleet.person, record.id)).content.attachments
    assert [(each.id, each.name, each.size_bytes) for each in found] == [(1, "plan.txt", 8), (2, "plan.txt", 8)]
    assert not any(each.HasField("copy_of") for each in found)
    await fleet.world.check_counters(fleet.person)


async def test_what_is_gone_meanwhile_is_refused(fleet: Fleet, source: Item) -> None:
    device = fleet.device()
    await device.see()
    gone = Item(id=fleet.world.ids.new())
    result = await device.do(device.edit(Item(id=source.id), lists=ListEdits(add_attachments=[taken(gone)])))
    assert reason(result) == "ITEM_NOT_FOUND"


async def test_a_version_that_lost_never_tells_where_its_attachments_come_from(fleet: Fleet, source: Item) -> None:
    one, two = fleet.device(), fleet.device()
    await one.see()
    await two.see()
    await one.do(one.rename(source.id, "Late", at=-1))
    early = Item(id=source.id)
    early.summary.subject = "Early"
    lists = ListEdits(add_attachments=[taken(source)])
    assert (await two.do(two.edit(early, "summary.subject", lists=lists, at=-2))).outcome == CONFLICT
    kept = (await fleet.conflict(source.id, two)).content.attachments
    assert [(each.id, each.name, each.HasField("copy_of")) for each in kept] == [(1, "plan.txt", False), (2, "plan.txt", False)]
