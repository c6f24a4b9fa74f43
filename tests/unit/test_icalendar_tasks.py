"""Recurring tasks and calendar documents: what stays of a completed one, and what comes so long after its completion."""

from __future__ import annotations

import uuid

import pytest

from rookery_core.formats import icalendar
from rookery_core.rules import task_series

ITEM = uuid.UUID("01890000-0000-7000-8000-000000000001").bytes


def document(*lines: str) -> bytes:
    todo = ["BEGIN:VTODO", "UID:plants@example.org", "DTSTAMP:20260101T000000Z", "SUMMARY:Water", "DUE;VALUE=DATE:20260302", *lines]
    whole = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *todo, "END:VTODO", "END:VCALENDAR", ""]
    return "\r\n".join(whole).encode()


def rendered(record: icalendar.ItemRecord) -> str:
    return icalendar.render(record.summary, record.state, record.content).decode()


def test_the_copy_of_an_imported_task_is_exported_as_a_task_by_itself() -> None:
    record = icalendar.parse(document("RRULE:FREQ=WEEKLY", "X-COLOUR:green"))
    new_id = task_series.copy_id(ITEM, 0)
    record.summary.CopyFrom(task_series.completed_copy(record.summary, 1_772_452_800_000_000, new_id))
    text = rendered(record)
    for line in (f"UID:{uuid.UUID(bytes=new_id)}", "STATUS:COMPLETED", "COMPLETED:20260302T120000Z", "X-COLOUR:green"):
        assert f"{line}\r\n" in text
    assert "RRULE" not in text


def test_that_a_task_regenerates_goes_through_documents() -> None:
    record = icalendar.parse(document("RRULE:FREQ=WEEKLY", "X-ROOKERY-REGENERATING:TRUE"))
    assert record.summary.task.regenerating
    record.summary.subject = "Water the plants"
    assert icalendar.parse(rendered(record).encode()).summary.task.regenerating


@pytest.mark.parametrize("rule", ["RRULE:FREQ=WEEKLY;BYDAY=MO", "X-NO:RULE"])
def test_a_document_does_not_make_a_task_that_can_not_be_edited(rule: str) -> None:
    assert not icalendar.parse(document(rule, "X-ROOKERY-REGENERATING:TRUE")).summary.task.regenerating
