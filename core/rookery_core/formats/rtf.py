"""Rich Text as older Outlooks send it: unpacked (MS-OXRTFCP), and as plain text. Never raises."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from rookery_core.formats import mime_charsets
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER = struct.Struct("<IIII")
_COMPRESSED, _PLAIN = 0x75465A4C, 0x414C454D
_DICTIONARY = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier"
    b"{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096


def decompressed(data: bytes) -> bytes:
    """The RTF in a PidTagRtfCompressed (MS-OXRTFCP section 2.2), at most 4 MiB; b"" for what is none."""
    if len(data) < _HEADER.size:
        return b""
    _, size, kind, _ = _HEADER.unpack_from(data)
    if kind == _PLAIN:
        return data[_HEADER.size : _HEADER.size + min(size, limits.BODY_BYTES)]
    return _unpacked(data, min(size, limits.BODY_BYTES)) if kind == _COMPRESSED else b""


def _unpacked(data: bytes, most: int) -> bytes:
    """LZFu: a control byte, whose bits tell literals from references into the last 4,096 bytes, then eight of those."""
    out = bytearray(_DICTIONARY)
    begin = len(out)
    position = _HEADER.size
    while position < len(data) and len(out) - begin < most:
        control = data[position]
        position += 1
        for bit in range(8):
            if control >> bit & 1:
                if position + 2 > len(data):
                    return bytes(out[begin : begin + most])
                reference = data[position] << 8 | data[position + 1]
                position += 2
                back = (len(out) - (reference >> 4)) % _WINDOW or _WINDOW
                if (reference >> 4) == len(out) % _WINDOW:  # the mark of the end
                    return bytes(out[begin : begin + most])
                for _ in range((reference & 15) + 2):
                    out.append(out[-back] if back <= len(out) else 0x20)
            elif position < len(data):
                out.append(data[position])
                position += 1
    return bytes(out[begin : begin + most])


_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)|\\", re.DOTALL
)
_HIDDEN = {
    b"fonttbl", b"colortbl", b"stylesheet", b"info", b"pict", b"object", b"header", b"footer", b"footnote", b"themedata",
    b"xmlnstbl", b"listtable", b"listoverridetable", b"rsidtbl", b"generator", b"datastore", b"latentstyles",
    b"fldinst", b"filetbl", b"htmltag", b"mhtmltag", b"pntext", b"bkmkstart", b"bkmkend",
}  # fmt: skip
_LETTERS = {
    b"par": "\n", b"line": "\n", b"sect": "\n", b"page": "\n", b"row": "\n", b"tab": "\t", b"cell": "\t", b"emdash": "—",
    b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“", b"rdblquote": "”", b"bullet": "•", b"emspace": " ",
    b"enspace": " ",
}  # fmt: skip
_SYMBOLS = {b"~": "\u00a0", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}", b"\n": "\n", b"\r": "\n"}
_DEPTH_LIMIT = 1000


def text_of(source: bytes) -> str:
    """What RTF says as plain text, line ends LF; "" for what is no RTF. Formatting, images and RTF's own copy of HTML go."""
    return _Reader().read(source) if source.startswith(b"{\\rtf") else ""


class _Reader:
    """One document on its way through its tokens."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._pending = bytearray()
        self._charset = "cp1252"
        self._hidden = False
        self._after_unicode = 1
        self._skip = 0
        self._stack: list[tuple[bool, int]] = []
        self._words: dict[bytes, Callable[[int], None]] = {b"ansicpg": self._codepage, b"uc": self._fallback, b"u": self._unicode}

    def read(self, source: bytes) -> str:
        fresh = starred = False
        for match in _TOKEN.finditer(source):
            word, number, code, symbol, brace, text = match.groups()
            if brace:
                self._brace(brace)
            elif word:
                self._word(word, number, hide=(fresh or starred) and (starred or word in _HIDDEN))
            elif code:
                self._bytes(bytes.fromhex(code.decode("ascii")))
            elif text:
                self._bytes(text)
            elif symbol in _SYMBOLS:
                self._text(_SYMBOLS[symbol])
            starred = fresh and symbol == b"*"
            fresh = brace == b"{" or starred
        self._flush()
        text = "".join(self._out).replace("\0", "").strip("\n")
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _brace(self, brace: bytes) -> None:
        self._flush()
        if brace == b"{" and len(self._stack) < _DEPTH_LIMIT:
            self._stack.append((self._hidden, self._after_unicode))
        elif brace == b"}" and self._stack:
            self._hidden, self._after_unicode = self._stack.pop()

    def _word(self, word: bytes, number: bytes | None, *, hide: bool) -> None:
        if hide:
            self._hidden = True
        elif word in self._words:
            self._words[word](int(number or 0))
        elif word in _LETTERS:
            self._text(_LETTERS[word])

    def _codepage(self, number: int) -> None:
        self._charset = "utf-8" if number == 65001 else f"cp{number}"

    def _fallback(self, number: int) -> None:
        self._after_unicode = min(max(number, 0), 100)

    def _unicode(self, number: int) -> None:
        """A character by its number, signed 16 bits; surrogates come one after the other, and are put together at the end."""
        self._text((number % 0x10000).to_bytes(2, "little").decode("utf-16-le", "surrogatepass"))
        self._skip = self._after_unicode

    def _bytes(self, data: bytes) -> None:
        passed = min(self._skip, len(data))
        self._skip -= passed
        if not self._hidden:
            self._pending += data[passed:]

    def _text(self, text: str) -> None:
        self._flush()
        if not self._hidden:
            self._out.append(text)

    def _flush(self) -> None:
        if self._pending:
            self._out.append(mime_charsets.decode(bytes(self._pending), self._charset))
            self._pending.clear()
