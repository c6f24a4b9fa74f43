"""What leaves a device's scope is not what was deleted; what enters it comes whole; nothing else is the device's business."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1 import calendar_pb2, folder_pb2, item_pb2, item_service_pb2, sync_pb2
from tests.sync.rules.home import ARCHIVE, DELETED, FOR_EVER, INBOX, LEFT_SCOPE, SOFTLY, TO_BIN, Home

if TYPE_CHECKING:
    from tests.sync.rules.home import Device

SEEDS = range(2)


@pytest.fixture
async def inbox(home: Home) -> bytes:
    return await home.role(INBOX)


@pytest.fixture
async def archive(home: Home) -> bytes:
    return await home.role(ARCHIVE)


@pytest.fixture
async def watch(home: Home, inbox: bytes) -> Device:
    """Cares for the inbox alone, has caught up, and holds a message."""
    await home.item(inbox)
    device = await home.device("watch", sync_pb2.SyncScope(folder_ids=[inbox]))
    await device.news()
    return device


async def test_an_item_moved_out_of_scope_is_not_deleted(home: Home, archive: bytes, watch: Device) -> None:
    """MS-OXCFXICS R75, R76 (2.2.1.3.2): out of scope and deleted are told apart; unlike R78, a move is no deletion."""
    (item_id,) = watch.items
    await home.move(archive, item_id)
    told = await watch.news()
    assert told.dropped == [(item_id, LEFT_SCOPE)] and told.items == [] and told.changes == []
    moved = await home.get(item_id)
    assert (moved.folder_id, moved.life) == (archive, item_pb2.ITEM_LIFE_LIVE)


@pytest.mark.parametrize("mode", [SOFTLY, FOR_EVER])
async def test_soft_and_hard_deletion_are_both_deletion(home: Home, watch: Device, mode: int) -> None:
    """MS-OXCFXICS R72001, R7200101 (2.2.1.3.1), R1278, R1279 (2.2.1.3.2)."""
    (item_id,) = watch.items
    await home.delete(mode, item_id)  # type: ignore[arg-type]
    assert (await watch.news()).dropped == [(item_id, DELETED)]


async def test_what_is_thrown_into_the_bin_has_moved(home: Home, watch: Device, phone: Device) -> None:
    """MS-OXCFXICS R75 (2.2.1.3.2): for who keeps the bin too it is a move, for who does not it left the scope."""
    await phone.news()
    (item_id,) = watch.items
    await home.delete(TO_BIN, item_id)
    assert (await watch.news()).dropped == [(item_id, LEFT_SCOPE)]
    told = await phone.news()
    assert told.items == [] and told.removals == []
    assert [(change.item_id, change.HasField("place")) for change in told.changes] == [(item_id, True)]
    await phone.require_equal()


async def test_an_item_that_moves_keeps_its_id_and_its_content_stays_where_it_is(
    home: Home, archive: bytes, inbox: bytes, phone: Device
) -> None:
    """The contract's MoveItems; MS-OXCFXICS R1892 (3.1.5.3) mints new ids, so that a client has to load moved mail again."""
    item = await home.item(inbox, text="x" * 20_000)
    await phone.news()
    await home.move(archive, item.id)
    batch = await phone.ask()
    assert (len(batch.items), len(batch.removals), len(batch.changes)) == (0, 0, 1)
    place = batch.changes[0].place
    assert (batch.changes[0].item_id, place.folder_id, place.from_folder_id) == (item.id, archive, inbox)
    assert not batch.changes[0].HasField("state")
    moved = await home.get(item.id)
    assert (moved.content_revision, moved.uid) == (item.content_revision, place.uid)


async def test_an_item_that_enters_the_scope_comes_whole(home: Home, archive: bytes, inbox: bytes, watch: Device) -> None:
    """MS-OXCFXICS R2043 (3.2.5.3): what the client was not given is a full change, however old it is."""
    old = await home.item(archive)
    assert (await watch.news()).of_items == []
    await home.move(inbox, old.id)
    told = await watch.news()
    assert told.item_ids == [old.id] and told.changes == [] and told.removals == []
    await watch.require_equal()


async def test_an_item_that_left_the_scope_and_came_back_is_held_in_the_end(
    home: Home, archive: bytes, inbox: bytes, watch: Device
) -> None:
    """MS-OXCFXICS R2073 (3.2.5.3): nothing that is told as a change is told as gone."""
    (item_id,) = watch.items
    await home.move(archive, item_id)
    await home.rename(item_id, "Edited while away")
    await home.move(inbox, item_id)
    told = await watch.news()
    assert told.removals == []
    assert watch.items[item_id].summary.subject == "Edited while away"
    await watch.require_equal()


async def test_an_item_that_left_the_scope_and_was_deleted_there_is_gone_once(home: Home, archive: bytes, watch: Device) -> None:
    """MS-OXCFXICS R2064 (3.2.5.3): an item that is not held any more is in one of the sets."""
    (item_id,) = watch.items
    await home.move(archive, item_id)
    await home.delete(FOR_EVER, item_id)
    assert (await watch.news()).dropped == [(item_id, DELETED)]


async def test_an_appointment_put_off_beyond_the_window_left_the_scope(home: Home) -> None:
    """MS-OXCFXICS R76 (2.2.1.3.2), R2047 (3.2.5.3): what no longer matches the restriction is out of scope; it is not deleted."""
    window = sync_pb2.SyncWindow()
    window.events_from.FromJsonString("2030-01-01T00:00:00Z")
    window.events_until.FromJsonString("2030-02-01T00:00:00Z")
    phone = await home.device("phone", sync_pb2.SyncScope(window=window))
    made = await home.item(
        await home.role(folder_pb2.FOLDER_ROLE_CALENDAR),
        subject="Dentist",
        kind=item_pb2.ITEM_KIND_APPOINTMENT,
        appointment=_day("2030-01-15", "2030-01-16"),
    )
    assert (await phone.news()).item_ids == [made.id]
    await _put_off(home, made.id, "2030-03-15", "2030-03-16")
    assert (await phone.news()).dropped == [(made.id, LEFT_SCOPE)]
    assert (await home.get(made.id)).life == item_pb2.ITEM_LIFE_LIVE
    await _put_off(home, made.id, "2030-01-20", "2030-01-21")
    assert (await phone.news()).item_ids == [made.id]


async def test_kinds_that_nobody_asked_for_never_come(home: Home, archive: bytes) -> None:
    """MS-OXCFXICS R644 (2.2.3.2.1.1): the restriction is on the messages; of what never matched it nothing is told."""
    notes = await home.device("notes", sync_pb2.SyncScope(kinds=[item_pb2.ITEM_KIND_NOTE]))
    await notes.news()
    mail, note = await home.item(), await home.item(kind=item_pb2.ITEM_KIND_NOTE)
    assert (await notes.news()).item_ids == [note.id]
    await home.mark(mail.id, read=False)
    await home.move(archive, mail.id)
    await home.rename(mail.id, "Edited")
    assert (await notes.news()).of_items == []
    await home.delete(FOR_EVER, mail.id)
    told = await notes.news()  # of what is purged the kind is not known any more: to drop what one does not hold is harmless
    assert told.items == [] and told.changes == [] and set(notes.items) == {note.id}


async def test_a_window_that_grows_brings_what_enters_it_and_one_that_shrinks_takes_nothing_back(home: Home) -> None:
    """MS-OXCFXICS R76 (2.2.1.3.2): the scope is the client's to set; the contract's SyncWindow: what ages out it drops itself."""
    old = await home.item(received=moment(home, days=-30))
    new = await home.item(received=moment(home, days=-1))
    phone = await home.device("phone", since(home, days=-7))
    assert (await phone.news()).item_ids == [new.id]
    phone.scope = since(home, days=-60)
    told = await phone.news()
    assert told.item_ids == [old.id] and told.removals == []
    phone.scope = since(home, days=-7)
    assert (await phone.news()).of_items == []
    await home.mark(old.id, read=False)
    assert (await phone.news()).of_items == []


async def test_a_copy_is_another_item(home: Home, archive: bytes, phone: Device) -> None:
    """MS-OXCFXICS R1892 (3.1.5.3): copies get new identifiers; they come whole, and the original is not mentioned."""
    item = await home.item()
    await phone.news()
    copy_id = home.server.ids.new()
    request = item_service_pb2.CopyItemsRequest(item_ids=[item.id], folder_id=archive, new_ids=[copy_id])
    result = await phone.do(phone.operation(copy_items=request))
    assert [(each.source_id, each.item_id) for each in result.copies] == [(item.id, copy_id)]
    told = await phone.news()
    assert told.item_ids == [copy_id] and told.changes == [] and told.removals == []
    assert phone.items[copy_id].summary == item.summary and phone.items[item.id] == item
    await phone.require_equal()


async def test_an_item_that_comes_back_into_a_folder_has_a_new_number_there(
    home: Home, inbox: bytes, archive: bytes, phone: Device
) -> None:
    """RFC 3501 2.3.1.1: uids only grow, so that a reader by uid sees an item that left and came back as a new one."""
    first, second = await home.item(inbox), await home.item(inbox)
    await phone.news()
    await home.move(archive, first.id)
    await home.move(inbox, first.id)
    told = await phone.news()
    assert told.items == [] and [change.item_id for change in told.changes] == [first.id]
    assert phone.items[first.id].uid > second.uid > first.uid
    assert phone.items[first.id].uid < phone.folders[inbox].next_uid
    await phone.require_equal()


async def test_folders_come_whatever_the_scope_is(home: Home, archive: bytes, watch: Device) -> None:
    """The contract's SyncScope: all folder records come always, since the scope is about items (MS-OXCFXICS R642: two scopes)."""
    made = await home.folder("Trip", archive)
    assert [each.id for each in (await watch.news()).folders] == [made]
    await home.delete_folder(made)
    assert (await watch.news()).removed_folders == [made]


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_both_told_and_taken_back(home: Home, inbox: bytes, archive: bytes, seed: int) -> None:
    """MS-OXCFXICS R2073 to R2076 (3.2.5.3): what one catching up tells of changes, marks and removals has no item in common."""
    chance = random.Random(seed)
    devices = [await home.device(f"device {n}", sync_pb2.SyncScope(folder_ids=each)) for n, each in enumerate([[], [inbox]])]
    item_ids = [(await home.item(chance.choice([inbox, archive]))).id for _ in range(8)]
    for _ in range(3):
        for _ in range(25):
            await something(home, chance, [inbox, archive], chance.choice(item_ids))
        for device in devices:
            known = device.base
            told = await device.news()
            ids = [*told.item_ids, *(change.item_id for change in told.changes), *(item_id for item_id, _ in told.dropped)]
            assert len(ids) == len(set(ids))
            assert all(each.revision > known for each in told.changes) and all(each.revision > known for each in told.removals)
            await device.require_equal()


async def something(home: Home, chance: random.Random, folder_ids: list[bytes], item_id: bytes) -> None:
    """Something that people do to an item."""
    match chance.randrange(4):
        case 0:
            await home.mark(item_id, read=chance.random() < 0.5)
        case 1:
            await home.move(chance.choice(folder_ids), item_id)
        case 2:
            await home.delete(chance.choice([TO_BIN, SOFTLY]), item_id)
        case _:
            await home.restore(item_id)


def moment(home: Home, *, days: float) -> Timestamp:
    """So many days after now."""
    stamp = Timestamp()
    stamp.FromMicroseconds(home.server.clock.now + round(days * 86_400_000_000))
    return stamp


def since(home: Home, *, days: float) -> sync_pb2.SyncScope:
    """Mail of so many days after now, and later."""
    return sync_pb2.SyncScope(window=sync_pb2.SyncWindow(mail_since=moment(home, days=days)))


def _day(first: str, last: str) -> calendar_pb2.AppointmentSummary:
    start, end = calendar_pb2.CalendarTime(local=first), calendar_pb2.CalendarTime(local=last)
    return calendar_pb2.AppointmentSummary(start=start, end=end, all_day=True)


async def _put_off(home: Home, item_id: bytes, first: str, last: str) -> None:
    device = await home.device("calendar")
    operation = device.operation()
    operation.update_item.item.id = item_id
    operation.update_item.item.summary.appointment.CopyFrom(_day(first, last))
    paths = (
        "summary.appointment.start",
        "summary.appointment.end",
        "summary.appointment.all_day",
        "summary.appointment.recurrence",
    )
    operation.update_item.update_mask.paths.extend(paths)
    assert not (await device.do(operation)).HasField("error")
