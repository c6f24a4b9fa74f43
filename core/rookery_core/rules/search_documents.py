"""What is searched of an item: its words, by field. Server and replica search the same."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from rookery_core.rules import words
from rookery_core.rules.body_text import text_of_html
from rookery_core.rules.records import author
from rookery_core.rules.search_query import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rookery.v1.contact_pb2 import ContactAddress, ContactContent, ContactName
    from rookery.v1.item_pb2 import ItemContent, ItemSummary
    from rookery.v1.person_pb2 import Person

MAX_BODY_CHARACTERS = 400_000
"""Of a longer body the rest is not searched (about 60,000 words)."""
MAX_PEOPLE = 1000
"""Of more recipients, attendees or members the rest is not searched."""


def document_of(summary: ItemSummary, content: ItemContent) -> Document:
    """The document of an item.

    Subject: the subject. Sender: who a message is from, who called a meeting, who owns a task. Recipients: to whom it went, who
    attends, who is on the list. Attachments: their names. Body: the text, or what an HTML body says, with the place of a meeting
    and everything that is written on a contact's card.
    """
    body = content.body.text or text_of_html(content.body.html[: 4 * MAX_BODY_CHARACTERS])
    return Document(
        subject=words.terms(summary.subject),
        sender=_terms(_people(_senders(summary, content))),
        recipients=_terms(_people(islice(_recipients(content), MAX_PEOPLE))),
        attachments=_terms(attachment.name for attachment in content.attachments),
        body=_terms((*_details(summary, content), body[:MAX_BODY_CHARACTERS])),
    )


def _terms(texts: Iterable[str]) -> list[str]:
    return words.terms("\n".join(text for text in texts if text))


def _people(people: Iterable[Person]) -> Iterator[str]:
    for person in people:
        yield person.name
        yield person.address


def _senders(summary: ItemSummary, content: ItemContent) -> Iterator[Person]:
    match summary.WhichOneof("detail"):
        case "message":
            yield author(summary.message)
            if summary.message.HasField("sender"):
                yield summary.message.sender
        case "appointment":
            yield summary.appointment.organizer
        case "task":
            yield summary.task.owner
            yield content.task.assigner


def _recipients(content: ItemContent) -> Iterator[Person]:
    for recipient in content.recipients:
        yield recipient.person
    match content.WhichOneof("detail"):
        case "appointment":
            for attendee in content.appointment.attendees:
                yield attendee.person
        case "distribution_list":
            for member in content.distribution_list.members:
                yield member.person
        case "journal":
            yield from content.journal.people


def _details(summary: ItemSummary, content: ItemContent) -> Iterator[str]:
    """Texts of one kind of items, beside the body."""
    match summary.WhichOneof("detail"):
        case "appointment":
            yield from (summary.appointment.location, summary.appointment.url)
            for exception in summary.appointment.exceptions:
                yield from (exception.subject, exception.location, exception.text)
        case "task":
            yield from (summary.task.location, content.task.mileage, content.task.billing, *content.task.companies)
        case "contact":
            yield summary.contact.file_as
            yield from _card(content.contact)
        case "journal":
            yield from (summary.journal.entry_type, summary.journal.company)


def _card(contact: ContactContent) -> Iterator[str]:
    yield from _name(contact.name)
    yield from (email.address for email in contact.emails)
    yield from (phone.number for phone in contact.phones)
    for address in contact.addresses:
        yield from _address(address)
    yield from (contact.company, contact.department, contact.job_title, contact.profession, contact.office)
    yield from (contact.manager, contact.assistant, contact.spouse)
    yield from contact.children
    yield from contact.urls
    yield from contact.instant_messaging


def _name(name: ContactName) -> tuple[str, ...]:
    return (
        name.prefix,
        name.given,
        name.middle,
        name.family,
        name.suffix,
        name.nickname,
        name.phonetic_given,
        name.phonetic_family,
    )


def _address(address: ContactAddress) -> tuple[str, ...]:
    return (
        address.label,
        address.po_box,
        address.extended,
        address.street,
        address.locality,
        address.region,
        address.postal_code,
        address.country,
    )
