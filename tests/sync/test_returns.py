"""Items that were lost when the server was restored from a backup, and that several devices bring back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1 import folder_pb2, item_pb2, sync_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, MeetingState
from rookery.v1.item_pb2 import Attachment, Item
from rookery.v1.person_pb2 import Person as Named
from rookery.v1.sync_pb2 import PUSH_OUTCOME_APPLIED, PUSH_OUTCOME_CONFLICT, PUSH_OUTCOME_MERGED, PUSH_OUTCOME_REJECTED
from rookery.v1.task_pb2 import ASSIGNMENT_SIDE_ASSIGNEE, TASK_STATUS_COMPLETED
from rookery_server.store import backup
from tests.support.meeting_calls import appointment
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


def meeting_state(item: Item) -> MeetingState:
    return item.content.appointment.meeting


async def lost_meeting(fleet: Fleet, desk: Device) -> Item:
    """A meeting that was sent, and answered, as a device holds it when a backup of before is restored: it is gone on the server."""
    made = await fleet.world.create(fleet.person, appointment(attendees=["carl@elsewhere.test", "dora@elsewhere.test"]))
    await desk.do(desk.operation(send_meeting={"item_id": made.id}))
    item = await fleet.world.get(fleet.person, made.id)
    item.id, item.revision = fleet.world.ids.new(), NEW  # the mailbox has never had it
    return item


async def test_a_meeting_that_comes_back_is_not_sent_anew(fleet: Fleet) -> None:
    desk = fleet.device()
    item = await lost_meeting(fleet, desk)
    item.content.appointment.attendees[0].response = RESPONSE_STATUS_ACCEPTED
    item.content.appointment.meeting.occurrence_responses.add(
        attendee=item.content.appointment.attendees[1]
    ).original_start.local = "2026-03-02"
    returned = await desk.do(desk.operation(create_item={"item": item}))
    assert returned.outcome == PUSH_OUTCOME_APPLIED
    stored = await fleet.world.get(fleet.person, item.id)
    assert meeting_state(stored) == meeting_state(item)
    sent = await desk.do(desk.operation(send_meeting={"item_id": item.id}))
    assert (sent.outcome, sent.HasField("submission")) == (PUSH_OUTCOME_APPLIED, False)


async def test_what_a_meeting_of_the_backup_was_told_since_comes_back_with_its_version(fleet: Fleet) -> None:
    desk, phone = fleet.device(), fleet.device()
    item = await lost_meeting(fleet, desk)
    older = Item()
    older.CopyFrom(item)
    older.revision = OLD
    older.content.appointment.ClearField("meeting")
    for each in (older, item):
        assert (await desk.do(desk.operation(create_item={"item": each}))).outcome != PUSH_OUTCOME_REJECTED
    assert meeting_state(await fleet.world.get(fleet.person, item.id)) == meeting_state(item)
    newer = Item()
    newer.CopyFrom(item)
    newer.revision = NEW + 1
    newer.content.appointment.meeting.sent.version.stamp.seconds -= 60
    newer.summary.subject = "Renamed"
    assert (await phone.do(phone.operation(create_item={"item": newer}))).outcome == PUSH_OUTCOME_MERGED
    stored = await fleet.world.get(fleet.person, item.id)
    assert (stored.summary.subject, meeting_state(stored)) == ("Renamed", meeting_state(item))


async def test_nobody_brings_a_meeting_to_say_what_can_not_be(fleet: Fleet) -> None:
    desk = fleet.device()
    item = await lost_meeting(fleet, desk)
    for alter in (
        lambda state: state.sent.version.stamp.__setattr__("seconds", 1 << 60),
        lambda state: state.occurrence_versions.add(original_start={"local": "tomorrow"}),
        lambda state: state.sent.appointment.recurrence.rules.append("FREQ=NEVER"),
        lambda state: state.sent.attendees.extend([Named(name="x")] * 5001),
    ):
        forged = Item()
        forged.CopyFrom(item)
        alter(forged.content.appointment.meeting)
        assert reason(await desk.do(desk.operation(create_item={"item": forged}))) in {"FIELD_INVALID", "LIMIT_EXCEEDED"}
    fresh = Item()
    fresh.CopyFrom(item)
    fresh.revision = 0  # it is new, and says nothing
    assert (await desk.do(desk.operation(create_item={"item": fresh}))).outcome == PUSH_OUTCOME_APPLIED
    assert not (await fleet.world.get(fleet.person, fresh.id)).content.appointment.HasField("meeting")


async def test_a_task_that_comes_back_is_reported_to_nobody_a_second_time(fleet: Fleet) -> None:
    desk = fleet.device()
    older = Item(id=fleet.world.ids.new(), revision=OLD)
    older.summary.kind, older.summary.subject, older.summary.task.task_id = item_pb2.ITEM_KIND_TASK, "Report", "t1"
    older.content.task.progress_requested = True
    state = older.content.task.assignment
    state.side, state.task_id, state.response = ASSIGNMENT_SIDE_ASSIGNEE, "t1", RESPONSE_STATUS_ACCEPTED
    state.given_by.address = "carl@elsewhere.test"
    state.replied.seconds = 1_700_000_000
    newer = Item()
    newer.CopyFrom(older)
    newer.revision, newer.summary.task.status, newer.summary.task.percent_complete = NEW, TASK_STATUS_COMPLETED, 100
    newer.summary.task.completed.seconds = 1_700_000_100
    newer.content.task.assignment.reported_status, newer.content.task.assignment.reported_percent = TASK_STATUS_COMPLETED, 100
    newer.content.task.assignment.replied.seconds = 1_700_000_100
    for each in (older, newer):
        assert (await desk.do(desk.operation(create_item={"item": each}))).outcome != PUSH_OUTCOME_REJECTED
    stored = await fleet.world.get(fleet.person, older.id)
    assert (stored.summary.task.status, stored.content.task) == (TASK_STATUS_COMPLETED, newer.content.task)
    assert fleet.woken == 0
    outbox = await fleet.world.folder_of(fleet.person, folder_pb2.FOLDER_ROLE_OUTBOX)
    assert await fleet.world.walk(fleet.person, outbox) == []
