"""What a record of an item must keep to, whoever writes it: the limits and the sense that the contract's comments promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.rules import checks, limits, names, reminder_marks
from rookery_core.rules.records import require_kind
from rookery_core.rules.validation_calendar import validate_appointment, validate_journal, validate_task
from rookery_core.rules.validation_properties import validate_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rookery.v1.item_pb2 import Attachment, FollowUp, ItemContent, ItemState, ItemSummary, Recipient


def validate_item(summary: ItemSummary, content: ItemContent) -> None:
    """InvalidArgument (``FIELD_INVALID``, ``LIMIT_EXCEEDED``, ``KIND_MISMATCH``) with the path of the first field that is wrong."""
    arm = require_kind(summary, content)
    checks.no_longer(summary.subject, limits.SUBJECT, "item.summary.subject")
    checks.no_longer(summary.message_class, limits.SHORT_TEXT, "item.summary.message_class")
    checks.moments(summary, "item.summary", ("received", "sent", "created"))
    for form, text in (("text", content.body.text), ("html", content.body.html)):
        checks.no_bigger(len(text.encode()), limits.BODY_BYTES, f"item.content.body.{form}")
    _recipients(content.recipients)
    _attachments(content.attachments)
    validate_properties(content.properties, "item.content.properties")
    checks.no_bigger(len(content.source.data), limits.SOURCE_BYTES, "item.content.source.data")
    if check := _KINDS.get(arm):
        check(summary, content)
    checks.no_bigger(summary.ByteSize(), limits.SUMMARY_BYTES, "item.summary")
    checks.no_bigger(summary.ByteSize() + content.ByteSize(), limits.RECORD_BYTES, "item")


def validate_state(state: ItemState) -> list[str]:
    """The category names as they are kept; InvalidArgument for a state that can not be."""
    validate_follow_up(state.follow_up, "item.state.follow_up")
    reminder_marks.validate(state.reminder, "item.state.reminder")
    return names.categories(list(state.categories), "item.state.categories")


def validate_follow_up(flag: FollowUp, field: str) -> None:
    """InvalidArgument for a flag that can not be: text too long, times out of range, start after due."""
    checks.no_longer(flag.request, limits.SHORT_TEXT, f"{field}.request")
    checks.moments(flag, field, ("start", "due", "completed", "reminder"))
    if flag.HasField("start") and flag.HasField("due") and flag.start.ToMicroseconds() > flag.due.ToMicroseconds():
        raise checks.invalid("a flag can not be due before it starts", f"{field}.due")


def _recipients(recipients: Sequence[Recipient]) -> None:
    checks.at_most(len(recipients), limits.RECIPIENTS, "item.content.recipients")
    for index, recipient in enumerate(recipients):
        if recipient.list_item_id:
            checks.sixteen(recipient.list_item_id, "an id", f"item.content.recipients[{index}].list_item_id")


def _attachments(attachments: Sequence[Attachment]) -> None:
    checks.at_most(len(attachments), limits.ATTACHMENTS, "item.content.attachments")
    for index, attachment in enumerate(attachments):
        field = f"item.content.attachments[{index}]"
        checks.no_longer(attachment.name, limits.SHORT_TEXT, f"{field}.name")
        checks.no_longer(attachment.media_type, limits.SHORT_TEXT, f"{field}.media_type")
        checks.no_longer(attachment.content_id, limits.CONTENT_ID, f"{field}.content_id")
        if attachment.upload_id and attachment.HasField("copy_of"):
            raise checks.invalid("an attachment is an upload or taken from another item, not both", f"{field}.copy_of")


def _contact(summary: ItemSummary, content: ItemContent) -> None:
    del summary
    contact, field = content.contact, "item.content.contact"
    for name in ("emails", "phones", "addresses", "urls", "children", "instant_messaging"):
        checks.at_most(len(getattr(contact, name)), limits.CONTACT_ENTRIES, f"{field}.{name}")
    checks.no_bigger(len(contact.photo.data), limits.PHOTO_BYTES, f"{field}.photo.data")
    for name in ("birthday", "anniversary"):
        day = getattr(contact, name)
        if day.year > 9999 or day.month > 12 or day.day > 31:
            raise checks.invalid(
                "a date has a year up to 9999, a month up to 12 and a day up to 31; 0 is unknown", f"{field}.{name}"
            )


def _distribution_list(summary: ItemSummary, content: ItemContent) -> None:
    del summary
    members, field = content.distribution_list.members, "item.content.distribution_list.members"
    checks.at_most(len(members), limits.MEMBERS, field)
    for index, member in enumerate(members):
        if member.item_id:
            checks.sixteen(member.item_id, "an id", f"{field}[{index}].item_id")


_KINDS: dict[str, Callable[[ItemSummary, ItemContent], None]] = {
    "appointment": validate_appointment,
    "task": validate_task,
    "journal": validate_journal,
    "contact": _contact,
    "distribution_list": _distribution_list,
}
