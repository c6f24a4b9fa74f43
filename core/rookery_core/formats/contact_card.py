"""Contacts and distribution lists as cards (RFC 2426, RFC 6350): reading a card's fields, and the units that write them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.contact_pb2 import ContactName, DistributionListMember, PartialDate
from rookery.v1.item_pb2 import ItemKind, Sensitivity
from rookery.v1.person_pb2 import Person
from rookery_core.formats import calendar_values as values
from rookery_core.formats import contact_lists as lists
from rookery_core.formats import contact_units as fields
from rookery_core.formats.calendar_units import SENSITIVITIES, key_of, stamp_unit, word, word_unit
from rookery_core.formats.calendar_zones import Zones
from rookery_core.formats.contact_units import V3, V4, Card
from rookery_core.formats.contentlines import Line, escaped, split, unescaped
from rookery_core.formats.item_record import ItemRecord, Unit, category_names, named, subject_of
from rookery_core.rules import ids, limits, records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery_core.formats.contentlines import Component

_GROUP = ("KIND", "X-ADDRESSBOOKSERVER-KIND")
_MEMBER = ("MEMBER", "X-ADDRESSBOOKSERVER-MEMBER")
_NAME = ("family", "given", "middle", "prefix", "suffix")
_TEXT_FIELDS = {
    "job_title": fields.TITLE,
    "profession": fields.ROLE,
    "office": fields.OFFICE,
    "manager": fields.MANAGER,
    "assistant": fields.ASSISTANT,
    "spouse": fields.SPOUSE,
}
_NAME_FIELDS = {"nickname": fields.NICKNAME, "phonetic_given": fields.PHONETIC_GIVEN, "phonetic_family": fields.PHONETIC_FAMILY}
_CHILDREN = fields.Names(("X-CHILD", "X-MS-CHILD"), ("X-ABRELATEDNAMES", "RELATED"), ("child",))


def is_group(component: Component) -> bool:
    """Whether a card is a distribution list (RFC 6350 section 6.1.4; Apple's name for it in vCard 3)."""
    return word(component.first(*_GROUP)) == "GROUP"


def read_card(component: Component) -> ItemRecord:
    """The record of a card."""
    card = Card(component)
    group = is_group(component)
    record = ItemRecord.empty(ItemKind.ITEM_KIND_DISTRIBUTION_LIST if group else ItemKind.ITEM_KIND_CONTACT)
    if group:
        _read_members(card, record)
    else:
        _read_contact(card, record)
    _read_shared(card, record)
    return record


def _read_shared(card: Card, record: ItemRecord) -> None:
    summary, component = record.summary, card.component
    summary.subject = subject_of(values.text(component.first("FN"))) or _made_name(card)
    for field, name in ((summary.created, "CREATED"), (summary.modified, "REV")):
        stamp = values.stamp(component.first(name), Zones())
        if stamp:
            field.CopyFrom(stamp)
    summary.sensitivity = SENSITIVITIES.get(word(component.first("CLASS")) or "PUBLIC", Sensitivity.SENSITIVITY_PRIVATE)
    record.content.body.text = "\n\n".join(unescaped(line.value) for line in component.lines("NOTE") if line.value)
    names = (unescaped(part) for line in component.lines("CATEGORIES") for part in split(line.value, ","))
    record.state.categories.extend(category_names(names))


def _made_name(card: Card) -> str:
    """A name for a card without FN: from N, else the company, else an address."""
    name = _name(card)
    made = " ".join(part for part in (name.prefix, name.given, name.middle, name.family, name.suffix) if part)
    choices = (made, name.nickname, _organization(card)[0], *(held.value.address for held in lists.emails(card)[:1]))
    return subject_of(next((choice for choice in choices if choice), ""))


def _name(card: Card) -> ContactName:
    line = card.component.first("N")
    parts = [*split(line.value, ";"), *[""] * 5] if line else [""] * 5
    name = ContactName()
    for field, part in zip(_NAME, parts, strict=False):
        setattr(name, field, fields.listed(part, ", " if field == "suffix" else " "))
    for field, property_ in _NAME_FIELDS.items():
        setattr(name, field, fields.first_text(card, property_))
    return name


def _organization(card: Card) -> tuple[str, str]:
    line = card.component.first("ORG")
    parts = [unescaped(part).strip() for part in split(line.value, ";")] if line else [""]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts[0], ";".join(parts[1:])


def _file_as(card: Card) -> str:
    """The name to sort by: a parameter of N in vCard 4 (RFC 6350 section 5.9), a property of its own before."""
    line = card.component.first("N")
    if card.version == V4 and line and "SORT-AS" in line.params:
        return ",".join(line.params["SORT-AS"])
    return fields.first_text(card, fields.FILE_AS)


def _read_contact(card: Card, record: ItemRecord) -> None:
    contact, summary = record.content.contact, record.summary.contact
    name = _name(card)
    if name != ContactName():
        contact.name.CopyFrom(name)
    contact.emails.extend(held.value for held in lists.emails(card)[: limits.CONTACT_ENTRIES])
    contact.phones.extend(held.value for held in lists.phones(card)[: limits.CONTACT_ENTRIES])
    contact.addresses.extend(held.value for held in lists.addresses(card)[: limits.CONTACT_ENTRIES])
    contact.urls.extend(held.value for held in lists.urls(card)[: limits.CONTACT_ENTRIES])
    contact.instant_messaging.extend(held.value for held in lists.messengers(card)[: limits.CONTACT_ENTRIES])
    contact.company, contact.department = _organization(card)
    for field, property_ in _TEXT_FIELDS.items():
        setattr(contact, field, fields.first_text(card, property_))
    contact.children.extend(_children(card))
    for date, property_ in ((contact.birthday, fields.BIRTHDAY), (contact.anniversary, fields.ANNIVERSARY)):
        read = fields.first_date(card, property_)
        if read:
            date.CopyFrom(read)
    photo = next((photo for photo in map(fields.photo, card.component.lines("PHOTO")) if photo), None)
    if photo:
        contact.photo.CopyFrom(photo)
    contact.contact_uid = values.text(card.component.first("UID")).strip()
    summary.file_as = _file_as(card)
    records.summarize_contact(summary, contact)


def _children(card: Card) -> list[str]:
    return [text for text in (unescaped(line.value).strip() for line in card.lines(_CHILDREN)) if text][: limits.CONTACT_ENTRIES]


def _read_members(card: Card, record: ItemRecord) -> None:
    members = [member for member in map(_member, card.component.lines(*_MEMBER)) if member]
    record.content.distribution_list.members.extend(members[: limits.MEMBERS])
    record.content.distribution_list.list_uid = values.text(card.component.first("UID")).strip()
    record.summary.distribution_list.member_count = len(record.content.distribution_list.members)


def _member(line: Line) -> DistributionListMember | None:
    value = fields.uri(line.value)
    address = values.mail_address(value)
    if address:
        return DistributionListMember(person=Person(name=line.param("X-CN") or line.param("CN"), address=address))
    return DistributionListMember(uri=value) if value else None


def _member_line(member: DistributionListMember, name: str) -> Line:
    if member.person.address:
        line = values.person_line(name, Person(address=member.person.address))
        return Line(name, line.value, {"X-CN": [member.person.name]} if member.person.name else {})
    return Line(name, member.uri or f"urn:uuid:{ids.text_of(member.item_id)}")


def card_units(card: Card, group: bool) -> list[Unit]:
    """The units of a card, but the time of its last change."""
    return [*_shared_units(group), *(_member_units(card) if group else _contact_units(card))]


def _shared_units(group: bool) -> list[Unit]:
    def full_name(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        return [Line("FN", escaped(record.summary.subject))]

    def uid(record: ItemRecord) -> str:
        return record.content.distribution_list.list_uid if group else record.content.contact.contact_uid

    def categories(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        return [Line("CATEGORIES", ",".join(map(escaped, record.categories)))] if record.categories else []

    return [
        Unit(named("FN"), lambda record: record.summary.subject, full_name),
        Unit(named("UID"), uid, lambda record, _: values.text_lines("UID", uid(record))),
        Unit(named("NOTE"), lambda r: r.content.body.text, lambda r, _: values.text_lines("NOTE", r.content.body.text)),
        Unit(named("CATEGORIES"), lambda record: record.categories, categories),
        word_unit("CLASS", lambda r: key_of(SENSITIVITIES, r.summary.sensitivity) if r.summary.sensitivity else ""),
        stamp_unit("CREATED", lambda record: record.summary, "created"),
    ]


def _member_units(card: Card) -> list[Unit]:
    name = _MEMBER[0] if card.version == V4 else _MEMBER[1]

    def lines(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
        known = [(member, line) for member, line in ((_member(line), line) for line in old) if member]
        held = {member.SerializeToString(deterministic=True): line for member, line in known[: limits.MEMBERS]}
        wanted = record.content.distribution_list.members
        written = [held.get(member.SerializeToString(deterministic=True)) or _member_line(member, name) for member in wanted]
        # The members beyond the contract's limit are in no field; they stay.
        return [*written, *(line for _, line in known[limits.MEMBERS :])]

    return [Unit(named(*_MEMBER), lambda record: list(record.content.distribution_list.members), lines)]


def _contact_units(card: Card) -> list[Unit]:
    anniversary = fields.ANNIVERSARY if card.version == V4 else fields.ANNIVERSARY_V3

    def text_of(field: str) -> Callable[[ItemRecord], str]:
        return lambda record: str(getattr(record.content.contact, field))

    def name_of(field: str) -> Callable[[ItemRecord], str]:
        return lambda record: str(getattr(record.content.contact.name, field))

    def day_of(field: str) -> Callable[[ItemRecord], PartialDate | None]:
        return lambda record: day if (day := getattr(record.content.contact, field)) != PartialDate() else None

    return [
        *_name_units(card),
        *(fields.text_unit(card, property_, name_of(field)) for field, property_ in _NAME_FIELDS.items()),
        *_list_units(card),
        Unit(named("ORG"), lambda r: (r.content.contact.company, r.content.contact.department), _organization_lines),
        *(fields.text_unit(card, property_, text_of(field)) for field, property_ in _TEXT_FIELDS.items()),
        Unit(card.owns(_CHILDREN), lambda record: list(record.content.contact.children), _child_lines(card)),
        fields.date_unit(card, fields.BIRTHDAY, day_of("birthday")),
        fields.date_unit(card, anniversary, day_of("anniversary")),
        Unit(named("PHOTO"), lambda r: r.content.contact.photo, _photo_lines(card)),
    ]


def _said_file_as(record: ItemRecord) -> str:
    """The name to sort by, where it says more than the name does: what was only filled in is not written into a card."""
    file_as = record.summary.contact.file_as
    return "" if file_as == records.default_file_as(record.summary, record.content) else file_as


def _name_units(card: Card) -> list[Unit]:
    """N; in vCard 4 with the name to sort by as its parameter, in vCard 3 beside it."""

    def parts(record: ItemRecord) -> tuple[str, ...]:
        name = tuple(str(getattr(record.content.contact.name, field)) for field in _NAME)
        return (*name, _said_file_as(record)) if card.version == V4 else name

    def lines(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
        params = {key: words for key, words in (old[0].params if old else {}).items() if key != "SORT-AS"}
        if card.version == V4 and _said_file_as(record):
            params["SORT-AS"] = [_said_file_as(record)]
        return [Line("N", ";".join(map(escaped, parts(record)[:5])), params)] if any(parts(record)) else []

    units = [Unit(named("N"), parts, lines)]
    if card.version == V3:
        units.append(fields.text_unit(card, fields.FILE_AS, _said_file_as))
    else:
        units.append(Unit(card.owns(fields.FILE_AS), _said_file_as, lambda _record, _old: []))
    return units


def _list_units(card: Card) -> list[Unit]:
    version = card.version
    return [
        Unit(
            named("EMAIL"),
            lambda r: list(r.content.contact.emails),
            lambda r, _: lists.merged(
                r.content.contact.emails,
                lists.emails(card),
                lambda e: e.address,
                lambda e, old: lists.email_lines(e, old, version),
            ),
        ),
        Unit(
            named("TEL"),
            lambda r: list(r.content.contact.phones),
            lambda r, _: lists.merged(
                r.content.contact.phones,
                lists.phones(card),
                lambda p: p.number,
                lambda p, old: lists.phone_lines(p, old, version),
            ),
        ),
        Unit(
            named("ADR", "LABEL"),
            lambda r: list(r.content.contact.addresses),
            lambda r, _: [
                *lists.merged(
                    r.content.contact.addresses,
                    lists.addresses(card),
                    lambda a: f"{a.context} {a.street}",
                    lambda a, old: lists.address_lines(a, old, version),
                ),
                *lists.loose_labels(card),
            ],
        ),
        Unit(
            named("URL"),
            lambda r: list(r.content.contact.urls),
            lambda r, _: lists.merged(r.content.contact.urls, lists.urls(card), str, lists.url_lines),
        ),
        Unit(
            named(*lists.MESSENGERS),
            lambda r: list(r.content.contact.instant_messaging),
            lambda r, _: lists.merged(r.content.contact.instant_messaging, lists.messengers(card), str, lists.messenger_lines),
        ),
    ]


def _organization_lines(record: ItemRecord, old: Sequence[Line]) -> list[Line]:
    contact = record.content.contact
    parts = [contact.company, *contact.department.split(";")] if contact.department else [contact.company]
    if not any(parts):
        return []
    params = dict(old[0].params) if old else {}
    return [Line("ORG", ";".join(map(escaped, parts)), params), *old[1:]]


def _child_lines(card: Card) -> Callable[[ItemRecord, Sequence[Line]], list[Line]]:
    def lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        known = [(text, line) for text, line in ((unescaped(line.value).strip(), line) for line in card.lines(_CHILDREN)) if text]
        held = dict(known[: limits.CONTACT_ENTRIES])
        written = [held.get(child) or Line("X-CHILD", escaped(child)) for child in record.content.contact.children]
        # The children beyond the contract's limit are in no field; they stay.
        return [*written, *(line for _, line in known[limits.CONTACT_ENTRIES :])]

    return lines


def _photo_lines(card: Card) -> Callable[[ItemRecord, Sequence[Line]], list[Line]]:
    def lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        photo = record.content.contact.photo
        return [fields.photo_line(photo, card.version)] if photo.data or photo.url else []

    return lines
