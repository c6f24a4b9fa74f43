"""What of a message is its text and what is attached (RFC 2183, and what mail clients make of its absence). Never raises."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import (
    ATTACHMENT_DISPOSITION_ATTACHMENT,
    ATTACHMENT_DISPOSITION_INLINE,
    ATTACHMENT_DISPOSITION_UNSPECIFIED,
    Attachment,
    AttachmentDisposition,
)
from rookery_core.formats import mime_charsets, mime_tnef
from rookery_core.formats.mime_headers import message_ids, parameters, read_block, text_of
from rookery_core.formats.mime_text import body_text, joined_text
from rookery_core.formats.mime_transfer import BASE64, IDENTITY, decode_part, decoded_size
from rookery_core.rules import limits

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

_MESSAGES = {"message/rfc822", "message/global"}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Part:
    """Where an attachment's bytes lie in the raw message."""

    attachment_id: int
    """The id of the record in ``content.attachments``, 1 and up."""
    offset: int
    """Byte offset of the encoded body."""
    length: int
    """Bytes of the encoded body."""
    encoding: str
    """"identity", "base64", "quoted-printable" or "uuencode"; for a file inside a winmail.dat, one that ``decode_part`` knows."""
    size: int
    """Bytes once decoded."""


@dataclass(slots=True)
class SortedParts:
    """The text of a message, and its attachments with their places."""

    text: str = ""
    html: str = ""
    truncated: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    packed: mime_tnef.Unpacked | None = None


def sort_parts(raw: bytes, root: Entity) -> SortedParts:
    """Tells text from attachments.

    Text is each text/plain and text/html part that is not marked as an attachment and bears no file name, though a name does
    not make a file of the only part or of an alternative. Alternatives are forms of one text; other text parts follow one
    another.
    """
    found = SortedParts()
    pieces: list[tuple[str, str]] = []
    group: Entity | None = None
    for leaf in root.leaves():
        disposition, arguments = parameters(leaf.header.first("content-disposition"))
        name = _name(arguments.get("filename") or leaf.parameters.get("name", ""))
        if not _is_text(leaf, disposition, name):
            if not (mime_tnef.may_be(leaf, name) and _unpack(raw, leaf, found)):
                _attach(raw, leaf, disposition, name, found)
            continue
        label = leaf.parameters.get("charset", "")
        if label and not mime_charsets.is_known(label):
            found.defects.append("an unknown charset was guessed")
        text, cut = body_text(raw, leaf)
        found.truncated |= cut
        alternative = _alternative(leaf)
        slot = 1 if leaf.media_type == "text/html" else 0
        if alternative is not None and alternative is group and not pieces[-1][slot]:
            pieces[-1] = (pieces[-1][0], text) if slot else (text, pieces[-1][1])
        elif text or not pieces:
            pieces.append(("", text) if slot else (text, ""))
            group = alternative
    if pieces:
        found.text, found.html, cut = joined_text(pieces)
        found.truncated |= cut
    if found.packed is not None:
        # What a winmail.dat says in HTML or Rich Text, its sender mostly says in plain text beside it.
        found.html = found.html or found.packed.html
        found.text = found.text or found.packed.text()
    return found


def _is_text(leaf: Entity, disposition: str, name: str) -> bool:
    if leaf.media_type not in {"text/plain", "text/html"} or disposition == "attachment":
        return False
    return not name or leaf.parent is None or leaf.parent.media_type == "multipart/alternative"


def _alternative(leaf: Entity) -> Entity | None:
    """The multipart/alternative that the part is a form of; related parts in between do not matter."""
    above = leaf.parent
    while above is not None and above.media_type == "multipart/related":
        above = above.parent
    return above if above is not None and above.media_type == "multipart/alternative" else None


def _attach(raw: bytes, leaf: Entity, disposition: str, name: str, found: SortedParts) -> None:
    header = leaf.header
    length = leaf.end - leaf.start
    if not length and not header.fields:
        return
    number = len(found.attachments) + 1
    size = decoded_size(raw[leaf.start : leaf.end], leaf.encoding)
    if leaf.encoding == BASE64 and length and not size:
        found.defects.append("an attachment said to be base64 holds none")
    is_message = leaf.media_type in _MESSAGES
    if not name and is_message:
        name = _message_name(raw, leaf)
    if not name:
        name = _name(_place_name(text_of(header.first("content-location")[:2000])))
    content_id = text_of(header.first("content-id")[:2000])
    ids = message_ids(content_id)
    found.attachments.append(
        Attachment(
            id=number,
            name=name,
            media_type=leaf.media_type,
            size_bytes=size,
            content_id=(ids[0] if ids else content_id)[: limits.CONTENT_ID],
            disposition=_intent(leaf, disposition, content_id),
            is_message=is_message,
        )
    )
    found.parts.append(Part(number, leaf.start, length, leaf.encoding, size))


def _unpack(raw: bytes, leaf: Entity, found: SortedParts) -> bool:
    """Attaches what a winmail.dat holds; whether that is all of it, so that itself need not be shown."""
    unpacked = mime_tnef.unpack(raw, leaf, limits.ATTACHMENTS - len(found.attachments))
    if unpacked is None:
        found.defects.append("a winmail.dat can not be read")
        return False
    for file in unpacked.files:
        number = len(found.attachments) + 1
        found.attachments.append(
            Attachment(
                id=number,
                name=_name(file.name),
                media_type=file.media_type,
                size_bytes=file.size,
                content_id=file.content_id[: limits.CONTENT_ID],
                disposition=ATTACHMENT_DISPOSITION_INLINE if file.is_shown else ATTACHMENT_DISPOSITION_ATTACHMENT,
            )
        )
        found.parts.append(Part(number, leaf.start, leaf.end - leaf.start, file.encoding, file.size))
    found.packed = found.packed or unpacked
    if not unpacked.is_whole:
        found.defects.append("a winmail.dat breaks off")
    return unpacked.is_whole


def _intent(leaf: Entity, disposition: str, content_id: str) -> AttachmentDisposition.ValueType:
    """Inline is what the sender says so, what an HTML text may show by Content-ID, and further forms of an alternative.

    A file that calls itself inline, but that no text can show, is an attachment to those who read the message.
    """
    if disposition == "attachment":
        return ATTACHMENT_DISPOSITION_ATTACHMENT
    related = leaf.parent is not None and leaf.parent.media_type == "multipart/related"
    if _alternative(leaf) is not None and not related:
        return ATTACHMENT_DISPOSITION_INLINE
    if content_id and (related or disposition == "inline"):
        return ATTACHMENT_DISPOSITION_INLINE
    if disposition == "inline":
        shown = leaf.media_type.startswith("image/")
        return ATTACHMENT_DISPOSITION_INLINE if shown else ATTACHMENT_DISPOSITION_ATTACHMENT
    return ATTACHMENT_DISPOSITION_ATTACHMENT if disposition else ATTACHMENT_DISPOSITION_UNSPECIFIED


def _name(text: str) -> str:
    """A file name without path and without characters that deceive; the extension survives where the name is cut."""
    if not text:
        return ""
    last = _UNSAFE.sub("", text.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    if last in {".", ".."}:
        return ""
    if len(last) <= limits.SHORT_TEXT:
        return last
    stem, dot, extension = last.rpartition(".")
    if not dot or len(extension) > 20:
        return last[: limits.SHORT_TEXT]
    return stem[: limits.SHORT_TEXT - len(extension) - 1] + dot + extension


def _place_name(location: str) -> str:
    """The file name in a Content-Location that has one."""
    path = location.partition("?")[0].partition("#")[0]
    last = path.rsplit("/", 1)[-1]
    return last if "." in last.strip(".") and ":" not in last else ""


def _message_name(raw: bytes, leaf: Entity) -> str:
    """An attached message is called like its subject."""
    if leaf.encoding != IDENTITY:
        inner = decode_part(raw[leaf.start : min(leaf.end, leaf.start + 65_536)], leaf.encoding)
        header = read_block(inner, 0, len(inner))
    else:
        header = read_block(raw, leaf.start, leaf.end)
    subject = text_of(header.first("subject")[:2000]).replace("/", "_").replace("\\", "_")
    return _name(subject[: limits.SHORT_TEXT - 4] + ".eml") if subject else ""
