"""Tasks that are handed to others: offered, answered, given to another, handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery.v1.calendar_pb2 import (
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_NONE,
    RESPONSE_STATUS_TENTATIVE,
    RESPONSE_STATUS_UNSPECIFIED,
    CalendarTime,
)
from rookery.v1.item_pb2 import IMPORTANCE_HIGH, ITEM_KIND_NOTE, Item
from rookery.v1.person_pb2 import Person
from rookery.v1.scheduling_pb2 import (
    SCHEDULING_EFFECT_APPLIED,
    SCHEDULING_EFFECT_IGNORED,
    SCHEDULING_METHOD_REPLY,
    SCHEDULING_METHOD_REQUEST,
)
from rookery.v1.task_pb2 import (
    ASSIGNMENT_SIDE_ASSIGNEE,
    ASSIGNMENT_SIDE_ASSIGNER,
    TASK_ASSIGNMENT_ACCEPTED,
    TASK_ASSIGNMENT_DECLINED,
    TASK_ASSIGNMENT_REQUESTED,
    TASK_STATUS_CANCELLED,
)
from rookery_core.errors import FailedPrecondition, InvalidArgument, RookeryError
from rookery_core.rules.scheduling import assigning, assignments
from rookery_core.rules.scheduling.receiving import Home
from tests.support.task_desks import NOON, UID, Desk, accepted, chain, new_task, pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.calendar_pb2 import ResponseStatus


def refusal(error: pytest.ExceptionInfo[RookeryError]) -> str:
    return error.value.reason


def test_who_gives_a_task_keeps_a_copy_that_waits_for_the_answer() -> None:
    ann, _ = pair()
    assert (ann.task.assignment, ann.task.owner.address) == (TASK_ASSIGNMENT_REQUESTED, "ben@example.org")
    assert (ann.state.side, ann.state.given_response) == (ASSIGNMENT_SIDE_ASSIGNER, RESPONSE_STATUS_NONE)


def test_an_offer_comes_with_all_that_the_task_says_and_nothing_of_the_givers_own() -> None:
    ann = Desk("Ann", item=new_task())
    assert ann.item is not None
    ann.task.reminder.FromSeconds(1)
    ann.item.content.task.mileage = "80 km"
    ann.item.content.task.actual_work_minutes = 30
    ann.item.state.categories.append("Boring")
    ben = Desk("Ben")
    [offer] = ann.give(ben.person, "can you?")
    received = ben.read(offer)
    assert ben.item is not None
    assert (received.effect, received.home) == (SCHEDULING_EFFECT_APPLIED, Home.CALENDAR)
    assert (ben.item.summary.subject, ben.item.content.body.text) == ("Write the report", "By Friday, please.")
    assert (ben.item.summary.importance, ben.task.due.local, ben.task.task_id) == (IMPORTANCE_HIGH, "2025-12-01", UID)
    assert (ben.item.content.task.mileage, ben.item.content.task.progress_requested) == ("80 km", True)
    assert not (ben.task.HasField("reminder") or ben.item.content.task.actual_work_minutes or ben.item.state.categories)
    assert (ben.task.assignment, ben.item.content.task.assigner.address) == (TASK_ASSIGNMENT_REQUESTED, "ann@example.org")
    assert (ben.state.side, ben.state.response, ben.state.comment) == (ASSIGNMENT_SIDE_ASSIGNEE, RESPONSE_STATUS_NONE, "can you?")


def test_a_message_tells_its_reader_what_it_is_about() -> None:
    ann, ben = pair()
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED, "gladly")
    message = ann.read(yes).message
    assert (message.method, message.response, message.comment) == (SCHEDULING_METHOD_REPLY, RESPONSE_STATUS_ACCEPTED, "gladly")
    assert (getattr(message, "from").address, message.start.local) == ("ben@example.org", "2025-12-01")


@pytest.mark.parametrize(
    ("response", "assignment"),
    [(RESPONSE_STATUS_ACCEPTED, TASK_ASSIGNMENT_ACCEPTED), (RESPONSE_STATUS_DECLINED, TASK_ASSIGNMENT_DECLINED)],
)
def test_an_answer_stands_on_both_copies(response: ResponseStatus.ValueType, assignment: int) -> None:
    ann, ben = pair()
    [answer] = ben.answer(response)
    assert ann.read(answer).effect == SCHEDULING_EFFECT_APPLIED
    assert ann.task.assignment == ben.task.assignment == assignment
    assert ann.state.given_response == ben.state.response == response
    assert ben.answer(response) == []  # and once


def test_a_decline_is_final_until_the_task_is_given_again() -> None:
    ann, ben = pair()
    [no] = ben.answer(RESPONSE_STATUS_DECLINED, "no time")
    ann.read(no)
    with pytest.raises(FailedPrecondition) as error:
        ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert refusal(error) == "NOT_ASSIGNED"
    [again] = ann.give(ben.person, "please")
    assert ben.read(again).home is Home.CALENDAR
    assert (ben.task.assignment, ben.home) == (TASK_ASSIGNMENT_REQUESTED, Home.CALENDAR)
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    ann.read(no)
    ann.read(yes)
    assert ann.task.assignment == TASK_ASSIGNMENT_ACCEPTED


@pytest.mark.parametrize("declined", [False, True])
def test_a_task_is_given_to_another_and_the_first_is_told_while_they_have_not_answered(declined: bool) -> None:
    ann, ben = pair()
    cleo = Desk("Cleo")
    if declined:
        ann.read(ben.answer(RESPONSE_STATUS_DECLINED)[0])
    letters = ann.give(cleo.person)
    assert [letter.to for letter in letters] == (["cleo@example.org"] if declined else ["ben@example.org", "cleo@example.org"])
    assert cleo.read(letters[-1]).effect == SCHEDULING_EFFECT_APPLIED
    if not declined:
        [late] = ben.answer(RESPONSE_STATUS_ACCEPTED)
        assert ann.read(late).effect == SCHEDULING_EFFECT_IGNORED
        assert ben.read(letters[0]).home is Home.DELETED
        assert (ben.task.status, ben.state.response) == (TASK_STATUS_CANCELLED, RESPONSE_STATUS_UNSPECIFIED)
        assert ben.edit(percent_complete=10) == []
    assert ann.task.owner.address == "cleo@example.org"


def test_giving_the_same_to_the_same_person_twice_sends_nothing_the_second_time() -> None:
    ann, ben = pair()
    assert ann.give(ben.person) == []
    ann.edit(due=CalendarTime(local="2025-12-24"))
    [again] = ann.give(ben.person)
    ben.read(again)
    assert (ben.task.due.local, ben.task.assignment) == ("2025-12-24", TASK_ASSIGNMENT_REQUESTED)


def test_an_accepted_task_is_not_given_to_another() -> None:
    ann, _ = accepted()
    with pytest.raises(FailedPrecondition) as error:
        ann.give(Person(address="cleo@example.org"))
    assert refusal(error) == "TASK_ASSIGNED"


def test_an_answer_of_the_third_is_no_news_for_the_first() -> None:
    _, ben = accepted()
    cleo = Desk("Cleo")
    [offer] = ben.give(cleo.person)
    cleo.read(offer)
    ben.sent.clear()
    ben.read(cleo.answer(RESPONSE_STATUS_DECLINED)[0])
    assert (ben.sent, ben.task.assignment, ben.state.response) == ([], TASK_ASSIGNMENT_DECLINED, RESPONSE_STATUS_ACCEPTED)
    assert len(ben.give(Person(address="dan@example.org"))) == 1


def test_what_is_taken_back_is_taken_back_from_the_third_too() -> None:
    ann, ben, cleo = chain()
    ann.state.given_response = RESPONSE_STATUS_NONE  # Ben’s answer was lost
    [taken_back, _] = ann.give(Person(address="dan@example.org"))
    ben.read(taken_back)
    [onward] = ben.sent
    assert cleo.read(onward).home is Home.DELETED
    assert (ben.state.side, ben.task.owner.address, cleo.task.status) == (
        ASSIGNMENT_SIDE_ASSIGNEE,
        "ben@example.org",
        TASK_STATUS_CANCELLED,
    )
    assert cleo.edit(percent_complete=80) == []


def test_who_gives_a_task_back_that_they_handed_on_tells_both() -> None:
    ann, ben, cleo = chain()
    to_ann, to_cleo = ben.answer(RESPONSE_STATUS_DECLINED)
    ann.read(to_ann)
    assert ann.task.assignment == TASK_ASSIGNMENT_DECLINED
    assert cleo.read(to_cleo).home is Home.DELETED


def test_a_task_is_handed_on_only_once_it_is_accepted_and_not_back_to_its_giver() -> None:
    _, ben = pair()
    with pytest.raises(FailedPrecondition) as error:
        ben.give(Person(address="cleo@example.org"))
    assert refusal(error) == "TASK_NOT_ACCEPTED"
    ben.answer(RESPONSE_STATUS_ACCEPTED)
    for address in ("ann@example.org", "BEN@example.org"):
        with pytest.raises(InvalidArgument) as wrong:
            ben.give(Person(address=address))
        assert refusal(wrong) == "FIELD_INVALID"


def test_answers_come_from_the_address_that_was_asked() -> None:
    ann, ben = Desk("Ann", item=new_task()), Desk("Ben", aliases=("reports@example.org",))
    [offer] = ann.give(Person(address="Reports@example.org"))
    ben.read(offer)
    [yes] = ben.answer(RESPONSE_STATUS_ACCEPTED)
    assert yes.sender == "Reports@example.org"
    assert ann.read(yes).effect == SCHEDULING_EFFECT_APPLIED
    assert ann.task.owner == ann.state.given_to == Person(name="Ben", address="Reports@example.org")
    [offer_on] = ben.give(Person(address="cleo@example.org"))
    assert offer_on.sender == "Reports@example.org"
    ben.aliases = ()  # it is an address of theirs no more
    [half] = ben.edit(percent_complete=50)
    assert half.sender == "ben@example.org"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda desk: desk.give(Person(address="nobody")), "ADDRESS_INVALID"),
        (lambda desk: desk.give(Person(address="ben@example.org"), "x" * 4097), "FIELD_INVALID"),
        (lambda desk: desk.give(Person(address="ann@example.org")), "FIELD_INVALID"),
        (lambda desk: desk.answer(RESPONSE_STATUS_TENTATIVE), "FIELD_INVALID"),
        (lambda desk: desk.answer(RESPONSE_STATUS_ACCEPTED, "x" * 4097), "FIELD_INVALID"),
        (lambda desk: desk.answer(RESPONSE_STATUS_ACCEPTED), "NOT_ASSIGNED"),
    ],
)
def test_what_can_not_be_is_refused(call: Callable[[Desk], object], reason: str) -> None:
    desk = Desk("Ann", item=new_task())
    with pytest.raises(RookeryError) as error:
        call(desk)
    assert (refusal(error), desk.item) == (reason, new_task())


def test_only_tasks_are_given_and_answered() -> None:
    desk = Desk("Ann", item=Item())
    assert desk.item is not None
    desk.item.summary.kind = ITEM_KIND_NOTE
    with pytest.raises(FailedPrecondition) as error:
        desk.give(Person(address="ben@example.org"))
    assert refusal(error) == "NOT_A_TASK"
    with pytest.raises(FailedPrecondition) as error:
        desk.answer(RESPONSE_STATUS_ACCEPTED)
    assert refusal(error) == "NOT_ASSIGNED"


def test_no_rule_changes_what_it_is_given() -> None:
    ann, ben = pair()
    assert ann.item is not None
    assert ben.item is not None
    before_ann, before_ben = Item(), Item()
    before_ann.CopyFrom(ann.item)
    before_ben.CopyFrom(ben.item)
    sending = assigning.respond(ben.item, RESPONSE_STATUS_ACCEPTED, ben.me, NOON)
    assignments.receive(ann.item, sending.letters[0].itip, ann.me, ben.address, NOON)
    assigning.assign(ann.item, Person(address="cleo@example.org"), ann.me, NOON)
    assert sending.letters[0].itip.method == SCHEDULING_METHOD_REPLY != SCHEDULING_METHOD_REQUEST
    assert (ann.item, ben.item) == (before_ann, before_ben)
