"""A series cut in two shows what the one showed; exceptions that a new rule leaves without an occurrence."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

import pytest

from rookery.v1.calendar_pb2 import AppointmentSummary, CalendarTime, OccurrenceException, Recurrence
from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time
from rookery_core.rules.recurrence import splitting
from rookery_core.rules.recurrence.recurring import Recurring
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from collections.abc import Sequence

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
WINDOW = tuple((dt.datetime(year, 1, 1, tzinfo=dt.UTC) - EPOCH) // dt.timedelta(microseconds=1) for year in (2025, 2030))
BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> CalendarTime:
    """ "2026-03-02 09:00" in a zone, or a date."""
    day, _, hours = text.partition(" ")
    return CalendarTime(local=f"{day}T{hours}:00", time_zone=zone) if hours else CalendarTime(local=day)


def series(
    start: str, *rules: str, zone: str = BERLIN, exceptions: Sequence[OccurrenceException] = (), **recurrence: Any
) -> AppointmentSummary:
    appointment = AppointmentSummary(start=at(start, zone), exceptions=exceptions, meeting_id="uid", location="Hall")
    appointment.recurrence.CopyFrom(Recurrence(rules=rules, **recurrence))
    appointment.end.CopyFrom(calendar_time.moved(at("2026-01-01 00:00"), at("2026-01-01 01:00"), appointment.start))
    return appointment


def shown(*parts: AppointmentSummary) -> list[tuple[int, int, str, str]]:
    """Everything that one would see of the parts."""
    found: list[tuple[int, int, str, str]] = []
    for part in parts:
        for each in Series(part).between(*WINDOW, BERLIN, Budget(100_000)):
            subject = each.exception.subject if each.exception else ""
            found.append((each.begins, each.ends, each.original_start.local, subject))
    return sorted(found)


def starts(appointment: AppointmentSummary) -> list[dt.datetime]:
    """What the rule gives, exclusions left aside."""
    recurring = Recurring(appointment.start, Recurrence(rules=appointment.recurrence.rules))
    return recurring.between(recurring.first, recurring.first + dt.timedelta(days=700), Budget(100_000))


RULES = [
    "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE,SU",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU", "FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=2TU,-1FR", "FREQ=MONTHLY;BYMONTHDAY=-1,15",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1,1", "FREQ=YEARLY;BYMONTH=3,9;BYDAY=1SU", "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO,FR",
    "FREQ=DAILY;BYHOUR=9,14;INTERVAL=5", "FREQ=HOURLY;INTERVAL=53",
]  # fmt: skip
ENDS = ["", "", ";COUNT=40", ";COUNT=7", ";UNTIL=20270301T080000Z", ";UNTIL=20270301T090000"]


@pytest.mark.parametrize("seed", range(120))
def test_both_parts_of_a_series_show_what_the_whole_showed(seed: int) -> None:
    dice = random.Random(seed)
    zone = dice.choice([BERLIN, "America/New_York", "Australia/Lord_Howe", ""])
    first = f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02} {dice.randint(0, 23):02}:{dice.choice(('00', '30'))}"
    if dice.random() < 0.2:
        first = first[:10]
    rule = dice.choice([each for each in RULES if " " in first or "HOUR" not in each]) + dice.choice(ENDS)
    whole = series(first, rule, zone=zone)
    given = starts(whole)
    clock = Recurring(whole.start, whole.recurrence).clock
    for start in dice.sample(given, min(4, len(given))):
        whole.recurrence.excluded_dates.append(clock.time(start))
    for start in dice.sample(given, min(5, len(given))):
        changed = OccurrenceException(original_start=clock.time(start), subject=f"S{start}", cancelled=dice.random() < 0.2)
        if dice.random() < 0.5 and not clock.is_dates:
            changed.start.CopyFrom(clock.time(start + dt.timedelta(hours=dice.randint(-80, 80))))
        whole.exceptions.append(changed)
    for _ in range(3):
        extra = given[0] + dt.timedelta(days=dice.randint(1, 600))
        if clock.time(extra) not in whole.recurrence.dates:
            whole.recurrence.dates.append(clock.time(extra))
    if len(given) < 2:
        return
    point = clock.time(dice.choice(given[1:]))
    before, after = splitting.split(whole, point, "at")
    assert shown(before, after) == shown(whole), (first, rule, point.local)
    assert (before.meeting_id, after.meeting_id, after.location) == ("uid", "", "Hall")
    assert after.start == point


@pytest.mark.parametrize(
    ("start", "zone", "rule", "point", "until"),
    [
        ("2026-03-02 09:00", BERLIN, "FREQ=WEEKLY", "2026-03-30 09:00", "20260323T080000Z"),
        ("2026-03-02 09:00", BERLIN, "FREQ=WEEKLY;COUNT=9", "2026-04-06 09:00", "20260330T070000Z"),
        ("2026-03-02 09:00", "", "FREQ=MONTHLY;BYDAY=1MO", "2026-05-04 09:00", "20260406T090000"),
        ("2026-03-02", "", "FREQ=DAILY;BYDAY=MO,FR", "2026-03-09", "20260306"),
        ("1996-02-29", "", "FREQ=YEARLY;INTERVAL=4", "2028-02-29", "20240229"),
        ("2026-03-28 02:30", BERLIN, "FREQ=DAILY", "2026-03-30 02:30", "20260330T002959Z"),
        ("2026-03-01 09:00", "", "FREQ=DAILY;BYDAY=MO", "2026-03-02 09:00", "20260302T085959"),
    ],
)
def test_the_first_part_ends_with_the_last_occurrence_that_it_keeps(
    start: str, zone: str, rule: str, point: str, until: str
) -> None:
    before, _ = splitting.split(series(start, rule, zone=zone), at(point, zone), "at")
    assert before.recurrence.rules[0].endswith(f";UNTIL={until}")


def refused(appointment: AppointmentSummary, point: str) -> str:
    with pytest.raises(InvalidArgument) as error:
        splitting.split(appointment, at(point), "request.at")
    assert error.value.field == "request.at"
    return error.value.message


def test_a_series_is_not_split_where_it_has_no_occurrence_or_at_its_first() -> None:
    weekly = series("2026-03-02 09:00", "FREQ=WEEKLY")
    for point in ("2026-03-02 09:00", "2026-03-03 09:00", "2026-02-23 09:00", "2026-03-09 10:00"):
        assert "behind its first" in refused(weekly, point)
    assert refused(AppointmentSummary(), "2026-03-02 09:00")


def test_a_series_whose_rules_would_fall_out_of_step_is_not_split() -> None:
    both = series("2026-03-02 09:00", "FREQ=DAILY", exclusion_rules=["FREQ=DAILY;INTERVAL=2"])
    assert "step" in refused(both, "2026-03-05 09:00")
    before, after = splitting.split(both, at("2026-03-06 09:00"), "at")
    assert shown(before, after) == shown(both)


def test_a_change_of_all_that_follows_goes_on_behind_the_cut() -> None:
    lasting = OccurrenceException(original_start=at("2026-03-04 09:00"), start=at("2026-03-04 11:00"), this_and_future=True)
    lasting.subject = "Later"
    whole = series("2026-03-02 09:00", "FREQ=DAILY;COUNT=10", exceptions=[lasting])
    before, after = splitting.split(whole, at("2026-03-07 09:00"), "at")
    assert shown(before, after) == shown(whole)
    whole.exceptions.append(OccurrenceException(original_start=at("2026-03-07 09:00"), subject="Own"))
    assert "change" in refused(whole, "2026-03-07 09:00")
    before, after = splitting.split(whole, at("2026-03-08 09:00"), "at")
    assert shown(before, after) == shown(whole)


def test_a_long_count_is_divided_without_counting_for_ever() -> None:
    assert refused(series("2026-03-02 09:00", "FREQ=MINUTELY;COUNT=10000000"), "2027-03-02 09:00")
    daily = series("1026-03-02 09:00", "FREQ=DAILY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11;COUNT=10000000")
    assert refused(daily, "2026-03-02 09:00")


def orphans(before: AppointmentSummary, after: AppointmentSummary, starts_: int = 10_000) -> list[str]:
    return [each.original_start.local[5:10] for each in splitting.orphans(before, after, Budget(starts_))]


def changed(whole: AppointmentSummary, *rules: str, start: str = "") -> AppointmentSummary:
    copy = AppointmentSummary()
    copy.CopyFrom(whole)
    if rules:
        copy.recurrence.rules[:] = rules
    if start:
        copy.start.CopyFrom(at(start))
    return copy


def test_exceptions_are_orphans_where_the_old_rule_gave_them_and_the_new_one_does_not() -> None:
    exceptions = [
        OccurrenceException(original_start=at("2026-03-04 09:00"), subject="Wednesday"),
        OccurrenceException(original_start=at("2026-03-09 09:00"), subject="Monday"),
        OccurrenceException(original_start=at("2026-03-10 11:00"), subject="never given"),
    ]
    whole = series("2026-03-02 09:00", "FREQ=WEEKLY;BYDAY=MO,WE", exceptions=exceptions)
    assert orphans(whole, changed(whole, "FREQ=WEEKLY;BYDAY=MO")) == ["03-04"]
    assert orphans(whole, changed(whole, "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=2")) == ["03-09"]
    assert orphans(whole, changed(whole, start="2026-03-02 10:00")) == ["03-04", "03-09"]
    assert orphans(whole, whole) == []


def test_nothing_is_an_orphan_where_finding_out_would_take_too_long() -> None:
    whole = series("2026-03-02 09:00", "FREQ=DAILY", exceptions=[OccurrenceException(original_start=at("2027-03-02 09:00"))])
    assert orphans(whole, changed(whole, "FREQ=MINUTELY;COUNT=1000000000")) == []
