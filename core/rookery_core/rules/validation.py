"""What a record of an item must keep to, whoever writes it: the limits and the sense that the contract's comments promise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery_core.errors import InvalidArgument
from rookery_core.rules import calendar_time, names
from rookery_core.rules.records import require_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery.v1.item_pb2 import Attachment, FollowUp, ItemContent, ItemState, ItemSummary
    from rookery.v1.property_pb2 import Property

SUBJECT_LENGTH = 1000
TEXT_LENGTH = 255
BODY_BYTES = 8 << 20
PHOTO_BYTES = 512 << 10
SOURCE_BYTES = 1 << 20
RECORD_BYTES = 32 << 20


def _too_many(count: int, most: int, field: str) -> None:
    if count > most:
        raise InvalidArgument("LIMIT_EXCEEDED", f"{field} has {count:,} entries, at most {most:,} are allowed", field=field)


def _too_long(text: str, most: int, field: str) -> None:
    if len(text) > most:
        raise InvalidArgument("FIELD_INVALID", f"{field} has {len(text):,} characters, at most {most:,} are allowed", field=field)


def _too_big(size: int, most: int, field: str) -> None:
    if size > most:
        raise InvalidArgument("LIMIT_EXCEEDED", f"{field} has {size:,} bytes, at most {most:,} are allowed", field=field)


def _invalid(message: str, field: str) -> InvalidArgument:
    return InvalidArgument("FIELD_INVALID", message, field=field)


def validate_item(summary: ItemSummary, content: ItemContent) -> None:
    """InvalidArgument (``FIELD_INVALID``, ``LIMIT_EXCEEDED``, ``KIND_MISMATCH``) with the path of the first field that is wrong."""
    arm = require_kind(summary, content)
    _too_long(summary.subject, SUBJECT_LENGTH, "item.summary.subject")
    _too_long(summary.message_class, TEXT_LENGTH, "item.summary.message_class")
    _times(summary, "item.summary", ("received", "sent", "created"))
    for form, text in (("text", content.body.text), ("html", content.body.html)):
        _too_big(len(text.encode()), BODY_BYTES, f"item.content.body.{form}")
    _too_many(len(content.recipients), 10_000, "item.content.recipients")
    _attachments(content.attachments)
    _properties(content.properties)
    _too_big(len(content.source.data), SOURCE_BYTES, "item.content.source.data")
    if check := _KINDS.get(arm):
        check(summary, content)
    _too_big(summary.ByteSize() + content.ByteSize(), RECORD_BYTES, "item")


def validate_state(state: ItemState) -> list[str]:
    """The category names as they are kept; InvalidArgument for a state that can not be."""
    validate_follow_up(state.follow_up, "item.state.follow_up")
    return names.categories(list(state.categories), "item.state.categories")


def validate_follow_up(flag: FollowUp, field: str) -> None:
    """InvalidArgument for a flag that can not be: text too long, times out of range, start after due."""
    _too_long(flag.request, TEXT_LENGTH, f"{field}.request")
    _times(flag, field, ("start", "due", "completed", "reminder"))
    if flag.HasField("start") and flag.HasField("due") and flag.start.ToMicroseconds() > flag.due.ToMicroseconds():
        raise _invalid("a flag can not be due before it starts", f"{field}.due")


def _times(message: Any, field: str, fields: Sequence[str]) -> None:
    """Timestamps are of the years 0001 to 9999 with whole nanoseconds, as google.protobuf.Timestamp demands."""
    for name in fields:
        if message.HasField(name):
            stamp = getattr(message, name)
            if not (-62_135_596_800 <= stamp.seconds <= 253_402_300_799 and 0 <= stamp.nanos < 1_000_000_000):
                raise _invalid("a time lies in the years 0001 to 9999", f"{field}.{name}")


def _attachments(attachments: Sequence[Attachment]) -> None:
    _too_many(len(attachments), 1000, "item.content.attachments")
    for index, attachment in enumerate(attachments):
        field = f"item.content.attachments[{index}]"
        _too_long(attachment.name, TEXT_LENGTH, f"{field}.name")
        _too_long(attachment.media_type, TEXT_LENGTH, f"{field}.media_type")
        _too_long(attachment.content_id, 998, f"{field}.content_id")


def _properties(properties: Sequence[Property]) -> None:
    _too_many(len(properties), 1000, "item.content.properties")
    seen: set[bytes] = set()
    for index, entry in enumerate(properties):
        field = f"item.content.properties[{index}]"
        named = entry.key.named
        match entry.key.WhichOneof("key"):
            case "tag" if 1 <= entry.key.tag <= 0x7FFF:
                pass
            case "named" if len(named.property_set) == 16 and named.WhichOneof("id"):
                _too_long(named.name, 254, f"{field}.key.named.name")
            case _:
                raise _invalid("a property is named by a tag (0x0001 to 0x7FFF), or by a 16-byte set and a name", f"{field}.key")
        if entry.value.WhichOneof("value") is None:
            raise _invalid("a property needs a value", f"{field}.value")
        key = entry.key.SerializeToString(deterministic=True)
        if key in seen:
            raise _invalid("a property occurs once in an item", f"{field}.key")
        seen.add(key)


def _appointment(summary: ItemSummary, content: ItemContent) -> None:
    appointment, field = summary.appointment, "item.summary.appointment"
    if not appointment.start.local:
        raise _invalid("an appointment needs a start", f"{field}.start")
    calendar_time.validate(appointment.start, f"{field}.start")
    if appointment.HasField("end"):
        calendar_time.validate(appointment.end, f"{field}.end")
        if calendar_time.before(appointment.end, appointment.start):
            raise _invalid("an appointment can not end before it starts", f"{field}.end")
    _too_long(appointment.location, SUBJECT_LENGTH, f"{field}.location")
    _too_many(len(content.appointment.attendees), 5000, "item.content.appointment.attendees")
    _too_many(len(appointment.exceptions), 5000, f"{field}.exceptions")
    _recurrence(appointment.recurrence, field)


def _recurrence(recurrence: Any, field: str) -> None:
    _too_many(len(recurrence.rules) + len(recurrence.exclusion_rules), 50, f"{field}.recurrence.rules")
    _too_many(len(recurrence.dates) + len(recurrence.excluded_dates), 5000, f"{field}.recurrence.dates")
    for rule in recurrence.rules:
        if "FREQ=" not in rule.upper() or len(rule) > SUBJECT_LENGTH:
            raise _invalid("a rule is one of RFC 5545 section 3.3.10, e.g. FREQ=WEEKLY;BYDAY=MO", f"{field}.recurrence.rules")


def _task(summary: ItemSummary, content: ItemContent) -> None:
    del content
    task, field = summary.task, "item.summary.task"
    if task.percent_complete > 100:
        raise _invalid("percent_complete lies between 0 and 100", f"{field}.percent_complete")
    for name in ("start", "due"):
        if task.HasField(name):
            calendar_time.validate(getattr(task, name), f"{field}.{name}")
    if task.HasField("start") and task.HasField("due") and calendar_time.before(task.due, task.start):
        raise _invalid("a task can not be due before it starts", f"{field}.due")
    _times(task, field, ("completed", "reminder"))
    _recurrence(task.recurrence, field)


def _contact(summary: ItemSummary, content: ItemContent) -> None:
    del summary
    contact, field = content.contact, "item.content.contact"
    for name in ("emails", "phones", "addresses", "urls", "children", "instant_messaging"):
        _too_many(len(getattr(contact, name)), 100, f"{field}.{name}")
    _too_big(len(contact.photo.data), PHOTO_BYTES, f"{field}.photo.data")
    for name in ("birthday", "anniversary"):
        day = getattr(contact, name)
        if day.year > 9999 or day.month > 12 or day.day > 31:
            raise _invalid("a date has a year up to 9999, a month up to 12 and a day up to 31; 0 is unknown", f"{field}.{name}")


def _distribution_list(summary: ItemSummary, content: ItemContent) -> None:
    del summary
    _too_many(len(content.distribution_list.members), 5000, "item.content.distribution_list.members")


def _journal(summary: ItemSummary, content: ItemContent) -> None:
    del content
    _times(summary.journal, "item.summary.journal", ("start", "end"))


_KINDS: dict[str, Callable[[ItemSummary, ItemContent], None]] = {
    "appointment": _appointment,
    "task": _task,
    "contact": _contact,
    "distribution_list": _distribution_list,
    "journal": _journal,
}
