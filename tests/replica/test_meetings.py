"""Meetings without a network: what is refused, what the person sees until the next sync, and what is pushed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, EventStatus, ResponseStatus
from rookery.v1.calendar_service_pb2 import SplitSeriesRequest
from rookery.v1.folder_pb2 import Folder, FolderRole
from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery.v1.item_service_pb2 import CreateItemRequest, UpdateItemRequest
from rookery.v1.meeting_service_pb2 import (
    CancelMeetingRequest,
    ForwardMeetingRequest,
    RespondToMeetingRequest,
    SendMeetingRequest,
)
from rookery.v1.person_pb2 import Person
from rookery.v1.sync_pb2 import PUSH_OUTCOME_MERGED, SyncOperation
from rookery_client.replica.reading.reader import Reader
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, RookeryError, Stale
from tests.support.replica_filling import CALENDAR, DELETED, IDENTITY, NONE

if TYPE_CHECKING:
    from rookery_client.replica.replica import Replica
    from tests.support.fakes import FakeClock, SequentialIds
    from tests.support.replica_batches import Sender
    from tests.support.replica_sight import Sight

PLENTY = (500, 1 << 20)
ACCEPTED, TENTATIVE, DECLINED, UNANSWERED, ORGANIZER = (
    ResponseStatus.RESPONSE_STATUS_ACCEPTED,
    ResponseStatus.RESPONSE_STATUS_TENTATIVE,
    ResponseStatus.RESPONSE_STATUS_DECLINED,
    ResponseStatus.RESPONSE_STATUS_NONE,
    ResponseStatus.RESPONSE_STATUS_ORGANIZER,
)
CANCELLED = EventStatus.EVENT_STATUS_CANCELLED
ANNA, BEN, CLEO = (Person(name=name, address=f"{name.lower()}@example.org") for name in ("Anna", "Ben", "Cleo"))


@pytest.fixture
def mailbox(replica: Replica, mailbox: Sender) -> Sender:
    """Anna's mailbox, with a calendar."""
    replica.adopt(dataclasses.replace(IDENTITY, display_name="Anna Berg", aliases=("berg@example.org",)))
    mailbox.send(folders=[Folder(id=CALENDAR, name="Calendar", role=FolderRole.FOLDER_ROLE_CALENDAR, revision=1)])
    return mailbox


@pytest.fixture
def reader(replica: Replica) -> Reader:
    return Reader(replica)


def at(day: int, hour: int = 9) -> CalendarTime:
    return CalendarTime(local=f"2026-03-{day:02}T{hour:02}:00:00", time_zone="Europe/Berlin")


def meeting(mailbox: Sender, *rules: str, organizer: Person = ANNA, folder: bytes = CALENDAR, extent: Any = None) -> Item:
    """A meeting of Anna, Ben and Cleo that the server has."""
    item = mailbox.message("Plan", "Bring figures", folder=folder)
    item.summary.kind = ITEM_KIND_APPOINTMENT
    appointment = item.summary.appointment
    appointment.start.CopyFrom(at(2))
    appointment.end.CopyFrom(at(2, 10))
    appointment.recurrence.rules.extend(rules)
    appointment.organizer.CopyFrom(organizer)
    appointment.meeting_id, appointment.response_requested = f"uid {item.uid}", True
    appointment.my_response = ORGANIZER if organizer is ANNA else UNANSWERED
    for person in (ANNA, BEN, CLEO):
        if person is not organizer:
            item.content.appointment.attendees.append(Attendee(person=person, response=UNANSWERED, response_requested=True))
    if organizer is not ANNA:
        item.content.appointment.meeting.version.stamp.FromSeconds(1_700_000_000)
    if extent is None:
        mailbox.put(item)
    else:
        mailbox.put(item, extent=extent)
    return item


def send(item: Item, **fields: Any) -> SyncOperation:
    return SyncOperation(send_meeting=SendMeetingRequest(item_id=item.id, **fields))


def respond(item_id: bytes, response: ResponseStatus.ValueType, **fields: Any) -> SyncOperation:
    return SyncOperation(respond_to_meeting=RespondToMeetingRequest(item_id=item_id, response=response, **fields))


def cancel(item: Item, **fields: Any) -> SyncOperation:
    return SyncOperation(cancel_meeting=CancelMeetingRequest(item_id=item.id, **fields))


def forward(item_id: bytes, *people: Person) -> SyncOperation:
    return SyncOperation(forward_meeting=ForwardMeetingRequest(item_id=item_id, to=people))


def split(item: Item, occurrence: CalendarTime, **fields: Any) -> SyncOperation:
    return SyncOperation(split_series=SplitSeriesRequest(item_id=item.id, at=occurrence, **fields))


def invite(item: Item, *people: Person) -> SyncOperation:
    request = UpdateItemRequest(item=Item(id=item.id))
    request.item.content.appointment.attendees.extend(Attendee(person=person) for person in people)
    request.update_mask.paths.append("content.appointment.attendees")
    return SyncOperation(update_item=request)


def reason_of(replica: Replica, operation: SyncOperation) -> tuple[type[RookeryError], str]:
    with pytest.raises(RookeryError) as refused:
        replica.record(operation)
    return type(refused.value), refused.value.reason


# The organizer's side.


def test_a_meeting_that_is_made_and_sent_offline_is_one_at_once(
    replica: Replica, mailbox: Sender, reader: Reader, clock: FakeClock
) -> None:
    item = Item()
    item.summary.kind, item.summary.subject = ITEM_KIND_APPOINTMENT, "Plan"
    item.summary.appointment.start.CopyFrom(at(2))
    item.summary.appointment.end.CopyFrom(at(2, 10))
    made = replica.record(SyncOperation(create_item=CreateItemRequest(item=item)))
    item.id = made.create_item.item.id
    edited = replica.record(invite(item, BEN, CLEO))
    told = replica.record(send(item, comment="Please come"))
    assert set(told.depends_on) == {made.operation_id, edited.operation_id}
    assert replica.waiting(*PLENTY) == [made, edited, told]
    shown = reader.item(item.id)
    assert shown.summary.appointment.my_response == ORGANIZER
    assert shown.summary.appointment.organizer == Person(name="Anna Berg", address="anna@example.org")
    sent = shown.content.appointment.meeting.sent
    assert [person.address for person in sent.attendees] == ["ben@example.org", "cleo@example.org"]
    stamp = sent.version.stamp.ToMicroseconds()
    assert abs(stamp - clock.now) <= 2_000_000


def test_an_answer_that_came_later_survives_an_edit_of_the_list(replica: Replica, mailbox: Sender, reader: Reader) -> None:
    item = meeting(mailbox)
    item.content.appointment.attendees[0].response = ACCEPTED
    item.content.appointment.attendees[0].responded.FromSeconds(1_700_000_000)
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item)
    dora = Person(address="dora@example.org")
    replica.record(invite(item, BEN, dora))
    listed = reader.item(item.id).content.appointment.attendees
    assert [(each.person.address, each.response) for each in listed] == [("ben@example.org", ACCEPTED), ("dora@example.org", 0)]


def test_what_is_called_off_leaves_the_calendar(replica: Replica, mailbox: Sender, reader: Reader, sight: Sight) -> None:
    single, series = meeting(mailbox), meeting(mailbox, "FREQ=WEEKLY")
    replica.record(cancel(single))
    replica.record(cancel(series, occurrence=at(9)))
    assert sight.folder_of(single.id) == DELETED and sight.summary(single.id).appointment.status == CANCELLED
    assert sight.folder_of(series.id) == CALENDAR
    [exception] = sight.summary(series.id).appointment.exceptions
    assert exception.original_start == at(9) and exception.cancelled


def test_what_the_organizer_can_not_do_is_refused(replica: Replica, mailbox: Sender) -> None:
    single, series = meeting(mailbox), meeting(mailbox, "FREQ=WEEKLY;COUNT=3")
    bens, letter, bare = meeting(mailbox, organizer=BEN), mailbox.mail("Hello"), meeting(mailbox, extent=NONE)
    for operation, kind, reason in (
        (send(bens), FailedPrecondition, "NOT_ORGANIZER"),
        (cancel(bens), FailedPrecondition, "NOT_ORGANIZER"),
        (send(letter), FailedPrecondition, "NOT_ORGANIZER"),
        (split(letter, at(9)), FailedPrecondition, "NOT_A_SERIES"),
        (split(single, at(9)), FailedPrecondition, "NOT_A_SERIES"),
        (split(series, at(2)), InvalidArgument, "NOT_AN_OCCURRENCE"),
        (cancel(series, occurrence=at(10)), InvalidArgument, "NOT_AN_OCCURRENCE"),
        (send(bare), FailedPrecondition, "NOT_IN_REPLICA"),
        (send(single, comment="x" * 4097), InvalidArgument, "FIELD_INVALID"),
        (send(single, etag=single.content_revision - 1), Stale, "STALE_ETAG"),
        (send(Item(id=b"x" * 16)), NotFound, "ITEM_NOT_FOUND"),
        (split(series, at(9), new_item_id=letter.id), RookeryError, "ID_TAKEN"),
    ):
        found, told = reason_of(replica, operation)
        assert (issubclass(found, kind), told) == (True, reason)
    assert replica.waiting(*PLENTY) == []
    recorded = replica.record(send(single, etag=single.content_revision))
    assert recorded.send_meeting.etag == 0


def test_a_series_is_split_at_once_and_its_second_part_can_be_edited(
    replica: Replica, mailbox: Sender, reader: Reader, sight: Sight
) -> None:
    item = meeting(mailbox, "FREQ=WEEKLY;COUNT=5")
    recorded = replica.record(split(item, at(16)))
    new_id = recorded.split_series.new_item_id
    second = reader.item(new_id)
    assert second.folder_id == CALENDAR and second.summary.appointment.start == at(16)
    assert list(second.summary.appointment.recurrence.rules) == ["FREQ=WEEKLY;COUNT=3"]
    assert second.content.body.text == "Bring figures" and not second.content.appointment.HasField("meeting")
    assert "UNTIL=" in sight.summary(item.id).appointment.recurrence.rules[0]
    edited = replica.record(invite(second, CLEO))
    assert list(edited.depends_on) == [recorded.operation_id]
    assert list(replica.record(send(second)).depends_on) == [recorded.operation_id, edited.operation_id]
    dismissed = replica.dismiss(recorded.operation_id)
    assert dismissed is not None and dismissed.others == 2
    assert sight.folder_of(new_id) is None and sight.summary(item.id).appointment == item.summary.appointment


def test_the_second_part_that_the_server_made_takes_the_place_of_the_one_made_here(
    replica: Replica, mailbox: Sender, sight: Sight
) -> None:
    item = meeting(mailbox, "FREQ=WEEKLY;COUNT=5")
    recorded = replica.record(split(item, at(16)))
    revision = mailbox.answer(recorded)
    second = meeting(mailbox, "FREQ=WEEKLY;COUNT=3")
    theirs = Item()
    theirs.CopyFrom(second)
    theirs.id, theirs.summary.subject = recorded.split_series.new_item_id, "As the server has it"
    theirs.revision = theirs.content_revision = revision
    item.revision = item.content_revision = revision
    mailbox.put(theirs, item)
    assert sight.summary(theirs.id).subject == "As the server has it"
    assert sight.overlaid() == 0


# The attendee's side.


@pytest.mark.parametrize("response", [ACCEPTED, TENTATIVE])
def test_an_answer_shows_at_once(replica: Replica, mailbox: Sender, reader: Reader, response: ResponseStatus.ValueType) -> None:
    item = meeting(mailbox, organizer=BEN)
    recorded = replica.record(respond(item.id, response, comment="With pleasure"))
    shown = reader.item(item.id)
    assert shown.summary.appointment.my_response == response and shown.folder_id == CALENDAR
    own = next(each for each in shown.content.appointment.attendees if each.person.address == ANNA.address)
    assert own.response == response
    assert replica.waiting(*PLENTY) == [recorded] and recorded.respond_to_meeting.comment == "With pleasure"


def test_what_is_declined_goes_to_deleted_items_and_comes_back_when_it_is_accepted(
    replica: Replica, mailbox: Sender, sight: Sight
) -> None:
    item = meeting(mailbox, organizer=BEN)
    first = replica.record(respond(item.id, DECLINED))
    assert sight.folder_of(item.id) == DELETED and sight.summary(item.id).appointment.my_response == DECLINED
    second = replica.record(respond(item.id, ACCEPTED))
    assert sight.folder_of(item.id) == CALENDAR and sight.summary(item.id).appointment.my_response == ACCEPTED
    replica.dismiss(second.operation_id)
    assert sight.folder_of(item.id) == CALENDAR and sight.summary(item.id).appointment.my_response == UNANSWERED
    replica.sending([replica.record(first)])
    replica.record(respond(item.id, ACCEPTED))
    assert len(replica.waiting(*PLENTY)) == 2  # the server may have heard of the first already


def test_an_occurrence_is_declined_by_itself(replica: Replica, mailbox: Sender, sight: Sight) -> None:
    item = meeting(mailbox, "FREQ=WEEKLY", organizer=BEN)
    replica.record(respond(item.id, DECLINED, occurrence=at(9)))
    assert sight.folder_of(item.id) == CALENDAR
    appointment = sight.summary(item.id).appointment
    [exception] = appointment.exceptions
    assert (exception.original_start, exception.cancelled, exception.my_response) == (at(9), True, DECLINED)
    assert appointment.my_response == UNANSWERED


def test_the_message_that_invited_stands_for_the_meeting(replica: Replica, mailbox: Sender, sight: Sight) -> None:
    item = meeting(mailbox, organizer=BEN)
    letter = mailbox.message("Invitation")
    letter.content.message.scheduling.item_id = item.id
    mailbox.put(letter)
    recorded = replica.record(respond(letter.id, ACCEPTED))
    assert recorded.respond_to_meeting.item_id == item.id
    assert sight.summary(item.id).appointment.my_response == ACCEPTED
    assert replica.record(forward(letter.id, Person(address="dora@example.org"))).forward_meeting.item_id == item.id


def test_what_can_not_be_answered_is_refused(replica: Replica, mailbox: Sender) -> None:
    own, series, letter = meeting(mailbox), meeting(mailbox, "FREQ=WEEKLY", organizer=BEN), mailbox.mail("Hello")
    stubborn = meeting(mailbox, organizer=BEN)
    stubborn.summary.appointment.counters_disallowed = True
    stubborn.revision = stubborn.content_revision = mailbox.next()
    mailbox.put(stubborn)
    gone = mailbox.message("Invitation")
    gone.content.message.scheduling.item_id = b"x" * 16
    mailbox.put(gone)
    for operation, kind, reason in (
        (respond(own.id, ACCEPTED), FailedPrecondition, "NOT_INVITED"),
        (respond(letter.id, ACCEPTED), FailedPrecondition, "NOT_INVITED"),
        (respond(gone.id, ACCEPTED), FailedPrecondition, "NOT_INVITED"),
        (forward(letter.id, CLEO), FailedPrecondition, "NOT_INVITED"),
        (respond(series.id, ORGANIZER), InvalidArgument, "FIELD_INVALID"),
        (respond(series.id, ACCEPTED, occurrence=at(10)), InvalidArgument, "NOT_AN_OCCURRENCE"),
        (respond(series.id, ACCEPTED, proposed_start=at(3), proposed_end=at(3, 10)), InvalidArgument, "FIELD_INVALID"),
        (respond(stubborn.id, TENTATIVE, proposed_start=at(3), proposed_end=at(3, 10)), FailedPrecondition, "COUNTER_DISALLOWED"),
        (forward(series.id), InvalidArgument, "FIELD_INVALID"),
        (forward(series.id, Person(address="nobody")), InvalidArgument, "ADDRESS_INVALID"),
    ):
        assert reason_of(replica, operation) == (kind, reason)
    assert replica.waiting(*PLENTY) == []


def test_an_answer_lies_over_the_meeting_until_the_server_has_it(replica: Replica, mailbox: Sender, sight: Sight) -> None:
    item = meeting(mailbox, organizer=BEN)
    recorded = replica.record(respond(item.id, ACCEPTED))
    revision = mailbox.answer(recorded, outcome=PUSH_OUTCOME_MERGED)
    assert sight.summary(item.id).appointment.my_response == ACCEPTED
    item.revision = item.content_revision = revision  # a newer version came first: it is to be answered again
    item.summary.appointment.start.CopyFrom(at(3))
    item.summary.appointment.end.CopyFrom(at(3, 10))
    mailbox.put(item)
    assert sight.summary(item.id).appointment == item.summary.appointment and sight.overlaid() == 0


def test_a_meeting_that_became_another_meanwhile_keeps_what_the_server_has(replica: Replica, mailbox: Sender, sight: Sight) -> None:
    item = meeting(mailbox, organizer=BEN)
    replica.record(respond(item.id, ACCEPTED))
    item.summary.appointment.my_response = ORGANIZER
    item.summary.appointment.organizer.CopyFrom(ANNA)
    item.revision = item.content_revision = mailbox.next()
    mailbox.put(item)
    assert sight.summary(item.id).appointment == item.summary.appointment


def test_nobody_is_told_twice_after_a_restore(replica: Replica, mailbox: Sender, ids: SequentialIds) -> None:
    backup = mailbox.revision
    answered, doubtful, waiting = meeting(mailbox, organizer=BEN), meeting(mailbox, organizer=BEN), meeting(mailbox)
    mailbox.answer(replica.record(respond(answered.id, ACCEPTED)))
    sent = replica.record(respond(doubtful.id, DECLINED))
    replica.sending([sent])
    kept = replica.record(send(waiting))
    assert replica.reoffer(backup) == 0
    assert replica.waiting(*PLENTY) == [kept]
    [(refused, result)] = replica.rejected()
    assert refused == sent and "may have been sent" in result.error.message


def test_what_is_overtaken_before_it_is_sent_is_told_to_nobody(replica: Replica, mailbox: Sender) -> None:
    own, bens, series = meeting(mailbox), meeting(mailbox, organizer=BEN), meeting(mailbox, "FREQ=WEEKLY", organizer=BEN)
    dora = Person(address="dora@example.org")
    earlier = [send(own), forward(own.id, dora), respond(bens.id, ACCEPTED, comment="Fine"), respond(series.id, ACCEPTED)]
    for operation in earlier:
        replica.record(operation)
    kept = [
        replica.record(invite(own, BEN)),
        replica.record(respond(bens.id, DECLINED)),
        replica.record(respond(series.id, DECLINED, occurrence=at(9))),
        replica.record(respond(series.id, DECLINED, occurrence=at(16))),
        replica.record(cancel(own)),
    ]
    assert [each.WhichOneof("action") for each in replica.waiting(*PLENTY)] == [
        "respond_to_meeting",  # to the series: what follows is of occurrences
        *(each.WhichOneof("action") for each in kept),
    ]


def test_the_same_answer_once_more_keeps_the_words_and_the_time_that_went_with_it(replica: Replica, mailbox: Sender) -> None:
    first, second, own = meeting(mailbox, organizer=BEN), meeting(mailbox, organizer=BEN), meeting(mailbox)
    told = [
        replica.record(respond(first.id, ACCEPTED, comment="With pleasure")),
        replica.record(respond(second.id, TENTATIVE, proposed_start=at(3), proposed_end=at(3, 10))),
        replica.record(send(own, comment="Please come")),
    ]
    for again in (respond(first.id, ACCEPTED), respond(second.id, TENTATIVE), send(own)):
        replica.record(again)
    assert replica.waiting(*PLENTY)[:3] == told
