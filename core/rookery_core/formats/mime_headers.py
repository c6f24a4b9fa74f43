"""Header blocks of messages and parts (RFC 5322 section 2.2): splitting, unfolding, encoded words, parameters. Never raises."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from rookery_core.formats import mime_charsets
from rookery_core.formats.mime_transfer import BASE64, QUOTED_PRINTABLE, decode_part

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK_LIMIT = 2 * 1024 * 1024
"""Bytes of a header block that are read; what follows is skipped."""
PARAMETERS_LIMIT = 16 * 1024
"""Characters of a Content-Type or Content-Disposition field that are read."""

_BLANK_LINE = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\n[ \t]++(?:\n[ \t]++)*+")
_FIELD = re.compile(r"^(?:([!-9;-~]++)[ \t]*+:[ \t]*+)?+(.*+)", re.MULTILINE)
_LINE = re.compile(rb"[^\n]*+\n|[^\n]++")
_FIELD_LINE = re.compile(rb"[!-9;-~]++[ \t]*+:")


@dataclass(slots=True)
class HeaderBlock:
    """The fields of a header in order, and where the body begins.

    Values are unfolded. Each character stands for one byte (latin-1), as nothing is known of charsets yet: ``text_of`` makes
    text of a value.
    """

    fields: list[tuple[str, str]]
    """Name as written, and value."""
    index: dict[str, list[str]]
    """Lower-case name to values, in order."""
    body: int
    """Offset of the body in the bytes that the block was read from."""
    is_plain: bool = True
    """Whether all values are text already: ASCII without encoded words, together below 64 KiB."""
    defects: list[str] = field(default_factory=list)

    def first(self, name: str) -> str:
        """The value of the first field of this lower-case name, or ""."""
        values = self.index.get(name)
        return values[0] if values else ""

    def all(self, name: str) -> list[str]:
        """The values of all fields of this lower-case name."""
        return self.index.get(name, [])


def read_block(raw: bytes, start: int, end: int) -> HeaderBlock:
    """Reads the header that begins at ``start``.

    A line that is no field is joined to the field before it, or skipped where it holds a colon. Where no field precedes it, or
    two follow each other, the header was not ended by an empty line and the body begins there.
    """
    if raw.startswith((b"\n", b"\r\n"), start, end):
        return HeaderBlock([], {}, start + (1 if raw[start] == 10 else 2))
    blank = _BLANK_LINE.search(raw, start, end)
    stop = blank.start() if blank else end
    block = raw[start : min(stop, start + BLOCK_LIMIT)]
    header = _fields(block, blank.end() if blank else end)
    if len(header.fields) and any(not name for name, _ in header.fields):
        block, body, defects = _repaired(block, ended=blank is not None)
        header = _fields(block, header.body if body is None else start + body)
        header.fields = [each for each in header.fields if each[0]]
        header.defects += defects
    if stop - start > BLOCK_LIMIT:
        header.defects.append("the header is longer than 2 MiB; the rest of it was skipped")
    for name, value in header.fields:
        header.index.setdefault(name.lower(), []).append(value)
    return header


def _fields(block: bytes, body: int) -> HeaderBlock:
    """The fields of a block; lines that are none have an empty name."""
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    if b"\0" in block:
        block = block.replace(b"\0", b"")
    text = _FOLD.sub(b" ", block).decode("latin-1")
    plain = len(text) < 65_536 and text.isascii() and "=?" not in text and "\x1b" not in text
    return HeaderBlock(_FIELD.findall(text.rstrip()) if text else [], {}, body, plain)


def _repaired(block: bytes, *, ended: bool) -> tuple[bytes, int | None, list[str]]:
    """The block with nothing but fields, where in it the body begins (None: after it), and what was wrong."""
    kept: list[bytes] = []
    defects: list[str] = []
    odd: tuple[int, bytes] | None = None
    body: int | None = None
    position = 0
    for line in _LINE.findall(block):
        is_field, is_odd = _FIELD_LINE.match(line) is not None, False
        if not is_field and line.strip():
            is_odd = not line.startswith((b" ", b"\t")) or not (kept or odd)
        if is_odd and not kept and line.startswith((b"From ", b">From ")):
            pass
        elif is_odd and (odd is not None or not kept):
            body = odd[0] if odd is not None else position
            break
        elif is_odd:
            odd = (position, line)
        else:
            if is_field and odd is not None:
                _keep_odd(odd[1], kept, defects)
                odd = None
            kept.append(line)
        position += len(line)
    if body is None and odd is not None:
        if ended:
            _keep_odd(odd[1], kept, defects)
        else:
            body = odd[0]
    if body is not None:
        defects.append("no empty line ends the header")
    return b"".join(kept).replace(b"\n\n", b"\n"), body, defects


def _keep_odd(line: bytes, kept: list[bytes], defects: list[str]) -> None:
    defects.append("a line of the header is no field")
    if b":" not in line:
        kept.append(b" " + line)


def text_of(value: str, charset: str = "") -> str:
    """The value of an unstructured field as people read it: encoded words decoded (RFC 2047), raw UTF-8 taken as such.

    ``charset`` is what raw bytes are taken for that are no UTF-8 (the body's charset is a good guess).
    """
    if value.isascii() and "=?" not in value and "\x1b" not in value:
        return value.strip()
    return decode_words(raw_text_of(value, charset))


def raw_text_of(value: str, charset: str = "") -> str:
    """The value with raw bytes decoded, encoded words left as they are."""
    value = value.strip()
    if "\x1b$" in value or "\x1b(" in value:
        return mime_charsets.decode(value.encode("latin-1"), "iso-2022-jp")
    return value if value.isascii() else mime_charsets.decode(value.encode("latin-1"), "", charset)


_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*+(?:\?(?!=)[^?]{0,75}){0,4})\?=")


def decode_words(text: str) -> str:
    """Decodes the encoded words of RFC 2047, wherever they stand; blanks between two of them vanish (section 6.2).

    Words of one charset that follow each other are joined as bytes first: senders cut characters in two.
    """
    if "=?" not in text:
        return text
    out: list[str] = []
    pending: list[bytes] = []
    pending_charset, end, after_word = "", 0, False
    for match in _WORD.finditer(text):
        between = text[end : match.start()]
        charset = match[1].partition("*")[0].lower()
        if not after_word or between.strip() or charset != pending_charset:
            out.append(mime_charsets.decode(b"".join(pending), pending_charset))
            pending, pending_charset = [], charset
            if not after_word or between.strip():
                out.append(between)
        pending.append(_word_bytes(match[2], match[3]))
        end, after_word = match.end(), True
    out.append(mime_charsets.decode(b"".join(pending), pending_charset))
    out.append(text[end:])
    return " ".join("".join(out).replace("\r", "\n").split("\n"))


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "bB":
        return decode_part(data, BASE64)
    return decode_part(data.replace(b"_", b" ").replace(b" ", b"=20"), QUOTED_PRINTABLE)


_PARAMETER = re.compile(r';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]++|\\.)*+"?+|[^;]*+)', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')


def parameters(value: str, charset: str = "") -> tuple[str, Mapping[str, str]]:
    """The first word of a structured MIME field in lower case, and its parameters by lower-case name (RFC 2045, 2231, 2047)."""
    if len(value) > PARAMETERS_LIMIT:
        value = value[:PARAMETERS_LIMIT]
    return _parameters(raw_text_of(value, charset))


@functools.lru_cache(maxsize=256)
def _parameters(text: str) -> tuple[str, Mapping[str, str]]:
    word = text.partition(";")[0].strip().lower()
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(text):
        name, argument = match[1].lower(), match[2]
        if argument.startswith('"'):
            argument = _ESCAPED.sub(r"\1", argument[1:-1] if argument.endswith('"') and len(argument) > 1 else argument[1:])
        found.setdefault(name, argument.strip())
    if any("*" in name for name in found):
        found = _continued(found)
    return word, {name: decode_words(argument) for name, argument in found.items()}


def _continued(found: dict[str, str]) -> dict[str, str]:
    """Joins RFC 2231's continuations and decodes its charsets; a plain parameter of the same name gives way."""
    plain = {name: value for name, value in found.items() if "*" not in name}
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for name, value in found.items():
        base, star, rest = name.partition("*")
        if star:
            number = rest.rstrip("*")
            position = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 0
            pieces.setdefault(base, []).append((position, rest == "" or rest.endswith("*"), value))
    for base, parts in pieces.items():
        parts.sort(key=lambda part: part[0])
        charset, data = "", b""
        for position, (_, extended, value) in enumerate(parts):
            text = value
            if position == 0 and extended and text.count("'") >= 2:
                charset, _, text = text.split("'", 2)
            data += unquote_to_bytes(text) if extended else text.encode()
        plain[base] = mime_charsets.decode(data, charset)
    return plain


_BRACKETED_ID = re.compile(r"<([^<>]{1,2000})>")
_COMMENT = re.compile(r"\([^()]*\)")
_BLANKS = re.compile(r"\s+")


def message_ids(text: str, *, bare: bool = False) -> list[str]:
    """Message ids of Message-ID, In-Reply-To or References, without angle brackets, blanks and comments, in order.

    ``bare``: words with an "@" count where no brackets are. (Not in In-Reply-To, which once held phrases and addresses.)
    """
    ids = [_BLANKS.sub("", _COMMENT.sub("", match) if "(" in match else match) for match in _BRACKETED_ID.findall(text)]
    if not ids and bare:
        ids = [word.strip("<>,;") for word in text.split() if "@" in word]
    return [each[:998] for each in ids if each]
