"""Watch and the calls for conflicts: what is asked of others, or makes no sense, is refused and tells nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.rpc import code_pb2

from rookery.v1 import sync_service_pb2
from rookery.v1.sync_service_pb2 import WatchPosition, WatchRequest
from tests.sync.rules.home import Home, Refusal, refusal

if TYPE_CHECKING:
    from tests.sync.rules.home import Device

INVALID, MISSING = code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND
NO_MAILBOX = Refusal(MISSING, "MAILBOX_NOT_FOUND")


def own(home: Home) -> bytes:
    """The mailbox."""
    return home.person.login.identity.mailbox_id


async def refused(device: Device, *positions: WatchPosition) -> Refusal:
    """How Watch is refused: before it tells anything."""
    before = await device.home.everything()
    call = device.home.sync.Watch(WatchRequest(positions=positions), metadata=device.metadata)
    said = await refusal(call.read())
    assert await device.home.everything() == before
    return said


async def test_mailboxes_of_others_are_not_watched(home: Home, device: Device, neighbour: Home) -> None:
    for mailbox_id in (own(neighbour), home.server.ids.new(), bytes(16)):
        assert await refused(device, WatchPosition(mailbox_id=mailbox_id)) == NO_MAILBOX


async def test_nor_beside_one_s_own(home: Home, device: Device, neighbour: Home) -> None:
    positions = [WatchPosition(mailbox_id=own(home)), WatchPosition(mailbox_id=own(neighbour))]
    assert await refused(device, *positions) == NO_MAILBOX
    assert await refused(device, *reversed(positions)) == NO_MAILBOX


async def test_positions_that_make_no_sense_are_refused(home: Home, device: Device) -> None:
    many = [WatchPosition(mailbox_id=own(home))] * 101
    assert await refused(device, *many) == Refusal(INVALID, "LIMIT_EXCEEDED", "positions")
    twice = [WatchPosition(mailbox_id=own(home)), WatchPosition(mailbox_id=own(home), revision=5)]
    assert await refused(device, *twice) == Refusal(INVALID, "FIELD_INVALID", "positions[1].mailbox_id")
    assert await refused(device, WatchPosition(), WatchPosition()) == Refusal(INVALID, "FIELD_INVALID", "positions[1].mailbox_id")
    assert (await refused(device, WatchPosition(mailbox_id=b"m" * 17)))[:2] == (INVALID, "ID_INVALID")


async def test_a_position_in_the_future_is_now_and_one_at_the_beginning_brings_a_bounded_past(home: Home, device: Device) -> None:
    made = await home.item()
    await home.mark(made.id, read=False)
    for revision, told in (((1 << 64) - 1, []), (0, [made.id])):
        call = home.sync.Watch(
            WatchRequest(positions=[WatchPosition(mailbox_id=own(home), revision=revision)]), metadata=device.metadata
        )
        first: Any = await call.read()
        assert first.revision == await home.revision()
        assert [each.id for each in first.new_messages if each.folder_id == made.folder_id] == told
        call.cancel()


async def test_a_neighbour_s_mail_wakes_nobody_else(home: Home, device: Device, neighbour: Home) -> None:
    call = home.sync.Watch(WatchRequest(), metadata=device.metadata)
    first: Any = await call.read()
    assert first.mailbox_id == own(home)
    await neighbour.item()
    made = await home.item()
    await home.mark(made.id, read=False)
    told: Any = await call.read()
    assert told.mailbox_id == own(home) and told.revision > first.revision
    call.cancel()


async def test_conflicts_of_others_and_none_look_the_same(home: Home, neighbour: Home) -> None:
    (theirs,) = await home.conflicts()
    before = await home.everything()
    item_id, device_id, new = theirs.item_id, theirs.device_id, home.server.ids.new
    for name in ("GetConflict", "RestoreConflict", "DismissConflict"):
        kind, stub = getattr(sync_service_pb2, f"{name}Request"), getattr(neighbour.sync, name)
        for names in [(item_id, device_id), (item_id, new()), (new(), device_id), (new(), new())]:
            refused = await refusal(neighbour.ask(stub, kind(item_id=names[0], device_id=names[1])))
            assert refused[:2] == (MISSING, "CONFLICT_NOT_FOUND"), name
        there = kind(mailbox_id=own(home), item_id=item_id, device_id=device_id)
        assert await refusal(neighbour.ask(stub, there)) == NO_MAILBOX, name
        for names in [(b"x", device_id), (item_id, b""), (b"", b""), (item_id, b"d" * 1000)]:
            refused = await refusal(home.ask(getattr(home.sync, name), kind(item_id=names[0], device_id=names[1])))
            assert refused[:2] == (INVALID, "ID_INVALID"), name
    assert await home.everything() == before
