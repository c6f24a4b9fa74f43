"""How the time of an invitation shows: as the organiser means it, once it is accepted, unless the owner chose otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import (
    BUSY_STATUS_BUSY,
    BUSY_STATUS_FREE,
    BUSY_STATUS_OUT_OF_OFFICE,
    BUSY_STATUS_TENTATIVE,
    BUSY_STATUS_WORKING_ELSEWHERE,
    RESPONSE_STATUS_ACCEPTED,
    RESPONSE_STATUS_DECLINED,
    RESPONSE_STATUS_TENTATIVE,
)
from rookery_core.rules.scheduling import answering
from tests.support.meetings import BEN, DORA, NOON, arrive, invited, kept, meeting, told, when

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Letter

ACCEPTED, DECLINED, TENTATIVE = RESPONSE_STATUS_ACCEPTED, RESPONSE_STATUS_DECLINED, RESPONSE_STATUS_TENTATIVE
WEEK_2 = when("2026-03-09", "10:00")


def letters(*edits: Any) -> list[Letter]:
    """What Ben is sent while Anna makes one edit after the other: the invitation first."""
    item, found = told(meeting(BEN))
    for edit in edits:
        edit(item)
        item, more = told(item)
        found += more
    return found


def showing_as(status: Any) -> Callable[[Item], None]:
    """Other words too, since how it is meant to show is no news by itself."""

    def edit(item: Item) -> None:
        item.summary.subject += "!"
        item.summary.appointment.busy_status = status

    return edit


def after(letter: Letter) -> Item:
    """Ben's copy, as it comes with the first letter."""
    return kept(arrive(None, letter, BEN))


@pytest.mark.parametrize(
    ("intended", "unanswered"),
    [
        (BUSY_STATUS_BUSY, BUSY_STATUS_TENTATIVE),
        (BUSY_STATUS_OUT_OF_OFFICE, BUSY_STATUS_TENTATIVE),
        (BUSY_STATUS_WORKING_ELSEWHERE, BUSY_STATUS_TENTATIVE),
        (BUSY_STATUS_TENTATIVE, BUSY_STATUS_TENTATIVE),
        (BUSY_STATUS_FREE, BUSY_STATUS_FREE),
    ],
)
def test_an_invitation_shows_as_the_organiser_means_it_whenever_it_is_accepted(intended: Any, unanswered: int) -> None:
    item = meeting()
    item.summary.appointment.busy_status = intended
    _, copy = invited(item=item)
    for response, shows in (
        (None, unanswered),
        (TENTATIVE, unanswered),
        (ACCEPTED, intended),
        (DECLINED, BUSY_STATUS_FREE),
        (ACCEPTED, intended),
        (TENTATIVE, unanswered),
    ):
        if response is not None:
            copy = answering.respond(copy, None, response, BEN, NOON).item
        assert copy.summary.appointment.busy_status == shows


def test_an_occurrence_that_is_accepted_by_itself_shows_as_the_organiser_means_the_series() -> None:
    item = meeting()
    item.summary.appointment.busy_status = BUSY_STATUS_OUT_OF_OFFICE
    _, copy = invited(item=item)
    [exception] = answering.respond(copy, WEEK_2, ACCEPTED, BEN, NOON).item.summary.appointment.exceptions
    assert exception.busy_status == BUSY_STATUS_OUT_OF_OFFICE


def test_how_the_owner_lets_an_accepted_invitation_show_stays_with_other_answers() -> None:
    _, copy = invited()
    copy = answering.respond(copy, None, ACCEPTED, BEN, NOON).item
    copy.summary.appointment.busy_status = BUSY_STATUS_FREE
    for response in (TENTATIVE, ACCEPTED):
        copy = answering.respond(copy, None, response, BEN, NOON).item
        assert copy.summary.appointment.busy_status == BUSY_STATUS_FREE


def test_an_invitation_that_came_as_a_document_shows_as_busy_once_it_is_accepted() -> None:
    _, copy = invited()
    copy.content.appointment.ClearField("meeting")
    assert answering.respond(copy, None, ACCEPTED, BEN, NOON).item.summary.appointment.busy_status == BUSY_STATUS_BUSY


def test_who_forwards_an_invitation_says_how_the_organiser_means_it() -> None:
    item = meeting()
    item.summary.appointment.busy_status = BUSY_STATUS_OUT_OF_OFFICE
    _, copy = invited(item=item)
    copy.summary.appointment.busy_status = BUSY_STATUS_FREE
    [letter] = answering.forward(copy, [DORA.person], BEN, NOON).letters
    assert letter.itip.parts[0].item.summary.appointment.busy_status == BUSY_STATUS_OUT_OF_OFFICE


@pytest.mark.parametrize("status", [BUSY_STATUS_FREE, BUSY_STATUS_OUT_OF_OFFICE, BUSY_STATUS_WORKING_ELSEWHERE])
def test_an_accepted_invitation_shows_as_the_organiser_means_it_now(status: Any) -> None:
    first, update = letters(showing_as(status))
    copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
    assert kept(arrive(copy, update, BEN)).summary.appointment.busy_status == status


def test_an_invitation_without_an_answer_shows_as_the_organiser_means_it_now_once_it_is_accepted() -> None:
    first, update = letters(showing_as(BUSY_STATUS_OUT_OF_OFFICE))
    copy = kept(arrive(after(first), update, BEN))
    assert copy.summary.appointment.busy_status == BUSY_STATUS_TENTATIVE
    accepted = answering.respond(copy, None, ACCEPTED, BEN, NOON).item
    assert accepted.summary.appointment.busy_status == BUSY_STATUS_OUT_OF_OFFICE


def test_what_the_owner_chose_for_an_accepted_invitation_stays_whatever_the_organiser_means_now() -> None:
    first, update = letters(showing_as(BUSY_STATUS_OUT_OF_OFFICE))
    copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
    copy.summary.appointment.busy_status = BUSY_STATUS_FREE
    assert kept(arrive(copy, update, BEN)).summary.appointment.busy_status == BUSY_STATUS_FREE


def test_an_occurrence_that_was_accepted_by_itself_shows_as_the_organiser_means_it_now() -> None:
    first, update = letters(showing_as(BUSY_STATUS_OUT_OF_OFFICE))
    copy = answering.respond(after(first), WEEK_2, ACCEPTED, BEN, NOON).item
    copy = kept(arrive(copy, update, BEN))
    [exception] = copy.summary.appointment.exceptions
    assert (exception.my_response, exception.busy_status) == (ACCEPTED, BUSY_STATUS_OUT_OF_OFFICE)
    assert copy.summary.appointment.busy_status == BUSY_STATUS_TENTATIVE


def test_a_copy_that_never_heard_how_it_is_meant_keeps_how_it_shows_and_knows_from_now_on() -> None:
    first, update, again = letters(showing_as(BUSY_STATUS_BUSY), showing_as(BUSY_STATUS_OUT_OF_OFFICE))
    copy = answering.respond(after(first), None, ACCEPTED, BEN, NOON).item
    copy.content.appointment.meeting.ClearField("intended_busy_status")
    copy = kept(arrive(copy, update, BEN))
    assert copy.summary.appointment.busy_status == BUSY_STATUS_BUSY
    assert kept(arrive(copy, again, BEN)).summary.appointment.busy_status == BUSY_STATUS_OUT_OF_OFFICE
