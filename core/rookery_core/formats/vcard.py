"""vCard (RFC 2426, RFC 6350; vCard 2.1 is read too): files to cards, cards to items, items to cards.

A card stays with its item (``ItemContent.source``; one of 2.1 as 3.0), and ``render`` changes it only where the item changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import DocumentFormat, ItemContent, ItemKind, ItemState, ItemSummary, SourceDocument
from rookery_core.errors import InvalidArgument
from rookery_core.formats import calendar_values as values
from rookery_core.formats.contact_card import card_units, is_group, read_card
from rookery_core.formats.contact_units import V4, Card
from rookery_core.formats.contentlines import Component, Line, read, write
from rookery_core.formats.item_record import ItemRecord, Skipped, Split, Unit, edit, invalid, named, require_size
from rookery_core.formats.vcard_legacy import is_modern, modern

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ItemRecord", "Skipped", "Split", "parse", "render", "split"]

_KINDS = (ItemKind.ITEM_KIND_CONTACT, ItemKind.ITEM_KIND_DISTRIBUTION_LIST)


def split(data: bytes) -> Split:
    """The cards of a file, as vCard 3 or 4. InvalidArgument ``DOCUMENT_INVALID`` if the file holds no vCard at all."""
    roots, _ = read(data)
    cards = [root for root in roots if root.name == "VCARD"]
    if not cards:
        start = data[:40].decode("utf-8", "replace").strip()
        raise invalid(f"this is no vCard file: no BEGIN:VCARD in it (it begins with “{start}”)")
    skipped = [
        Skipped(f"{root.name[:40]} “{values.text(root.first('FN'))[:60]}”", "the file ends before END:VCARD")
        if root.name == "VCARD"
        else Skipped(root.name[:40], "it is no vCard")
        for root in roots
        if root.name != "VCARD" or not root.closed
    ]
    return Split([write([modern(card)]) for card in cards if card.closed], skipped)


def parse(card: bytes) -> ItemRecord:
    """The item of one card, at most 1 MiB: a contact, or for KIND:group a distribution list. The card becomes its source.

    A property that can not be read stays in the source and is left out of the fields, and so is a photo of more than 512 KiB.
    InvalidArgument ``DOCUMENT_INVALID`` for anything else than one card that says something.
    """
    require_size(card)
    component, source = _opened(card)
    record = read_card(component)
    if not record.summary.subject and not any(line.name not in ("VERSION", "PRODID", "UID", "REV") for line in component.lines()):
        raise invalid("the card is empty")
    require_size(source)
    record.content.source.CopyFrom(SourceDocument(format=DocumentFormat.DOCUMENT_FORMAT_VCARD, data=source))
    return record


def render(summary: ItemSummary, state: ItemState, content: ItemContent) -> bytes:
    """The card of a contact or a distribution list.

    It is the item's source, changed where the item changed, and the very source if nothing did; a new vCard 4 where there is none.
    Not written are importance, attachments and extended properties; a member of a list that is known by its item alone is written
    as urn:uuid. InvalidArgument ``KIND_MISMATCH`` for other kinds.
    """
    if summary.kind not in _KINDS:
        raise InvalidArgument("KIND_MISMATCH", "only contacts and distribution lists have a vCard form")
    after = ItemRecord(summary, content, state)
    if content.source.format == DocumentFormat.DOCUMENT_FORMAT_VCARD:
        component = _source(content.source.data, summary.kind)
        if component:
            changed = _edit(component, read_card(component), after)
            return write([component]) if changed else content.source.data
    return write([_made(after)])


def _opened(data: bytes) -> tuple[Component, bytes]:
    """The card of a document in the form of vCard 3 or 4, and the document to keep."""
    roots, _ = read(data)
    cards = [root for root in roots if root.name == "VCARD" and root.closed]
    if len(cards) != 1:
        raise invalid("this is no complete vCard" if not cards else "the document holds several cards; split it into one each")
    component = modern(cards[0])
    return component, data if is_modern(cards[0]) else write([component])


def _source(data: bytes, kind: ItemKind.ValueType) -> Component | None:
    try:
        component, _ = _opened(data)
    except InvalidArgument:
        return None
    return component if is_group(component) == (kind == ItemKind.ITEM_KIND_DISTRIBUTION_LIST) else None


def _made(record: ItemRecord) -> Component:
    lines: list[Line | Component] = [Line("VERSION", V4), Line("PRODID", "-//Rookery//EN")]
    if record.summary.kind == ItemKind.ITEM_KIND_DISTRIBUTION_LIST:
        lines.append(Line("KIND", "group"))
    component = Component("VCARD", lines)
    _edit(component, ItemRecord.empty(record.summary.kind), record)
    if component.first("FN") is None:
        # RFC 6350 section 6.2.1 demands one.
        component.replace(named("FN"), values.text_lines("FN", read_card(component).summary.subject or "?"))
    return component


def _edit(component: Component, before: ItemRecord, after: ItemRecord) -> bool:
    card = Card(component)
    changed = edit(component, _units(card, after), before, after)
    if changed:
        card.drop_loose_labels()
        if after.summary.HasField("modified") and after.summary.modified != before.summary.modified:
            component.replace(named("REV"), [values.stamp_line("REV", after.summary.modified)])
    return changed


def _units(card: Card, record: ItemRecord) -> Iterable[Unit]:
    return card_units(card, record.summary.kind == ItemKind.ITEM_KIND_DISTRIBUTION_LIST)
