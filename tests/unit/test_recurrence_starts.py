"""The starts that rules give: RFC 5545's examples, an independent judge, and bounds."""

# ruff: noqa: DTZ001 - wall-clock time is naive
from __future__ import annotations

import datetime as dt
import itertools
import random
import time

import pytest
from dateutil.rrule import rrulestr

from rookery_core.rules.recurrence import rule as rules
from rookery_core.rules.recurrence.starts import Budget, starts

NEW_YEAR_1997 = dt.datetime(1997, 1, 1, 9)
SEPTEMBER_2 = dt.datetime(1997, 9, 2, 9)
FAR = dt.datetime(2100, 1, 1)


def given(text: str, first: dt.datetime, *, most: int = 12, begin: dt.datetime | None = None) -> list[str]:
    rule = rules.parse(text)
    assert rule is not None, text
    found = itertools.islice(starts(rule, first, begin or first, FAR, Budget(100_000)), most)
    return [f"{start:%Y-%m-%d %H:%M}".removesuffix(" 09:00") for start in found]


# RFC 5545 section 3.8.5.3, shortened to a few starts each.
EXAMPLES = [
    ("FREQ=DAILY;COUNT=3", SEPTEMBER_2, ["1997-09-02", "1997-09-03", "1997-09-04"]),
    ("FREQ=DAILY;INTERVAL=10;COUNT=3", SEPTEMBER_2, ["1997-09-02", "1997-09-12", "1997-09-22"]),
    ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=MO,WE,FR;UNTIL=19970918T000000", dt.datetime(1997, 9, 1, 9),
     ["1997-09-01", "1997-09-03", "1997-09-05", "1997-09-15", "1997-09-17"]),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", dt.datetime(1997, 8, 5, 9),
     ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"]),
    ("FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", dt.datetime(1997, 8, 5, 9),
     ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"]),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=1FR", dt.datetime(1997, 9, 5, 9), ["1997-09-05", "1997-10-03", "1997-11-07"]),
    ("FREQ=MONTHLY;INTERVAL=2;COUNT=4;BYDAY=1SU,-1SU", dt.datetime(1997, 9, 7, 9),
     ["1997-09-07", "1997-09-28", "1997-11-02", "1997-11-30"]),
    ("FREQ=MONTHLY;BYMONTHDAY=-3;COUNT=3", dt.datetime(1997, 9, 28, 9), ["1997-09-28", "1997-10-29", "1997-11-28"]),
    ("FREQ=MONTHLY;BYMONTHDAY=30;COUNT=3", dt.datetime(1997, 1, 30, 9), ["1997-01-30", "1997-03-30", "1997-04-30"]),
    ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=3", dt.datetime(1998, 2, 13, 9), ["1998-02-13", "1998-03-13", "1998-11-13"]),
    ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", dt.datetime(1997, 9, 4, 9), ["1997-09-04", "1997-10-07", "1997-11-06"]),
    ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2;COUNT=3", dt.datetime(1997, 9, 29, 9),
     ["1997-09-29", "1997-10-30", "1997-11-27"]),
    ("FREQ=YEARLY;INTERVAL=3;COUNT=4;BYYEARDAY=1,100,200", NEW_YEAR_1997, ["1997-01-01", "1997-04-10", "1997-07-19", "2000-01-01"]),
    ("FREQ=YEARLY;BYDAY=20MO;COUNT=2", dt.datetime(1997, 5, 19, 9), ["1997-05-19", "1998-05-18"]),
    ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=3", dt.datetime(1997, 5, 12, 9), ["1997-05-12", "1998-05-11", "1999-05-17"]),
    ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH;COUNT=3", dt.datetime(1997, 3, 13, 9), ["1997-03-13", "1997-03-20", "1997-03-27"]),
    ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8;COUNT=2", dt.datetime(1996, 11, 5, 9),
     ["1996-11-05", "2000-11-07"]),
    ("FREQ=YEARLY;COUNT=2", dt.datetime(1996, 2, 29, 9), ["1996-02-29", "2000-02-29"]),
    ("FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000", SEPTEMBER_2, ["1997-09-02", "1997-09-02 12:00", "1997-09-02 15:00"]),
    ("FREQ=HOURLY;INTERVAL=6;BYMONTH=10;BYMONTHDAY=-1;COUNT=3", SEPTEMBER_2,
     ["1997-10-31 03:00", "1997-10-31", "1997-10-31 15:00"]),
    ("FREQ=MINUTELY;INTERVAL=90;COUNT=3", SEPTEMBER_2, ["1997-09-02", "1997-09-02 10:30", "1997-09-02 12:00"]),
    ("FREQ=DAILY;BYHOUR=9,16;BYMINUTE=0,20;COUNT=4", SEPTEMBER_2,
     ["1997-09-02", "1997-09-02 09:20", "1997-09-02 16:00", "1997-09-02 16:20"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "first", "expected"), EXAMPLES, ids=[text for text, *_ in EXAMPLES])
def test_a_rule_gives_what_the_standard_says(text: str, first: dt.datetime, expected: list[str]) -> None:
    assert given(text, first, most=len(expected) if "COUNT" not in text and "UNTIL" not in text else 12) == expected


def test_until_a_date_means_to_the_end_of_that_day() -> None:
    assert given("FREQ=DAILY;UNTIL=19970903", SEPTEMBER_2) == ["1997-09-02", "1997-09-03"]


def test_a_week_number_without_a_weekday_takes_the_first_days() -> None:
    assert given("FREQ=YEARLY;BYWEEKNO=20;COUNT=2", dt.datetime(1997, 5, 14, 9)) == ["1997-05-14", "1998-05-13"]


def test_a_position_counts_in_the_whole_first_week_whatever_day_the_series_begins() -> None:
    assert given("FREQ=WEEKLY;BYDAY=TU,SA;BYSETPOS=2;COUNT=2", dt.datetime(2014, 11, 8, 9)) == ["2014-11-08", "2014-11-15"]


@pytest.mark.parametrize(
    "text", ["FREQ=DAILY;COUNT=-1", "FREQ=DAILY;X-NAME=5", "freq=daily;interval=1", "FREQ=DAILY;", "FREQ=DAILY;WKST=SU"]
)
def test_what_producers_write_beside_the_standard_is_read(text: str) -> None:
    assert given(text, SEPTEMBER_2, most=2) == ["1997-09-02", "1997-09-03"]


@pytest.mark.parametrize(
    "text",
    ["", "FREQ=NEVER", "INTERVAL=1", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;BYMONTH=13", "FREQ=DAILY;BYDAY=XX",
     "FREQ=DAILY;FREQ=WEEKLY", "FREQ=DAILY;UNTIL=19971399", "FREQ=DAILY;COUNT=99999999999999", "FREQ=MONTHLY;BYDAY=99MO", "FREQ",
     "FREQ=DAILY;BYHOUR=٣"],
)  # fmt: skip
def test_what_is_no_rule_is_none(text: str) -> None:
    assert rules.parse(text) is None


FINE = ("HOURLY", "MINUTELY", "SECONDLY")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def numbers(dice: random.Random, least: int, most: int, *, signed: bool = False) -> str:
    return ",".join(str(dice.randint(least, most) * (dice.choice((1, -1)) if signed else 1)) for _ in range(dice.randint(1, 3)))


def random_rule(dice: random.Random) -> str:
    frequency = dice.choice(list(rules.Frequency)).name
    by_the_year = frequency == "YEARLY"
    weeks = by_the_year and dice.random() < 0.2
    # The judge looks until the year 9999 for what never comes, and counts positions in the first week from the first day on.
    long = frequency in {"YEARLY", "MONTHLY"}
    likely = [
        (0.35 * (frequency not in FINE), "BYMONTH=" + numbers(dice, 1, 12)),
        (float(weeks), "BYWEEKNO=" + numbers(dice, 1, 53, signed=True)),
        (0.15 * by_the_year, "BYYEARDAY=" + numbers(dice, 1, 366, signed=True)),
        (0.3 * (long or frequency == "DAILY"), "BYMONTHDAY=" + numbers(dice, 1, 31, signed=True)),
        (1.0 if weeks else 0.4, "BYDAY=" + weekdays(dice, counted=long and not weeks)),
        (0.2, "BYHOUR=" + numbers(dice, 0, 23)),
        (0.2, "BYMINUTE=" + numbers(dice, 0, 59)),
        (0.3, "WKST=" + dice.choice(DAYS)),
    ]
    parts = [part for chance, part in likely if dice.random() < chance]
    if parts and long and dice.random() < 0.2:
        parts.append("BYSETPOS=" + numbers(dice, 1, 3, signed=True))
    interval = f"INTERVAL={dice.choice((1, 1, 2, 3, 5, 13))}"
    return ";".join([f"FREQ={frequency}", interval, *parts, *end_of(dice, frequency, len(parts))])


def weekdays(dice: random.Random, *, counted: bool) -> str:
    ordinals = (1, 2, 3, -1, -2, 5) if counted and dice.random() < 0.5 else ("",)
    return ",".join(f"{dice.choice(ordinals)}{dice.choice(DAYS)}" for _ in range(dice.randint(1, 3)))


def end_of(dice: random.Random, frequency: str, parts: int) -> list[str]:
    if frequency in FINE or dice.random() < 0.5:
        return []
    if parts < 3 and dice.random() < 0.6:
        return [f"COUNT={dice.choice((1, 2, 5, 30, 100))}"]
    return [f"UNTIL={dice.randint(2000, 2030)}{dice.randint(1, 12):02}{dice.randint(1, 28):02}T120000"]


@pytest.mark.parametrize("seed", range(80))
def test_rules_of_all_kinds_give_what_an_independent_expander_gives(seed: int) -> None:
    dice = random.Random(seed)
    text = random_rule(dice)
    first = dt.datetime(
        dice.randint(2015, 2024), dice.randint(1, 12), dice.randint(1, 28), dice.randint(0, 23), dice.choice((0, 30))
    )
    fine = any(name in text for name in FINE)
    begin = first + (dt.timedelta(hours=dice.choice((-5, 0, 3))) if fine else dt.timedelta(days=dice.choice((-10, 0, 40, 400))))
    end = begin + (dt.timedelta(hours=dice.choice((1, 3))) if fine else dt.timedelta(days=dice.choice((1, 31, 366))))
    rule = rules.parse(text)
    assert rule is not None
    # It would look for ever for a 30th of February: a bound on what it is asked keeps it from that.
    bounded = text if "UNTIL" in text or "COUNT" in text else f"{text};UNTIL={end:%Y%m%dT%H%M%S}"
    try:
        judge = rrulestr(bounded, dtstart=first)
    except ValueError:  # "generates an empty set"
        judge = ()
    expected = [start for start in itertools.takewhile(lambda start: start < end, judge) if start >= begin]
    assert list(starts(rule, first, begin, end, Budget(1_000_000))) == expected, text


def test_a_window_far_from_the_beginning_costs_what_it_holds() -> None:
    for text in (
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=MO,TU",
        "FREQ=MONTHLY;BYMONTHDAY=5",
        "FREQ=YEARLY",
        "FREQ=SECONDLY;INTERVAL=3600",
    ):
        budget = Budget(1000)
        rule = rules.parse(text)
        assert rule is not None
        found = list(starts(rule, dt.datetime(1900, 1, 1, 9), dt.datetime(2099, 3, 1), dt.datetime(2099, 3, 8), budget))
        assert not budget.is_spent, text
        assert len(found) <= 7 * 24


def test_a_long_count_is_not_counted_one_by_one() -> None:
    budget = Budget(50)
    rule = rules.parse("FREQ=WEEKLY;BYDAY=MO,FR;COUNT=1000000")
    assert rule is not None
    found = list(starts(rule, dt.datetime(2000, 1, 5, 9), dt.datetime(2090, 1, 1), dt.datetime(2090, 1, 15), budget))
    assert [f"{start:%m-%d}" for start in found] == ["01-02", "01-06", "01-09", "01-13"]


@pytest.mark.parametrize("text", ["FREQ=SECONDLY", "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
                                  "FREQ=MINUTELY;COUNT=1000000000", "FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2"])  # fmt: skip
def test_a_hostile_rule_ends_with_its_budget_and_says_so(text: str) -> None:
    budget = Budget(1000)
    rule = rules.parse(text)
    assert rule is not None
    begun = time.process_time()
    list(starts(rule, dt.datetime(2000, 1, 1), dt.datetime(2000, 1, 1), dt.datetime(9999, 1, 1), budget))
    assert budget.is_spent or text.startswith(("FREQ=YEARLY", "FREQ=DAILY"))
    assert time.process_time() - begun < 20
