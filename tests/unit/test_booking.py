"""Rooms that answer by their booking rules."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_EQUIPMENT, ACCOUNT_KIND_ROOM, ACCOUNT_KIND_USER
from rookery.v1.availability_service_pb2 import FREE_BUSY_DETAIL_TIMES, BookingRules, CalendarSettings, WorkingHours, WorkingTime
from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, ResponseStatus
from rookery.v1.item_pb2 import Item
from rookery_core.errors import InvalidArgument
from rookery_core.rules.availability import settings
from rookery_core.rules.scheduling import booking
from rookery_core.rules.scheduling.booking import Decision, Taken

if TYPE_CHECKING:
    from collections.abc import Sequence

BERLIN = "Europe/Berlin"
ACCEPTED, DECLINED = ResponseStatus.RESPONSE_STATUS_ACCEPTED, ResponseStatus.RESPONSE_STATUS_DECLINED


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()) * 1_000_000


NOW = at("2026-03-02T06:00")


def time(local: str, zone: str = BERLIN) -> CalendarTime:
    return CalendarTime(local=local, time_zone=zone if "T" in local else "")


def meeting(start: str, end: str, *rules: str, zone: str = BERLIN, **fields: Any) -> Item:
    item = Item()
    item.summary.subject = "Plan"
    item.summary.appointment.CopyFrom(AppointmentSummary(start=time(start, zone), end=time(end, zone), **fields))
    item.summary.appointment.recurrence.rules.extend(rules)
    return item


def room(**rules: Any) -> CalendarSettings:
    """A room's settings: the usual ones, but for these rules."""
    found = settings.whole(CalendarSettings(), ACCOUNT_KIND_ROOM)
    for name, value in rules.items():
        setattr(found.booking, name, value)
    return found


def decide(item: Item, set_so: CalendarSettings, taken: Sequence[Taken] = (), *, outsider: bool = False) -> Decision:
    def booked(begin: int, end: int) -> list[Taken]:
        return [each for each in taken if each.start < end and each.end > begin]

    return booking.decide(item, set_so, booked, now=NOW, outsider=outsider)


def test_a_free_room_accepts_without_a_word() -> None:
    neighbours = [
        Taken(at("2026-03-03T07:00"), at("2026-03-03T08:00"), "A"),
        Taken(at("2026-03-03T09:00"), at("2026-03-03T10:00"), "B"),
    ]
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00")
    assert decide(asked, room(), neighbours) == Decision(ACCEPTED, "", ())


def test_a_room_that_is_taken_declines_and_says_when_and_by_whom_where_the_organiser_is() -> None:
    taken = [
        Taken(at("2026-03-03T06:00"), at("2026-03-03T12:00"), "Anna Berg"),
        Taken(at("2026-03-03T08:30"), at("2026-03-03T08:45"), ""),
        Taken(at("2026-03-03T08:45"), at("2026-03-04T09:00"), "ben@rookery.example"),
    ]
    asked = meeting("2026-03-03T03:00:00", "2026-03-03T04:00:00", zone="America/New_York")
    answer = decide(asked, room(), taken)
    assert answer.response == DECLINED
    assert answer.comment == (
        "It is taken already: Tue 3 Mar 2026, 01:00 to 07:00 (Anna Berg); Tue 3 Mar 2026, 03:30 to 03:45; "
        "Tue 3 Mar 2026, 03:45 to Wed 4 Mar 2026, 04:00 (ben@rookery.example)."
    )


def test_a_short_booking_behind_a_long_one_is_found() -> None:
    taken = [
        Taken(at("2026-03-01T00:00"), at("2026-03-20T00:00"), "Long"),
        Taken(at("2026-03-02T00:00"), at("2026-03-02T01:00"), ""),
    ]
    assert decide(meeting("2026-03-10T09:00:00", "2026-03-10T10:00:00"), room(), taken).response == DECLINED


def test_ten_conflicts_are_named_at_most_and_no_name_is_long() -> None:
    taken = [Taken(at(f"2026-03-03T08:{n:02}"), at(f"2026-03-03T08:{n + 1:02}"), "N" * 500) for n in range(20)]
    answer = decide(meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00"), room(), taken)
    assert answer.comment.count("Tue 3 Mar") == booking.MOST_NAMED
    assert answer.comment.endswith("; and more.")
    assert len(answer.comment) < 1_200


def test_a_room_that_is_shared_takes_what_overlaps() -> None:
    taken = [Taken(at("2026-03-03T06:00"), at("2026-03-03T12:00"), "Anna")]
    assert decide(meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00"), room(conflicts=True), taken).response == ACCEPTED


@pytest.mark.parametrize(
    ("asked", "rules", "reason"),
    [
        (
            meeting("2026-09-03T09:00:00", "2026-09-03T10:00:00"),
            {},
            "It can be booked 180 days ahead, until Sat 29 Aug 2026, and no further.",
        ),
        (
            meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY"),
            {"horizon_days": 1},
            "It can be booked 1 day ahead, until Tue 3 Mar 2026, and no further.",
        ),
        (meeting("2026-03-03", "2026-03-05"), {}, "It can be booked for 1 day at most."),
        (
            meeting("2026-03-03T09:00:00", "2026-03-03T11:00:00"),
            {"longest_minutes": 90},
            "It can be booked for 90 minutes at most.",
        ),
        (
            meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY;COUNT=2"),
            {"recurring": False},
            "Series can not be booked here: book each time by itself.",
        ),
        (meeting("2026-03-01T09:00:00", "2026-03-01T10:00:00"), {}, "The time of the meeting has passed."),
        (meeting("2026-03-01T09:00:00", "2026-03-01T10:00:00"), {"horizon_days": 0}, "The time of the meeting has passed."),
        (meeting("once", "upon a time"), {}, "The time of the meeting can not be read."),
        (
            meeting("2026-03-03T09:00:00", "2026-03-03T09:01:00", "FREQ=MINUTELY;UNTIL=20260320T000000Z"),
            {},
            "The series has more occurrences than can be booked.",
        ),
    ],
)
def test_what_the_rules_do_not_allow_is_declined_with_the_reason(asked: Item, rules: dict[str, Any], reason: str) -> None:
    assert decide(asked, room(**rules)) == Decision(DECLINED, reason, ())


def test_people_elsewhere_book_only_where_they_may() -> None:
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00")
    assert decide(asked, room(), outsider=True).comment == "Only people of this organisation can book here."
    assert decide(asked, room(outsiders=True), outsider=True).response == ACCEPTED


def test_a_room_with_hours_is_booked_within_them() -> None:
    set_so = room(working_hours_only=True)
    times = [WorkingTime(weekday=day, start_minute=480, end_minute=1080) for day in range(1, 6)]
    set_so.working_hours.CopyFrom(WorkingHours(time_zone=BERLIN, times=times))
    assert decide(meeting("2026-03-03T08:00:00", "2026-03-03T18:00:00"), set_so).response == ACCEPTED
    answer = decide(meeting("2026-03-02T17:30:00", "2026-03-02T18:30:00", "FREQ=WEEKLY;COUNT=3"), set_so)
    assert answer.comment == (
        "It can be booked only at its hours, Mon-Fri 08:00-18:00 (Europe/Berlin), not Mon 2 Mar 2026, 17:30 to 18:30."
    )


def test_a_series_is_declined_for_one_conflict_unless_the_rules_let_some_pass() -> None:
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY;COUNT=5")
    taken = [Taken(at("2026-03-10T08:30"), at("2026-03-10T09:30"), "Anna")]
    assert decide(asked, room(), taken).response == DECLINED
    assert decide(asked, room(conflict_percent=19), taken).response == DECLINED
    assert decide(asked, room(conflict_percent=20), taken) == Decision(
        ACCEPTED,
        "Taken already, and not booked: Tue 10 Mar 2026, 09:30 to 10:30 (Anna).",
        (time("2026-03-10T09:00:00"),),
    )


def test_a_series_of_which_all_is_taken_is_declined_whatever_the_rules_let_pass() -> None:
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY;COUNT=2")
    taken = [Taken(at("2026-03-01T00:00"), at("2026-03-20T00:00"), "Anna")]
    assert decide(asked, room(conflict_percent=100), taken).response == DECLINED


def test_occurrences_are_looked_at_where_their_exceptions_put_them() -> None:
    moved = OccurrenceException(original_start=time("2026-03-10T09:00:00"), start=time("2026-03-11T15:00:00"))
    called_off = OccurrenceException(original_start=time("2026-03-17T09:00:00"), cancelled=True)
    exceptions = [moved, called_off]
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY;COUNT=5", exceptions=exceptions)
    taken = [
        Taken(at("2026-03-10T08:00"), at("2026-03-10T09:00"), ""),
        Taken(at("2026-03-11T14:30"), at("2026-03-11T15:00"), ""),
        Taken(at("2026-03-17T08:00"), at("2026-03-17T09:00"), ""),
    ]
    assert decide(asked, room(conflict_percent=25), taken).declined == (time("2026-03-10T09:00:00"),)


def test_a_series_without_an_end_is_taken_where_there_is_no_horizon() -> None:
    asked = meeting("2026-03-03T09:00:00", "2026-03-03T10:00:00", "FREQ=WEEKLY")
    assert decide(asked, room()).response == DECLINED
    assert decide(asked, room(horizon_days=0)).response == ACCEPTED
    assert decide(asked, room(horizon_days=0), [Taken(at("2028-02-29T08:00"), at("2028-02-29T09:00"), "")]).response == DECLINED


def test_a_series_with_a_count_that_began_long_ago_ends_before_the_horizon() -> None:
    asked = meeting("2020-03-03T09:00:00", "2020-03-03T10:00:00", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR;COUNT=1600")
    assert decide(asked, room()).response == ACCEPTED


def test_dates_are_looked_at_where_the_room_is() -> None:
    set_so = room()
    set_so.working_hours.time_zone = "America/New_York"
    early = [Taken(at("2026-03-03T00:00"), at("2026-03-03T05:00"), "")]
    assert decide(meeting("2026-03-03", "2026-03-04"), set_so, early).response == ACCEPTED
    late = [Taken(at("2026-03-04T04:00"), at("2026-03-04T06:00"), "Anna")]
    assert decide(meeting("2026-03-03", "2026-03-04"), set_so, late).comment == (
        "It is taken already: Tue 3 Mar 2026, 23:00 to Wed 4 Mar 2026, 01:00 (Anna)."
    )


def test_rooms_and_equipment_have_rules_where_nothing_was_set_and_people_have_none() -> None:
    for kind in (ACCOUNT_KIND_ROOM, ACCOUNT_KIND_EQUIPMENT):
        whole = settings.whole(CalendarSettings(), kind)
        assert whole.booking == BookingRules(automatic=True, horizon_days=180, longest_minutes=1_440, recurring=True)
        assert whole.free_busy_detail == FREE_BUSY_DETAIL_TIMES
    assert not settings.whole(CalendarSettings(booking=BookingRules()), ACCOUNT_KIND_USER).HasField("booking")
    set_so = CalendarSettings(booking=BookingRules(conflicts=True), working_hours=WorkingHours())
    whole = settings.whole(set_so, ACCOUNT_KIND_ROOM)
    assert (whole.booking, whole.working_hours) == (set_so.booking, set_so.working_hours)


@pytest.mark.parametrize(
    ("wrong", "kind", "field"),
    [
        (CalendarSettings(booking=BookingRules()), ACCOUNT_KIND_USER, "settings.booking"),
        (CalendarSettings(booking=BookingRules(conflict_percent=101)), ACCOUNT_KIND_ROOM, "settings.booking.conflict_percent"),
        (CalendarSettings(booking=BookingRules(horizon_days=1 << 31)), ACCOUNT_KIND_ROOM, "settings.booking.horizon_days"),
        (CalendarSettings(booking=BookingRules(location="L" * 1_001)), ACCOUNT_KIND_ROOM, "settings.booking.location"),
        (CalendarSettings.FromString(b"\x10\x09"), ACCOUNT_KIND_USER, "settings.free_busy_detail"),
        (
            CalendarSettings(working_hours=WorkingHours(time_zone="Nowhere")),
            ACCOUNT_KIND_USER,
            "settings.working_hours.time_zone",
        ),
    ],
)
def test_settings_that_can_not_be_are_refused(wrong: CalendarSettings, kind: Any, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        settings.checked(wrong, kind)
    assert refused.value.field == field
