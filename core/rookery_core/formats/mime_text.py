"""The text of a message: body parts to strings, HTML to plain text, the preview. Never raises."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from rookery_core.formats import mime_charsets
from rookery_core.formats.mime_transfer import IDENTITY, decode_part

if TYPE_CHECKING:
    from rookery_core.formats.mime_structure import Entity

BODY_LIMIT = 8 * 1024 * 1024
"""Bytes of UTF-8 that a body's form may have (the contract's limit)."""
PREVIEW_LIMIT = 200
"""Characters of a preview."""

_ENCODED_LIMIT = 4 * BODY_LIMIT
_PREVIEW_SOURCE = 64 * 1024


def body_text(raw: bytes, entity: Entity) -> tuple[str, bool]:
    """The text of a body part with line ends LF, and whether it was cut at 8 MiB."""
    end = min(entity.end, entity.start + _ENCODED_LIMIT)
    data = raw[entity.start : end]
    if entity.encoding != IDENTITY:
        data = decode_part(data, entity.encoding)
    label = entity.parameters.get("charset", "")
    text = mime_charsets.decode(data, label or (_declared_in_html(data) if entity.media_type == "text/html" else ""))
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text, cut = limited(text)
    return text, cut or end < entity.end


def limited(text: str) -> tuple[str, bool]:
    """The text, cut to 8 MiB of UTF-8, and whether it was cut."""
    if len(text) <= BODY_LIMIT // 4:
        return text, False
    data = text.encode()
    if len(data) <= BODY_LIMIT:
        return text, False
    return data[:BODY_LIMIT].decode("utf-8", "ignore"), True


_META_CHARSET = re.compile(rb"""<meta\b[^<>]{0,200}\bcharset\s{0,5}=\s{0,5}["']?([A-Za-z0-9_.:-]{1,40})""", re.IGNORECASE)


def _declared_in_html(data: bytes) -> str:
    """The charset that HTML without one in its header declares itself (the HTML standard's prescan: its first 1,024 bytes)."""
    if data.isascii():
        return ""
    found = _META_CHARSET.search(data[:1024])
    label = found[1].decode("ascii") if found else ""
    return "" if label.lower().startswith("utf-16") else label


# One tag. Groups: 1 comment, 2 an element that is not shown, 3 a block or a break. "<" ends a tag whose ">" was forgotten.
_TAG = re.compile(
    r"<(?:(!--)|(style|script|title|head|template|noscript)\b"
    r"|(/?(?:p|div|br|tr|li|ul|ol|h[1-6]|table|blockquote|pre|hr|section|article)\b)|[a-z/!?])[^<>]*+>?",
    re.IGNORECASE,
)
_SPACES = re.compile(r"[ \t\f\v\u00a0\n]++")


def text_of_html(source: str) -> str:
    """What an HTML body says, roughly as a reader sees it: blocks on lines of their own, no styles, scripts, tags or comments.

    Each character is looked at a bounded number of times, whatever is left unclosed.
    """
    return _SPACES.sub(_folded, _plain(source, BODY_LIMIT)).strip()


def _folded(match: re.Match[str]) -> str:
    return "\n\n" if match[0].count("\n") > 1 else "\n" if "\n" in match[0] else " "


def _plain(source: str, most: int) -> str:
    """The text of HTML with white space as it falls, until about ``most`` visible characters are found."""
    out: list[str] = []
    position, found = 0, 0
    missing: set[str] = set()
    while found < most:
        tag = source.find("<", position)
        text = source[position:tag] if tag >= 0 else source[position:]
        if text:
            out.append(text.replace("\n", " "))
            found += len(text.strip())
        if tag < 0:
            break
        match = _TAG.match(source, tag)
        if match is None:
            out.append("<")
            position = tag + 1
            continue
        position = match.end()
        if match[3]:
            out.append("\n")
        elif match[1]:
            position = _after(source, "-->", tag + 4, missing) or position
        elif match[2]:
            position = _after_element(source, match[2].lower(), position, missing)
    return html.unescape("".join(out)).replace("\0", "")


def _after(source: str, what: str, start: int, missing: set[str]) -> int:
    """The offset behind ``what``, or 0; ``missing`` remembers what was sought in vain, so that it is not sought again."""
    if what in missing:
        return 0
    found = source.find(what, start)
    if found < 0:
        missing.add(what)
        return 0
    return found + len(what)


def _after_element(source: str, name: str, start: int, missing: set[str]) -> int:
    for close in (f"</{name}>", f"</{name.upper()}>", f"</{name.capitalize()}>"):
        found = _after(source, close, start, missing)
        if found:
            return found
    return start


def preview_of(text: str, source: str) -> str:
    """The first characters of the text, or of the HTML where there is no text; white space folded, at most 200 characters."""
    words = " ".join(text[:2000].split())
    if len(words) < PREVIEW_LIMIT and len(text) > 2000:
        words = " ".join(text[:_PREVIEW_SOURCE].split())
    if not words and source:
        words = " ".join(_plain(source[:_PREVIEW_SOURCE], 3 * PREVIEW_LIMIT).split())
    return words[:PREVIEW_LIMIT].rstrip()


def joined_text(pieces: list[tuple[str, str]]) -> tuple[str, str, bool]:
    """Text and HTML of a message from its inline parts in order, each (text, HTML) with "" for a form it lacks.

    A form that only some parts have is completed from the other one, so that whichever form a reader opens says everything.
    The last value tells whether a form was cut at 8 MiB.
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
