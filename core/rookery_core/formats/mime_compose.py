"""Records to messages: clean RFC 5322 and MIME for an item that has no original bytes, such as a draft."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ATTACHMENT_DISPOSITION_INLINE, Attachment, ItemContent, ItemSummary
from rookery_core.formats.mime_fields import bare_id, header_of, mime_field

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_LINE = 78
_LONGEST_RAW_LINE = 998
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_LINE_END = re.compile(r"\r\n|\r|\n")
_RAW_LINE_END = re.compile(rb"\r\n|\r|\n")


def compose(
    summary: ItemSummary, content: ItemContent, attachments: Iterable[tuple[Attachment, bytes]], *, boundary_seed: bytes
) -> bytes:
    """The message that an item describes, CRLF line ends, 7-bit but for internationalised addresses and attached 8-bit messages.

    ``attachments`` are the records with their decoded bytes, in order. Equal input gives equal bytes: boundaries come from
    ``boundary_seed`` and the content. Bcc is written, as the sender's own copy has it; submission leaves it out. Date and
    Message-ID are written where the summary has them. Text and HTML become multipart/alternative, inline attachments with a
    Content-ID go beside the HTML in multipart/related, everything else into multipart/mixed.
    """
    inline: list[_Part] = []
    files: list[_Part] = []
    for record, data in attachments:
        beside_html = bool(content.body.html and record.content_id and record.disposition == ATTACHMENT_DISPOSITION_INLINE)
        (inline if beside_html else files).append(_attached(record, data))
    boundaries = _Boundaries(boundary_seed)
    body = _body(content, inline, boundaries)
    if files:
        body = boundaries.multipart("mixed", [body, *files])
    lines = [*header_of(summary, content), "MIME-Version: 1.0", *body.header]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body.data + (b"" if body.data.endswith(b"\n") else b"\r\n")


@dataclass(slots=True)
class _Part:
    """A part ready to be written: its MIME fields, already folded, and its encoded body."""

    header: list[str] = field(default_factory=list)
    data: bytes = b""
    is_8bit: bool = False
    """Whether the body has bytes beyond ASCII: then all that it lies in says so too (RFC 2045 section 6.4)."""


class _Boundaries:
    """Wraps parts in multiparts. A boundary hangs on the seed and all that it separates, so it can not occur within."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def multipart(self, subtype: str, parts: list[_Part], kind: str = "") -> _Part:
        digest = hashlib.sha256(self._seed + b"\0" + subtype.encode())
        blocks = []
        for part in parts:
            blocks.append("".join(line + "\r\n" for line in part.header).encode() + b"\r\n" + part.data)
            digest.update(blocks[-1])
        boundary = "=_" + digest.hexdigest()[:40]
        parameters = {"boundary": boundary} | ({"type": kind} if kind else {})
        mark = b"--" + boundary.encode()
        data = b"".join(mark + b"\r\n" + block + b"\r\n" for block in blocks) + mark + b"--\r\n"
        header = mime_field("Content-Type", f"multipart/{subtype}", parameters)
        is_8bit = any(part.is_8bit for part in parts)
        return _Part([*header, "Content-Transfer-Encoding: 8bit"] if is_8bit else header, data, is_8bit)


def _body(content: ItemContent, inline: list[_Part], boundaries: _Boundaries) -> _Part:
    html = _text(content.body.html, "html") if content.body.html else None
    if html is not None and inline:
        html = boundaries.multipart("related", [html, *inline], "text/html")
    if html is None:
        return _text(content.body.text, "plain")
    if not content.body.text:
        return html
    return boundaries.multipart("alternative", [_text(content.body.text, "plain"), html])


def _text(text: str, subtype: str) -> _Part:
    """A text part: as it is where lines are short and ASCII, else quoted-printable or base64, whichever is shorter."""
    lines = _LINE_END.split(text)
    crlf = "\r\n".join(lines)
    if text.isascii() and all(_is_plain(line) for line in lines):
        return _Part(mime_field("Content-Type", f"text/{subtype}", {"charset": "us-ascii"}), crlf.encode())
    data = crlf.encode("utf-8", "replace")
    quoted = binascii.b2a_qp(data, istext=True)
    packed = _base64(data)
    encoding, encoded = ("quoted-printable", quoted) if len(quoted) <= len(packed) else ("base64", packed)
    if encoding == "quoted-printable" and (encoded.startswith(b"From ") or b"\nFrom " in encoded):
        encoding, encoded = "base64", packed
    header = [*mime_field("Content-Type", f"text/{subtype}", {"charset": "utf-8"}), f"Content-Transfer-Encoding: {encoding}"]
    return _Part(header, encoded)


def _is_plain(line: str) -> bool:
    """Whether no relay will change the line: short, no blank at its end, no "From " that mbox files quote, no lone dot."""
    return (
        len(line) <= _LONGEST_LINE
        and not line.startswith("From ")
        and line != "."
        and not line.endswith((" ", "\t"))
        and (line.isprintable() or line.replace("\t", "").isprintable())
    )


def _attached(record: Attachment, data: bytes) -> _Part:
    """An attachment in base64.

    A message may not be encoded (RFC 2046 section 5.2.1): it keeps its own lines, made to end in CRLF; one that mail can not
    carry so (NUL, endless lines) goes as a file.
    """
    media_type = record.media_type.lower()
    plain: list[bytes] = []
    if media_type.startswith("message/") and b"\0" not in data:
        plain = _RAW_LINE_END.split(data)
        if any(len(line) > _LONGEST_RAW_LINE for line in plain):
            plain = []
    if not _TYPE.fullmatch(media_type) or media_type.startswith("multipart/") or (media_type.startswith("message/") and not plain):
        media_type = "application/octet-stream"
    inline = record.disposition == ATTACHMENT_DISPOSITION_INLINE
    header = mime_field("Content-Type", media_type, {"name": record.name} if record.name else {})
    header += mime_field(
        "Content-Disposition", "inline" if inline else "attachment", {"filename": record.name} if record.name else {}
    )
    if record.content_id:
        header.append(f"Content-ID: <{bare_id(record.content_id)}>")
    if plain:
        is_8bit = not data.isascii()
        return _Part([*header, "Content-Transfer-Encoding: 8bit"] if is_8bit else header, b"\r\n".join(plain), is_8bit)
    return _Part([*header, "Content-Transfer-Encoding: base64"], _base64(data))


def _base64(data: bytes) -> bytes:
    """Base64 in lines of 76 characters (RFC 2045 section 6.8)."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
