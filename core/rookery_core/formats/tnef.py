"""What is in a winmail.dat: files and texts of a TNEF stream (MS-OXTNEF), as places in its bytes. Never raises.

Nothing is copied but names and texts, so that a file in it can be handed out as a slice of the message. The work is bounded:
attributes, properties and nesting have limits, and each level of nesting looks at each byte a bounded number of times. (The
library tnefparse gives no places, drops zero bytes at the end of files, and counts as far as a hostile stream tells it to.)
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rookery_core.formats import mime_charsets
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNATURE = b"\x78\x9f\x3e\x22"
_DEPTH_LIMIT = 10
_ATTRIBUTES_LIMIT = 20_000
_FILES_LIMIT = limits.ATTACHMENTS
_VALUES_LIMIT = 200_000
_LONGEST_NAME = 2000

# Attributes (MS-OXTNEF section 2.1.3.1); of the others, none holds what readers see.
_ATTACH_REND_DATA, _ATTACH_TITLE, _ATTACH_DATA, _ATTACHMENT = 0x9002, 0x8010, 0x800F, 0x9005
_BODY, _MESSAGE_PROPERTIES, _OEM_CODEPAGE = 0x800C, 0x9003, 0x9007

# Properties (MS-OXPROPS).
_TEXT, _HTML, _RTF, _CODEPAGE, _SUBJECT = 0x1000, 0x1013, 0x1009, 0x3FDE, 0x0037
_DATA, _FILE_NAME, _LONG_FILE_NAME, _DISPLAY_NAME = 0x3701, 0x3704, 0x3707, 0x3001
_MIME_TAG, _CONTENT_ID = 0x370E, 0x3712

_SIZES = {0x01: 0, 0x02: 4, 0x03: 4, 0x04: 4, 0x05: 8, 0x06: 8, 0x07: 8, 0x0A: 4, 0x0B: 4, 0x14: 8, 0x40: 8, 0x48: 16}
_STRING8, _UNICODE, _OBJECT, _BINARY = 0x1E, 0x1F, 0x0D, 0x102
_VARIABLE = {_STRING8, _UNICODE, _OBJECT, _BINARY}
_MANY = 0x1000
_NAMED = 0x8000
_EMBEDDED = b"\x07\x03\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46"
_INTERFACE = re.compile(
    rb"(?:\x07\x03\x02|\x0b\x00\x00|\x0c\x00\x00)\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", re.DOTALL
)
"""The id of IMessage, IStorage or IStream before an object's data; it is no part of them."""

_HEAD = struct.Struct("<BHHI")
_NUMBER = struct.Struct("<I")
_PAIR = struct.Struct("<HH")
_CODEPAGES = {65001: "utf-8", 20127: "", 28591: "iso-8859-1", 20866: "koi8-r", 21866: "koi8-u", 28605: "iso-8859-15"}


@dataclass(slots=True)
class TnefFile:
    """A file in the stream."""

    name: str = ""
    media_type: str = ""
    """As the sender says, lower case; "" where nothing is said."""
    content_id: str = ""
    offset: int = 0
    """Where its counted block begins (``counted_block``); files that have none are not given."""
    size: int = 0
    is_message: bool = False
    """A message, as a TNEF stream of its own; its files follow it."""


@dataclass(slots=True)
class Tnef:
    """What readers see of a stream."""

    text: str = ""
    html: str = ""
    rtf: bytes = b""
    """Compressed (MS-OXRTFCP)."""
    files: list[TnefFile] = field(default_factory=list)
    subject: str = ""
    is_broken: bool = False
    """Whether the stream could not be read to its end, or names files that it does not hold."""


class _Value(NamedTuple):
    """One value of a property, as a place: its counted block begins at ``offset``, its bytes four further on."""

    name: int
    kind: int
    offset: int
    end: int


class _Broken(Exception):
    """The stream says what can not be, or too much."""


@dataclass(slots=True)
class _Budget:
    """What is left of the limits, for a stream and those inside it together."""

    attributes: int = _ATTRIBUTES_LIMIT
    files: int = _FILES_LIMIT
    values: int = _VALUES_LIMIT


def read(data: bytes) -> Tnef | None:
    """Reads a stream; None for what is none. What was found before it breaks is kept."""
    if not data.startswith(SIGNATURE):
        return None
    return _Reader(data, 0, len(data), 0, _Budget()).read()


def counted_block(data: bytes, offset: int) -> bytes:
    """The bytes of a block that begins with its length in four bytes, little endian; shorter where the data end before it."""
    begin, end = _block(data, offset, len(data))
    return data[begin:end]


def _block(data: bytes, offset: int, limit: int) -> tuple[int, int]:
    if offset + 4 > limit:
        return limit, limit
    begin = offset + 4
    end = min(begin + _NUMBER.unpack_from(data, offset)[0], limit)
    if end - begin >= len(_EMBEDDED) and _INTERFACE.match(data, begin):
        begin += len(_EMBEDDED)
    return begin, end


class _Reader:
    """One stream, or one inside it: the bytes from ``start`` to ``end``."""

    def __init__(self, data: bytes, start: int, end: int, depth: int, budget: _Budget) -> None:
        self._data, self._position, self._end = data, start + 6, end
        self._depth, self._budget = depth, budget
        self._charset = ""
        self._internet_charset = ""
        self._found = Tnef()
        self._file: TnefFile | None = None

    def read(self) -> Tnef:
        try:
            for name, offset, begin, end in self._attributes():
                self._attribute(name, offset, begin, end)
        except _Broken:
            self._found.is_broken = True
        files = [file for file in self._found.files if file.offset]
        self._found.is_broken |= len(files) < len(self._found.files)
        self._found.files = files
        return self._found

    def _attributes(self) -> Iterator[tuple[int, int, int, int]]:
        """Name, place of the counted block, and the bytes of each attribute. Rubbish after the last one is passed over."""
        while self._position + _HEAD.size <= self._end:
            level, name, _, length = _HEAD.unpack_from(self._data, self._position)
            begin = self._position + _HEAD.size
            if level not in {1, 2}:
                return
            self._budget.attributes -= 1
            if self._budget.attributes < 0 or begin + length > self._end:
                raise _Broken
            yield name, begin - 4, begin, begin + length
            self._position = begin + length + 2

    def _attribute(self, name: int, offset: int, begin: int, end: int) -> None:
        if name == _ATTACH_REND_DATA:
            self._budget.files -= 1
            if self._budget.files < 0:
                raise _Broken
            self._file = TnefFile()
            self._found.files.append(self._file)
        elif name == _ATTACH_DATA and self._file is not None:
            self._file.offset, self._file.size = offset, self._size(offset)
        elif name == _ATTACH_TITLE and self._file is not None:
            self._file.name = self._file.name or self._text(begin, end, self._charset)
        elif name == _ATTACHMENT and self._file is not None:
            self._of_file(self._file, begin, end)
        elif name == _OEM_CODEPAGE and end - begin >= 4:
            self._charset = _charset(self._numeral(begin))
        elif name == _BODY:
            self._found.text = self._found.text or self._text(begin, end, self._charset)
        elif name == _MESSAGE_PROPERTIES:
            self._of_message(begin, end)

    def _of_file(self, file: TnefFile, begin: int, end: int) -> None:
        names: dict[int, str] = {}
        stream: tuple[int, int] | None = None
        for value in self._values(begin, end):
            if value.name in {_FILE_NAME, _LONG_FILE_NAME, _DISPLAY_NAME, _MIME_TAG, _CONTENT_ID}:
                names[value.name] = self._string(value)[:_LONGEST_NAME]
            elif value.name == _DATA and value.kind in {_OBJECT, _BINARY}:
                file.offset, file.size = value.offset, self._size(value.offset)
                inner, stop = _block(self._data, value.offset, self._end)
                if self._data.startswith(_EMBEDDED, value.offset + 4) and self._data.startswith(SIGNATURE, inner):
                    stream = (inner, stop)
        file.name = names.get(_LONG_FILE_NAME) or names.get(_FILE_NAME) or file.name or names.get(_DISPLAY_NAME, "")
        file.media_type = names.get(_MIME_TAG, "").strip().lower()
        file.content_id = names.get(_CONTENT_ID, "").strip("<> ")
        if stream is not None:
            self._inner_message(file, *stream)

    def _inner_message(self, file: TnefFile, begin: int, end: int) -> None:
        file.is_message = True
        if self._depth >= _DEPTH_LIMIT:
            return
        inner = _Reader(self._data, begin, end, self._depth + 1, self._budget).read()
        file.name = file.name or inner.subject
        self._found.files += inner.files
        self._found.is_broken |= inner.is_broken

    def _of_message(self, begin: int, end: int) -> None:
        values = {value.name: value for value in self._values(begin, end)}
        codepage = values.get(_CODEPAGE)
        if codepage is not None and codepage.end - codepage.offset == 8:
            self._internet_charset = _charset(self._numeral(codepage.offset + 4))
        if _TEXT in values:
            self._found.text = self._string(values[_TEXT]) or self._found.text
        if _HTML in values:
            self._found.html = self._string(values[_HTML])
        if _RTF in values:
            self._found.rtf = self._data[values[_RTF].offset + 4 : values[_RTF].end]
        if _SUBJECT in values:
            self._found.subject = self._string(values[_SUBJECT])[:_LONGEST_NAME]

    def _values(self, begin: int, end: int) -> Iterator[_Value]:
        """The values of a list of properties (MS-OXTNEF section 2.1.3.4), of each property the last one."""
        if begin + 4 > end:
            return
        count, position = self._numeral(begin), begin + 4
        for _ in range(min(count, (end - position) // 4)):
            self._count(position, end)
            kind, name = _PAIR.unpack_from(self._data, position)
            position += 4
            if name >= _NAMED:
                position = self._after_name(position, end)
            many, kind = bool(kind & _MANY), kind & ~_MANY
            repeats = 1
            if many or kind in _VARIABLE:
                repeats = self._checked(position, end)
                position += 4
            if kind not in _VARIABLE:
                yield _Value(name, kind, position - 4, position + _SIZES.get(kind, 0))
                position = self._after_fixed(kind, repeats, position, end, many=many)
                continue
            for _ in range(min(repeats, (end - position) // 4)):
                self._count(position, end)
                size = self._numeral(position)
                if position + 4 + size > end:
                    raise _Broken
                yield _Value(name, kind, position, position + 4 + size)
                position += 4 + size + -size % 4

    def _count(self, position: int, end: int) -> None:
        """Takes one value off the budget; there have to be four bytes more for it."""
        self._budget.values -= 1
        if self._budget.values < 0 or position + 4 > end:
            raise _Broken

    def _after_name(self, position: int, end: int) -> int:
        """Behind the name of a named property: a GUID, and a number or a string."""
        if self._checked(position + 16, end) == 0:
            return position + 24
        size = self._checked(position + 20, end)
        return position + 24 + size + -size % 4

    @staticmethod
    def _after_fixed(kind: int, repeats: int, position: int, end: int, *, many: bool) -> int:
        if kind not in _SIZES:
            raise _Broken
        size = 2 if many and kind in {0x02, 0x0B} else _SIZES[kind]
        position += size * repeats + -(size * repeats) % 4
        if position > end:
            raise _Broken
        return position

    def _checked(self, position: int, end: int) -> int:
        if position + 4 > end:
            raise _Broken
        return self._numeral(position)

    def _numeral(self, position: int) -> int:
        number: int = _NUMBER.unpack_from(self._data, position)[0]
        return number

    def _size(self, offset: int) -> int:
        begin, end = _block(self._data, offset, self._end)
        return end - begin

    def _string(self, value: _Value) -> str:
        begin, end = value.offset + 4, value.end
        if value.kind == _UNICODE:
            data = self._data[begin : min(end, begin + 2 * limits.BODY_BYTES)]
            return data.decode("utf-16-le", "replace").replace("\0", "").replace("\r\n", "\n")
        return self._text(begin, end, (self._internet_charset if value.kind == _BINARY else "") or self._charset)

    def _text(self, begin: int, end: int, charset: str) -> str:
        data = self._data[begin : min(end, begin + limits.BODY_BYTES)]
        return mime_charsets.decode(data, charset).replace("\r\n", "\n").replace("\r", "\n").rstrip("\0")


def _charset(codepage: int) -> str:
    return _CODEPAGES.get(codepage, f"cp{codepage}")
