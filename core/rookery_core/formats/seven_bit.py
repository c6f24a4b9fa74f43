"""Messages of 8 bits made into messages of 7, for hosts that do not offer 8BITMIME (RFC 6152 section 3). Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rookery_core.formats import mime_assembly
from rookery_core.formats.mime_structure import Entity, scan
from rookery_core.formats.mime_transfer import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 998
_DEPTH_LIMIT = 20
_LINE_END = re.compile(rb"\r\n|\r|\n")
_ENCODING_FIELD = re.compile(rb"^content-transfer-encoding[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


def seven_bit(raw: bytes) -> bytes | None:
    """The message with every part of 8 bits, or with lines longer than 998, encoded; line ends CRLF.

    Needed where ``raw`` is not ASCII; what is of 7 bits keeps its bytes but for line ends. None where nothing legal comes out: a
    header that is not ASCII (it needs SMTPUTF8), or a part that may not be changed, as it is signed (RFC 1847 section 2.1).
    """
    return _converted(_with_crlf(raw), 0)


def _with_crlf(raw: bytes) -> bytes:
    return b"\r\n".join(_LINE_END.split(raw))


def _converted(raw: bytes, depth: int) -> bytes | None:
    if _is_carried(raw):
        return raw
    root, _ = scan(raw)
    changes = list(_changes(raw, root, depth))
    if any(change is None for change in changes):
        return None
    out: list[bytes] = []
    position = 0
    for change in changes:
        if change is not None:
            start, end, data = change
            out += [raw[position:start], data]
            position = end
    out.append(raw[position:])
    made = b"".join(out)
    return made if _is_carried(made) else None


def _is_carried(raw: bytes) -> bool:
    return raw.isascii() and b"\0" not in raw and all(len(line) <= _LONGEST_LINE for line in raw.split(b"\r\n"))


def _changes(raw: bytes, entity: Entity, depth: int) -> Iterator[tuple[int, int, bytes] | None]:
    """What to put where, in order: each an entity whole or, of one with parts, its header. None: it can not be."""
    start = entity.begin
    if _is_carried(raw[start : entity.end]):
        return
    header = raw[start : entity.start]
    if not _is_carried(header) or entity.media_type == "multipart/signed":
        yield None
    elif entity.children:
        yield start, entity.start, _ENCODING_FIELD.sub(b"", header)
        for child in entity.children:
            yield from _changes(raw, child, depth)
    elif entity.media_type == "message/rfc822":
        inner = _converted(raw[entity.start : entity.end], depth + 1) if depth < _DEPTH_LIMIT else None
        yield None if inner is None else (start, entity.end, _ENCODING_FIELD.sub(b"", header) + inner)
    elif _is_fixed(entity):
        yield None
    else:
        yield start, entity.end, _encoded(header, raw[entity.start : entity.end], entity)


def _is_fixed(entity: Entity) -> bool:
    """Whether a part may not be encoded: a report, or one that says it is encoded and yet is not of 7 bits."""
    is_report = entity.media_type.startswith("message/") and not entity.media_type.startswith("message/global")
    return is_report or entity.encoding != IDENTITY


def _encoded(header: bytes, body: bytes, entity: Entity) -> bytes:
    """A part with its body encoded, and a header that says so."""
    is_text = entity.media_type.startswith("text/")
    encoding, data = mime_assembly.encoded_text(body) if is_text else ("base64", mime_assembly.in_base64(body))
    fields = _ENCODING_FIELD.sub(b"", header).removesuffix(b"\r\n")
    if entity.parent is None and not entity.header.first("mime-version"):
        fields += b"MIME-Version: 1.0\r\n"
    return fields + b"Content-Transfer-Encoding: " + encoding.encode("ascii") + b"\r\n\r\n" + data
