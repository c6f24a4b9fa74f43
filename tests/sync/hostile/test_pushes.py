"""Pushes that no sound device sends: each is refused precisely, alone, and with nothing written."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, person_pb2, property_pb2, sync_service_pb2
from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import ListEdits
from rookery.v1.sync_pb2 import SyncOperation
from tests.sync.rules.home import APPLIED, FOR_EVER, REJECTED, Home, Refusal, explained, refusal, renaming

if TYPE_CHECKING:
    from rookery.v1.sync_service_pb2 import PushRequest
    from tests.sync.rules.home import Device

INVALID, MISSING = code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND
PRECONDITION = code_pb2.FAILED_PRECONDITION
DAY = 86_400
LONG = "x" * 300


async def whole(home: Home, device: Device, request: PushRequest) -> Refusal:
    """How a request is refused as a whole: by the stream and its unary twin alike, with nothing written."""
    before = await home.everything()
    unary = home.sync.PushBatch(sync_service_pb2.PushBatchRequest(push=request), metadata=device.metadata)
    refused = await refusal(unary)
    assert await refusal(device.push_stream([request])) == refused
    assert await home.everything() == before
    return refused


def folder_of(**fields: Any) -> folder_pb2.CreateFolderRequest:
    """Asks for a folder."""
    return folder_pb2.CreateFolderRequest(folder=Folder(**fields))


def edit(item_id: bytes, *paths: str, **edits: Any) -> item_service_pb2.UpdateItemRequest:
    """Asks for an edit of lists, beside fields."""
    request = item_service_pb2.UpdateItemRequest(item=Item(id=item_id), list_edits=ListEdits(**edits))
    request.update_mask.paths.extend(paths)
    return request


def recipient(address: str) -> item_pb2.Recipient:
    """Somebody."""
    return item_pb2.Recipient(person=person_pb2.Person(address=address))


def operation_ids(home: Home) -> dict[str, tuple[bytes, Refusal]]:
    """Ids that are none for an operation."""
    now = home.server.clock.now // 1000
    return {
        "none": (b"", Refusal(INVALID, "ID_INVALID", "operation_id")),
        "short": (b"o" * 15, Refusal(INVALID, "ID_INVALID", "operation_id")),
        "long": (b"o" * 100, Refusal(INVALID, "ID_INVALID", "operation_id")),
        "random": (uuid.UUID(int=5, version=4).bytes, Refusal(INVALID, "ID_INVALID", "operation_id")),
        "of long ago": (minted(now - 61 * DAY * 1000), Refusal(PRECONDITION, "OPERATION_EXPIRED")),
        "of times to come": (minted(now + 2 * DAY * 1000), Refusal(INVALID, "ID_INVALID", "operation_id")),
    }


def minted(milliseconds: int) -> bytes:
    """A UUIDv7 of a time."""
    return (milliseconds << 80 | 0x7 << 76 | 0b10 << 62).to_bytes(16, "big")


async def test_no_operations_are_no_mistake(home: Home, device: Device) -> None:
    before = await home.everything()
    assert await device.push() == []
    assert await device.push_stream([]) == []
    assert [list(answer.results) for answer in await device.push_stream([sync_service_pb2.PushRequest()] * 3)] == []
    assert await home.everything() == before


async def test_too_many_operations_are_refused_as_a_whole(home: Home, device: Device) -> None:
    creations = [device.creation(home.server.ids.new()) for _ in range(501)]
    request = sync_service_pb2.PushRequest(operations=creations)
    assert await whole(home, device, request) == Refusal(INVALID, "LIMIT_EXCEEDED", "operations")
    assert {result.outcome for result in await device.push(*creations[:500])} == {APPLIED}


async def test_too_many_bytes_are_refused_as_a_whole(home: Home, device: Device) -> None:
    creations = [device.creation(home.server.ids.new(), text="x" * (1 << 19)) for _ in range(10)]
    request = sync_service_pb2.PushRequest(operations=creations)
    assert 5 << 20 < request.ByteSize() < 6 << 20
    assert await whole(home, device, request) == Refusal(INVALID, "LIMIT_EXCEEDED", "operations")


async def test_mailboxes_of_others_and_none_look_the_same(home: Home, device: Device, neighbour: Home) -> None:
    theirs = await neighbour.everything()
    for mailbox_id in (neighbour.person.login.identity.mailbox_id, home.server.ids.new(), bytes(16)):
        request = sync_service_pb2.PushRequest(mailbox_id=mailbox_id, operations=[device.creation(home.server.ids.new())])
        assert await whole(home, device, request) == Refusal(MISSING, "MAILBOX_NOT_FOUND")
    request = sync_service_pb2.PushRequest(mailbox_id=b"m", operations=[device.creation(home.server.ids.new())])
    assert await whole(home, device, request) == Refusal(INVALID, "ID_INVALID", "mailbox_id")
    assert await neighbour.everything() == theirs


async def test_what_was_done_in_another_life_of_the_mailbox_is_refused_as_a_whole(home: Home, device: Device) -> None:
    epoch = (await device.ask()).epoch
    for other in (home.server.ids.new(), b"e", epoch * 2):
        request = sync_service_pb2.PushRequest(epoch=other, operations=[device.creation(home.server.ids.new())])
        assert await whole(home, device, request) == Refusal(PRECONDITION, "EPOCH_CHANGED")
    answers = await device.push_stream([sync_service_pb2.PushRequest(epoch=epoch, operations=request.operations)])
    assert [result.outcome for answer in answers for result in answer.results] == [APPLIED]


async def test_a_stream_that_changes_mailboxes_ends_behind_what_was_answered(home: Home, device: Device, neighbour: Home) -> None:
    theirs = await neighbour.everything()
    made = home.server.ids.new()
    requests = [
        sync_service_pb2.PushRequest(operations=[device.creation(made)]),
        sync_service_pb2.PushRequest(
            mailbox_id=neighbour.person.login.identity.mailbox_id, operations=[device.creation(home.server.ids.new())]
        ),
    ]
    assert await refusal(device.push_stream(requests)) == Refusal(INVALID, "FIELD_INVALID", "mailbox_id")
    assert list((await device.news()).item_ids) == [made]
    assert await neighbour.everything() == theirs


async def test_an_operation_without_a_good_id_is_rejected(home: Home, device: Device) -> None:
    before = await home.everything()
    for name, (operation_id, expected) in operation_ids(home).items():
        wrong = device.creation(home.server.ids.new())
        wrong.operation_id = operation_id
        for result in (await device.do(wrong), await device.do(wrong)):
            assert (result.outcome, result.duplicate, explained(result.error)) == (REJECTED, False, expected), name
    assert await home.everything() == before


async def test_an_operation_id_is_used_once_whoever_sends_it(home: Home, device: Device, neighbour: Home) -> None:
    made = home.server.ids.new()
    first = device.creation(made)
    assert (await device.do(first)).outcome == APPLIED
    before = await home.everything()
    twin = await home.device("twin")
    again = await twin.do(first)
    assert again.duplicate and again.item.id == made
    for other in (device.deletion(FOR_EVER, made), device.creation(home.server.ids.new()), device.rename(made, "Other")):
        other.operation_id = first.operation_id
        result = await twin.do(other)
        assert explained(result.error) == Refusal(PRECONDITION, "OPERATION_REUSED") and not result.duplicate
    assert await home.everything() == before
    stranger = await neighbour.device("theirs")  # to another account the id means nothing
    needed = stranger.operation(depends_on=[first.operation_id], create_folder=folder_of(name="x"))
    assert explained((await stranger.do(needed)).error) == Refusal(PRECONDITION, "DEPENDS_ON", "depends_on")
    theirs = await stranger.do(first)
    assert (theirs.outcome, theirs.duplicate) == (APPLIED, False)


async def test_the_id_of_a_unary_call_is_no_operation_s(home: Home, device: Device) -> None:
    request = item_service_pb2.CreateItemRequest(operation_id=home.server.ids.new(), item=Item())
    request.item.summary.kind = item_pb2.ITEM_KIND_NOTE
    await home.ask(home.items.CreateItem, request)
    pushed = device.creation(home.server.ids.new())
    pushed.operation_id = request.operation_id
    assert explained((await device.do(pushed)).error) == Refusal(PRECONDITION, "OPERATION_REUSED")


async def test_ids_of_somebody_else_s_items_name_nothing(home: Home, device: Device, neighbour: Home) -> None:
    theirs = await neighbour.everything()
    ((item_id, item),) = (await neighbour.all_items()).items()
    ids = [item_id]
    own = next(iter(await home.all_items()))
    before = await home.all_items()
    missing = await device.push(
        device.operation(set_item_state=item_service_pb2.SetItemStateRequest(item_ids=ids, add_categories=["x"])),
        device.deletion(FOR_EVER, item_id),
        device.operation(restore_items=item_service_pb2.RestoreItemsRequest(item_ids=ids)),
    )
    assert [(result.outcome, list(result.missing_ids)) for result in missing] == [(APPLIED, ids)] * 3
    refused = await device.push(
        device.rename(item_id, "Mine"),
        device.operation(update_folder=folder_pb2.UpdateFolderRequest(folder=Folder(id=item.folder_id, name="Mine"))),
        device.operation(delete_folder=folder_pb2.DeleteFolderRequest(folder_id=item.folder_id)),
    )
    assert [explained(result.error).code for result in refused[::2]] == [MISSING] * 2
    assert {result.outcome for result in refused} == {REJECTED}
    moved = await device.do(
        device.operation(move_items=item_service_pb2.MoveItemsRequest(item_ids=[own], folder_id=item.folder_id))
    )
    assert moved.landed_folder_id == await home.role(folder_pb2.FOLDER_ROLE_RECOVERED)
    assert set(await home.all_items()) == set(before)
    assert await neighbour.everything() == theirs


async def test_names_that_no_folder_can_have_are_rejected(home: Home, device: Device) -> None:
    trip = next(each.id for each in (await home.all_folders()).values() if each.name == "Trip")
    before = await home.everything()
    for name in (LONG, "", "a/b", "a\0b", "a\nb", "\u0301" * 256):
        renamed = folder_pb2.UpdateFolderRequest(folder=Folder(id=trip, name=name), update_mask=FieldMask(paths=["name"]))
        results = await device.push(
            device.operation(create_folder=folder_of(id=home.server.ids.new(), name=name)), device.operation(update_folder=renamed)
        )
        said = [(result.outcome, explained(result.error)) for result in results]
        assert said == [(REJECTED, Refusal(INVALID, "FIELD_INVALID", "folder.name"))] * 2, name
    assert await home.everything() == before


def hostile_actions(item_id: bytes) -> dict[str, tuple[dict[str, Any], str, str]]:
    """What is wrong in itself: the operation's fields, the reason, and the field that is named."""
    kept = {"set_item_state": item_service_pb2.SetItemStateRequest(item_ids=[item_id], read=False)}
    unknown_mode, unknown_kind = item_service_pb2.DeleteItemsRequest(item_ids=[item_id]), folder_of(name="x")
    unknown_mode.mode, unknown_kind.folder.default_kind = 99, 99  # type: ignore[assignment]
    masked = edit(item_id, "content.recipients", add_recipients=[recipient("a@example.org")])
    policy: Any = 99
    return {
        "no action": ({}, "FIELD_INVALID", "action"),
        "an unknown policy": ({**kept, "conflict_policy": policy}, "FIELD_INVALID", "conflict_policy"),
        "an unknown mode": ({"delete_items": unknown_mode}, "FIELD_INVALID", "delete_items.mode"),
        "an unknown kind": ({"create_folder": unknown_kind}, "FIELD_INVALID", "create_folder.folder.default_kind"),
        "a mailbox inside": (
            {"set_item_state": item_service_pb2.SetItemStateRequest(mailbox_id=b"m" * 16, item_ids=[item_id], read=False)},
            "FIELD_INVALID",
            "set_item_state.mailbox_id",
        ),
        "an operation id inside": (
            {"set_item_state": item_service_pb2.SetItemStateRequest(operation_id=b"o" * 16, item_ids=[item_id], read=False)},
            "FIELD_INVALID",
            "set_item_state.operation_id",
        ),
        "501 items": (
            {"set_item_state": item_service_pb2.SetItemStateRequest(item_ids=[item_id] * 501, read=False)},
            "LIMIT_EXCEEDED",
            "item_ids",
        ),
        "an item id that is none": (
            {"set_item_state": item_service_pb2.SetItemStateRequest(item_ids=[b"x"], read=False)},
            "ID_INVALID",
            "item_ids[0]",
        ),
        "a folder id that is none": (
            {"move_items": item_service_pb2.MoveItemsRequest(item_ids=[item_id], folder_id=b"x")},
            "ID_INVALID",
            "folder_id",
        ),
        "a list as a whole": ({"update_item": edit(item_id, "content.recipients")}, "FIELD_NOT_WRITABLE", "update_mask"),
        "a list both ways": ({"update_item": masked}, "FIELD_NOT_WRITABLE", "update_mask"),
        "a field that there is not": ({"update_item": edit(item_id, "summary.nonsense")}, "FIELD_UNKNOWN", "update_mask"),
        "a field of the server's": ({"update_item": edit(item_id, "summary.size_bytes")}, "FIELD_NOT_WRITABLE", "update_mask"),
        "a time that is none": ({**kept, "edited": Timestamp(seconds=1 << 62)}, "FIELD_INVALID", "edited"),
        "a time with negative nanoseconds": ({**kept, "edited": Timestamp(nanos=-1)}, "FIELD_INVALID", "edited"),
        "a prerequisite that is not known": ({**kept, "depends_on": [b"d" * 16]}, "DEPENDS_ON", "depends_on"),
        "a prerequisite that is no id": ({**kept, "depends_on": [b"d" * 16, b"d" * 1000]}, "ID_INVALID", "depends_on[1]"),
    }


async def test_a_wrong_operation_is_rejected_and_the_others_go_on(home: Home, device: Device) -> None:
    item_id = next(iter(await home.all_items()))
    for name, (fields, reason, field) in hostile_actions(item_id).items():
        before = await home.everything()
        wrong = device.operation(**fields)
        rejected = await device.do(wrong)
        assert rejected.outcome == REJECTED, name
        said = explained(rejected.error)
        assert (said.reason, said.field) == (reason, field), name
        assert await home.everything() == before, name
        first, last = home.server.ids.new(), home.server.ids.new()
        request = sync_service_pb2.PushRequest(operations=[device.creation(first), wrong, device.creation(last)])
        results = [result for answer in await device.push_stream([request]) for result in answer.results]
        assert [result.outcome for result in results] == [APPLIED, REJECTED, APPLIED], name
        assert results[1].duplicate and results[1].error == rejected.error, name
        assert set((await device.news()).item_ids) == {first, last}, name


async def test_an_action_of_a_later_version_is_rejected(home: Home, device: Device) -> None:
    before = await home.everything()
    operation = device.operation()
    encoded = operation.SerializeToString() + b"\x9a\x06\x02\x08\x01"  # field 99, which there may be one day
    result = await device.do(SyncOperation.FromString(encoded))
    assert (result.outcome, explained(result.error)) == (REJECTED, Refusal(INVALID, "FIELD_INVALID", "action"))
    assert await home.everything() == before


async def test_a_device_that_says_it_has_seen_the_future_has_seen_the_present(home: Home, device: Device) -> None:
    ((item_id, item),) = (await home.all_items()).items()
    operation = device.rename(item_id, "Seen everything", base_revision=(1 << 64) - 1, at=1_000_000_000)
    assert (await device.do(operation)).outcome == APPLIED
    other = await home.device("other")
    await other.news()
    assert (await other.do(other.rename(item_id, "Saw that too"))).outcome == APPLIED
    assert (await home.get(item_id)).summary.subject == "Saw that too" != item.summary.subject


async def test_more_prerequisites_than_an_operation_has(home: Home, device: Device) -> None:
    before = await home.everything()
    nobody = [number.to_bytes(16, "big") for number in range(100_000)]
    result = await device.do(device.operation(depends_on=nobody, create_folder=folder_of(name="x")))
    assert explained(result.error) == Refusal(INVALID, "LIMIT_EXCEEDED", "depends_on")
    many = [device.operation(depends_on=nobody[:1000], create_folder=folder_of(name="x")) for _ in range(200)]
    assert {explained(result.error).reason for result in await device.push(*many)} == {"DEPENDS_ON"}
    own = device.operation(create_folder=folder_of(name="x"))
    own.depends_on.append(own.operation_id)
    assert explained((await device.do(own)).error) == Refusal(PRECONDITION, "DEPENDS_ON", "depends_on")
    assert await home.everything() == before


def zero_bytes(item_id: bytes, new_id: bytes) -> dict[str, dict[str, Any]]:
    """A zero byte, which PostgreSQL has no place for in a text, wherever a text may come from a device."""
    named = property_pb2.PropertyKey(named=property_pb2.PropertyKey.Name(property_set=b"p" * 16, name="a\0b"))
    value = property_pb2.Property(key=named, value=property_pb2.PropertyValue(text="a\0b"))
    note = Item(id=new_id)
    note.summary.kind, note.summary.subject = item_pb2.ITEM_KIND_NOTE, "a\0b"
    return {
        "subject": {"create_item": item_service_pb2.CreateItemRequest(item=note)},
        "new subject": {"update_item": renaming(item_id, "a\0b")},
        "category": {"set_item_state": item_service_pb2.SetItemStateRequest(item_ids=[item_id], add_categories=["a\0b"])},
        "recipient": {"update_item": edit(item_id, add_recipients=[recipient("a\0b@example.org")])},
        "gone recipient": {"update_item": edit(item_id, remove_recipients=[recipient("a\0b@example.org")])},
        "property": {"update_item": edit(item_id, set_properties=[value])},
        "gone property": {"update_item": edit(item_id, remove_properties=[named])},
        "folder": {"create_folder": folder_of(name="a\0b")},
    }


async def test_a_zero_byte_is_text_or_is_rejected_and_breaks_nothing(home: Home, device: Device) -> None:
    item_id = next(iter(await home.all_items()))
    for name, fields in zero_bytes(item_id, home.server.ids.new()).items():
        result = await device.do(device.operation(**fields))
        rejected = Refusal(*explained(result.error)[:2]) if result.outcome == REJECTED else None
        assert rejected == (Refusal(INVALID, "FIELD_INVALID") if name in {"category", "folder"} else None), name
        await device.news()
        await device.require_equal()
