"""Header fields of composed messages: folding, encoded words, addresses, parameters (RFC 5322, 2047, 2231)."""

from __future__ import annotations

import base64
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from rookery.v1.item_pb2 import (
    IMPORTANCE_HIGH,
    IMPORTANCE_LOW,
    IMPORTANCE_NORMAL,
    RECIPIENT_TYPE_BCC,
    RECIPIENT_TYPE_CC,
    RECIPIENT_TYPE_REPLY_TO,
    RECIPIENT_TYPE_TO,
    RECIPIENT_TYPE_UNSPECIFIED,
    SENSITIVITY_CONFIDENTIAL,
    SENSITIVITY_PERSONAL,
    SENSITIVITY_PRIVATE,
    ItemContent,
    ItemSummary,
)
from rookery_core.rules import mail_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rookery.v1.person_pb2 import Person

_LINE = 76
_WORD = 75
_LONGEST_WORD = 66
_LONGEST_ID = 900
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&^_.+-]+")
_ASCII = "".join(map(chr, range(33, 127)))
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_IMPORTANCE = {
    IMPORTANCE_HIGH: ("high", "1"),
    IMPORTANCE_NORMAL: ("normal", "3"),
    IMPORTANCE_LOW: ("low", "5"),
}
_SENSITIVITY = {
    SENSITIVITY_PERSONAL: "Personal",
    SENSITIVITY_PRIVATE: "Private",
    SENSITIVITY_CONFIDENTIAL: "Company-Confidential",
}
_RECIPIENT_FIELDS = (
    ("Reply-To", {RECIPIENT_TYPE_REPLY_TO}),
    ("To", {RECIPIENT_TYPE_TO, RECIPIENT_TYPE_UNSPECIFIED}),
    ("Cc", {RECIPIENT_TYPE_CC}),
    ("Bcc", {RECIPIENT_TYPE_BCC}),
)


def header_of(summary: ItemSummary, content: ItemContent, *, leaving: bool) -> list[str]:
    """The lines of a message's header but for the MIME fields, folded, without line ends.

    What is ``leaving`` has no Bcc, and where nobody else is named, a To that says so (an empty group, as RFC 5322 section 3.6.3
    has it): filters take a message without any recipient for rubbish.
    """
    message, details = summary.message, content.message
    author: Person = getattr(message, "from")
    lines = ["Date: " + date_text(summary.sent.seconds)] if summary.HasField("sent") else []
    lines += _people_field("From", [author])
    if message.HasField("sender") and mail_addresses.written(message.sender.address):
        lines += _people_field("Sender", [message.sender])
    fields = _RECIPIENT_FIELDS[:-1] if leaving else _RECIPIENT_FIELDS
    named = len(lines)
    for name, kinds in fields:
        lines += _people_field(name, [each.person for each in content.recipients if each.type in kinds])
    if leaving and not any(line.startswith(("To:", "Cc:")) for line in lines[named:]):
        lines.append("To: undisclosed-recipients:;")
    if summary.subject:
        lines += _folded("Subject", _words(summary.subject, len("Subject: ")))
    lines += _ids_field("Message-ID", [message.message_id])
    lines += _ids_field("In-Reply-To", [details.in_reply_to])
    lines += _ids_field("References", details.references)
    if summary.importance in _IMPORTANCE:
        word, number = _IMPORTANCE[summary.importance]
        lines += [f"Importance: {word}", f"X-Priority: {number}"]
    if summary.sensitivity in _SENSITIVITY:
        lines.append(f"Sensitivity: {_SENSITIVITY[summary.sensitivity]}")
    if details.read_receipt_requested and author.address:
        lines += _people_field("Disposition-Notification-To", [author])
    return lines


def date_text(seconds: int) -> str:
    """A date-time of RFC 5322 section 3.3, in UTC."""
    moment = time.gmtime(seconds)
    clock = f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
    return f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year:04} {clock} +0000"


def mime_field(name: str, value: str, parameters: Mapping[str, str]) -> list[str]:
    """A structured MIME field with parameters, one to a line where needed; RFC 2231 where they are long or not ASCII."""
    pieces = [value]
    for key, argument in parameters.items():
        pieces[-1] += ";"
        pieces += _parameter(key, _CONTROLS.sub(" ", argument))
    return _folded(name, pieces)


def _parameter(key: str, argument: str) -> list[str]:
    plain = argument if _TOKEN.fullmatch(argument) else mail_addresses.quoted(argument)
    if argument.isascii() and len(key) + len(plain) < _WORD - 2:
        return [f"{key}={plain}"]
    data = quote(argument.encode("utf-8", "replace"), safe="!#$&+-.^_`|~")
    pieces: list[str] = []
    while data:
        head = f"{key}*{len(pieces)}*=" + ("" if pieces else "utf-8''")
        room = _WORD - len(head) - 1
        cut = min(room, len(data))
        if "%" in data[max(0, cut - 2) : cut] and cut < len(data):
            cut = data.rindex("%", 0, cut)
        pieces.append(head + data[:cut])
        data = data[cut:]
    return [piece + ";" for piece in pieces[:-1]] + pieces[-1:]


def _people_field(name: str, people: Iterable[Person]) -> list[str]:
    pieces: list[str] = []
    for person in people:
        if pieces:
            pieces[-1] += ","
        pieces += _mailbox(person, len(name) + 2)
    return _folded(name, pieces) if pieces else []


def _mailbox(person: Person, used: int) -> list[str]:
    """``Name <address>``; a person without an address as an empty group, which is what RFC 5322 has for a name alone."""
    address = mail_addresses.written(person.address)
    # An address that is none is part of the name, so that nothing in it can be another address or another field.
    name = _CONTROLS.sub(" ", person.name if address else f"{person.name} {person.address}").strip()
    if not name:
        return [address] if address else []
    words = _phrase(name, used)
    if address:
        return [*words, f"<{address}>"]
    words[-1] += ":;"
    return words


def _phrase(name: str, used: int) -> list[str]:
    if name.isascii() and "=?" not in name:
        words = name.split()
        if _ATOMS.fullmatch(name) and all(len(word) <= _LONGEST_WORD for word in words):
            return words
        if len(quoted := mail_addresses.quoted(name)) <= _LONGEST_WORD:
            return [quoted]
    return _encoded_words(name, used)


def _words(text: str, used: int) -> list[str]:
    """Unstructured text as pieces between which a line may be folded."""
    clean = _CONTROLS.sub(" ", text).strip()
    words = clean.split(" ")
    fits = clean.isascii() and "=?" not in clean and "  " not in clean and all(len(word) <= _LONGEST_WORD for word in words)
    return words if fits else _encoded_words(clean, used)


def _encoded_words(text: str, used: int) -> list[str]:
    """Encoded words of at most 75 characters, no character cut in two (RFC 2047 section 5)."""
    words: list[str] = []
    room = (_WORD - len("=?utf-8?b??=") - min(used, 30)) // 4 * 3
    chunk = b""
    for character in text:
        data = character.encode("utf-8", "replace")
        if len(chunk) + len(data) > room:
            words.append(_encoded(chunk))
            chunk, room = b"", (_WORD - len("=?utf-8?b??=")) // 4 * 3
        chunk += data
    words.append(_encoded(chunk))
    return words


def _encoded(data: bytes) -> str:
    return f"=?utf-8?b?{base64.b64encode(data).decode('ascii')}?="


def _ids_field(name: str, identifiers: Iterable[str]) -> list[str]:
    kept = [bare_id(identifier) for identifier in identifiers]
    pieces = [f"<{identifier}>" for identifier in kept if identifier]
    return _folded(name, pieces) if pieces else []


def bare_id(identifier: str) -> str:
    """The id with nothing in it that would end or break its field; letters beyond ASCII, which ids do not have, percent-encoded."""
    kept = "".join(character for character in identifier if character.isprintable() and character not in "<> ")
    return (kept if kept.isascii() else quote(kept.encode("utf-8", "replace"), safe=_ASCII))[:_LONGEST_ID]


def _folded(name: str, pieces: list[str]) -> list[str]:
    """The field on lines of at most 76 characters where its pieces allow."""
    lines = [f"{name}:"]
    for position, piece in enumerate(pieces):
        if position and len(lines[-1]) + 1 + len(piece) > _LINE:
            lines.append("")
        lines[-1] += " " + piece
    return lines
