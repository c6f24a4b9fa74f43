"""What makes a record of an item whole: the parts that follow from others, by kind. The server and a replica both run it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery_core.errors import InvalidArgument
from rookery_core.rules import limits, threading
from rookery_core.rules.body_text import preview_of
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rookery.v1.contact_pb2 import ContactContent, ContactSummary
    from rookery.v1.item_pb2 import Attachment, ItemContent, ItemSummary, MessageSummary
    from rookery.v1.person_pb2 import Person

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
_SIGNATURES = {"application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"}

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
    """Fills in what follows from the rest: class, ids of the outside world, a contact's names, and all that ``derive`` does.

    Run after each create and update by a client, and after reading a calendar or contact document. It changes nothing of a message
    that comes from the parser.
    """
    arm = require_kind(summary, content)
    getattr(summary, arm).SetInParent()
    summary.message_class = summary.message_class or _CLASSES[summary.kind]
    match summary.kind:
        case item_pb2.ITEM_KIND_MESSAGE:
            message = summary.message
            if not message.message_id and not content.message.has_original:
                domain = author(message).address.rpartition("@")[2]
                message.message_id = f"{text_of(item_id)}@{domain or 'localhost'}"
        case item_pb2.ITEM_KIND_APPOINTMENT:
            summary.appointment.meeting_id = summary.appointment.meeting_id or text_of(item_id)
            summary.appointment.all_day = "T" not in summary.appointment.start.local
        case item_pb2.ITEM_KIND_TASK:
            summary.task.task_id = summary.task.task_id or text_of(item_id)
        case item_pb2.ITEM_KIND_JOURNAL:
            summary.journal.journal_id = summary.journal.journal_id or text_of(item_id)
        case item_pb2.ITEM_KIND_CONTACT:
            _name_contact(summary, content, item_id)
        case item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
            lists = content.distribution_list
            lists.list_uid = lists.list_uid or f"urn:uuid:{text_of(item_id)}"
    derive(summary, content)


def derive(summary: ItemSummary, content: ItemContent) -> None:
    """Computes what lists show of the content: preview, paper clip, recipients, conversation, a contact's first numbers."""
    body = content.body
    # One form at a time: large texts are slow to take out of a record, and imports wait for this.
    summary.preview = preview_of(body.text, "") or preview_of("", body.html)
    summary.has_attachments = any(map(_is_file, content.attachments))
    match summary.kind:
        case item_pb2.ITEM_KIND_MESSAGE:
            _derive_message(summary, content)
        case item_pb2.ITEM_KIND_CONTACT:
            summarize_contact(summary.contact, content.contact)
        case item_pb2.ITEM_KIND_DISTRIBUTION_LIST:
            summary.distribution_list.member_count = len(content.distribution_list.members)


def summarize_contact(summary: ContactSummary, contact: ContactContent) -> None:
    """What lists show of a contact: the first e-mail address, the preferred or first telephone number, company, photo."""
    summary.email = next((email.address for email in contact.emails), "")
    preferred = next((phone.number for phone in contact.phones if phone.preferred), "")
    summary.phone = preferred or next((phone.number for phone in contact.phones), "")
    summary.company = contact.company
    summary.has_photo = bool(contact.photo.data or contact.photo.url)


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


def display(people: Iterable[Person], limit: int = limits.DISPLAY) -> str:
    """People as a list prints them: names, or addresses where there are none, joined by "; " and cut."""
    shown = ""
    for person in people:
        name = person.name or person.address
        if name:
            shown += f"; {name}" if shown else name
        if len(shown) > limit:
            return shown[: limit - 1] + "…"
    return shown


def author(message: MessageSummary) -> Person:
    """Who a message is from; the contract's word for it is one of Python's own."""
    person: Person = getattr(message, "from")
    return person


def _is_file(attachment: Attachment) -> bool:
    """Whether an attachment is a file to its readers: neither shown within the text nor a signature of the whole."""
    return attachment.disposition != item_pb2.ATTACHMENT_DISPOSITION_INLINE and attachment.media_type not in _SIGNATURES


def _derive_message(summary: ItemSummary, content: ItemContent) -> None:
    message, detail = summary.message, content.message
    message.display_to = display(recipient.person for recipient in content.recipients if recipient.type in _TO)
    summary.conversation_id = threading.conversation_id(
        message_id=message.message_id,
        in_reply_to=detail.in_reply_to,
        references=detail.references,
        subject=summary.subject,
        from_address=author(message).address,
    )


def default_file_as(summary: ItemSummary, content: ItemContent) -> str:
    """What a contact is sorted by if nobody says: "Family, Given", or the display name."""
    name = content.contact.name
    return ", ".join(part for part in (name.family, name.given) if part) or summary.subject


def _name_contact(summary: ItemSummary, content: ItemContent, item_id: bytes) -> None:
    """A contact's UID, and the names to show it by and to sort it by, where they are unset."""
    contact = content.contact
    contact.contact_uid = contact.contact_uid or f"urn:uuid:{text_of(item_id)}"
    name = contact.name
    if not summary.subject:
        full = " ".join(part for part in (name.prefix, name.given, name.middle, name.family, name.suffix) if part)
        address = next((email.address for email in contact.emails), "")
        summary.subject = (full or contact.company or address)[: limits.SUBJECT]
    if not summary.contact.file_as:
        summary.contact.file_as = default_file_as(summary, content)
