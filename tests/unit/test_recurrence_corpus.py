"""Every calendar of the corpus, laid out beside recurring-ical-events, and again after it was written and read back."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import TYPE_CHECKING

import icalendar as library
import pytest
import recurring_ical_events

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT
from rookery_core.errors import InvalidArgument
from rookery_core.formats import calendar_files, icalendar
from rookery_core.rules.recurrence.series import Series
from rookery_core.rules.recurrence.starts import Budget
from tests.support import corpus

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.calendar_pb2 import AppointmentSummary

FILES = corpus.files("calendars", "*.ics")
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
FIRST, LAST = (dt.datetime(year, 1, 1, tzinfo=dt.UTC) for year in (1996, 2030))
REASONS = {
    "issue_156_RDATE_with_PERIOD_TZID_khal": "the judge passes over RDATEs that are periods",
    "issue_156_RDATE_with_PERIOD_TZID_khal_2": "the judge passes over RDATEs that are periods",
    "issue_1633_rdate_with_dates": "an RDATE of a date means the series' hour here, midnight to the judge",
    "issue_1633_rdate_with_dates_and_tzid": "an RDATE of a date means the series' hour here, midnight to the judge",
    "issue_526_calendar_with_different_events": "its zone is defined nowhere; the judge remembers it from other files",
    "issue_526_calendar_with_event_subset": "its zone is defined nowhere; the judge remembers it from other files",
    "issue_526_calendar_with_events": "its zone is defined nowhere; the judge remembers it from other files",
    "issue_526_calendar_with_shuffeled_events": "its zone is defined nowhere; the judge remembers it from other files",
    "issue_722_timezone_transition_ambiguity": "its zone is no zone of this world: what is in it counts as UTC",
}
"""Where the two may differ, and why."""


def micros(moment: dt.date) -> int:
    at = moment if isinstance(moment, dt.datetime) else dt.datetime(moment.year, moment.month, moment.day, tzinfo=dt.UTC)
    return ((at if at.tzinfo else at.replace(tzinfo=dt.UTC)) - EPOCH) // dt.timedelta(microseconds=1)


def appointment_of(document: bytes) -> AppointmentSummary | None:
    """The appointment of a document; None where it is none, or can not be read."""
    try:
        record = icalendar.parse(document)
    except InvalidArgument:
        return None
    return record.summary.appointment if record.summary.kind == ITEM_KIND_APPOINTMENT else None


def beginnings(appointment: AppointmentSummary) -> list[int]:
    budget = Budget(1_000_000)
    found = Series(appointment).between(micros(FIRST), micros(LAST), "UTC", budget)
    assert not budget.is_spent
    return [each.begins for each in found]


def judged(document: bytes) -> list[int] | None:
    """The beginnings that the judge finds; None where it fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = recurring_ical_events.of(library.Calendar.from_ical(document)).between(FIRST, LAST)
        except Exception:  # noqa: BLE001 - whatever it stumbles over
            return None
        return sorted(micros(each["DTSTART"].dt) for each in found if str(each.get("STATUS", "")).upper() != "CANCELLED")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_calendar_shows_what_an_independent_expander_shows_also_after_a_round_trip(file: pathlib.Path) -> None:
    try:
        documents = list(calendar_files.split(file.read_bytes()).documents)
    except InvalidArgument:
        pytest.skip("no calendar")
    for document in documents:
        data: bytes = getattr(document, "data", document)
        appointment = appointment_of(data)
        if appointment is None:
            continue
        found = beginnings(appointment)
        record = icalendar.parse(data)
        record.content.ClearField("source")
        written = appointment_of(icalendar.render(record.summary, record.state, record.content))
        assert written is not None
        assert beginnings(written) == found
        expected = judged(data)
        assert expected is None or expected == found or file.stem in REASONS


def test_nearly_all_of_the_corpus_is_compared() -> None:
    corpus.require("calendars.tar.gz")
    compared = 0
    for file in FILES:
        try:
            documents = list(calendar_files.split(file.read_bytes()).documents)
        except InvalidArgument:
            continue
        compared += sum(appointment_of(getattr(document, "data", document)) is not None for document in documents)
    assert compared >= 79
