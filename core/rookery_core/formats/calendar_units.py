"""What events, tasks and journal entries have in common: their shared properties, and the units that write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.v1.calendar_pb2 import Attendee, AttendeeRole, Recurrence, ResponseStatus
from rookery.v1.item_pb2 import Importance, Sensitivity
from rookery_core.formats import calendar_values as values
from rookery_core.formats.contentlines import Line, escaped, split, unescaped
from rookery_core.formats.item_record import Unit, category_names, named, subject_of
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.person_pb2 import Person
    from rookery_core.formats.calendar_zones import Zones
    from rookery_core.formats.contentlines import Component
    from rookery_core.formats.item_record import ItemRecord

SENSITIVITIES = {
    "PUBLIC": Sensitivity.SENSITIVITY_UNSPECIFIED,
    "X-PERSONAL": Sensitivity.SENSITIVITY_PERSONAL,
    "PRIVATE": Sensitivity.SENSITIVITY_PRIVATE,
    "CONFIDENTIAL": Sensitivity.SENSITIVITY_CONFIDENTIAL,
}
_PRIORITIES = {Importance.IMPORTANCE_HIGH: "1", Importance.IMPORTANCE_NORMAL: "5", Importance.IMPORTANCE_LOW: "9"}
_RESPONSES = {
    "NEEDS-ACTION": ResponseStatus.RESPONSE_STATUS_NONE,
    "TENTATIVE": ResponseStatus.RESPONSE_STATUS_TENTATIVE,
    "ACCEPTED": ResponseStatus.RESPONSE_STATUS_ACCEPTED,
    "DECLINED": ResponseStatus.RESPONSE_STATUS_DECLINED,
    "DELEGATED": ResponseStatus.RESPONSE_STATUS_DELEGATED,
    "X-ORGANIZER": ResponseStatus.RESPONSE_STATUS_ORGANIZER,
}
_ROLES = {
    "REQ-PARTICIPANT": AttendeeRole.ATTENDEE_ROLE_REQUIRED,
    "OPT-PARTICIPANT": AttendeeRole.ATTENDEE_ROLE_OPTIONAL,
    "CHAIR": AttendeeRole.ATTENDEE_ROLE_CHAIR,
    "NON-PARTICIPANT": AttendeeRole.ATTENDEE_ROLE_INFORMATION,
}


def word(line: Line | None) -> str:
    """A value of one word, in capitals; "" where there is none."""
    return line.value.strip().upper() if line else ""


def key_of(words: Mapping[str, Any], value: int) -> str:
    """The word for an enum's value, "" where it has none."""
    return next((key for key, meaning in words.items() if meaning == value), "")


def read_common(component: Component, record: ItemRecord, zones: Zones) -> None:
    """Fills in what components of all kinds may say."""
    summary, content = record.summary, record.content
    summary.subject = subject_of(values.text(component.first("SUMMARY")))
    for field, name in ((summary.created, "CREATED"), (summary.modified, "LAST-MODIFIED")):
        stamp = values.stamp(component.first(name), zones)
        if stamp:
            field.CopyFrom(stamp)
    summary.importance = _importance(component.first("PRIORITY"))
    classification = word(component.first("CLASS"))
    # RFC 5545 section 3.8.1.3: a class that is not known is to be treated as private.
    summary.sensitivity = SENSITIVITIES.get(classification or "PUBLIC", Sensitivity.SENSITIVITY_PRIVATE)
    texts = [values.text(line) for line in component.lines("DESCRIPTION")]
    content.body.text = "\n\n".join(text for text in texts if text)
    html = component.first("X-ALT-DESC")
    if html and html.param("FMTTYPE").lower() == "text/html":
        content.body.html = values.text(html)
    names = (unescaped(part) for line in component.lines("CATEGORIES") for part in split(line.value, ","))
    record.state.categories.extend(category_names(names))


def _importance(line: Line | None) -> Importance.ValueType:
    """RFC 5545 section 3.8.1.9: 1 to 4 is high, 5 is normal, 6 to 9 is low, 0 is undefined."""
    priority = values.integer(line)
    if 1 <= priority <= 4:
        return Importance.IMPORTANCE_HIGH
    if 6 <= priority <= 9:
        return Importance.IMPORTANCE_LOW
    return Importance.IMPORTANCE_NORMAL if priority == 5 else Importance.IMPORTANCE_UNSPECIFIED


def common_units() -> list[Unit]:
    """Units for what ``read_common`` reads, but the times of making and changing."""
    return [
        text_unit("SUMMARY", lambda record: record.summary.subject),
        text_unit("DESCRIPTION", lambda record: record.content.body.text),
        Unit(named("X-ALT-DESC"), lambda record: record.content.body.html, _html),
        word_unit("PRIORITY", lambda record: _PRIORITIES.get(record.summary.importance, "")),
        word_unit("CLASS", lambda record: _class(record.summary.sensitivity)),
        Unit(named("CATEGORIES"), lambda record: record.categories, _categories),
        stamp_unit("CREATED", lambda record: record.summary, "created"),
    ]


def _class(sensitivity: Sensitivity.ValueType) -> str:
    return key_of(SENSITIVITIES, sensitivity) if sensitivity else ""


def _html(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    html = record.content.body.html
    return [Line("X-ALT-DESC", escaped(html), {"FMTTYPE": ["text/html"]})] if html else []


def _categories(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
    return [Line("CATEGORIES", ",".join(map(escaped, record.categories)))] if record.categories else []


def text_unit(name: str, view: Callable[[ItemRecord], str]) -> Unit:
    """A unit for one property of text."""
    return Unit(named(name), view, lambda record, _: values.text_lines(name, view(record)))


def location(component: Component) -> str:
    """Where it takes place (LOCATION), cut at the contract's limit."""
    return values.text(component.first("LOCATION"))[: limits.LOCATION]


def word_unit(name: str, view: Callable[[ItemRecord], str]) -> Unit:
    """A unit for one property that is a word, a number or a URI, and not escaped."""
    return Unit(named(name), view, lambda record, _: [Line(name, view(record))] if view(record) else [])


def stamp_unit(name: str, holder: Callable[[ItemRecord], Any], field: str) -> Unit:
    """A unit for one property that is an instant, absent where the field is."""

    def view(record: ItemRecord) -> Timestamp | None:
        message = holder(record)
        return getattr(message, field) if message.HasField(field) else None

    def lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        value = view(record)
        return [values.stamp_line(name, value)] if value is not None else []

    return Unit(named(name), view, lines)


def person_unit(name: str, holder: Callable[[ItemRecord], Any], field: str) -> Unit:
    """A unit for the one property that names a person."""

    def view(record: ItemRecord) -> Person | None:
        message = holder(record)
        return getattr(message, field) if message.HasField(field) else None

    def lines(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
        value = view(record)
        same = next((line for line in old if value and values.person(line).address == value.address), None)
        return [values.person_line(name, value, same)] if value is not None else []

    return Unit(named(name), view, lines)


def read_recurrence(component: Component, recurrence: Recurrence, zones: Zones) -> None:
    """The rule of a series; leaves the record untouched where there is none."""
    recurrence.rules.extend(values.rules(component.lines("RRULE"))[: limits.RULES])
    recurrence.exclusion_rules.extend(values.rules(component.lines("EXRULE"))[: limits.RULES])
    recurrence.dates.extend(value for value, _ in values.times(component.lines("RDATE"), zones)[: limits.DATES])
    recurrence.excluded_dates.extend(value for value, _ in values.times(component.lines("EXDATE"), zones)[: limits.DATES])


def recurrence_units(holder: Callable[[ItemRecord], Recurrence], zones: Zones) -> list[Unit]:
    """Units for the rule of a series."""

    def rule_unit(name: str, view: Callable[[Recurrence], Iterable[str]]) -> Unit:
        return Unit(
            named(name),
            lambda record: list(view(holder(record))),
            lambda record, old: values.rule_lines(name, view(holder(record)), old),
        )

    def date_unit(name: str, view: Callable[[Recurrence], Iterable[CalendarTime]]) -> Unit:
        return Unit(
            named(name),
            lambda record: list(view(holder(record))),
            lambda record, old: values.time_lines(name, view(holder(record)), old, zones),
        )

    return [
        rule_unit("RRULE", lambda recurrence: recurrence.rules),
        rule_unit("EXRULE", lambda recurrence: recurrence.exclusion_rules),
        date_unit("RDATE", lambda recurrence: recurrence.dates),
        date_unit("EXDATE", lambda recurrence: recurrence.excluded_dates),
    ]


def attendee(line: Line, zones: Zones) -> Attendee:
    """An ATTENDEE (RFC 5545 section 3.8.4.1)."""
    resource = line.param("CUTYPE").upper() in ("ROOM", "RESOURCE")
    role = _ROLES.get(line.param("ROLE").upper(), AttendeeRole.ATTENDEE_ROLE_UNSPECIFIED)
    result = Attendee(
        person=values.person(line),
        role=AttendeeRole.ATTENDEE_ROLE_RESOURCE if resource else role,
        response=_RESPONSES.get(line.param("PARTSTAT").upper(), ResponseStatus.RESPONSE_STATUS_UNSPECIFIED),
        response_requested=line.param("RSVP").upper() == "TRUE",
    )
    responded = values.stamp(Line("RESPONDED", line.param("X-ROOKERY-RESPONDED")), zones)
    if responded:
        result.responded.CopyFrom(responded)
    return result


def attendee_lines(attendees: Iterable[Attendee], old: Sequence[Line], zones: Zones) -> list[Line]:
    """ATTENDEEs: who is unchanged keeps the line, who changed keeps the parameters that no field holds.

    Those beyond the contract's limit are in no field: they stay.
    """
    held = [(attendee(line, zones), line) for line in old[: limits.ATTENDEES]]
    by_address = {known.person.address: (known, line) for known, line in reversed(held) if known.person.address}
    nameless = [(known, line) for known, line in held if not known.person.address]
    lines = []
    for wanted in attendees:
        if wanted.person.address:
            known, line = by_address.pop(wanted.person.address, (None, None))
        else:
            known, line = next((pair for pair in nameless if pair[0] == wanted), (None, None))
        lines.append(line if line and known == wanted else _attendee_line(wanted, line))
    return [*lines, *old[limits.ATTENDEES :]]


def _attendee_line(wanted: Attendee, old: Line | None) -> Line:
    resource = wanted.role == AttendeeRole.ATTENDEE_ROLE_RESOURCE
    kind = old.param("CUTYPE") if old else ""
    if resource != (kind.upper() in ("ROOM", "RESOURCE")):
        kind = "RESOURCE" if resource else ""
    return values.person_line(
        "ATTENDEE",
        wanted.person,
        old,
        CUTYPE=kind,
        ROLE="NON-PARTICIPANT" if resource else key_of(_ROLES, wanted.role),
        PARTSTAT=key_of(_RESPONSES, wanted.response),
        RSVP="TRUE" if wanted.response_requested else "",
        X_ROOKERY_RESPONDED=values.stamp_text(wanted.responded) if wanted.HasField("responded") else "",
    )
