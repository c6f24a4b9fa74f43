"""Tasks handed to others: letters go round by the queue to people here, and by mail to people elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import folder_pb2, item_pb2, item_service_pb2, task_service_pb2
from rookery.v1.calendar_pb2 import RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED
from rookery.v1.item_pb2 import Item
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED
from rookery.v1.task_pb2 import (
    ASSIGNMENT_SIDE_ASSIGNEE,
    ASSIGNMENT_SIDE_BOTH,
    TASK_ASSIGNMENT_ACCEPTED,
    TASK_ASSIGNMENT_DECLINED,
    TASK_ASSIGNMENT_REQUESTED,
    TASK_STATUS_CANCELLED,
    TASK_STATUS_COMPLETED,
    TASK_STATUS_IN_PROGRESS,
    TASK_STATUS_NOT_STARTED,
)
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.databases import ON_BOTH, sqlite_unless_asked
from tests.support.groups import make_group
from tests.support.invitations import FAR, mail
from tests.support.mail import INBOX
from tests.support.meeting_world import DELETED, TASKS
from tests.support.task_world import TaskWorld

if TYPE_CHECKING:
    from rookery_core.rules.scheduling.itip import Itip
    from rookery_server.store.database import Database
    from tests.support.world import Person

YES, NO = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED
__all__ = ["sqlite_unless_asked"]


@pytest.fixture
def world(database: Database) -> TaskWorld:
    return TaskWorld(database)


@ON_BOTH
async def test_a_task_arrives_with_whom_it_is_given_to_and_the_answer_with_who_gave_it(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    item = await world.task(anna)
    response = await world.assign(anna, item.id, "ben@rookery.example", comment="Can you?")
    assert response.item.summary.task.assignment == TASK_ASSIGNMENT_REQUESTED
    assert [each.person.address for each in response.submissions[0].recipients] == ["ben@rookery.example"]
    await world.settle()
    copy = await world.own(ben)
    told = await world.told("ben")
    assert (told.effect, told.item_id, told.comment) == (SCHEDULING_EFFECT_APPLIED, copy.id, "Can you?")
    assert (copy.summary.subject, copy.summary.task.due.local, copy.content.body.text.strip()) == (
        "Write the report",
        "2025-12-01",
        "By Friday, please.",
    )
    assert (copy.summary.task.task_id, copy.content.task.assigner.address) == (item.summary.task.task_id, "anna@rookery.example")
    assert copy.content.task.assignment.side == ASSIGNMENT_SIDE_ASSIGNEE
    answered = await world.answer(ben, (await world.within(ben, INBOX))[0].id, YES, comment="Gladly.")  # by the message
    assert (answered.item.id, answered.item.summary.task.assignment) == (copy.id, TASK_ASSIGNMENT_ACCEPTED)
    await world.settle()
    after = await world.get(anna, item.id)
    assert (after.summary.task.assignment, after.content.task.assignment.comment) == (TASK_ASSIGNMENT_ACCEPTED, "Gladly.")
    assert (await world.answer(ben, copy.id, YES)).submissions == []
    for person in (anna, ben):
        await world.check_counters(person)


async def test_progress_is_told_by_whatever_call_a_task_changes_and_once(world: TaskWorld, anna: Person, ben: Person) -> None:
    given, taken = await world.handed(anna, ben, "ben")
    before = await world.sent(ben)
    await world.progress(ben, taken.id, 40)
    await world.progress(ben, taken.id, 40)
    task = (await world.get(anna, given.id)).summary.task
    assert (task.status, task.percent_complete, await world.sent(ben)) == (TASK_STATUS_IN_PROGRESS, 40, before + 1)
    request = task_service_pb2.CompleteTaskRequest(operation_id=world.ids.new(), item_id=taken.id)
    await world.tasks.complete_task(ben.caller, request)
    await world.tasks.complete_task(ben.caller, request)
    await world.settle()
    task = (await world.get(anna, given.id)).summary.task
    done = (await world.get(ben, taken.id)).summary.task
    assert (task.status, task.percent_complete, task.completed.seconds) == (TASK_STATUS_COMPLETED, 100, done.completed.seconds)
    assert await world.sent(ben) == before + 2
    assert await world.sent(anna) == 1
    await world.check_counters(anna)


async def test_the_queue_is_woken_where_somebody_is_told_and_only_there(world: TaskWorld, anna: Person, ben: Person) -> None:
    given, taken = await world.handed(anna, ben, "ben")
    woken = world.woken
    item = Item(id=taken.id)
    item.summary.subject = "Report"
    mask = FieldMask(paths=["summary.subject"])
    request = item_service_pb2.UpdateItemRequest(operation_id=world.ids.new(), item=item, update_mask=mask)
    await world.editing.update_item(ben.caller, request)
    await world.progress(anna, given.id, 10)
    assert world.woken == woken
    await world.progress(ben, taken.id, 10)
    assert world.woken > woken


async def test_what_is_declined_goes_to_deleted_items_and_may_be_given_to_another(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    cleo = await world.person("cleo")
    item = await world.task(anna)
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    await world.answer(ben, (await world.own(ben)).id, NO)
    await world.settle()
    assert (await world.own(ben, DELETED)).summary.task.assignment == TASK_ASSIGNMENT_DECLINED
    assert (await world.get(anna, item.id)).summary.task.assignment == TASK_ASSIGNMENT_DECLINED
    letters = (await world.assign(anna, item.id, "cleo@rookery.example")).submissions
    assert [each.person.address for letter in letters for each in letter.recipients] == ["cleo@rookery.example"]
    await world.settle()
    await world.answer(cleo, (await world.own(cleo)).id, YES)
    await world.settle()
    with pytest.raises(FailedPrecondition) as refused:
        await world.assign(anna, item.id, "ben@rookery.example")
    assert refused.value.reason == "TASK_ASSIGNED"


@ON_BOTH
async def test_a_task_is_given_to_no_group_but_to_one_of_its_members(world: TaskWorld, anna: Person, ben: Person) -> None:
    await make_group(world, "team", anna, ben)
    item = await world.task(anna)
    for address in ("team@rookery.example", "Team+urgent@rookery.example"):
        with pytest.raises(FailedPrecondition) as refused:
            await world.assign(anna, item.id, address)
        assert (refused.value.reason, refused.value.field) == ("TO_A_GROUP", "to")
    assert (await world.get(anna, item.id)).revision == item.revision, "nothing is left half-done"
    assert await world.sent(anna) == 0
    assert (await world.assign(anna, item.id, "ben@rookery.example")).submissions


async def test_a_group_without_members_is_a_mailbox_that_a_task_may_be_given_to(world: TaskWorld, anna: Person) -> None:
    team = await make_group(world, "team")
    await world.assign(anna, (await world.task(anna)).id, "team@rookery.example")
    await world.settle()
    assert (await world.own(team)).content.task.assigner.address == "anna@rookery.example"


async def test_who_has_not_answered_is_told_that_a_task_is_another_ones(world: TaskWorld, anna: Person, ben: Person) -> None:
    await world.person("cleo")
    item = await world.task(anna)
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    assert len((await world.assign(anna, item.id, "cleo@rookery.example")).submissions) == 2
    await world.settle()
    assert (await world.own(ben, DELETED)).summary.task.status == TASK_STATUS_CANCELLED
    assert await world.within(ben, TASKS) == []


@ON_BOTH
async def test_reports_go_through_the_one_who_handed_a_task_on(world: TaskWorld, anna: Person, ben: Person) -> None:
    cleo = await world.person("cleo")
    given, taken = await world.handed(anna, ben, "ben")
    await world.assign(ben, taken.id, "cleo@rookery.example")
    await world.settle()
    await world.answer(cleo, (await world.own(cleo)).id, YES)
    await world.settle()
    middle = await world.get(ben, taken.id)
    assert (middle.content.task.assignment.side, middle.summary.task.owner.address) == (
        ASSIGNMENT_SIDE_BOTH,
        "cleo@rookery.example",
    )
    await world.progress(cleo, (await world.own(cleo)).id, 60)
    percents = [
        (await world.get(person, item_id)).summary.task.percent_complete for person, item_id in ((ben, taken.id), (anna, given.id))
    ]
    assert percents == [60, 60]
    assert [await world.sent(person) for person in (anna, ben, cleo)] == [1, 3, 2]
    await world.check_counters(ben)


async def test_a_series_is_handed_over_and_each_task_done_stays_with_who_did_it(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    item = await world.task(anna, "FREQ=WEEKLY")
    await world.assign(anna, item.id, "ben@rookery.example")
    await world.settle()
    taken = await world.own(ben)
    await world.answer(ben, taken.id, YES)
    await world.settle()
    request = task_service_pb2.CompleteTaskRequest(operation_id=world.ids.new(), item_id=taken.id)
    await world.tasks.complete_task(ben.caller, request)
    await world.settle()
    task = (await world.get(anna, item.id)).summary.task
    assert (task.due.local, task.status, task.occurrence) == ("2025-12-08", TASK_STATUS_NOT_STARTED, 1)
    assert len(await world.within(ben, TASKS)) == 2
    assert len(await world.within(anna, TASKS)) == 1
    [copy] = [each for each in await world.within(ben, TASKS) if each.id != taken.id]
    before = await world.sent(ben)
    await world.progress(ben, copy.id, 50)
    assert await world.sent(ben) == before


def vtodo(found: Itip, method: str, partstat: str, *lines: str) -> bytes:
    """What somebody elsewhere writes about a task."""
    stamp = "DTSTAMP:20251124T120000Z" if not any(line.startswith("DTSTAMP") for line in lines) else ""
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Elsewhere//EN", f"METHOD:{method}", "BEGIN:VTODO", f"UID:{found.uid}"]
    whole += [f"ORGANIZER:mailto:{found.organizer.address}", f"ATTENDEE;PARTSTAT={partstat}:mailto:{FAR}", stamp, *lines]
    return "\r\n".join([*(line for line in whole if line), "END:VTODO", "END:VCALENDAR", ""]).encode()


async def test_a_task_goes_to_people_elsewhere_by_mail_and_their_reports_come_back(world: TaskWorld, anna: Person) -> None:
    item = await world.task(anna)
    submission = (await world.assign(anna, item.id, FAR)).submissions[0]
    found = await world.letter(anna, submission)
    await world.settle()
    assert world.outside.carried == [("elsewhere.example", [FAR])]
    assert (found.uid, found.organizer.address) == (item.summary.task.task_id, "anna@rookery.example")
    reply = vtodo(found, "REPLY", "ACCEPTED", "SEQUENCE:0")
    [told] = await world.bring(mail(reply), "anna")
    assert told.effect == SCHEDULING_EFFECT_APPLIED
    done = vtodo(found, "REPLY", "COMPLETED", "SEQUENCE:0", "DTSTAMP:20251125T120000Z", "STATUS:COMPLETED", "PERCENT-COMPLETE:100")
    await world.bring(mail(done), "anna")
    task = (await world.get(anna, item.id)).summary.task
    assert (task.assignment, task.status, task.percent_complete) == (TASK_ASSIGNMENT_ACCEPTED, TASK_STATUS_COMPLETED, 100)
    assert task.completed.ToMicroseconds() > 0
    forged = vtodo(found, "REPLY", "DECLINED", "SEQUENCE:0", "DTSTAMP:20251126T120000Z")
    [told] = await world.bring(mail(forged, sender="mallory@elsewhere.example"), "anna")
    assert told.effect == SCHEDULING_EFFECT_IGNORED
    assert (await world.get(anna, item.id)).summary.task.assignment == TASK_ASSIGNMENT_ACCEPTED


async def test_a_task_from_elsewhere_is_answered_by_mail(world: TaskWorld, anna: Person) -> None:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Elsewhere//EN", "METHOD:REQUEST", "BEGIN:VTODO", "UID:t1@elsewhere"]
    lines += [
        "DTSTAMP:20251124T120000Z",
        "SEQUENCE:4",
        f"ORGANIZER:mailto:{FAR}",
        "SUMMARY:Count the cows",
        "DUE;VALUE=DATE:20251205",
    ]
    lines += [
        "ATTENDEE;RSVP=TRUE:mailto:anna@rookery.example",
        "X-ROOKERY-PROGRESS-REQUESTED:TRUE",
        "END:VTODO",
        "END:VCALENDAR",
        "",
    ]
    [told] = await world.bring(mail("\r\n".join(lines).encode()), "anna")
    copy = await world.own(anna)
    assert (told.effect, copy.summary.subject, copy.summary.task.task_id) == (
        SCHEDULING_EFFECT_APPLIED,
        "Count the cows",
        "t1@elsewhere",
    )
    letter = await world.letter(anna, (await world.answer(anna, copy.id, YES)).submissions[0])
    assert (letter.uid, letter.organizer.address, letter.parts[0].version.sequence) == ("t1@elsewhere", FAR, 4)
    await world.progress(anna, copy.id, 30)
    assert world.outside.carried == [("elsewhere.example", [FAR])] * 2


@ON_BOTH
async def test_an_edit_holds_even_if_its_report_can_not_be_sent(world: TaskWorld, anna: Person) -> None:
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Elsewhere//EN", "METHOD:REQUEST", "BEGIN:VTODO", "UID:t2@elsewhere"]
    lines += ["DTSTAMP:20251124T120000Z", f"ORGANIZER:mailto:{FAR}", "SUMMARY:Count", "X-ROOKERY-PROGRESS-REQUESTED:TRUE"]
    lines += ["ATTENDEE:mailto:anna@rookery.example", "END:VTODO", "END:VCALENDAR", ""]
    await world.bring(mail("\r\n".join(lines).encode()), "anna")
    copy = await world.own(anna)
    await world.answer(anna, copy.id, YES)
    await world.settle()
    await world.leave_room(anna, 600)
    sent = await world.sent(anna)
    await world.progress(anna, copy.id, 30)
    assert ((await world.get(anna, copy.id)).summary.task.percent_complete, await world.sent(anna)) == (30, sent)
    await world.leave_room(anna, 100_000)
    await world.progress(anna, copy.id, 31)
    assert await world.sent(anna) == sent + 1


@ON_BOTH
async def test_two_devices_and_a_lost_answer_assign_once(world: TaskWorld, anna: Person, ben: Person) -> None:
    item = await world.task(anna)
    operation_id = world.ids.new()
    first = await world.assign(anna, item.id, "ben@rookery.example", operation_id=operation_id)
    again = await world.assign(anna, item.id, "ben@rookery.example", operation_id=operation_id)
    assert (again.submissions[0].id, again.revision) == (first.submissions[0].id, first.revision)
    assert (await world.assign(anna, item.id, "Ben@Rookery.Example")).submissions == []
    await world.settle()
    assert len(await world.within(ben, TASKS)) == 1


async def test_what_can_not_be_handed_over_or_answered_is_refused_and_leaves_nothing(
    world: TaskWorld, anna: Person, ben: Person
) -> None:
    item = await world.task(anna)
    note = await world.item(anna, await world.folder_of(anna, folder_pb2.FOLDER_ROLE_NOTES), kind=item_pb2.ITEM_KIND_NOTE)
    for item_id, to, reason in (
        (item.id, "anna@rookery.example", "FIELD_INVALID"),
        (item.id, "nobody", "ADDRESS_INVALID"),
        (note.id, "ben@rookery.example", "NOT_A_TASK"),
    ):
        with pytest.raises((InvalidArgument, FailedPrecondition)) as refused:
            await world.assign(anna, item_id, to)
        assert refused.value.reason == reason
    with pytest.raises(NotFound):
        await world.assign(anna, world.ids.new(), "ben@rookery.example")
    for item_id in (item.id, note.id):
        with pytest.raises(FailedPrecondition) as refused:
            await world.answer(anna, item_id, YES)
        assert refused.value.reason == "NOT_ASSIGNED"
    await world.delete(anna, [item.id], item_service_pb2.DELETE_MODE_RECOVERABLE)
    with pytest.raises(FailedPrecondition) as refused:
        await world.assign(anna, item.id, "ben@rookery.example")
    assert refused.value.reason == "ITEM_NOT_LIVE"
    assert await world.sent(anna) == 0
