"""Content lines: the syntax that iCalendar (RFC 5545 section 3.1) and vCard (RFC 6350 section 3.2) share.

A document is a tree of components, whose entries keep their order and their words: what is not edited is written again as it
was read (folded anew). That is why Rookery reads lines itself and does not build on a library's typed components, which sort,
regroup and convert. Reading is lenient and takes time linear in the bytes; nothing here raises on any bytes.
"""

from __future__ import annotations

import codecs
import dataclasses
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLD_OCTETS = 75
MAX_DEPTH = 16
"""Components nested deeper are left out."""

_HEAD = re.compile(r'((?:[^":]++|"[^"]*+")*+):', re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_BROKEN_LINES = re.compile(rb"\r*\n")
_UNWANTED = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_CARET = re.compile(r"\^[n'^]")
_CARETS = {"^n": "\n", "^'": '"', "^^": "^"}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclasses.dataclass(slots=True)
class Line:
    """One property: name and parameter names in capitals, parameter values unquoted (RFC 6868), the value as it is written."""

    name: str
    value: str
    params: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    group: str = ""
    text: str = ""
    """The line as it was read, unfolded; empty for lines that were made or changed here."""

    def param(self, name: str) -> str:
        """The first value of a parameter, or ""."""
        values = self.params.get(name)
        return values[0] if values else ""

    def written(self) -> str:
        """The line to write, unfolded."""
        return self.text or self._composed()

    def _composed(self) -> str:
        head = f"{self.group}.{self.name}" if self.group else self.name
        for name, values in self.params.items():
            if values:
                head += f";{name}=" + ",".join(_quoted(value) for value in values)
        return f"{head}:{clean(self.value)}"


@dataclasses.dataclass(slots=True)
class Component:
    """BEGIN to END: lines and components in the order in which they came."""

    name: str
    entries: list[Line | Component] = dataclasses.field(default_factory=list)
    closed: bool = True
    """False if the document ended before the component did."""

    def lines(self, *names: str) -> Iterator[Line]:
        """Its own properties, all or those of the names."""
        for entry in self.entries:
            if isinstance(entry, Line) and (not names or entry.name in names):
                yield entry

    def first(self, *names: str) -> Line | None:
        """The first property of the names, tried in their order; empty ones do not count."""
        for name in names:
            for line in self.lines(name):
                if line.value.strip():
                    return line
        return None

    def components(self, *names: str) -> Iterator[Component]:
        """The components right below it, all or those of the names."""
        for entry in self.entries:
            if isinstance(entry, Component) and (not names or entry.name in names):
                yield entry

    def walk(self) -> Iterator[Component]:
        """It and all components below it."""
        yield self
        for child in self.components():
            yield from child.walk()

    def replace(self, owned: Callable[[Line], bool], lines: Iterable[Line]) -> None:
        """Puts lines where the first owned property stood, else before the first component; owned ones not among them go."""
        place = next((i for i, entry in enumerate(self.entries) if isinstance(entry, Line) and owned(entry)), None)
        if place is None:
            place = next((i for i, entry in enumerate(self.entries) if isinstance(entry, Component)), len(self.entries))
        kept: list[Line | Component] = [e for e in self.entries[place:] if isinstance(e, Component) or not owned(e)]
        self.entries[place:] = [*lines, *kept]


def read(data: bytes) -> tuple[list[Component], list[str]]:
    """The components of a document and, in words, what had to be left out (at most 20 notes)."""
    notes: list[str] = []
    roots: list[Component] = []
    stack: list[Component] = []
    deeper = 0
    for text in _logical_lines(data):
        line = _parsed(text)
        if line is None:
            _note(notes, f"“{text[:40]}” is no property")
        elif line.name == "BEGIN":
            if len(stack) >= MAX_DEPTH or deeper:
                deeper += 1
                _note(notes, f"{line.value[:40]} lies too deep")
            else:
                component = Component(line.value.strip().upper(), closed=False)
                (stack[-1].entries if stack else roots).append(component)
                stack.append(component)
        elif line.name == "END":
            if deeper:
                deeper -= 1
            else:
                _close(stack, line.value.strip().upper(), notes)
        elif stack and not deeper:
            stack[-1].entries.append(line)
        elif not stack:
            _note(notes, f"“{text[:40]}” stands outside of any component")
    return roots, notes


def _close(stack: list[Component], name: str, notes: list[str]) -> None:
    if name not in [component.name for component in stack]:
        _note(notes, f"END:{name[:40]} without BEGIN")
        return
    while stack:
        component = stack.pop()
        component.closed = component.name == name
        if component.closed:
            return
        _note(notes, f"{component.name[:40]} has no END")


def _note(notes: list[str], note: str) -> None:
    if len(notes) < 20:
        notes.append(note)


def write(components: Iterable[Component]) -> bytes:
    """The document: CRLF, folded at 75 octets between characters, UTF-8 without a mark."""
    out: list[bytes] = []
    for component in components:
        _write(component, out)
    return b"".join(out)


def _write(component: Component, out: list[bytes]) -> None:
    out.append(f"BEGIN:{component.name}\r\n".encode())
    for entry in component.entries:
        if isinstance(entry, Line):
            out.append(folded(entry.written()))
        else:
            _write(entry, out)
    out.append(f"END:{component.name}\r\n".encode())


def folded(text: str) -> bytes:
    """A line folded (RFC 5545 section 3.1), ended by CRLF; no UTF-8 sequence is cut."""
    data = text.encode("utf-8", "replace")
    if len(data) <= FOLD_OCTETS:
        return data + b"\r\n"
    parts = []
    start, room = 0, FOLD_OCTETS
    while len(data) - start > room:
        end = start + room
        while data[end] & 0xC0 == 0x80:
            end -= 1
        parts.append(data[start:end])
        start, room = end, FOLD_OCTETS - 1
    parts.append(data[start:])
    return b"\r\n ".join(parts) + b"\r\n"


def _logical_lines(data: bytes) -> Iterator[str]:
    """Unfolded lines as text. Folds are undone on bytes, for old producers folded within characters."""
    for mark, charset in _MARKS:
        if data.startswith(mark):
            data = data[len(mark) :]
            data = data if charset == "utf-8" else data.decode(charset, "replace").encode("utf-8", "replace")
            break
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    parts: list[bytes] = []
    soft = False
    for physical in _BROKEN_LINES.split(data):
        if soft:
            parts[-1] = parts[-1][:-1]
            parts.append(physical.lstrip(b" \t"))
        elif physical[:1] in (b" ", b"\t") and parts:
            parts.append(physical[1:])
        elif physical:
            if parts:
                yield _text(parts)
            parts = [physical]
            quoted = _is_quoted_printable(physical)
        else:
            continue
        soft = quoted and physical.endswith(b"=")
    if parts:
        yield _text(parts)


def _is_quoted_printable(line: bytes) -> bool:
    return b"QUOTED-PRINTABLE" in line.partition(b":")[0].upper()


def _text(parts: list[bytes]) -> str:
    line = b"".join(parts)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode(_charset(line), "replace")
    return _UNWANTED.sub(lambda match: " " if match[0] == "\r" else "", text)


def _charset(line: bytes) -> str:
    """The charset of a line that is no UTF-8: as a vCard 2.1 line says itself, else Windows-1252."""
    match = re.search(rb";CHARSET=\"?([\w.:-]{1,40})", line[:400], re.IGNORECASE)
    return known_charset(match[1].decode("ascii", "replace")) if match else "windows-1252"


def known_charset(name: str) -> str:
    """The name of a text codec, Windows-1252 in place of an unknown one."""
    try:
        "".encode(name)
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return "windows-1252"


def _parsed(text: str) -> Line | None:
    match = _HEAD.match(text)
    if match:
        head, value = match[1], text[match.end() :]
    else:
        head, colon, value = text.partition(":")
        if not colon and ";" not in head:
            return None
    first, *rest = split(head, ";", quotes=True)
    name = "".join(first.split())
    group, dot, bare = name.rpartition(".")
    if not _NAME.match(bare) or (dot and not _NAME.match(group)):
        return None
    return Line(bare.upper(), value, _params(rest), group, text=f"{text}:" if not match and ":" not in text else text)


def _params(parts: list[str]) -> dict[str, list[str]]:
    """Parameters by name; the nameless ones of vCard 2.1 under ""."""
    params: dict[str, list[str]] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals:
            name, value = "", part
        values = params.setdefault(name.strip().upper(), [])
        for word in split(value, ",", quotes=True):
            word = word.strip()  # noqa: PLW2901
            if len(word) > 1 and word[0] == word[-1] == '"':
                word = word[1:-1]  # noqa: PLW2901
            if word:
                values.append(_CARET.sub(lambda match: _CARETS[match[0]], word))
    return {name: values for name, values in params.items() if values}


def _quoted(value: str) -> str:
    """A parameter value, escaped by RFC 6868 and quoted where it must be."""
    value = value.replace("^", "^^").replace("\r\n", "^n").replace("\n", "^n").replace('"', "^'")
    value = _UNWANTED.sub("", value)
    return f'"{value}"' if re.search(r"[,:;]|\A\s|\s\Z", value) else value


def split(value: str, separator: str, *, quotes: bool = False) -> list[str]:
    """The parts between separators that are not escaped by a backslash or, on demand, within double quotes."""
    if separator not in value:
        return [value]
    token = rf'"[^"]*"|[^{separator}]' if quotes else rf"\\.|[^{separator}]"
    parts, start = [], 0
    for match in re.finditer(rf"(?:{token})*+", value, re.DOTALL):
        if match.start() < start:
            continue
        parts.append(match[0])
        start = match.end() + 1
    return parts


def escaped(text: str) -> str:
    """TEXT as it is written (RFC 5545 section 3.3.11, RFC 6350 section 3.4)."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return clean(text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n"))


def unescaped(value: str) -> str:
    """The text of a TEXT value; a backslash before any other character counts for nothing, as old producers meant it."""
    return _ESCAPE.sub(lambda match: "\n" if match[1] in "nN" else match[1], value)


def clean(text: str) -> str:
    """The text without control characters and half surrogates, which no document may hold; line breaks become spaces."""
    text = _UNWANTED.sub("", text.replace("\n", " "))
    return text.encode("utf-8", "replace").decode() if not text.isascii() else text
