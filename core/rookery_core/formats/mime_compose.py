"""Records to messages: clean RFC 5322 and MIME for an item that has no original bytes, such as a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ATTACHMENT_DISPOSITION_INLINE, Attachment, ItemContent, ItemSummary
from rookery_core.formats import mime_assembly
from rookery_core.formats.mime_assembly import Block, Boundaries
from rookery_core.formats.mime_fields import bare_id, header_of
from rookery_core.formats.mime_headers import read_block
from rookery_core.formats.trace import without_fields

if TYPE_CHECKING:
    from collections.abc import Iterable

_MESSAGES = frozenset({"message/rfc822", "message/global"})
_SECRET = frozenset({"bcc", "resent-bcc"})


def compose(
    summary: ItemSummary,
    content: ItemContent,
    attachments: Iterable[tuple[Attachment, bytes]],
    *,
    boundary_seed: bytes,
    leaving: bool = False,
) -> bytes:
    """The message that an item describes, CRLF line ends, 7-bit but for internationalised addresses and attached 8-bit messages.

    ``attachments`` are the records with their decoded bytes, in order. Equal input gives equal bytes: boundaries come from
    ``boundary_seed`` and the content. Date and Message-ID are written where the summary has them. Text and HTML become
    multipart/alternative, inline attachments with a Content-ID go beside the HTML in multipart/related, everything else into
    multipart/mixed. Bcc is written, as the sender's own copy has it; what is ``leaving`` for others is without it, and so are
    messages attached to it, which may be such copies.
    """
    inline: list[Block] = []
    files: list[Block] = []
    for record, data in attachments:
        is_inline = record.disposition == ATTACHMENT_DISPOSITION_INLINE
        content_id = bare_id(record.content_id)
        sent = _without_bcc(data) if leaving and record.media_type.lower() in _MESSAGES else data
        part = mime_assembly.file(sent, record.media_type, record.name, inline=is_inline, content_id=content_id)
        (inline if content.body.html and content_id and is_inline else files).append(part)
    boundaries = Boundaries(boundary_seed)
    body = _body(content, inline, boundaries)
    if files:
        body = boundaries.multipart("mixed", [body, *files])
    return message_of(header_of(summary, content, leaving=leaving), body)


def message_of(header: list[str], body: Block) -> bytes:
    """A message of a header's lines, without those of MIME, and its body."""
    lines = [*header, "MIME-Version: 1.0", *body.header]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body.data + (b"" if body.data.endswith(b"\n") else b"\r\n")


def _without_bcc(message: bytes) -> bytes:
    end = read_block(message, 0, len(message)).body
    return without_fields(message[:end], _SECRET) + message[end:]


def _body(content: ItemContent, inline: list[Block], boundaries: Boundaries) -> Block:
    html = mime_assembly.text(content.body.html, "html") if content.body.html else None
    if html is not None and inline:
        html = boundaries.multipart("related", [html, *inline], {"type": "text/html"})
    if html is None:
        return mime_assembly.text(content.body.text, "plain")
    if not content.body.text:
        return html
    return boundaries.multipart("alternative", [mime_assembly.text(content.body.text, "plain"), html])
