"""vCard 2.1 as vCard 3.0: nameless parameters, quoted-printable, charsets, unescaped commas.

Lines of that kind also stand in cards that say 3.0; they are read the same way.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from rookery_core.formats.contentlines import Component, Line, escaped, known_charset, split, unescaped

if TYPE_CHECKING:
    from collections.abc import Callable

_ENCODINGS = ("QUOTED-PRINTABLE", "BASE64", "B", "8BIT", "7BIT")
_VALUES = ("URL", "URI", "INLINE", "CONTENT-ID", "CID")
_STRUCTURED = ("N", "ADR", "ORG")
_LISTS = ("CATEGORIES",)
_TEXTS = ("FN", "NOTE", "TITLE", "ROLE", "LABEL", "NICKNAME", "MAILER", "TEL", "EMAIL")


def modern(card: Component) -> Component:
    """The card as vCard 3.0 or 4.0. Lines that say nothing in the old way keep their words."""
    version = card.first("VERSION")
    old = version is None or version.value.strip() not in ("3.0", "4.0")
    entries: list[Line | Component] = [Line("VERSION", "3.0")] if old else []
    for entry in card.entries:
        if isinstance(entry, Component):
            entries.append(modern(entry) if entry.name == "VCARD" else entry)
        elif not (old and entry.name == "VERSION"):
            entries.append(_modern_line(entry, old))
    return Component(card.name, entries, card.closed)


def is_modern(card: Component) -> bool:
    """Whether it says that it is vCard 3.0 or 4.0."""
    version = card.first("VERSION")
    return version is not None and version.value.strip() in ("3.0", "4.0")


def _modern_line(line: Line, old: bool) -> Line:
    params = {name: list(values) for name, values in line.params.items() if name}
    for word in line.params.get("", []):
        upper = word.upper()
        name = "ENCODING" if upper in _ENCODINGS else "VALUE" if upper in _VALUES else "TYPE"
        params.setdefault(name, []).append(word)
    encoding = next((word.upper() for word in params.get("ENCODING", [])), "")
    if not old and "" not in line.params and encoding not in ("QUOTED-PRINTABLE", "BASE64"):
        return line
    charset = next(iter(params.pop("CHARSET", [])), "utf-8")
    params.pop("ENCODING", None)
    if encoding in ("BASE64", "B"):
        params["ENCODING"] = ["b"]
        return Line(line.name, "".join(line.value.split()), params, line.group)
    value = _unquoted(line.value, charset) if encoding == "QUOTED-PRINTABLE" else line.value
    rewritten = old or encoding == "QUOTED-PRINTABLE"
    return Line(line.name, _modern_value(line.name, value) if rewritten else value, params, line.group)


def _modern_value(name: str, value: str) -> str:
    if name in _STRUCTURED:
        return _each(value, ";", lambda part: escaped(unescaped(part)))
    if name in _LISTS:
        return _each(value.replace(";", ","), ",", lambda part: escaped(unescaped(part)))
    if name in _TEXTS:
        return escaped(unescaped(value))
    return value.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")


def _each(value: str, separator: str, change: Callable[[str], str]) -> str:
    return separator.join(change(part) for part in split(value, separator))


def _unquoted(value: str, charset: str) -> str:
    data = binascii.a2b_qp(value.encode("utf-8", "replace"))
    for name in (known_charset(charset), "utf-8"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    return data.decode("windows-1252", "replace")
