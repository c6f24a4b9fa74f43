"""Every calendar file of the corpus goes in and comes out with its meaning."""

from __future__ import annotations

import collections
import contextlib
import datetime
from typing import TYPE_CHECKING

import icalendar as library
import pytest
import recurring_ical_events
from icalendar.parser import Contentlines

from rookery_core.errors import InvalidArgument
from rookery_core.formats import icalendar
from rookery_core.rules import calendar_time, zones
from tests.support import corpus

if TYPE_CHECKING:
    import pathlib

    from rookery.v1.item_pb2 import ItemSummary

FILES = corpus.files("calendars", "*.ics")
KINDS = ("VEVENT", "VTODO", "VJOURNAL")
ITEMS = 102
"""So many items of the corpus have all they need."""
REFUSED = {
    "big_bad_calendar": 20,
    "broken_dtstart": 1,
    "created_calendar_with_unicode_fields": 1,
    "fuzz_testcase_0_char_in_component_name": 1,
    "fuzz_testcase_invalid_month": 1,
    "fuzz_testcase_vtimezone_lone_cr": 1,
    "issue_1050_multiple_calendars": 2,
    "issue_1050_uid_in_description": 2,
    "issue_1081_invalid_start_and_end": 1,
    "issue_1081_invalid_start_valid_end": 1,
    "issue_1081_with_summary": 1,
    "issue_1549_binary_attachment": 1,
    "issue_1561_image_value": 4,
    "issue_178_component_with_invalid_name_represented": 1,
    "issue_178_custom_component_contains_other": 1,
    "issue_322_expected_calendar": 1,
    "issue_722_missing_timezones": 2,
    "issue_798_related_to": 2,
    "issue_82_expected_output": 1,
    "pr_480_summary_with_colon": 2,
    "rfc_5545_RDATE_example": 6,
    "rfc_6868": 1,
    "rfc_7256_multi_value_parameters": 2,
    "rfc_7986_conferences": 1,
    "rfc_7986_image": 2,
    "rfc_9253_gap": 2,
    "rfc_9253_related_to": 1,
    "small_bad_calendar": 1,
}
"""Which files have how many documents that are refused: events without a start, and files that are no calendar."""

pytestmark = [
    pytest.mark.skipif(not FILES, reason="no ../shared/corpus/calendars.tar.gz beside this checkout"),
    pytest.mark.filterwarnings("ignore::icalendar.error.GloballyUniqueTZIDGuessed"),
]


def named(path: pathlib.Path) -> str:
    return path.stem


def documents(path: pathlib.Path) -> list[bytes]:
    try:
        return list(icalendar.split(path.read_bytes()).documents)
    except InvalidArgument:
        return []


def records(path: pathlib.Path) -> list[tuple[bytes, icalendar.ItemRecord]]:
    found = []
    for document in documents(path):
        with contextlib.suppress(InvalidArgument):
            found.append((document, icalendar.parse(document)))
    return found


def refusals(path: pathlib.Path) -> list[InvalidArgument]:
    try:
        split = icalendar.split(path.read_bytes())
    except InvalidArgument as error:
        return [error]
    found = []
    for document in split.documents:
        try:
            icalendar.parse(document)
        except InvalidArgument as error:
            found.append(error)
    return found


def rendered(record: icalendar.ItemRecord) -> bytes:
    return icalendar.render(record.summary, record.state, record.content)


def without_source(record: icalendar.ItemRecord) -> icalendar.ItemRecord:
    bare = record.copy()
    bare.content.ClearField("source")
    return bare


def lines(document: bytes) -> collections.Counter[str]:
    return collections.Counter(str(line) for line in Contentlines.from_ical(document) if line)  # type: ignore[no-untyped-call]


def uid(summary: ItemSummary) -> str:
    return summary.appointment.meeting_id or summary.task.task_id


def test_the_corpus_becomes_these_items_and_no_fewer() -> None:
    assert len(FILES) == 116
    assert sum(len(records(path)) for path in FILES) == ITEMS
    assert {path.stem: len(found) for path in FILES if (found := refusals(path))} == REFUSED


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_becomes_items_or_is_refused_with_a_reason(path: pathlib.Path) -> None:
    for error in refusals(path):
        assert error.reason == "DOCUMENT_INVALID"
        assert len(error.message) > len("the event")
    for document, record in records(path):
        assert record.content.source.data == document
        for message in (record.summary, record.content, record.state):
            assert message.SerializeToString() is not None


@pytest.mark.parametrize("path", FILES, ids=named)
def test_splitting_a_file_keeps_every_component_with_all_it_says(path: pathlib.Path) -> None:
    try:
        whole = [part for part in library.Calendar.from_ical(path.read_bytes(), multiple=True) if part.name == "VCALENDAR"]
        expected = sorted(part.to_ical() for each in whole for part in each.walk() if part.name in KINDS)
    except (ValueError, AttributeError, KeyError, TypeError):
        pytest.skip("the other library does not read it, so there is nothing to compare with")
    if not path.read_bytes().rstrip().endswith(b"END:VCALENDAR"):
        pytest.skip("the file is cut off")
    split = [library.Calendar.from_ical(document) for document in documents(path)]
    assert sorted(part.to_ical() for each in split for part in each.walk() if part.name in KINDS) == expected


@pytest.mark.parametrize("path", FILES, ids=named)
def test_an_unchanged_item_gives_back_its_very_document(path: pathlib.Path) -> None:
    for document, record in records(path):
        assert rendered(record) == document
        assert icalendar.parse(rendered(record)) == record


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_new_subject_changes_no_other_line(path: pathlib.Path) -> None:
    for document, record in records(path):
        changed = record.copy()
        changed.summary.subject = "Ein ganz anderer Titel"
        after = rendered(changed)
        gone, come = lines(document) - lines(after), lines(after) - lines(document)
        assert all(line.startswith("SUMMARY") for line in gone), gone
        zone_added = any(line == "BEGIN:VTIMEZONE" for line in come)
        others = [line for line in come if not line.startswith(("SUMMARY:", "UID:", "DTSTAMP:"))]
        assert "SUMMARY:Ein ganz anderer Titel" in come
        assert zone_added or not others, others
        again = icalendar.parse(after)
        if uid(record.summary):
            assert without_source(again) == without_source(changed)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_record_alone_says_the_same_in_a_new_document(path: pathlib.Path) -> None:
    for _, record in records(path):
        bare = without_source(record)
        again = without_source(icalendar.parse(rendered(bare)))
        if not uid(bare.summary):
            again.summary.appointment.ClearField("meeting_id") if again.summary.HasField("appointment") else None
            again.summary.task.ClearField("task_id") if again.summary.HasField("task") else None
        assert again == bare


def occurrences(document: bytes, start: datetime.date) -> list[tuple[object, object]]:
    end = start + datetime.timedelta(days=500)
    events = recurring_ical_events.of(library.Calendar.from_ical(document), skip_bad_series=True).between(start, end)
    return sorted((str(event["DTSTART"].dt), str(event.end)) for event in events)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_occurrences_are_the_same_before_and_after(path: pathlib.Path) -> None:
    for document, record in records(path):
        if not record.summary.HasField("appointment") or not uid(record.summary):
            continue
        start = calendar_time.wall(record.summary.appointment.start)
        assert start
        day = start.date() - datetime.timedelta(days=2)
        try:
            expected = occurrences(document, day)
        except (ValueError, TypeError, AttributeError, KeyError, recurring_ical_events.InvalidCalendar):
            continue
        changed = record.copy()
        changed.summary.appointment.location = "Elsewhere"
        assert occurrences(rendered(changed), day) == expected
        custom = record.summary.appointment.start.time_zone
        fields_tell_all = b"VALUE=PERIOD" not in document and (not custom or zones.canonical(custom))
        if fields_tell_all and expected and b"RECURRENCE-ID" not in document:
            assert len(occurrences(rendered(without_source(record)), day)) == len(expected)


def test_the_whole_corpus_joins_into_one_calendar_that_others_read() -> None:
    good = []
    for path in FILES:
        for document, record in records(path):
            try:
                library.Calendar.from_ical(document)
            except (ValueError, AttributeError, KeyError, TypeError):
                continue
            assert record
            good.append(document)
    whole = library.Calendar.from_ical(icalendar.calendar(good))
    items = [part for part in whole.subcomponents if part.name in KINDS]
    assert len(items) == sum(part.name in KINDS for document in good for part in library.Calendar.from_ical(document).walk())
    tzids = [str(part["TZID"]) for part in whole.subcomponents if part.name == "VTIMEZONE"]
    assert len(tzids) == len(set(tzids))
    assert len(list(icalendar.split(whole.to_ical()).documents)) >= len(good) - 10
