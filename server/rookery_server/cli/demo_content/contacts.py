"""The demonstration's address books (vCard 4, RFC 6350) and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_server.cli.demo_content.people import ANNA, BEN, CONTACTS, EIJI, IRIS, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTES = (
    (ANNA, "Wi-Fi in the hide", "Network: reedbed\nAsk Ben for the password, he changes it after every school visit."),
    (ANNA, "Ideas for spring", "- a bench at the otter holt, facing away\n- dusk walks\n- swift boxes under the office roof"),
    (BEN, "Settings of the camera posts", "ISO 1600, 1/30 s, trigger 2 of 3\nPost 4 drifts: align it at every visit."),
)
"""Notes: owner, title, text."""


def cards() -> Iterator[tuple[Person, bytes]]:
    """Owners and cards; each has the other, everybody else, and a list of those who count birds."""
    for owner, other in ((ANNA, BEN), (BEN, ANNA)):
        for person in (other, *CONTACTS):
            yield owner, _card(person)
        yield owner, _list("Bird counters", [other, EIJI, IRIS])


def _card(person: Person) -> bytes:
    given, _, family = person.name.removeprefix("Dr. ").rpartition(" ")
    lines = [
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"UID:{_uid(person)}",
        f"FN:{person.name}",
        f"N:{family};{given};;{'Dr.' if person.name.startswith('Dr. ') else ''};",
        f"EMAIL;TYPE=work;PREF=1:{person.address}",
        f"TEL;VALUE=uri;TYPE=work:tel:{person.telephone.replace(' ', '-')}",
        f"ADR;TYPE=work:;;;{person.city};;;",
    ]
    if person.company:
        lines += [f"ORG:{person.company}", f"TITLE:{person.title}"]
    if person.birthday:
        lines.append(f"BDAY:{person.birthday.replace('-', '')}")
    return _document([*lines, "END:VCARD"])


def _list(name: str, members: list[Person]) -> bytes:
    lines = ["BEGIN:VCARD", "VERSION:4.0", "KIND:group", "UID:urn:uuid:7d1c3d52-3a0f-4f0e-9d2a-5b8f0d6c1e90", f"FN:{name}"]
    return _document([*lines, *(f"MEMBER:mailto:{person.address}" for person in members), "END:VCARD"])


def _uid(person: Person) -> str:
    return f"demo-{person.address}"


def _document(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()
