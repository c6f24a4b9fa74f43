"""What calendar and contact documents become, and how a changed item goes back into its document.

A *unit* couples part of a record with the properties that hold it. To render, each unit whose part still equals what the
document says is left alone; the properties of the others are replaced. A new document is an empty one in which every unit changed.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import ItemContent, ItemKind, ItemState, ItemSummary
from rookery_core.errors import InvalidArgument
from rookery_core.rules import limits, names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rookery_core.formats.contentlines import Component, Line


@dataclasses.dataclass(frozen=True, slots=True)
class ItemRecord:
    """An item as a document tells it: the three parts of ``rookery.v1.Item`` that belong to its owner."""

    summary: ItemSummary
    content: ItemContent
    state: ItemState

    @property
    def categories(self) -> list[str]:
        """The names of its categories."""
        return list(self.state.categories)

    @classmethod
    def empty(cls, kind: ItemKind.ValueType) -> ItemRecord:
        """A record that says nothing but its kind."""
        return cls(ItemSummary(kind=kind), ItemContent(), ItemState())

    def copy(self) -> ItemRecord:
        """The same, to be changed."""
        summary, content, state = ItemSummary(), ItemContent(), ItemState()
        summary.CopyFrom(self.summary)
        content.CopyFrom(self.content)
        state.CopyFrom(self.state)
        return ItemRecord(summary, content, state)


@dataclasses.dataclass(frozen=True, slots=True)
class Unit:
    """Part of a record and the properties that hold it."""

    owns: Callable[[Line], bool]
    view: Callable[[ItemRecord], object]
    """The part, comparable; equal to that of an empty record where there is nothing to write."""
    lines: Callable[[ItemRecord, Sequence[Line]], Iterable[Line]]
    """The properties for the part, given those that held it before."""


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """A part of a file that becomes no item, and why."""

    what: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """A file taken apart: one document for each item in the order of the file, and what is left out."""

    documents: Sequence[bytes]
    skipped: list[Skipped]


def named(*names: str) -> Callable[[Line], bool]:
    """Whether a line is a property of one of the names."""
    return lambda line: line.name in names


def edit(component: Component, units: Iterable[Unit], before: ItemRecord, after: ItemRecord) -> bool:
    """Writes into the component what differs between the records; whether anything did."""
    changed = False
    for unit in units:
        if unit.view(before) != unit.view(after):
            component.replace(unit.owns, list(unit.lines(after, [line for line in component.lines() if unit.owns(line)])))
            changed = True
    return changed


def invalid(message: str) -> InvalidArgument:
    """The error for a document that can not be read."""
    return InvalidArgument("DOCUMENT_INVALID", message)


def require_size(document: bytes) -> None:
    """InvalidArgument ``DOCUMENT_INVALID`` for a document of more than 1 MiB."""
    if len(document) > limits.SOURCE_BYTES:
        raise invalid(f"the document has {len(document):,} bytes; at most {limits.SOURCE_BYTES:,} are taken for one item")


def subject_of(text: str) -> str:
    """A subject: one line, at most 1,000 characters."""
    return " ".join(text.split("\n")).strip()[: limits.SUBJECT]


def category_names(found: Iterable[str]) -> list[str]:
    """Names of categories within the contract's limits, unique by case-fold; what can not be one is left out."""
    unique: dict[str, str] = {}
    for text in found:
        name = names.shortened_category(text)
        if name and len(unique) < names.CATEGORIES:
            unique.setdefault(names.key(name), name)
    return list(unique.values())


def timestamp(micros: int) -> Timestamp:
    """Microseconds since 1970 as a protobuf Timestamp."""
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def micros(stamp: Timestamp) -> int:
    """A protobuf Timestamp as microseconds since 1970."""
    return stamp.seconds * 1_000_000 + stamp.nanos // 1000
