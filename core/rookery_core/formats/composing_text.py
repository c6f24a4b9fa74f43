"""The words that an answer or a forward puts around what others wrote, as text and as HTML."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1 import item_pb2
from rookery_core.rules import records
from rookery_core.rules.body_text import text_of_html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.timestamp_pb2 import Timestamp

    from rookery.v1.item_pb2 import Item
    from rookery.v1.person_pb2 import Person

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHOWN = 4000
_TO = {item_pb2.RECIPIENT_TYPE_UNSPECIFIED, item_pb2.RECIPIENT_TYPE_TO}
_CC = {item_pb2.RECIPIENT_TYPE_CC}


@dataclass(frozen=True, slots=True)
class Words:
    """What the writer says above what is quoted; either form is made of the other where it is missing."""

    text: str = ""
    html: str = ""

    def text_before(self, quotation: str) -> str:
        """The words as text, an empty line, and the quotation."""
        text = self.text or text_of_html(self.html)
        return f"{text.rstrip()}\n\n{quotation}".rstrip("\n") + "\n" if quotation else text

    def html_before(self, quotation: str) -> str:
        """The words as HTML, and the quotation."""
        source = self.html or html_of_text(self.text.rstrip())
        return f"{source}<br>{quotation}" if quotation else source


def html_of_text(text: str) -> str:
    """The text as HTML, each line on its own."""
    return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in text.split("\n"))


def attribution(author: Person, date: Timestamp | None, zone: dt.tzinfo) -> str:
    """The line above a quotation."""
    told = f"On {moment(date, zone)}, " if date is not None else ""
    return f"{told}{shown(author) or 'somebody'} wrote:"


def attribution_html(author: Person, date: Timestamp | None, zone: dt.tzinfo) -> str:
    """The line above a quotation in HTML."""
    return f"<div>{html.escape(attribution(author, date, zone))}</div>"


def forwarded(item: Item, zone: dt.tzinfo) -> str:
    """The lines above a forwarded text, up to the empty one that ends them."""
    lines = [f"{name}: {value}\n" for name, value in _fields(item, zone)]
    return f"-------- Forwarded message --------\n{''.join(lines)}"


def forwarded_html(item: Item, zone: dt.tzinfo) -> str:
    """The lines above a forwarded text in HTML."""
    lines = [f"<b>{name}:</b> {html.escape(value)}<br>" for name, value in _fields(item, zone)]
    return f"<div>-------- Forwarded message --------<br>{''.join(lines)}</div><br>"


def _fields(item: Item, zone: dt.tzinfo) -> Iterator[tuple[str, str]]:
    """What a forward tells of its message; whom it went to in secret, it does not."""
    yield "From", shown(records.author(item.summary.message))
    if item.summary.HasField("sent"):
        yield "Date", moment(item.summary.sent, zone)
    yield "Subject", item.summary.subject
    for name, types in (("To", _TO), ("Cc", _CC)):
        people = ", ".join(shown(each.person) for each in item.content.recipients if each.type in types)
        if people:
            yield name, people if len(people) <= _SHOWN else people[: _SHOWN - 1] + "…"


def shown(person: Person) -> str:
    """A person as people write them: ``Name <address>``, or what there is of it."""
    if person.name and person.address:
        return f"{person.name} <{person.address}>"
    return person.name or person.address


def moment(stamp: Timestamp, zone: dt.tzinfo) -> str:
    """A date and a time with its zone, such as "Tue, 3 Nov 2026 at 14:05 +0100"."""
    utc = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=stamp.seconds)
    try:
        local = utc.astimezone(zone)
    except OverflowError:
        local = utc
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year} at {local:%H:%M %z}"
