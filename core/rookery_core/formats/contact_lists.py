"""What a card may hold many of: e-mail addresses, telephone numbers, postal addresses, links, instant messaging."""

from __future__ import annotations

import collections
import dataclasses
import re
from typing import TYPE_CHECKING, Generic, TypeVar

from rookery.v1.contact_pb2 import ContactAddress, ContactContext, ContactEmail, ContactPhone, PhoneKind
from rookery_core.formats.contact_units import V4, Card, types, uri
from rookery_core.formats.contentlines import Line, escaped, split, unescaped
from rookery_core.rules import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_CONTEXTS = {
    "WORK": ContactContext.CONTACT_CONTEXT_WORK,
    "HOME": ContactContext.CONTACT_CONTEXT_HOME,
    "OTHER": ContactContext.CONTACT_CONTEXT_OTHER,
}
_KINDS = {
    "FAX": PhoneKind.PHONE_KIND_FAX,
    "PAGER": PhoneKind.PHONE_KIND_PAGER,
    "CAR": PhoneKind.PHONE_KIND_CAR,
    "CELL": PhoneKind.PHONE_KIND_MOBILE,
    "IPHONE": PhoneKind.PHONE_KIND_MOBILE,
    "X-ASSISTANT": PhoneKind.PHONE_KIND_ASSISTANT,
    "ASSISTANT": PhoneKind.PHONE_KIND_ASSISTANT,
    "MAIN": PhoneKind.PHONE_KIND_MAIN,
    "MAIN-NUMBER": PhoneKind.PHONE_KIND_MAIN,
    "X-OTHER": PhoneKind.PHONE_KIND_OTHER,
    "ISDN": PhoneKind.PHONE_KIND_OTHER,
    "MODEM": PhoneKind.PHONE_KIND_OTHER,
    "BBS": PhoneKind.PHONE_KIND_OTHER,
    "TELEX": PhoneKind.PHONE_KIND_OTHER,
    "TEXTPHONE": PhoneKind.PHONE_KIND_OTHER,
    "TTY-TDD": PhoneKind.PHONE_KIND_OTHER,
    "VOICE": PhoneKind.PHONE_KIND_VOICE,
}
"""Words of TYPE, the one that decides first."""
_MESSENGERS = {
    "X-AIM": "aim",
    "X-GOOGLE-TALK": "gtalk",
    "X-GTALK": "gtalk",
    "X-ICQ": "icq",
    "X-JABBER": "xmpp",
    "X-MSN": "msnim",
    "X-QQ": "qq",
    "X-SKYPE": "skype",
    "X-SKYPE-USERNAME": "skype",
    "X-YAHOO": "ymsgr",
    "X-MS-IMADDRESS": "",
}
MESSENGERS = ("IMPP", *_MESSENGERS)

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """An entry of a card and the lines that hold it."""

    value: T
    lines: list[Line]


def merged(
    wanted: Iterable[T], held: Sequence[Held[T]], key: Callable[[T], str], compose: Callable[[T, Line | None], list[Line]]
) -> list[Line]:
    """The lines for a list of entries: unchanged ones keep theirs, changed ones (of the same key) keep what no field holds."""
    left = list(held[: limits.CONTACT_ENTRIES])
    lines: list[Line] = []
    for value in wanted:
        same = next((entry for entry in left if entry.value == value), None)
        near = same or next((entry for entry in left if key(entry.value) == key(value)), None)
        if near:
            left = [entry for entry in left if entry is not near]
        lines += same.lines if same else compose(value, near.lines[0] if near else None)
    # The entries beyond the contract's limit are in no field; they stay.
    return [*lines, *(line for entry in held[limits.CONTACT_ENTRIES :] for line in entry.lines)]


def emails(card: Card) -> list[Held[ContactEmail]]:
    """E-mail addresses, as written."""
    found = []
    for line in card.component.lines("EMAIL"):
        address = re.sub(r"\Amailto:", "", unescaped(line.value).strip(), flags=re.IGNORECASE)
        if address:
            found.append(Held(ContactEmail(address=address, context=_context(line), preferred=_preferred(line)), [line]))
    return found


def email_lines(value: ContactEmail, old: Line | None, version: str) -> list[Line]:
    """An EMAIL."""
    return [_typed("EMAIL", escaped(value.address), value, "", old, version)]


def phones(card: Card) -> list[Held[ContactPhone]]:
    """Telephone numbers."""
    found = []
    for line in card.component.lines("TEL"):
        number = re.sub(r"\Atel:", "", unescaped(line.value).strip(), flags=re.IGNORECASE)
        if number:
            value = ContactPhone(number=number, context=_context(line), kind=_kind(line, card), preferred=_preferred(line))
            found.append(Held(value, [line]))
    return found


def phone_lines(value: ContactPhone, old: Line | None, version: str) -> list[Line]:
    """A TEL, as text."""
    kind = next((word for word, meaning in _KINDS.items() if meaning == value.kind), "")
    line = _typed("TEL", escaped(value.number), value, kind, old, version)
    line.params.pop("VALUE", None)
    return [line]


def _kind(line: Line, card: Card) -> PhoneKind.ValueType:
    if card.label(line) == "assistantphone":
        return PhoneKind.PHONE_KIND_ASSISTANT
    words = types(line)
    return next((kind for word, kind in _KINDS.items() if word in words), PhoneKind.PHONE_KIND_UNSPECIFIED)


def addresses(card: Card) -> list[Held[ContactAddress]]:
    """Postal addresses, each with its LABEL: the parameter of vCard 4, or vCard 3's property of the same context."""
    labels: dict[int, collections.deque[Line]] = collections.defaultdict(collections.deque)
    for label in card.component.lines("LABEL"):
        labels[_context(label)].append(label)
    found = []
    for line in card.component.lines("ADR"):
        parts = [unescaped(part).strip() for part in [*split(line.value, ";"), *[""] * 7][:7]]
        value = ContactAddress(
            context=_context(line),
            po_box=parts[0],
            extended=parts[1],
            street=parts[2],
            locality=parts[3],
            region=parts[4],
            postal_code=parts[5],
            country=parts[6],
            label=line.param("LABEL"),
            preferred=_preferred(line),
        )
        lines = [line]
        if labels[value.context] and not value.label:
            lines.append(labels[value.context].popleft())
            value.label = unescaped(lines[-1].value)
        if any(parts) or value.label:
            found.append(Held(value, lines))
    return found


def loose_labels(card: Card) -> list[Line]:
    """The LABELs of no address."""
    held = {id(line) for entry in addresses(card) for line in entry.lines}
    return [line for line in card.component.lines("LABEL") if id(line) not in held]


def address_lines(value: ContactAddress, old: Line | None, version: str) -> list[Line]:
    """An ADR, and in vCard 3 its LABEL."""
    parts = (value.po_box, value.extended, value.street, value.locality, value.region, value.postal_code, value.country)
    line = _typed("ADR", ";".join(map(escaped, parts)), value, "", old, version)
    line.params.pop("LABEL", None)
    if not value.label:
        return [line]
    if version == V4:
        line.params["LABEL"] = [value.label]
        return [line]
    context = next((word for word, meaning in _CONTEXTS.items() if meaning == value.context), "")
    return [line, Line("LABEL", escaped(value.label), {"TYPE": [context]} if context else {})]


def urls(card: Card) -> list[Held[str]]:
    """Web pages."""
    return [Held(uri(line.value), [line]) for line in card.component.lines("URL") if line.value.strip()]


def url_lines(value: str, old: Line | None) -> list[Line]:
    """A URL."""
    return [Line("URL", value, dict(old.params) if old else {}, old.group if old else "")]


def messengers(card: Card) -> list[Held[str]]:
    """Instant-messaging addresses: IMPP (RFC 4770), and the X- properties that programs had before it, as URIs."""
    found = []
    for line in card.component.lines(*MESSENGERS):
        value = uri(line.value) if line.name == "IMPP" else unescaped(line.value).strip()
        scheme = _MESSENGERS.get(line.name, "")
        if value:
            found.append(Held(f"{scheme}:{value}" if scheme and not value.lower().startswith(f"{scheme}:") else value, [line]))
    return found


def messenger_lines(value: str, _old: Line | None) -> list[Line]:
    """An IMPP for a URI, Outlook's property for anything else."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value):
        return [Line("IMPP", value)]
    return [Line("X-MS-IMADDRESS", escaped(value))]


def _context(line: Line) -> ContactContext.ValueType:
    words = types(line)
    return next((context for word, context in _CONTEXTS.items() if word in words), ContactContext.CONTACT_CONTEXT_UNSPECIFIED)


def _preferred(line: Line) -> bool:
    return "PREF" in types(line) or line.param("PREF") == "1"


def _typed(
    name: str, value: str, entry: ContactEmail | ContactPhone | ContactAddress, kind: str, old: Line | None, version: str
) -> Line:
    """A line with TYPE and PREF as the entry has them, and with all else that the old line said."""
    params = {key: list(words) for key, words in old.params.items() if key not in ("TYPE", "PREF")} if old else {}
    kept = [word for word in sorted(types(old)) if word not in _CONTEXTS and word not in _KINDS and word != "PREF"] if old else []
    context = next((word for word, meaning in _CONTEXTS.items() if meaning == entry.context), "")
    words = [word for word in (context, kind) if word]
    if entry.preferred and version != V4:
        words.append("PREF")
    if words or kept:
        params["TYPE"] = [*words, *kept]
    if entry.preferred and version == V4:
        params["PREF"] = ["1"]
    return Line(name, value, params, old.group if old else "")
