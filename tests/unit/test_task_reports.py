"""Tasks that are handed to others: what is reported of them, and which messages count."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rookery.v1 import task_pb2
from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    CalendarTime,
)
from rookery.v1.item_pb2 import Item
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_APPLIED,
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_EFFECT_OUTDATED,
    SCHEDULING_METHOD_CANCEL,
    SCHEDULING_METHOD_COUNTER,
)
from rookery.v1.task_pb2 import (
    ASSIGNMENT_SIDE_ASSIGNER,
    ASSIGNMENT_SIDE_BOTH,
    TASK_ASSIGNMENT_ACCEPTED,
    TASK_ASSIGNMENT_REQUESTED,
    TASK_STATUS_CANCELLED,
    TASK_STATUS_COMPLETED,
    TASK_STATUS_IN_PROGRESS,
    TASK_STATUS_NOT_STARTED,
)
from rookery_core.errors import FailedPrecondition, RookeryError
from rookery_core.rules import task_progress, task_series
from rookery_core.rules.scheduling.receiving import Home
from tests.support.task_desks import MINUTE, NOON, Desk, Post, accepted, chain, new_task, pair


def refusal(error: pytest.ExceptionInfo[RookeryError]) -> str:
    return error.value.reason


def test_progress_is_reported_once_for_each_state() -> None:
    ann, ben = accepted()
    [half] = ben.edit(percent_complete=50)
    assert ben.edit(percent_complete=50) == []
    assert ann.read(half).effect == SCHEDULING_EFFECT_APPLIED
    assert (ann.task.status, ann.task.percent_complete) == (TASK_STATUS_IN_PROGRESS, 50)
    [done] = ben.edit(status=TASK_STATUS_COMPLETED)
    ann.read(done)
    assert (ann.task.status, ann.task.percent_complete, ann.task.completed) == (TASK_STATUS_COMPLETED, 100, ben.task.completed)
    assert ann.task.assignment == TASK_ASSIGNMENT_ACCEPTED


def test_a_new_due_date_is_reported() -> None:
    ann, ben = accepted()
    [later] = ben.edit(due=CalendarTime(local="2025-12-09"))
    ann.read(later)
    assert ann.task.due.local == "2025-12-09"


def test_what_is_the_owners_own_is_not_reported_and_not_overwritten() -> None:
    ann, ben = accepted()
    assert ann.item is not None
    assert ben.item is not None
    ann.task.reminder.FromSeconds(5)
    ann.item.summary.subject = "Ben’s report"
    changed = Item()
    changed.CopyFrom(ben.item)
    changed.summary.subject = "Report!"
    changed.summary.task.location = "Home"
    changed.summary.task.reminder.FromSeconds(9)
    changed.content.body.text = "my notes"
    assert ben.write(changed) == []
    [half] = ben.edit(percent_complete=50)
    ann.read(half)
    assert (ann.item.summary.subject, ann.task.reminder.seconds, ann.task.location) == ("Ben’s report", 5, "")
    assert ann.item.content.body.text == "By Friday, please."


def test_progress_before_the_answer_comes_with_it() -> None:
    ann, ben = pair()
    assert ben.edit(percent_complete=20) == []
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert ben.edit(percent_complete=20) == []
    ann.read(yes)
    assert ann.task.percent_complete == 20


def test_who_wants_no_reports_gets_none() -> None:
    ann, ben = Desk("Ann", item=new_task()), Desk("Ben")
    [offer] = ann.give(ben.person, progress=False)
    ben.read(offer)
    assert len(ben.answer(RESPONSE_STATUS_ACCEPTED)) == 1
    assert ben.edit(percent_complete=50) == []
    assert ben.edit(status=TASK_STATUS_COMPLETED) == []


def test_who_wants_to_hear_of_the_end_alone_hears_of_the_end_alone() -> None:
    """PidTagStatusReportOnCompletion."""
    ann, ben = Desk("Ann", item=new_task()), Desk("Ben")
    assert ann.item is not None
    ann.item.content.task.report_requested = True
    [offer] = ann.give(ben.person, progress=False)
    ben.read(offer)
    ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert ben.edit(percent_complete=50) == []
    assert len(ben.edit(status=TASK_STATUS_COMPLETED)) == 1


def test_what_the_giver_does_to_their_copy_tells_nobody() -> None:
    ann, _ = accepted()
    assert ann.edit(status=TASK_STATUS_COMPLETED) == []


def test_reports_that_come_late_or_twice_are_not_recorded() -> None:
    ann, ben = accepted()
    [first] = ben.edit(percent_complete=10)
    [second] = ben.edit(percent_complete=20)
    assert ann.read(second).effect == SCHEDULING_EFFECT_APPLIED
    assert ann.read(first).effect == SCHEDULING_EFFECT_OUTDATED
    assert ann.read(second).effect == SCHEDULING_EFFECT_OUTDATED
    assert ann.task.percent_complete == 20


def test_an_answer_counts_whatever_the_clock_of_its_writer_says() -> None:
    ann, ben = pair()
    ben.now = NOON - 600 * MINUTE
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert ann.read(yes).effect == SCHEDULING_EFFECT_APPLIED


def test_an_offer_that_comes_after_it_was_taken_back_is_outdated() -> None:
    ann, ben, cleo = Desk("Ann", item=new_task()), Desk("Ben"), Desk("Cleo")
    [offer] = ann.give(ben.person)
    [taken_back, _] = ann.give(cleo.person)
    assert ben.read(taken_back).home is Home.DELETED
    assert ben.read(offer).effect == SCHEDULING_EFFECT_OUTDATED
    assert ben.task.status == TASK_STATUS_CANCELLED
    ann.item.content.task.assignment.given_response = RESPONSE_STATUS_DECLINED  # type: ignore[union-attr]
    [once_more] = ann.give(ben.person)
    assert ben.read(once_more).home is Home.CALENDAR
    assert (ben.task.status, ben.state.response) == (task_pb2.TASK_STATUS_UNSPECIFIED, RESPONSE_STATUS_NONE)


def test_an_answer_that_crossed_a_new_offer_is_outdated_and_asked_for_again() -> None:
    ann, ben = pair()
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    ben.edit(percent_complete=40)
    ann.edit(due=CalendarTime(local="2025-12-24"))
    [again] = ann.give(ben.person)
    assert ann.read(yes).effect == SCHEDULING_EFFECT_OUTDATED
    ben.read(again)
    assert (ben.task.assignment, ben.task.percent_complete) == (TASK_ASSIGNMENT_REQUESTED, 40)
    ann.read(ben.answer(RESPONSE_STATUS_ACCEPTED)[0])
    assert (ann.task.assignment, ann.task.percent_complete) == (TASK_ASSIGNMENT_ACCEPTED, 40)


def test_a_change_by_a_stranger_without_a_new_sequence_leaves_answer_progress_and_reminder() -> None:
    _, ben = accepted()
    ben.task.reminder.FromSeconds(7)
    ben.edit(percent_complete=30)
    ann = Desk("Ann", item=new_task(status=TASK_STATUS_NOT_STARTED))
    ann.now = NOON + MINUTE
    [told] = ann.give(ben.person)
    moved = Post(told.data.replace(b"DUE;VALUE=DATE:20251201", b"DUE;VALUE=DATE:20251211"), told.sender, told.to)
    assert moved.data != told.data
    ben.sent.clear()
    assert ben.read(moved).home is Home.KEEP
    assert (ben.task.due.local, ben.task.percent_complete, ben.task.reminder.seconds) == ("2025-12-11", 30, 7)
    assert (ben.task.assignment, ben.sent) == (TASK_ASSIGNMENT_ACCEPTED, [])


def test_only_the_giver_changes_a_task_and_only_the_one_who_has_it_reports() -> None:
    ann, ben = accepted()
    [half] = ben.edit(percent_complete=50)
    for sender in ("mallory@example.org", "ann@example.org", ""):
        assert ann.read(replace(half, sender=sender)).effect == SCHEDULING_EFFECT_IGNORED
    mallory = Desk("Mallory", item=new_task())
    mallory.now = NOON + MINUTE
    [hijack, *_] = mallory.give(ben.person)
    assert ben.read(hijack).effect == SCHEDULING_EFFECT_IGNORED
    forged = replace(hijack, data=hijack.data.replace(b"mallory@", b"ann@"))
    assert forged.data != hijack.data
    assert ben.read(forged).effect == SCHEDULING_EFFECT_IGNORED  # it says to be from Ann, and is from Mallory
    cancel = replace(forged, data=forged.data.replace(b"METHOD:REQUEST", b"METHOD:CANCEL"))
    assert ben.read(cancel).effect == SCHEDULING_EFFECT_IGNORED
    assert (ann.task.percent_complete, ben.task.percent_complete, ben.task.status) == (0, 50, TASK_STATUS_IN_PROGRESS)


def test_a_task_of_ones_own_is_changed_by_no_message() -> None:
    _, ben = pair()
    stranger = Desk("Ann", item=new_task(percent_complete=90))
    [offer] = stranger.give(ben.person)
    own = Desk("Ben", item=new_task())
    for method in (b"REQUEST", b"CANCEL", b"REPLY", b"COUNTER", b"PUBLISH", b"REFRESH"):
        post = replace(offer, data=offer.data.replace(b"METHOD:REQUEST", b"METHOD:" + method))
        assert own.read(post).effect == SCHEDULING_EFFECT_IGNORED
    assert own.item == new_task()


def test_an_offer_by_oneself_or_by_nobody_is_ignored() -> None:
    ann = Desk("Ann", item=new_task())
    [offer] = ann.give(Person(address="ben@example.org"))
    assert Desk("Ann").read(offer).effect == SCHEDULING_EFFECT_IGNORED


def test_a_counter_proposal_is_only_shown() -> None:
    ann, ben = pair()
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    received = ann.read(replace(yes, data=yes.data.replace(b"METHOD:REPLY", b"METHOD:COUNTER")))
    assert (received.effect, received.message.method) == (SCHEDULING_EFFECT_IGNORED, SCHEDULING_METHOD_COUNTER)
    assert ann.task.assignment == TASK_ASSIGNMENT_REQUESTED


def test_a_task_that_is_called_off_before_it_came_is_remembered_in_deleted_items() -> None:
    ann, ben, cleo = Desk("Ann", item=new_task()), Desk("Ben"), Desk("Cleo")
    [offer] = ann.give(ben.person)
    taken_back = ann.give(cleo.person)[0]
    received = ben.read(taken_back)
    assert (received.effect, received.home, received.message.method) == (
        SCHEDULING_EFFECT_APPLIED,
        Home.DELETED,
        SCHEDULING_METHOD_CANCEL,
    )
    assert ben.read(taken_back).effect == ben.read(offer).effect == SCHEDULING_EFFECT_OUTDATED
    with pytest.raises(FailedPrecondition) as error:
        ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert refusal(error) == "NOT_ASSIGNED"


def test_reports_of_one_who_was_handed_a_task_go_on_to_the_first() -> None:
    ann, ben, cleo = chain()
    assert (ben.state.side, ben.task.owner.address) == (ASSIGNMENT_SIDE_BOTH, "cleo@example.org")
    ben.read(cleo.edit(percent_complete=70)[0])
    [onward] = ben.sent
    ann.read(onward)
    assert ann.task.percent_complete == ben.task.percent_complete == 70
    assert (ann.task.owner.address, ann.task.assignment) == ("ben@example.org", TASK_ASSIGNMENT_ACCEPTED)


def test_reports_of_a_series_tell_the_task_that_is_to_be_done_next() -> None:
    weekly = new_task()
    weekly.summary.task.start.CopyFrom(CalendarTime(local="2025-11-28"))
    weekly.summary.task.recurrence.rules.append("FREQ=WEEKLY;COUNT=2")
    ann, ben = Desk("Ann", item=weekly), Desk("Ben")
    ben.read(ann.give(ben.person)[0])
    ann.read(ben.answer(RESPONSE_STATUS_ACCEPTED)[0])
    assert task_series.recurs(ben.task)
    for expected, status in (("2025-12-05", TASK_STATUS_NOT_STARTED), ("2025-12-05", TASK_STATUS_COMPLETED)):
        assert ben.item is not None
        after = Item()
        after.CopyFrom(ben.item)
        following = task_series.following(ben.task, NOON)
        if following is None:
            task_progress.complete(after.summary.task, NOON)
        else:
            after.summary.task.CopyFrom(following)
        [report] = ben.write(after)
        ann.read(report)
        assert (ann.task.start.local, ann.task.status, ann.task.due) == (expected, status, ben.task.due)
    assert ann.task.occurrence == 1


def test_a_copy_with_an_id_of_its_own_is_reported_to_nobody() -> None:
    _, ben = accepted()
    assert ben.item is not None
    ben.item.summary.task.task_id = "another"
    assert ben.edit(percent_complete=50) == []
    with pytest.raises(FailedPrecondition):
        ben.answer(RESPONSE_STATUS_DECLINED)
    assert len(ben.give(Person(address="ann@example.org"))) == 1  # it is a task like any other
    assert ben.state.side == ASSIGNMENT_SIDE_ASSIGNER
