"""Address lists of message headers (RFC 5322 section 3.4, with the obsolete forms and what senders write). Never raises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rookery.v1.person_pb2 import Person
from rookery_core.formats.mime_headers import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIMPLE = re.compile(r'(?:"([^"\\]{0,200})"|([^"()<>,;:\\@]{0,200}))[ \t]*<([^\s"()<>,;:\\@]{1,64}@[^\s"()<>,;:\\@]{1,255})>')
_BARE = re.compile(r'[^\s"()<>,;:\\@]{1,64}@[^\s"()<>,;:\\@]{1,255}')
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?+|[()<>,;:]|\\.|[^"()<>,;:\\]++|\\', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"\s+")
_NAME_LIMIT = 1000
_ADDRESS_LIMIT = 1000


def parse_addresses(text: str, limit: int) -> list[Person]:
    """The people of an address list, at most ``limit``; groups give their members.

    An empty group ("undisclosed-recipients:;") gives a person with a name and no address, so that readers see it. ``text`` is
    the unfolded field with encoded words still in it: they are decoded after the structure is known, so that a comma inside a
    name separates nobody.
    """
    simple = _SIMPLE.fullmatch(text)
    if simple:
        return [_person(simple[1] if simple[1] is not None else simple[2], simple[3])]
    if _BARE.fullmatch(text):
        return [_person("", text)]
    if (plain := _plain_list(text, limit)) is not None:
        return plain
    people: list[Person] = []
    for person in _List(text).people():
        people.append(person)
        if len(people) >= limit:
            break
    return people


def _plain_list(text: str, limit: int) -> list[Person] | None:
    """The people of a list in which all have the usual form, or None. Nearly every list is one, and takes half as long so."""
    people: list[Person] = []
    for piece in text.split(",", limit)[:limit]:
        simple = _SIMPLE.fullmatch(piece.strip())
        if simple is None:
            return None
        people.append(_person(simple[1] if simple[1] is not None else simple[2], simple[3]))
    return people


class _List:
    """One address list on its way through the tokens; each mark is looked at once."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.finditer(text)
        self._depth = 0
        self._begin()
        self._group: str | None = None
        self._members = 0

    def _begin(self) -> None:
        self._words: list[str] = []
        self._comment: list[str] = []
        self._angle: list[str] | None = None
        self._inside = False

    def people(self) -> Iterator[Person]:
        for match in self._tokens:
            mark = match[0]
            if self._depth or mark in "()":
                self._comments(mark)
            elif self._inside and mark not in ">,":
                self._address(mark)
            elif mark in "<>":
                self._brackets(mark)
            elif mark == ":":
                self._group, self._members = decode_words(_plain(self._words)).strip(), 0
                self._begin()
            elif mark in ",;":
                yield from self._end(closes=mark == ";")
            else:
                self._words.append(mark)
        yield from self._end(closes=True)

    def _comments(self, mark: str) -> None:
        if mark == "(":
            self._depth += 1
            if self._depth == 1:
                return
        elif mark == ")":
            self._depth = max(0, self._depth - 1)
            if self._depth == 0:
                return
        self._comment.append(mark)

    def _brackets(self, mark: str) -> None:
        self._inside = mark == "<"
        if self._inside and self._angle is None:
            self._angle = []

    def _address(self, mark: str) -> None:
        if self._angle is not None:
            self._angle.append(mark if mark.startswith('"') else _BLANKS.sub("", mark))

    def _end(self, *, closes: bool) -> Iterator[Person]:
        """Gives what stands between two separators; ``closes``: a group ends here too."""
        if self._angle is not None:
            address = "".join(self._angle)
            before, colon, after = address.partition(":")
            if colon and '"' not in before:
                # A source route (RFC 5322 section 4.4), or a group's name that a relay has put into brackets.
                address = after if before.startswith("@") else before
            name = _plain(self._words) or _plain(self._comment)
            found = [_person(name, address)] if address or name.strip() else []
        else:
            found = _without_brackets(self._words, self._comment)
        self._begin()
        if self._group is not None:
            found = [person for person in found if person.address or person.name != self._group]
            self._members += len(found)
            if closes and not self._members and self._group:
                yield Person(name=self._group[:_NAME_LIMIT])
        yield from found
        if closes:
            self._group = None


def _without_brackets(words: list[str], comment: list[str]) -> list[Person]:
    """``user@host``, ``user@host (Name)``, ``Name user@host``, ``a@b c@d``, ``user @ host . example``, or a name alone."""
    text = "".join(words).strip()
    if '"@' in text:
        address = "".join(word if word.startswith('"') else _BLANKS.sub("", word) for word in words)
        return [_person(_plain(comment), address)]
    parts = _plain(words).split()
    addresses = [part for part in parts if "@" in part]
    if not addresses:
        return [_person(" ".join(parts), "")] if parts else []
    if any(part[0] in ".@" or part[-1] in ".@" for part in parts):
        return [_person(_plain(comment), "".join(parts))]
    if len(addresses) == 1:
        name = " ".join(part for part in parts if part is not addresses[0])
        return [_person(name or _plain(comment), addresses[0])]
    return [_person("", address) for address in addresses]


def _plain(words: list[str]) -> str:
    """Words and quoted strings as text, the quoting undone."""
    out = []
    for word in words:
        if word.startswith('"'):
            inner = word[1:-1] if len(word) > 1 and word.endswith('"') else word[1:]
            out.append(_QUOTED_PAIR.sub(r"\1", inner))
        else:
            out.append(word.removeprefix("\\"))
    return "".join(out)


def _person(name: str, address: str) -> Person:
    """Decodes and cleans: name on one line, the address without blanks, its domain in lower case."""
    name = " ".join(decode_words(name).split()) if name else ""
    if len(name) > 1 and name[0] == name[-1] and name[0] in "'\"":
        name = name[1:-1].strip()
    name = name.removesuffix(":;")
    if "=?" in address:
        address = decode_words(address)
    local, at, domain = address.strip().rpartition("@")
    if not at:
        return Person(name=(name or domain)[:_NAME_LIMIT], address="")
    return Person(name=name[:_NAME_LIMIT], address=f"{local}@{domain.strip().lower()}"[:_ADDRESS_LIMIT])
