"""UpdateItem with edits of lists, entry by entry: beside the mask, under the same etag, with the same stamps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2
from rookery.v1.item_pb2 import Item, Recipient
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.person_pb2 import Person as Name
from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue
from rookery_core.errors import InvalidArgument, Stale
from rookery_server.store import item_stamps

if TYPE_CHECKING:
    from tests.support.world import Person, World


def to(address: str) -> Recipient:
    return Recipient(type=item_pb2.RECIPIENT_TYPE_TO, person=Name(address=address))


@pytest.fixture
async def item(world: World, anna: Person) -> Item:
    return await world.item(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_DRAFTS))


async def update(world: World, person: Person, item: Item, edits: ListEdits, *paths: str, etag: int = 0) -> Item:
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item, list_edits=edits, etag=etag)
    request.update_mask.paths.extend(paths)
    return item_service_pb2.UpdateItemResponse.FromString(await world.editing.update_item(person.caller, request)).item


async def test_lists_are_edited_without_a_mask_and_beside_one(world: World, anna: Person, item: Item) -> None:
    await update(world, anna, Item(id=item.id), ListEdits(add_recipients=[to("a@x.example"), to("b@x.example")]))
    wanted = Item(id=item.id)
    wanted.summary.subject = "Lunch"
    entry = Property(key=PropertyKey(tag=7), value=PropertyValue(boolean=True))
    edits = ListEdits(remove_recipients=[to("A@X.example")], set_properties=[entry])
    changed = await update(world, anna, wanted, edits, "summary.subject")
    assert (changed.summary.subject, changed.summary.message.display_to) == ("Lunch", "b@x.example")
    found = await world.get(anna, item.id)
    assert list(found.content.recipients) == [to("b@x.example")]
    assert list(found.content.properties) == [entry]
    await world.check_counters(anna)


async def test_an_edit_that_changes_nothing_takes_no_revision(world: World, anna: Person, item: Item) -> None:
    edits = ListEdits(remove_recipients=[to("nobody@x.example")], remove_attachment_ids=[9])
    assert (await update(world, anna, Item(id=item.id), edits)).revision == item.revision


async def test_a_stale_etag_refuses_edits_of_lists_too(world: World, anna: Person, item: Item) -> None:
    edits = ListEdits(add_recipients=[to("a@x.example")])
    await update(world, anna, Item(id=item.id), edits, etag=item.content_revision)
    with pytest.raises(Stale):
        await update(world, anna, Item(id=item.id), edits, etag=item.content_revision)


async def test_a_list_is_named_by_the_mask_or_edited(world: World, anna: Person, item: Item) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await update(world, anna, Item(id=item.id), ListEdits(add_recipients=[to("a@x.example")]), "content.recipients")
    assert refused.value.field == "list_edits"
    with pytest.raises(InvalidArgument):
        await update(world, anna, Item(id=item.id), ListEdits())


async def test_only_what_changed_of_a_list_is_stamped(world: World, anna: Person, item: Item) -> None:
    wanted = Item(id=item.id)
    wanted.content.recipients.extend([to("a@x.example"), to("b@x.example")])
    await update(world, anna, wanted, ListEdits(), "content.recipients")
    del wanted.content.recipients[0]
    wanted.content.recipients.append(to("c@x.example"))
    changed = await update(world, anna, wanted, ListEdits(), "content.recipients")
    stamps = await world.database.read(lambda connection: item_stamps.find(connection, anna.number, item.id))
    last = {unit for unit, stamp in stamps.items() if stamp.revision == changed.revision}
    assert last == {"recipient:to:a@x.example", "recipient:to:c@x.example"}
    assert {stamp.device_id for stamp in stamps.values()} == {anna.caller.session_id}
