"""Delivery reports written (RFC 3464, 3462, 6533): what became of a message, for its sender and for programs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import ItemContent, ItemSummary, MessageContent, MessageSummary, Recipient
from rookery.v1.person_pb2 import Person
from rookery_core.formats import mime_assembly
from rookery_core.formats.mime_assembly import Block, Boundaries
from rookery_core.formats.mime_compose import message_of
from rookery_core.formats.mime_fields import date_text, header_of
from rookery_core.formats.mime_headers import message_ids, read_block, text_of
from rookery_core.rules import mail_status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rookery_core.formats.mime_headers import HeaderBlock

FAILED = "failed"
DELAYED = "delayed"
DELIVERED = "delivered"
RELAYED = "relayed"
EXPANDED = "expanded"
ACTIONS = (FAILED, DELAYED, DELIVERED, RELAYED, EXPANDED)
"""What can have become of a recipient (RFC 3464 section 2.3.3)."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_LINE = 76
_LONGEST_REPLY = 900
_LONGEST_SUBJECT = 200
_ANCESTORS = 20
_NAMED = 50
"""Recipients that the text for people tells one by one."""


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What became of one recipient."""

    address: str
    """The recipient as the reporting host knew it; "" where a report does not say."""
    action: str
    """One of ``ACTIONS``."""
    status: str
    """Enhanced status code (RFC 3463), such as "5.1.1"."""
    original: str = ""
    """The recipient as the sender wrote it (RFC 3461 ORCPT), where that is another."""
    diagnostic: str = ""
    """What the other host replied, on one line."""
    diagnostic_type: str = "smtp"
    """Whose words those are: "smtp", or another type such as "x-unix"; in lower case."""
    remote_host: str = ""
    """The host that replied."""
    last_attempt: int | None = None
    """Seconds since 1970."""
    retry_until: int | None = None
    """For delays: when it will be given up, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a message."""

    reporting_host: str
    recipients: tuple[RecipientReport, ...]
    arrival: int | None = None
    """When the reporting host took the message, in seconds since 1970."""
    envelope_id: str = ""
    """The sender's own name for the transaction (RFC 3461 ENVID)."""
    message_id: str = ""
    """Message-ID of the original, without angle brackets. Read from the part that brings the original back."""


@dataclass(frozen=True, slots=True)
class Returned:
    """How a report travels: its own header, and what it brings back of the original."""

    to: str
    """The envelope's sender of the original; it never is the null one, which nobody reports to (``automatic.may_be_told``)."""
    message_id: str
    """Of the report itself, without angle brackets."""
    now: int
    """Seconds since 1970."""
    original: bytes
    """The original, or its header alone."""
    whole: bool = False
    """Whether all of ``original`` goes back (RFC 3461 RET=FULL) or its header alone."""


def compose(report: DeliveryReport, returned: Returned) -> bytes:
    """The report as a message in 7 bits, to be sent with the null sender; CRLF line ends.

    It joins the original's conversation. All of it is bounded by the original: a reply of the other host is cut at 900 characters.
    """
    header = read_block(returned.original, 0, len(returned.original))
    boundaries = Boundaries(returned.message_id.encode("utf-8", "replace"))
    parts = [_for_people(report, _subject(header)), _for_programs(report), _brought_back(header.body, returned)]
    lines = [*_header_lines(report, returned, header), "Auto-Submitted: auto-replied"]  # RFC 3834 section 5
    return message_of(lines, boundaries.multipart("report", parts, {"report-type": "delivery-status"}))


def _header_lines(report: DeliveryReport, returned: Returned, header: HeaderBlock) -> list[str]:
    summary = ItemSummary(
        subject=f"{_title(report.recipients)}: {_subject(header) or '(no subject)'}",
        sent=Timestamp(seconds=returned.now),
        message=MessageSummary(message_id=returned.message_id),
    )
    author = Person(name="Mail delivery", address=f"MAILER-DAEMON@{report.reporting_host}")
    getattr(summary.message, "from").CopyFrom(author)
    ids = message_ids(text_of(header.first("message-id")), bare=True)[:1]
    ancestors = message_ids(" ".join([text_of(value) for value in header.all("references")]))
    content = ItemContent(
        recipients=[Recipient(person=Person(address=returned.to))],
        message=MessageContent(in_reply_to="".join(ids), references=[*ancestors[:1], *ancestors[1:][-_ANCESTORS:], *ids]),
    )
    return header_of(summary, content, leaving=True)


def _subject(header: HeaderBlock) -> str:
    """The original's subject on one line, cut."""
    return _one_line(text_of(header.first("subject")[: 4 * _LONGEST_SUBJECT]))[:_LONGEST_SUBJECT]


def _title(recipients: Sequence[RecipientReport]) -> str:
    actions = {each.action for each in recipients}
    return "Not delivered" if FAILED in actions else "Delayed" if DELAYED in actions else "Delivered"


_INTRODUCTION = {
    FAILED: "Your message could not be delivered to",
    DELAYED: "Your message could not be delivered yet, and delivery will be tried again, to",
    DELIVERED: "Your message was delivered to",
    RELAYED: "Your message was handed on to a mail server that sends no reports, for",
    EXPANDED: "Your message was delivered to the members of",
}


def _for_people(report: DeliveryReport, subject: str) -> Block:
    lines = [f"This is the mail server {_one_line(report.reporting_host)}.", ""]
    if subject:
        lines += [f"Subject: {subject}", ""]
    for action in ACTIONS:
        concerned = [each for each in report.recipients if each.action == action]
        if not concerned:
            continue
        lines += [f"{_INTRODUCTION[action]}:", ""]
        for recipient in concerned[:_NAMED]:
            lines += [f"  {_one_line(recipient.original or recipient.address)}", *_story(recipient), ""]
        if len(concerned) > _NAMED:
            lines += [f"  and {len(concerned) - _NAMED:,} more, named in the second part of this report", ""]
    if any(each.action == FAILED for each in report.recipients):
        lines += ["What is said here is final: nothing more will be tried for these recipients.", ""]
    return mime_assembly.text("\n".join(lines), "plain")


def _story(recipient: RecipientReport) -> Iterator[str]:
    """What happened to one recipient, indented."""
    if recipient.action in {FAILED, DELAYED}:
        yield f"    {mail_status.explanation(recipient.status)}"
    if recipient.diagnostic:
        host = f" by {_one_line(recipient.remote_host)}" if recipient.remote_host else ""
        yield f"    Said{host}: {_one_line(recipient.diagnostic)}"
    if recipient.action == DELAYED and recipient.retry_until is not None:
        yield f"    It will be given up on {date_text(recipient.retry_until)}."


def _for_programs(report: DeliveryReport) -> Block:
    """The part for programs: message/delivery-status, or its twin for addresses that are not ASCII (RFC 6533 section 3)."""
    groups = [list(_message_fields(report)), *(list(_recipient_fields(each)) for each in report.recipients)]
    data = "\r\n\r\n".join("\r\n".join(_wrapped(line) for line in group) for group in groups).encode("utf-8", "replace") + b"\r\n"
    if data.isascii():
        return Block(["Content-Type: message/delivery-status"], data)
    encoding, encoded = mime_assembly.encoded_text(data)
    return Block(["Content-Type: message/global-delivery-status", f"Content-Transfer-Encoding: {encoding}"], encoded)


def _message_fields(report: DeliveryReport) -> Iterator[str]:
    if report.envelope_id:
        yield f"Original-Envelope-Id: {_one_line(report.envelope_id)}"
    yield f"Reporting-MTA: dns; {_one_line(report.reporting_host)}"
    if report.arrival is not None:
        yield f"Arrival-Date: {date_text(report.arrival)}"


def _recipient_fields(recipient: RecipientReport) -> Iterator[str]:
    if recipient.original:
        yield f"Original-Recipient: {_typed(recipient.original)}"
    yield f"Final-Recipient: {_typed(recipient.address)}"
    yield f"Action: {recipient.action}"
    yield f"Status: {recipient.status}"
    if recipient.remote_host:
        yield f"Remote-MTA: dns; {_one_line(recipient.remote_host)}"
    if recipient.diagnostic:
        # Other hosts' words may hold any byte; programs read ASCII here (RFC 3464 section 2.3.6), people read the first part.
        words = _one_line(recipient.diagnostic)[:_LONGEST_REPLY].encode("ascii", "replace").decode("ascii")
        yield f"Diagnostic-Code: {recipient.diagnostic_type}; {words}"
    if recipient.last_attempt is not None:
        yield f"Last-Attempt-Date: {date_text(recipient.last_attempt)}"
    if recipient.action == DELAYED and recipient.retry_until is not None:
        yield f"Will-Retry-Until: {date_text(recipient.retry_until)}"


def _typed(address: str) -> str:
    """An address with its type (RFC 6533 section 3: UTF-8 where it is not ASCII)."""
    return f"{'rfc822' if address.isascii() else 'utf-8'}; {_one_line(address)}"


def _one_line(text: str) -> str:
    return " ".join(_CONTROLS.sub(" ", text[: 2 * _LONGEST_REPLY]).split())


def _wrapped(line: str) -> str:
    """A field on lines of at most 76 characters where its words allow."""
    lines = [""]
    for word in line.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _LINE:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] or len(lines) > 1 else word
    return "\r\n".join(lines)


def _brought_back(body: int, returned: Returned) -> Block:
    """The original, or its header, in a form that every host takes.

    A report should not need 8BITMIME, and a message may not be encoded (RFC 2046 section 5.2.1); what is not ASCII goes as
    message/global or message/global-headers, which may (RFC 6532 section 3.7, RFC 6533 section 4), if its header is UTF-8.
    """
    header = returned.original[:body].replace(b"\0", b"")
    if returned.whole:
        lines = mime_assembly.carried_lines(returned.original, "message/rfc822")
        if lines and returned.original.isascii():
            return Block(["Content-Type: message/rfc822"], b"\r\n".join(lines))
        if _is_utf8(header):
            packed = mime_assembly.in_base64(returned.original)
            return Block(["Content-Type: message/global", "Content-Transfer-Encoding: base64"], packed)
    data = b"".join(line + b"\r\n" for line in header.splitlines() if line)
    if data.isascii() and mime_assembly.carried_lines(data, "text/rfc822-headers"):
        return Block(["Content-Type: text/rfc822-headers"], data)
    encoding, encoded = mime_assembly.encoded_text(data)
    kind = "message/global-headers" if not data.isascii() and _is_utf8(data) else "text/rfc822-headers"
    return Block([f"Content-Type: {kind}", f"Content-Transfer-Encoding: {encoding}"], encoded)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
