"""Delivery reports of other hosts read: by RFC 3464, as far as they keep to it, else by their words. Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from rookery_core.formats import bounce_texts, mime_charsets
from rookery_core.formats.delivery_report import ACTIONS, DELAYED, DELIVERED, FAILED, DeliveryReport, RecipientReport
from rookery_core.formats.mime_addresses import parse_addresses
from rookery_core.formats.mime_dates import parse_date
from rookery_core.formats.mime_headers import message_ids, raw_text_of, read_block, text_of
from rookery_core.formats.mime_structure import Entity, scan
from rookery_core.formats.mime_transfer import decode_part
from rookery_core.rules import limits, mail_status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rookery_core.formats.mime_headers import HeaderBlock

_STATUS_TYPES = {"message/delivery-status", "message/global-delivery-status"}
_ORIGINAL_TYPES = {
    "message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers",
    "message/global-headers",
}  # fmt: skip
_LOOKED_AT = 1 << 20
"""Bytes of a part that are looked at."""
_LONGEST_DIAGNOSTIC = 2000
_ADDRESS_FIELDS = ("final-recipient", "original-recipient")
_UNITEXT = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_BY_CLASS = {"2": DELIVERED, "4": DELAYED, "5": FAILED}
_STATUS_OF = {FAILED: "5.0.0", DELAYED: "4.0.0"}


def read(raw: bytes) -> DeliveryReport | None:
    """What a message reports of another, or None where it is no delivery report.

    Read leniently: fields in any order, groups not separated, missing codes made of what is there. Messages without the part for
    programs are read by their words (``bounce_texts``). At most 10,000 recipients.
    """
    root, _ = scan(raw)
    leaves = list(root.leaves())
    groups = [group for leaf in leaves if leaf.media_type in _STATUS_TYPES for group in _groups(_bytes_of(raw, leaf))]
    recipients = [found for group in groups if (found := _recipient(group)) is not None][: limits.RECIPIENTS]
    original = next((_message_id(_bytes_of(raw, leaf)) for leaf in leaves if leaf.media_type in _ORIGINAL_TYPES), "")
    if not recipients:
        return _by_words(raw, root, leaves, original)
    return DeliveryReport(
        reporting_host=_host(_first(groups, "reporting-mta")),
        recipients=tuple(recipients),
        arrival=parse_date(_first(groups, "arrival-date")),
        envelope_id=_from_xtext(_first(groups, "original-envelope-id")),
        message_id=original,
    )


def _bytes_of(raw: bytes, leaf: Entity) -> bytes:
    return decode_part(raw[leaf.start : min(leaf.end, leaf.start + _LOOKED_AT)], leaf.encoding)


def _groups(data: bytes) -> Iterator[HeaderBlock]:
    """The groups of fields, which empty lines should separate; a group in which recipients follow each other is several."""
    position = 0
    while position < len(data):
        block = read_block(data, position, len(data))
        position = max(block.body, position + 1)
        if sum(len(block.all(name)) for name in ("final-recipient", "action")) > 2:
            yield from _parted(block)
        elif block.fields:
            yield block


def _parted(block: HeaderBlock) -> Iterator[HeaderBlock]:
    """Groups that nothing separates: one ends where a field of its recipient would come for the second time."""
    part = type(block)([], {}, 0)
    for name, value in block.fields:
        low = name.lower()
        if low in part.index and low in {*_ADDRESS_FIELDS, "action", "status"}:
            yield part
            part = type(block)([], {}, 0)
        part.fields.append((name, value))
        part.index.setdefault(low, []).append(value)
    yield part


def _recipient(group: HeaderBlock) -> RecipientReport | None:
    final, original = (_address(group.first(name)) for name in _ADDRESS_FIELDS)
    if not final and not original and not (group.first("action") and group.first("status")):
        return None
    kind, semicolon, words = text_of(group.first("diagnostic-code")[:_LONGEST_DIAGNOSTIC]).partition(";")
    diagnostic = " ".join((words if semicolon else kind).split())
    action, status = _outcome(group, diagnostic)
    return RecipientReport(
        address=final or original,
        original=original if original != final else "",
        action=action,
        status=status,
        diagnostic=diagnostic,
        diagnostic_type=kind.strip().lower() if semicolon else "smtp",
        remote_host=_host(text_of(group.first("remote-mta")[:2000])),
        last_attempt=parse_date(text_of(group.first("last-attempt-date")[:200])),
        retry_until=parse_date(text_of(group.first("will-retry-until")[:200])),
    )


def _outcome(group: HeaderBlock, diagnostic: str) -> tuple[str, str]:
    """Action and status code; what is missing follows from the other, or from the other host's words."""
    words = group.first("action")[:100].lower().split()
    action = next((known for known in ACTIONS if words and words[0].startswith(known)), "")
    status = mail_status.status_in(group.first("status")) or mail_status.status_of_reply(diagnostic)
    status = status or mail_status.status_in(diagnostic)
    if action == DELAYED and status.startswith("5"):
        # Some hosts tell the last refusal of one of several hosts; the action is what they mean to do.
        status = "4" + status[1:]
    return action or _BY_CLASS.get(status[:1], FAILED), status or _STATUS_OF.get(action, "2.0.0" if action else "5.0.0")


def _address(value: str) -> str:
    """The address of a field "type; address", its encoding undone (RFC 6533 section 3); "" where there is none."""
    kind, semicolon, rest = raw_text_of(value[:2000]).partition(";")
    text = (rest if semicolon else kind).strip()
    if kind.strip().lower() == "utf-8" or "\\x{" in text:
        text = _UNITEXT.sub(_character, text)
    people = parse_addresses(text, 1)
    return people[0].address or people[0].name if people else ""


def _character(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if 0x20 < code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


def _from_xtext(value: str) -> str:
    """RFC 3461 section 4 undone; hosts differ in whether they undo it before they report."""
    return unquote(_XTEXT.sub(r"%\1", value.replace("%", "%25"))).replace("\0", "")[:1000] if "+" in value else value[:1000]


def _host(value: str) -> str:
    """The name in "dns; name", or all where there is no type."""
    kind, semicolon, name = value[:1000].partition(";")
    words = (name if semicolon else kind).split()
    return words[0].strip("[]()<>") if words else ""


def _first(groups: list[HeaderBlock], name: str) -> str:
    return next((text_of(group.first(name)[:2000]) for group in groups if group.first(name)), "")


def _message_id(data: bytes) -> str:
    header = read_block(data, 0, len(data))
    ids = message_ids(text_of(header.first("message-id")[:2000]), bare=True)
    return ids[0] if ids else ""


def _by_words(raw: bytes, root: Entity, leaves: list[Entity], message_id: str) -> DeliveryReport | None:
    """What a report says that has no part for programs, if it comes from a mail system."""
    text = next((leaf for leaf in leaves if leaf.media_type == "text/plain"), None)
    if text is None or not bounce_texts.may_be(root.header):
        return None
    words = mime_charsets.decode(_bytes_of(raw, text), text.parameters.get("charset", "")).replace("\r\n", "\n")
    found = bounce_texts.read(root.header, words)
    if not found.recipients:
        return None
    return DeliveryReport(found.host, found.recipients, message_id=message_id or found.message_id)
