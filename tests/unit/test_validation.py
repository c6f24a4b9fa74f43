"""What a record must keep to: whatever is accepted has a document, and what is refused is named by its path."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from rookery.v1.calendar_pb2 import Attendee, CalendarTime, OccurrenceException, Recurrence
from rookery.v1.contact_pb2 import DistributionListMember
from rookery.v1.item_pb2 import ItemContent, ItemKind, ItemState, ItemSummary, Recipient
from rookery.v1.property_pb2 import Property, PropertyKey, PropertyValue
from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar
from rookery_core.rules import limits
from rookery_core.rules.recurrence_rules import is_rule
from rookery_core.rules.validation import validate_item

if TYPE_CHECKING:
    from collections.abc import Callable

NINE, TEN, ELEVEN = (CalendarTime(local=f"2024-03-01T{hour}:00:00", time_zone="Europe/Berlin") for hour in ("09", "10", "11"))
NONSENSE = CalendarTime(local="garbage")
APPOINTMENT = "item.summary.appointment"


def appointment() -> ItemSummary:
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_APPOINTMENT, subject="Stand-up")
    summary.appointment.start.CopyFrom(TEN)
    summary.appointment.end.CopyFrom(ELEVEN)
    summary.appointment.recurrence.rules.append("FREQ=WEEKLY;BYDAY=MO")
    return summary


def refused(summary: ItemSummary, content: ItemContent | None = None) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as error:
        validate_item(summary, content or ItemContent())
    return error.value


def exception(**fields: Any) -> Callable[[ItemSummary], None]:
    def change(summary: ItemSummary) -> None:
        summary.appointment.exceptions.append(OccurrenceException(**{"original_start": TEN, **fields}))

    return change


def series(**fields: Any) -> Callable[[ItemSummary], None]:
    return lambda summary: summary.appointment.recurrence.MergeFrom(Recurrence(**fields))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (exception(original_start=NONSENSE), "exceptions[0].original_start.local"),
        (exception(original_start=CalendarTime(local="2024-03-01", time_zone="UTC")), "exceptions[0].original_start.time_zone"),
        (exception(start=NONSENSE), "exceptions[0].start.local"),
        (exception(end=NONSENSE), "exceptions[0].end.local"),
        (exception(start=TEN, end=NINE), "exceptions[0].end"),
        (exception(end=NINE), "exceptions[0].end"),
        (exception(subject="x" * 1001), "exceptions[0].subject"),
        (exception(location="x" * 1001), "exceptions[0].location"),
        (exception(text="x" * (limits.BODY_BYTES + 1)), "exceptions[0].text"),
        (series(dates=[NONSENSE]), "recurrence.dates[0].local"),
        (series(excluded_dates=[TEN, NONSENSE]), "recurrence.excluded_dates[1].local"),
        (series(rules=["FREQ=OFTEN"]), "recurrence.rules[1]"),
        (series(rules=["INTERVAL=2"]), "recurrence.rules[1]"),
        (series(rules=["FREQ=DAILY\r\nATTENDEE:mailto:x@example.org"]), "recurrence.rules[1]"),
        (series(exclusion_rules=["every day"]), "recurrence.exclusion_rules[0]"),
        (series(rules=["FREQ=DAILY;X-A=" + "1" * 1000]), "recurrence.rules[1]"),
        (series(rules=["FREQ=DAILY"] * 50), "recurrence.rules"),
        (lambda summary: setattr(summary.appointment, "url", "https://" + "x" * 2000), "url"),
        (lambda summary: setattr(summary.appointment, "location", "x" * 1001), "location"),
    ],
)
def test_what_no_calendar_could_say_is_refused_by_its_path(change: Callable[[ItemSummary], None], field: str) -> None:
    summary = appointment()
    validate_item(summary, ItemContent())
    change(summary)
    assert refused(summary).field == f"{APPOINTMENT}.{field}"


def test_an_occurrence_has_one_exception() -> None:
    summary = appointment()
    exception(location="here")(summary)
    exception(location="there")(summary)
    assert refused(summary).field == f"{APPOINTMENT}.exceptions[1].original_start"


def test_a_tasks_series_is_looked_at_like_an_appointments() -> None:
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_TASK)
    summary.task.recurrence.excluded_dates.append(NONSENSE)
    assert refused(summary).field == "item.summary.task.recurrence.excluded_dates[0].local"


def test_an_exception_of_a_stored_series_that_names_no_time_does_not_make_its_document_impossible() -> None:
    summary = appointment()
    for change in (
        exception(original_start=NONSENSE),
        exception(original_start=ELEVEN, start=NONSENSE),
        exception(location="There"),
    ):
        change(summary)
    series(excluded_dates=[NONSENSE, NINE])(summary)
    again = icalendar.parse(icalendar.render(summary, ItemState(), ItemContent())).summary.appointment
    assert [each.location for each in again.exceptions] == ["There"]
    assert list(again.recurrence.excluded_dates) == [NINE]


@pytest.mark.parametrize(
    "rule", ["FREQ=DAILY", "freq=weekly;byday=MO,TU", "INTERVAL=2;FREQ=YEARLY;X-ODD=a:b", "RSCALE=CHINESE;FREQ=YEARLY"]
)
def test_a_rule_has_a_frequency_and_printable_parts(rule: str) -> None:
    assert is_rule(rule)
    assert not any(
        map(is_rule, (f"{rule};", f"{rule};X", f"{rule};X=\n", f"{rule};X=é", f"{rule} ", rule.upper().replace("FREQ", "F")))
    )


def with_value(value: PropertyValue) -> ItemContent:
    return ItemContent(properties=[Property(key=PropertyKey(tag=1), value=value)])


def times(*stamps: Timestamp) -> PropertyValue:
    return PropertyValue(times=PropertyValue.Times(values=stamps))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (PropertyValue(time=Timestamp(seconds=limits.LAST_SECOND + 1)), "time"),
        (PropertyValue(time=Timestamp(nanos=-1)), "time"),
        (times(Timestamp(), Timestamp(seconds=limits.FIRST_SECOND - 1)), "times.values[1]"),
        (PropertyValue(guid=b"x" * 15), "guid"),
        (PropertyValue(guids=PropertyValue.Guids(values=[b"x" * 16, b""])), "guids.values[1]"),
        (PropertyValue(int32s=PropertyValue.Integers(values=[0, 1 << 31])), "int32s.values[1]"),
        (PropertyValue(booleans=PropertyValue.Booleans(values=[True] * 10_001)), "booleans.values"),
    ],
)
def test_a_value_of_a_property_lies_within_its_types_range(value: PropertyValue, field: str) -> None:
    note = ItemSummary(kind=ItemKind.ITEM_KIND_NOTE)
    assert refused(note, with_value(value)).field == f"item.content.properties[0].value.{field}"


@pytest.mark.parametrize(
    "value",
    [
        PropertyValue(time=Timestamp(seconds=limits.FIRST_SECOND)),
        times(Timestamp(seconds=limits.LAST_SECOND, nanos=999_999_999)),
        PropertyValue(guid=bytes(16)),
        PropertyValue(float64=math.nan),
        PropertyValue(int32s=PropertyValue.Integers(values=[-(1 << 31), (1 << 31) - 1])),
        PropertyValue(int64s=PropertyValue.Integers(values=[1 << 62])),
    ],
)
def test_a_value_at_the_edge_of_its_range_is_taken(value: PropertyValue) -> None:
    validate_item(ItemSummary(kind=ItemKind.ITEM_KIND_NOTE), with_value(value))


def test_an_attendee_answered_at_a_time_that_there_is() -> None:
    content = ItemContent()
    content.appointment.attendees.append(Attendee())
    content.appointment.attendees.append(Attendee(responded=Timestamp(seconds=1 << 60)))
    assert refused(appointment(), content).field == "item.content.appointment.attendees[1].responded"


def test_a_recipient_that_is_a_list_is_named_by_an_id() -> None:
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_MESSAGE)
    validate_item(summary, ItemContent(recipients=[Recipient(), Recipient(list_item_id=b"l" * 16)]))
    error = refused(summary, ItemContent(recipients=[Recipient(), Recipient(list_item_id=b"short")]))
    assert (error.reason, error.field) == ("FIELD_INVALID", "item.content.recipients[1].list_item_id")


def test_a_member_that_is_an_item_is_named_by_an_id() -> None:
    content = ItemContent()
    content.distribution_list.members.append(DistributionListMember(item_id=b"short"))
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_DISTRIBUTION_LIST)
    assert refused(summary, content).field == "item.content.distribution_list.members[0].item_id"


texts = st.text(max_size=12) | st.sampled_from(["garbage\r\nX:1", "2024-02-30", "FREQ=DAILY", "FREQ=DAILY;COUNT=0;BYDAY=XX"])
locals_ = st.sampled_from(
    ["2024-03-01", "2024-03-01T10:00:00", "0001-01-01", "9999-12-31T23:59:59", "0001-01-01T00:00:00", "garbage"]
)
any_times = st.builds(CalendarTime, local=locals_ | texts, time_zone=st.sampled_from(["", "UTC", "Asia/Tokyo", "Nowhere/At all"]))
any_stamps = st.builds(Timestamp, seconds=st.integers(-(1 << 63), (1 << 63) - 1), nanos=st.integers(-(1 << 31), (1 << 31) - 1))
int32s = st.integers(-(1 << 31), (1 << 31) - 1)
any_exceptions = st.builds(
    OccurrenceException,
    original_start=any_times,
    cancelled=st.booleans(),
    start=st.none() | any_times,
    end=st.none() | any_times,
    subject=st.none() | texts,
    text=st.none() | texts,
    reminder_minutes=st.none() | int32s,
    this_and_future=st.booleans(),
)
any_series = st.builds(
    Recurrence,
    rules=st.lists(texts, max_size=2),
    exclusion_rules=st.lists(texts, max_size=2),
    dates=st.lists(any_times, max_size=2),
    excluded_dates=st.lists(any_times, max_size=2),
)


@settings(max_examples=300)
@given(any_times, st.none() | any_times, any_series, st.lists(any_exceptions, max_size=3), st.none() | any_stamps, int32s, texts)
def test_every_appointment_that_is_accepted_has_a_document_that_can_be_read(
    start: CalendarTime,
    end: CalendarTime | None,
    recurrence: Recurrence,
    exceptions: list[OccurrenceException],
    responded: Timestamp | None,
    minutes: int,
    url: str,
) -> None:
    summary, content = ItemSummary(kind=ItemKind.ITEM_KIND_APPOINTMENT), ItemContent()
    summary.appointment.MergeFrom(
        type(summary.appointment)(
            start=start, end=end, recurrence=recurrence, exceptions=exceptions, reminder_minutes=minutes, url=url
        )
    )
    content.appointment.attendees.append(Attendee(responded=responded))
    try:
        validate_item(summary, content)
    except InvalidArgument:
        return
    again = icalendar.parse(icalendar.render(summary, ItemState(), content))
    assert again.summary.appointment.start == start
    assert list(again.summary.appointment.recurrence.rules) == list(recurrence.rules)
    assert {each.original_start.local for each in again.summary.appointment.exceptions} == {
        each.original_start.local for each in exceptions
    }
