"""Meetings and tasks on devices that were offline for days: in the end all agree, and no letter was needless."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from rookery.v1.calendar_pb2 import (
    EVENT_STATUS_CANCELLED,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    OccurrenceException,
)
from rookery.v1.person_pb2 import Person as Named
from rookery_client.replica.engine.engine import Engine
from rookery_client.replica.engine.remote import RemoteTransport
from rookery_core.errors import FailedPrecondition
from tests.support.office import (
    CALENDAR,
    DELETED,
    TASKS,
    Desk,
    Device,
    Office,
    answers,
    at,
    attendee,
    conflicts,
    meeting,
    opened,
    task,
)

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Sequence

    from rookery.v1.sync_pb2 import PushResult, SyncOperation

YES, NO, NONE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_NONE


@pytest.fixture
async def office(tmp_path: pathlib.Path) -> AsyncIterator[Office]:
    async with opened(tmp_path) as found:
        yield found


class Met(NamedTuple):
    """A meeting of three."""

    anna: Desk
    """Who invited."""
    ben: Desk
    cleo: Desk
    item_id: bytes
    """Anna's."""


async def met(office: Office, *, annas: int = 0, bens: int = 0, rule: str = "") -> Met:
    """A meeting that Anna, with so many devices, has sent to Ben and Cleo; every device has it."""
    anna, ben = await office.desk("anna", devices=annas), await office.desk("ben", devices=bens)
    cleo = await office.desk("cleo")
    made = await anna.client.items.create(meeting("Plan", ben, cleo, rule=rule))
    await anna.client.meetings.send(made.id)
    await office.settle()
    for desk in (anna, ben):
        await desk.sync()
    return Met(anna, ben, cleo, made.id)


@pytest.mark.parametrize(("first", "sent"), [(0, ["Accepted: Plan", "Declined: Plan"]), (1, ["Declined: Plan"])])
async def test_of_two_answers_the_later_holds_and_the_earlier_is_not_told_after_it(
    office: Office, first: int, sent: list[str]
) -> None:
    anna, ben, _, item_id = await met(office, bens=2)
    mine = (await ben.own()).id
    one, two = ben.devices
    await one.offline.meetings.respond(mine, YES)
    office.clock.advance(seconds=60)
    await two.offline.meetings.respond(mine, NO)
    await office.end(ben.devices[first])
    assert answers(await anna.client.items.get(item_id)) == {"ben": NO, "cleo": NONE}
    assert [item.id for item in await ben.within(DELETED)] == [mine]
    assert await ben.sent() == sent


@pytest.mark.parametrize("what", ["move", "cancel", "remove"])
async def test_an_answer_to_what_is_not_asked_any_more_is_told_to_nobody_and_refused_to_nobody(office: Office, what: str) -> None:
    anna, ben, _, item_id = await met(office, bens=1)
    [device] = ben.devices
    await device.offline.meetings.respond((await ben.own()).id, YES)
    item = await anna.client.items.get(item_id)
    if what == "move":
        item.summary.appointment.start.CopyFrom(at(4))
        item.summary.appointment.end.CopyFrom(at(4, 10))
        await anna.client.items.update(item, ["summary.appointment.start", "summary.appointment.end"])
    if what == "remove":
        del item.content.appointment.attendees[0]
        await anna.client.items.update(item, ["content.appointment.attendees"])
    await (anna.client.meetings.cancel if what == "cancel" else anna.client.meetings.send)(item_id)
    await office.settle()
    await office.end()
    assert (await ben.sent(), device.refused()) == ([], [])
    copy = await ben.own(CALENDAR if what == "move" else DELETED)
    assert copy.summary.appointment.my_response == NONE
    assert (copy.summary.appointment.status == EVENT_STATUS_CANCELLED) == (what != "move")


@pytest.mark.parametrize("first", [0, 1])
async def test_who_is_added_on_one_device_and_taken_off_on_another_is_both(office: Office, first: int) -> None:
    anna, ben, cleo, item_id = await met(office, annas=2)
    dora = await office.desk("dora")
    one, two = anna.devices
    await one.list(item_id, ben, cleo, dora)
    await one.offline.meetings.send(item_id)
    await two.list(item_id, cleo)
    await two.offline.meetings.send(item_id)
    await office.end(anna.devices[first])
    assert answers(await anna.client.items.get(item_id)) == {"cleo": NONE, "dora": NONE}
    assert [len(await desk.within(CALENDAR)) for desk in (ben, cleo, dora)] == [0, 1, 1]
    assert sorted(await anna.sent()) == ["Canceled: Plan", "Plan", "Plan"]
    assert await conflicts(anna) == []


async def test_who_came_by_a_forward_stays_on_a_list_that_was_edited_offline(office: Office) -> None:
    anna, ben, cleo, item_id = await met(office, annas=1, bens=1)
    dora = await office.desk("dora")
    erik = await office.desk("erik")
    [device] = anna.devices
    await device.list(item_id, ben, cleo, erik)
    await device.offline.meetings.send(item_id)
    await ben.devices[0].offline.meetings.forward((await ben.own()).id, [Named(address=dora.address)])
    await ben.sync()
    await office.settle()
    await dora.client.meetings.respond((await dora.own()).id, YES)
    await office.settle()
    await office.end()
    assert answers(await anna.client.items.get(item_id)) == {"ben": NONE, "cleo": NONE, "dora": YES, "erik": NONE}
    assert (await anna.sent(), len(await erik.within(CALENDAR))) == (["Plan", "Plan"], 1)


async def test_a_meeting_sent_and_called_off_before_anybody_heard_of_it_is_told_to_nobody(office: Office) -> None:
    anna, ben = await office.desk("anna", devices=1), await office.desk("ben")
    [device] = anna.devices
    made = await device.offline.items.create(meeting("Plan", ben))
    await device.offline.meetings.send(made.id)
    await device.edit(made.id, location="Room 1")
    await device.offline.meetings.send(made.id)
    await device.offline.meetings.cancel(made.id)
    await office.end()
    assert (await anna.own(DELETED)).id == made.id
    assert (await anna.sent(), await ben.within(DELETED)) == ([], [])


@pytest.mark.parametrize("first", [0, 1])
async def test_a_series_split_on_one_device_and_changed_on_another_is_the_same_for_everybody(office: Office, first: int) -> None:
    anna, ben, cleo, item_id = await met(office, annas=2, rule="FREQ=WEEKLY;COUNT=5")
    one, two = anna.devices
    item = await one.offline.items.get(item_id)
    item.summary.appointment.exceptions.append(OccurrenceException(original_start=at(24), start=at(24, 15), end=at(24, 16)))
    await one.offline.items.update(item, ["summary.appointment.exceptions"])
    await one.offline.meetings.send(item_id)
    office.clock.advance(seconds=60)
    parts = await two.offline.calendar.split(item_id, at(17))
    for part in (parts.first, parts.second):
        await two.offline.meetings.send(part.id)
    await office.end(anna.devices[first])
    calendars = []
    for desk in (anna, ben, cleo):
        shown = [each.summary.appointment for each in await desk.within(CALENDAR)]
        calendars.append(sorted((each.start.local, str(each.recurrence), str(each.exceptions)) for each in shown))
    assert len(calendars[0]) == 2 and calendars[0] == calendars[1] == calendars[2]
    assert len(await anna.sent()) == 4 - first  # an exception that does not come into being is told to nobody


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_answers_to_a_task_the_later_holds(office: Office, first: int) -> None:
    anna, ben = await office.desk("anna"), await office.desk("ben", devices=2)
    made = await anna.client.items.create(task("Report"))
    await anna.client.tasks.assign(made.id, Named(address=ben.address))
    await office.settle()
    await ben.sync()
    mine = (await ben.own(TASKS)).id
    await ben.devices[0].offline.tasks.respond(mine, NO)
    office.clock.advance(seconds=60)
    await ben.devices[1].offline.tasks.respond(mine, YES)
    await office.end(ben.devices[1 - first])
    given = (await anna.client.items.get(made.id)).content.task.assignment.given_response
    refused = [result.error.message for device in ben.devices for _, result in device.refused()]
    if first:  # a decline that was told is final
        assert (given, await ben.sent(), len(refused)) == (NO, ["Task declined: Report"], 1)
    else:
        assert (given, await ben.sent(), refused) == (YES, ["Task accepted: Report"], [])


class Died(Exception):
    """The device died."""


class Deaf(RemoteTransport):
    """Takes operations to the server; the device dies before the answers come."""

    async def push(self, operations: Sequence[SyncOperation], *, epoch: bytes = b"") -> Sequence[PushResult]:
        """See ``SyncTransport``."""
        results = await super().push(operations, epoch=epoch)
        if operations:  # none ask only for the epoch
            raise Died
        return results


async def lose_the_answer(device: Device) -> None:
    """Pushes, and dies before it hears what became of it."""
    with pytest.raises(Died):
        await Engine(device.replica, Deaf(device.online), clock=device.clock, ids=device.ids, chance=lambda: 0.5).run_once()


async def test_nobody_is_told_twice_by_a_device_that_did_not_hear_the_answer(office: Office) -> None:
    anna, ben, cleo, item_id = await met(office, annas=1, bens=1)
    [laptop], [phone] = anna.devices, ben.devices
    mine = (await ben.own()).id
    report = await laptop.offline.items.create(task("Report"))
    await laptop.offline.tasks.assign(report.id, Named(address=cleo.address))
    await laptop.edit(item_id, location="Room 1")
    await laptop.offline.meetings.send(item_id)
    await phone.offline.meetings.respond(mine, YES)
    await phone.offline.meetings.forward(mine, [Named(address="dora@rookery.test")])
    for device in (laptop, phone):
        await lose_the_answer(device)
    await office.settle()
    await phone.offline.meetings.respond(mine, NO)  # the server may have the first already: it is not left out
    await office.end()
    assert sorted(await anna.sent()) == ["Plan", "Plan", "Task: Report"]
    assert sorted(await ben.sent()) == ["Accepted: Plan", "Declined: Plan", "Plan"]
    assert answers(await anna.client.items.get(item_id))["ben"] == NO


async def test_what_is_refused_is_told_and_can_be_tried_again_or_forgotten(office: Office) -> None:
    anna, ben, cleo, item_id = await met(office, bens=1)
    [device] = ben.devices
    mine = (await ben.own()).id
    await device.offline.meetings.forward(mine, [Named(address=cleo.address)])
    await anna.client.meetings.cancel(item_id)
    await office.settle()
    await device.sync()
    [(operation, result)] = device.refused()
    assert "called off" in result.error.message
    with pytest.raises(FailedPrecondition):
        device.replica.retry(operation.operation_id)
    assert len(device.refused()) == 1
    item = await anna.client.items.get(item_id)
    assert attendee(ben) not in item.content.appointment.attendees  # asked, and not answered
    assert device.replica.dismiss(operation.operation_id) is not None
    await office.end()
    assert (device.refused(), await ben.sent()) == ([], [])
