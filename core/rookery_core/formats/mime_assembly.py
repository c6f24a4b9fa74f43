"""Parts of messages put together: texts, files and messages encoded for transfer, and multiparts (RFC 2045, 2046)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rookery_core.formats.mime_fields import mime_field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LONGEST_LINE = 78
_LONGEST_RAW_LINE = 998
_LONGEST_FALLBACK = 60
_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
_RAW_LINE_END = re.compile(rb"\r\n|\r|\n")
_ORDINARY = bytes(range(ord(" "), ord("~") + 1)) + b"\t\r\n"
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]+")


@dataclass(slots=True)
class Block:
    """A part ready to be written: its MIME fields, already folded, and its encoded body."""

    header: list[str] = field(default_factory=list)
    data: bytes = b""
    is_8bit: bool = False
    """Whether the body has bytes beyond ASCII: then all that it lies in says so too (RFC 2045 section 6.4)."""


class Boundaries:
    """Wraps parts in multiparts. A boundary hangs on the seed and all that it separates, so it can not occur within."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def multipart(self, subtype: str, parts: Sequence[Block], parameters: Mapping[str, str] | None = None) -> Block:
        """The parts as one; ``parameters`` are further ones of its Content-Type."""
        digest = hashlib.sha256(self._seed + b"\0" + subtype.encode())
        blocks = []
        for part in parts:
            blocks.append("".join(line + "\r\n" for line in part.header).encode() + b"\r\n" + part.data)
            digest.update(blocks[-1])
        boundary = "=_" + digest.hexdigest()[:40]
        mark = b"--" + boundary.encode()
        data = b"".join(mark + b"\r\n" + block + b"\r\n" for block in blocks) + mark + b"--\r\n"
        header = mime_field("Content-Type", f"multipart/{subtype}", {"boundary": boundary} | dict(parameters or {}))
        is_8bit = any(part.is_8bit for part in parts)
        return Block([*header, "Content-Transfer-Encoding: 8bit"] if is_8bit else header, data, is_8bit)


def text(content: str, subtype: str) -> Block:
    """A text part: as it is where lines are short and ASCII, else quoted-printable or base64, whichever is shorter."""
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    crlf = "\r\n".join(lines)
    if content.isascii() and _are_plain(lines, crlf):
        return Block(mime_field("Content-Type", f"text/{subtype}", {"charset": "us-ascii"}), crlf.encode())
    encoding, encoded = encoded_text(crlf.encode("utf-8", "replace"))
    header = [*mime_field("Content-Type", f"text/{subtype}", {"charset": "utf-8"}), f"Content-Transfer-Encoding: {encoding}"]
    return Block(header, encoded)


def encoded_text(data: bytes) -> tuple[str, bytes]:
    """A text with line ends CRLF in quoted-printable or base64, whichever is shorter, and which that is."""
    # Where the text has no line end to go by, the lines that it is broken into end in LF alone.
    quoted = binascii.b2a_qp(data, istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    packed = in_base64(data)
    # A line that begins with "From " would be quoted by whoever keeps the message in an mbox file.
    if len(quoted) > len(packed) or quoted.startswith(b"From ") or b"\nFrom " in quoted:
        return "base64", packed
    return "quoted-printable", quoted


def _are_plain(lines: Sequence[str], crlf: str) -> bool:
    """Whether no relay will change lines of ASCII: short, no blank at an end, no "From " that mbox files quote, no lone dot.

    ``crlf`` is all of them, each but the last with its end: looking at a whole text costs a third of looking at each line.
    """
    return (
        max(map(len, lines)) <= _LONGEST_LINE
        and not crlf.startswith("From ")
        and "\nFrom " not in crlf
        and "." not in lines
        and not crlf.endswith((" ", "\t"))
        and " \r" not in crlf
        and "\t\r" not in crlf
        and not crlf.encode().translate(None, _ORDINARY)
    )


def file(data: bytes, media_type: str, name: str, *, inline: bool = False, content_id: str = "") -> Block:
    """A file or an image, in base64; ``content_id`` is fit for a header already.

    A message may not be encoded (RFC 2046 section 5.2.1; RFC 6532 section 3.7 makes an exception): it keeps its own lines, made to
    end in CRLF. One that mail can not carry so (NUL, endless lines) goes as a file.
    """
    media_type = media_type.lower()
    is_message = media_type.startswith("message/") and not media_type.startswith("message/global")
    lines = carried_lines(data, media_type) if is_message else []
    if not _TYPE.fullmatch(media_type) or media_type.startswith("multipart/") or (is_message and not lines):
        media_type = "application/octet-stream"
    # Who does not know RFC 2231 finds a name in ASCII in the older place; RFC 2183 section 2.3 puts the other one first.
    parameters = {"name": _fallback(name)} if name else {}
    if media_type.startswith("text/") and (charset := _charset(data)):
        parameters = {"charset": charset} | parameters
    header = mime_field("Content-Type", media_type, parameters)
    # A text that is inline is read as one more piece of the message's own, at least where nobody understands its name.
    shown = inline and media_type not in {"text/plain", "text/html"}
    header += mime_field("Content-Disposition", "inline" if shown else "attachment", {"filename": name} if name else {})
    if content_id:
        header.append(f"Content-ID: <{content_id}>")
    if lines:
        is_8bit = not data.isascii()
        return Block([*header, "Content-Transfer-Encoding: 8bit"] if is_8bit else header, b"\r\n".join(lines), is_8bit)
    return Block([*header, "Content-Transfer-Encoding: base64"], in_base64(data))


def carried_lines(data: bytes, media_type: str) -> list[bytes]:
    """The lines of what must not be encoded, or [] where mail can not carry them; only a message itself may have 8 bits."""
    lines = _RAW_LINE_END.split(data)
    carried = b"\0" not in data and (data.isascii() or media_type == "message/rfc822")
    return lines if carried and all(len(line) <= _LONGEST_RAW_LINE for line in lines) else []


def _charset(data: bytes) -> str:
    """What an attached text is in, where that can be said: without it, US-ASCII would be claimed (RFC 2046 section 4.1.2)."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return ""
    return "" if b"\0" in data else "us-ascii" if data.isascii() else "utf-8"


def _fallback(name: str) -> str:
    """A file name in plain ASCII, short, its ending kept."""
    bare = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    plain = _NOT_PLAIN.sub("_", bare).strip()
    if len(plain) <= _LONGEST_FALLBACK:
        return plain
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > 20:
        return plain[:_LONGEST_FALLBACK]
    return stem[: _LONGEST_FALLBACK - len(ending) - 1] + dot + ending


def in_base64(data: bytes) -> bytes:
    """Base64 in lines of 76 characters (RFC 2045 section 6.8)."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")
