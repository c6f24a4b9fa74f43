"""The text of a message: its body parts to strings, and several of them to one text. Never raises."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from rookery_core.formats import flowed, mime_charsets
from rookery_core.formats.mime_transfer import IDENTITY, decode_part
from rookery_core.rules import limits
from rookery_core.rules.body_text import text_of_html

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity


_ENCODED_LIMIT = 4 * limits.BODY_BYTES


def body_text(raw: bytes, entity: Entity) -> tuple[str, bool]:
    """The text of a body part with line ends LF, flowed lines joined (RFC 3676), and whether it was cut at 4 MiB."""
    end = min(entity.end, entity.start + _ENCODED_LIMIT)
    data = raw[entity.start : end]
    if entity.encoding != IDENTITY:
        data = decode_part(data, entity.encoding)
    label = entity.parameters.get("charset", "")
    text = mime_charsets.decode(data, label or (_declared_in_html(data) if entity.media_type == "text/html" else ""))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "format" in entity.parameters and flowed.is_flowed(entity.parameters):
        text = flowed.unflowed(text, delete_space=entity.parameters.get("delsp", "").lower() == "yes")
    text, cut = limited(text)
    return text, cut or end < entity.end


def limited(text: str) -> tuple[str, bool]:
    """The text, cut to 4 MiB of UTF-8, and whether it was cut."""
    if len(text) <= limits.BODY_BYTES // 4:
        return text, False
    data = text.encode()
    if len(data) <= limits.BODY_BYTES:
        return text, False
    return data[: limits.BODY_BYTES].decode("utf-8", "ignore"), True


_META_CHARSET = re.compile(rb"""<meta\b[^<>]{0,200}\bcharset\s{0,5}=\s{0,5}["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)


def _declared_in_html(data: bytes) -> str:
    """The charset that HTML without one in its header declares itself (the HTML standard's prescan: its first 1,024 bytes)."""
    if data.isascii():
        return ""
    found = _META_CHARSET.search(data[:1024])
    label = found[1].decode("ascii") if found else ""
    return "" if label.lower().startswith("utf-16") else label


def joined_text(pieces: list[tuple[str, str]]) -> tuple[str, str, bool]:
    """Text and HTML of a message from its inline parts in order, each (text, HTML) with "" for a form it lacks.

    A form that only some parts have is completed from the other one, so that whichever form a reader opens says everything.
    The last value tells whether a form was cut at 4 MiB.
    """
    if len(pieces) == 1:
        return pieces[0][0], pieces[0][1], False
    text = source = ""
    if any(piece[0] for piece in pieces):
        text = "\n".join(plain or text_of_html(rich) for plain, rich in pieces)
    if any(piece[1] for piece in pieces):
        source = "\n".join(rich or f"<pre>{html.escape(plain, quote=False)}</pre>" for plain, rich in pieces)
    text, text_cut = limited(text)
    source, source_cut = limited(source)
    return text, source, text_cut or source_cut
