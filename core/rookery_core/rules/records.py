"""What makes a record of an item whole: the parts that follow from others, by kind. The server and a replica both run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery_core.errors import InvalidArgument
from rookery_core.rules import threading
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.item_pb2 import ItemContent, ItemSummary, MessageSummary
    from rookery.v1.person_pb2 import Person

PREVIEW_LENGTH = 200
DISPLAY_LENGTH = 255

_CLASSES: dict[int, str] = {
    item_pb2.ITEM_KIND_MESSAGE: "IPM.Note",
    item_pb2.ITEM_KIND_APPOINTMENT: "IPM.Appointment",
    item_pb2.ITEM_KIND_TASK: "IPM.Task",
    item_pb2.ITEM_KIND_CONTACT: "IPM.Contact",
    item_pb2.ITEM_KIND_DISTRIBUTION_LIST: "IPM.DistList",
    item_pb2.ITEM_KIND_NOTE: "IPM.StickyNote",
    item_pb2.ITEM_KIND_JOURNAL: "IPM.Activity",
}

_TO = {item_pb2.RECIPIENT_TYPE_UNSPECIFIED, item_pb2.RECIPIENT_TYPE_TO}

DETAILS: dict[int, str] = {
    item_pb2.ITEM_KIND_MESSAGE: "message",
    item_pb2.ITEM_KIND_APPOINTMENT: "appointment",
    item_pb2.ITEM_KIND_TASK: "task",
    item_pb2.ITEM_KIND_CONTACT: "contact",
    item_pb2.ITEM_KIND_DISTRIBUTION_LIST: "distribution_list",
    item_pb2.ITEM_KIND_NOTE: "note",
    item_pb2.ITEM_KIND_JOURNAL: "journal",
}
"""The arm of ``detail`` that fits a kind, in the summary and (but for notes) in the content."""


def require_kind(summary: ItemSummary, content: ItemContent) -> str:
    """The detail arm of the summary's kind. InvalidArgument unless the kind is given and no other kind's detail is set."""
    arm = DETAILS.get(summary.kind)
    if arm is None:
        raise InvalidArgument("FIELD_INVALID", "an item needs a kind", field="item.summary.kind")
    for part, name in ((summary, "summary"), (content, "content")):
        found = part.WhichOneof("detail")
        if found not in {None, arm}:
            raise InvalidArgument(
                "KIND_MISMATCH", f"the item is of kind “{arm}”, its {name} holds “{found}”", field=f"item.{name}.{found}"
            )
    return arm


def complete(summary: ItemSummary, content: ItemContent, item_id: bytes) -> None:
    """Fills in what follows from the rest: class, preview, paper clip, ids of the outside world, what lists show of the content.

    Run after each create and update by a client. Imported messages come complete from the parser.
    """
    arm = require_kind(summary, content)
    getattr(summary, arm).SetInParent()
    summary.message_class = summary.message_class or _CLASSES[summary.kind]
    summary.preview = " ".join(content.body.text[: 20 * PREVIEW_LENGTH].split())[:PREVIEW_LENGTH]
    summary.has_attachments = any(
        attachment.disposition != item_pb2.ATTACHMENT_DISPOSITION_INLINE for attachment in content.attachments
    )
    match summary.kind:
        case item_pb2.ITEM_KIND_MESSAGE:
            _complete_message(summary, content, item_id)
        case item_pb2.ITEM_KIND_APPOINTMENT:
            summary.appointment.meeting_id = summary.appointment.meeting_id or text_of(item_id)
            summary.appointment.all_day = "T" not in summary.appointment.start.local
        case item_pb2.ITEM_KIND_TASK:
            summary.task.task_id = summary.task.task_id or text_of(item_id)
        case item_pb2.ITEM_KIND_JOURNAL:
            summary.journal.journal_id = summary.journal.journal_id or text_of(item_id)
        case item_pb2.ITEM_KIND_CONTACT:
            _complete_contact(summary, content, item_id)
        case item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
            lists = content.distribution_list
            lists.list_uid = lists.list_uid or f"urn:uuid:{text_of(item_id)}"
            summary.distribution_list.member_count = len(lists.members)


def external_id(summary: ItemSummary, content: ItemContent) -> str:
    """What names the item in the outside world: Message-ID or UID; empty where it has none."""
    match summary.kind:
        case item_pb2.ITEM_KIND_MESSAGE:
            return summary.message.message_id
        case item_pb2.ITEM_KIND_APPOINTMENT:
            return summary.appointment.meeting_id
        case item_pb2.ITEM_KIND_TASK:
            return summary.task.task_id
        case item_pb2.ITEM_KIND_JOURNAL:
            return summary.journal.journal_id
        case item_pb2.ITEM_KIND_CONTACT:
            return content.contact.contact_uid
        case item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
            return content.distribution_list.list_uid
        case _:
            return ""


def display(people: Iterable[Person], limit: int = DISPLAY_LENGTH) -> str:
    """People as a list prints them: names, or addresses where there are none, joined by "; " and cut."""
    shown = ""
    for person in people:
        shown += ("; " if shown else "") + (person.name or person.address)
        if len(shown) > limit:
            return shown[: limit - 1] + "…"
    return shown


def author(message: MessageSummary) -> Person:
    """Who a message is from; the contract's word for it is one of Python's own."""
    person: Person = getattr(message, "from")
    return person


def _complete_message(summary: ItemSummary, content: ItemContent, item_id: bytes) -> None:
    message, detail = summary.message, content.message
    message.display_to = display(recipient.person for recipient in content.recipients if recipient.type in _TO)
    if not message.message_id and not detail.has_original:
        domain = author(message).address.rpartition("@")[2]
        message.message_id = f"{text_of(item_id)}@{domain or 'localhost'}"
    summary.conversation_id = threading.conversation_id(
        message_id=message.message_id,
        in_reply_to=detail.in_reply_to,
        references=detail.references,
        subject=summary.subject,
        from_address=author(message).address,
    )


def _complete_contact(summary: ItemSummary, content: ItemContent, item_id: bytes) -> None:
    contact, shown = content.contact, summary.contact
    contact.contact_uid = contact.contact_uid or f"urn:uuid:{text_of(item_id)}"
    first = sorted(contact.emails, key=lambda email: not email.preferred)
    shown.email = first[0].address if first else ""
    phones = sorted(contact.phones, key=lambda phone: not phone.preferred)
    shown.phone = phones[0].number if phones else ""
    shown.company = contact.company
    shown.has_photo = bool(contact.photo.data or contact.photo.url)
    if not summary.subject:
        parts = (contact.name.prefix, contact.name.given, contact.name.middle, contact.name.family, contact.name.suffix)
        summary.subject = " ".join(part for part in parts if part) or contact.company or shown.email
    if not shown.file_as:
        shown.file_as = ", ".join(part for part in (contact.name.family, contact.name.given) if part) or summary.subject
