"""Units for single properties of a card: texts, dates, photo, and those that other programs call by names of their own."""

from __future__ import annotations

import binascii
import dataclasses
import re
from typing import TYPE_CHECKING

from rookery.v1.contact_pb2 import PartialDate, Photo
from rookery_core.formats.contentlines import Line, escaped, split, unescaped
from rookery_core.formats.item_record import Unit
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rookery_core.formats.contentlines import Component
    from rookery_core.formats.item_record import ItemRecord

V3, V4 = "3.0", "4.0"

_DATE = re.compile(
    r"(\d{4})-?(\d{2})-?(\d{2})(?:\D.*)?\Z|(\d{4})(?:-(\d{2}))?\Z|--(\d{2})(?:-?(\d{2}))?(?:T.*)?\Z|---(\d{2})\Z", re.ASCII
)
_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*?;base64\\?,", re.IGNORECASE | re.ASCII)
_MAGIC = (
    (b"\xff\xd8", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*", "image/tiff"),
)


class Card:
    """A card's lines as the fields see them: by name, or by what Apple's labels (X-ABLabel, in a line's group) make of them."""

    def __init__(self, component: Component) -> None:
        self.component = component
        version = component.first("VERSION")
        self.version = V3 if version and version.value.strip() == V3 else V4
        self._labels = {line.group: _label(line.value) for line in component.lines("X-ABLABEL") if line.group}

    def label(self, line: Line) -> str:
        """The label of a line's group in lower case, e.g. "spouse"; "" without one."""
        return self._labels.get(line.group, "") if line.group else ""

    def lines(self, property_: Names) -> Iterator[Line]:
        """The lines that hold something of the kind, the best name first."""
        for name in property_.names:
            yield from (line for line in self.component.lines(name) if line.value.strip())
        yield from (line for line in self.component.lines(*property_.labelled) if self._labels_it(line, property_))

    def owns(self, property_: Names) -> Callable[[Line], bool]:
        """Whether a line holds something of the kind."""
        return lambda line: line.name in property_.names or (line.name in property_.labelled and self._labels_it(line, property_))

    def _labels_it(self, line: Line, property_: Names) -> bool:
        return self.label(line) in property_.labels or bool(types(line) & {label.upper() for label in property_.labels})

    def drop_loose_labels(self) -> None:
        """Takes away labels whose property is gone."""
        named = {line.group for line in self.component.lines() if not line.name.startswith("X-AB")}
        named |= {line.group for line in self.component.lines("X-ABDATE", "X-ABRELATEDNAMES")}
        self.component.replace(
            lambda line: line.name in ("X-ABLABEL", "X-ABADR") and bool(line.group) and line.group not in named, []
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """Where a field may stand: under names, the first being the one to write; or under general names with a label or TYPE."""

    names: tuple[str, ...]
    labelled: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


_RELATED = ("X-ABRELATEDNAMES", "RELATED")
NICKNAME = Names(("NICKNAME",))
PHONETIC_GIVEN = Names(("X-PHONETIC-FIRST-NAME",))
PHONETIC_FAMILY = Names(("X-PHONETIC-LAST-NAME",))
TITLE = Names(("TITLE",))
ROLE = Names(("ROLE",))
OFFICE = Names(("X-ROOKERY-OFFICE", "X-EVOLUTION-OFFICE", "X-KADDRESSBOOK-X-OFFICE"))
MANAGER = Names(("X-MANAGER", "X-MS-MANAGER", "X-EVOLUTION-MANAGER", "X-KADDRESSBOOK-X-MANAGERSNAME"), _RELATED, ("manager",))
ASSISTANT = Names(
    ("X-ASSISTANT", "X-MS-ASSISTANT", "X-EVOLUTION-ASSISTANT", "X-KADDRESSBOOK-X-ASSISTANTSNAME"), _RELATED, ("assistant",)
)
SPOUSE = Names(("X-SPOUSE", "X-MS-SPOUSE", "X-EVOLUTION-SPOUSE", "X-KADDRESSBOOK-X-SPOUSENAME"), _RELATED, ("spouse",))
BIRTHDAY = Names(("BDAY",))
ANNIVERSARY = Names(
    ("ANNIVERSARY", "X-ANNIVERSARY", "X-MS-ANNIVERSARY", "X-EVOLUTION-ANNIVERSARY", "X-KADDRESSBOOK-X-ANNIVERSARY"),
    ("X-ABDATE",),
    ("anniversary",),
)
ANNIVERSARY_V3 = dataclasses.replace(ANNIVERSARY, names=("X-ANNIVERSARY", *(n for n in ANNIVERSARY.names if n != "X-ANNIVERSARY")))
FILE_AS = Names(("SORT-STRING", "X-EVOLUTION-FILE-AS", "X-FILE-AS"))


def _label(value: str) -> str:
    return re.sub(r"\A_\$!<(.*)>!\$_\Z", r"\1", unescaped(value.strip())).lower()


def types(line: Line) -> set[str]:
    """The words of TYPE, in capitals; a quoted list counts as its words."""
    return {word.strip().upper() for value in line.params.get("TYPE", []) for word in value.split(",") if word.strip()}


def listed(value: str, joint: str = ", ") -> str:
    """The text of a value that may be a list."""
    return joint.join(part for part in (unescaped(part).strip() for part in split(value, ",")) if part)


def first_text(card: Card, property_: Names) -> str:
    """The text of the first line of the kind."""
    line = next(card.lines(property_), None)
    if line is None:
        return ""
    return listed(line.value) if property_ is NICKNAME else unescaped(line.value).strip()


def text_unit(card: Card, property_: Names, view: Callable[[ItemRecord], str]) -> Unit:
    """A unit for a text. The line that held it keeps its name and its parameters."""

    def lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        value = view(record)
        if not value:
            return []
        read = list(card.lines(property_))
        if not read:
            return [Line(property_.names[0], escaped(value))]
        first = read[0]
        return [Line(first.name, escaped(value), first.params, first.group), *read[1:]]

    return Unit(card.owns(property_), view, lines)


def partial_date(line: Line) -> PartialDate | None:
    """A date of a life (RFC 6350 section 4.3.1; Apple leaves out a year by X-APPLE-OMIT-YEAR); None if it is none."""
    match = _DATE.match(line.value.strip())
    if not match:
        return None
    groups = [int(group or 0) for group in match.groups()]
    date = PartialDate(
        year=groups[0] or groups[3], month=groups[1] or groups[4] or groups[5], day=groups[2] or groups[6] or groups[7]
    )
    if date.year and str(date.year) == line.param("X-APPLE-OMIT-YEAR"):
        date.year = 0
    return date if date.month <= 12 and date.day <= 31 and date != PartialDate() else None


def first_date(card: Card, property_: Names) -> PartialDate | None:
    """The date of the first line of the kind that is one."""
    return next((date for date in map(partial_date, card.lines(property_)) if date), None)


def date_unit(card: Card, property_: Names, view: Callable[[ItemRecord], PartialDate | None]) -> Unit:
    """A unit for a date. Only the line that held it is replaced."""

    def lines(record: ItemRecord, _old: Sequence[Line]) -> list[Line]:
        date = view(record)
        if date is None:
            return []
        read = list(card.lines(property_))
        first = next((line for line in read if partial_date(line)), None)
        made = Line(first.name if first else property_.names[0], _date_text(date, card.version), {}, first.group if first else "")
        return [made, *(line for line in read if line is not first)]

    return Unit(card.owns(property_), view, lines)


def _date_text(date: PartialDate, version: str) -> str:
    dash = "" if version == V4 else "-"
    if date.year:
        if date.month:
            return f"{date.year:04}{dash}{date.month:02}{dash}{date.day:02}" if date.day else f"{date.year:04}-{date.month:02}"
        return f"{date.year:04}"
    if date.month:
        return f"--{date.month:02}{dash}{date.day:02}" if date.day else f"--{date.month:02}"
    return f"---{date.day:02}"


def uri(value: str) -> str:
    """A URI; old producers escaped its colons and commas."""
    return re.sub(r"\\([:;,])", r"\1", value.strip())


def photo(line: Line) -> Photo | None:
    """A PHOTO: bytes within, as ENCODING=b or a data: URI, or a link; None for what is neither or larger than 512 KiB."""
    match = _DATA.match(line.value)
    if match or line.param("ENCODING").upper() in ("B", "BASE64"):
        data = _base64(line.value[match.end() :] if match else line.value)
        declared = (match[1] if match else "") or line.param("MEDIATYPE") or _image_type(line)
        if not data or len(data) > limits.PHOTO_BYTES:
            return None
        return Photo(media_type=(declared or _sniffed(data)).lower(), data=data)
    link = uri(line.value)
    return Photo(media_type=line.param("MEDIATYPE").lower(), url=link) if re.match(r"[A-Za-z][\w+.-]*:\S+\Z", link) else None


def photo_line(value: Photo, version: str) -> Line:
    """The PHOTO of a card."""
    media_type = value.media_type or _sniffed(value.data)
    if not value.data:
        return Line("PHOTO", value.url, {"VALUE": ["uri"], "MEDIATYPE": [value.media_type] if value.media_type else []})
    encoded = binascii.b2a_base64(value.data, newline=False).decode("ascii")
    if version == V4:
        return Line("PHOTO", f"data:{media_type};base64,{encoded}")
    return Line("PHOTO", encoded, {"ENCODING": ["b"], "TYPE": [media_type.removeprefix("image/").upper()]})


def _image_type(line: Line) -> str:
    words = types(line) - {"WORK", "HOME", "PREF"}
    word = min(words, default="").lower()
    return {"": "", "jpg": "image/jpeg"}.get(word, word if "/" in word else f"image/{word}")


def _sniffed(data: bytes) -> str:
    return next((media_type for magic, media_type in _MAGIC if data.startswith(magic)), "application/octet-stream")


def _base64(value: str) -> bytes:
    text = "".join(value.split())
    if not re.fullmatch(r"[A-Za-z0-9+/]*=*", text, re.ASCII):
        return b""
    try:
        return binascii.a2b_base64(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        return b""
