"""The records that the rules of scheduling speak of: iTIP messages (RFC 5546), versions, letters, and who one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.scheduling_pb2 import SchedulingVersion
from rookery_core.errors import InvalidArgument
from rookery_core.rules import mail_addresses

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import CalendarTime
    from rookery.v1.item_pb2 import Item, ItemKind
    from rookery.v1.person_pb2 import Person
    from rookery.v1.scheduling_pb2 import SchedulingMethod

COMMENT = 4096
"""Characters of the words that go with an invitation or an answer."""


class Version(NamedTuple):
    """A version as its organiser counts: a greater one is newer (RFC 5546 section 2.1.5)."""

    sequence: int
    stamp: int
    """DTSTAMP, in microseconds since 1970. What travels has whole seconds."""

    @classmethod
    def of(cls, record: SchedulingVersion) -> Version:
        """The version that a record holds."""
        return cls(record.sequence, record.stamp.ToMicroseconds())

    def record(self) -> SchedulingVersion:
        """The version as records hold it."""
        found = SchedulingVersion(sequence=self.sequence)
        found.stamp.FromMicroseconds(self.stamp)
        return found


@dataclass(frozen=True, slots=True)
class Part:
    """One component of a message: the whole meeting or task, or one occurrence of it."""

    occurrence: CalendarTime | None
    """Which occurrence (RECURRENCE-ID); None for the whole."""
    version: Version
    item: Item
    """What the component says by itself, as summary and content: with its own times, subject, place, text, and attendees with what
    they answered. Of the whole with rule and dates, but without exceptions: those are further parts."""
    cancelled: bool = False
    """It has STATUS:CANCELLED, or comes with CANCEL."""
    comment: str = ""
    this_and_future: bool = False
    """Of an occurrence: those after it, too (RANGE=THISANDFUTURE)."""


@dataclass(frozen=True, slots=True)
class Itip:
    """A scheduling message: what one text/calendar part says."""

    method: SchedulingMethod.ValueType
    kind: ItemKind.ValueType
    """ITEM_KIND_APPOINTMENT or ITEM_KIND_TASK."""
    uid: str
    organizer: Person
    """Of a task: who gave it."""
    parts: tuple[Part, ...]
    """At least one; the whole, if it is there, comes first."""
    sent_by: str = ""
    """The address of somebody who says it for the one who has it to say (SENT-BY): for the attendee who answers with REPLY, COUNTER
    and REFRESH, else for the organizer. Empty where they speak for themselves."""

    @property
    def whole(self) -> Part | None:
        """The part about the whole meeting or task, if there is one."""
        return self.parts[0] if self.parts[0].occurrence is None else None


class Letter(NamedTuple):
    """A message to be sent to people, the same for all of them."""

    itip: Itip
    to: tuple[Person, ...]
    is_update: bool = False
    """They were invited before: it tells them of a change."""


class Sending(NamedTuple):
    """What becomes of an item, and what is to be told."""

    item: Item
    letters: tuple[Letter, ...]


class Self(NamedTuple):
    """The owner of the mailbox."""

    person: Person
    """With the primary address."""
    keys: frozenset[str]
    """``mail_addresses.key_of`` each own address."""

    def owns(self, address: str) -> bool:
        """Whether an address is one's own, with a tag too: what goes to ``user+tag@domain`` reaches ``user@domain``."""
        try:
            parsed = mail_addresses.parse(address, "")
        except InvalidArgument:
            return mail_addresses.key_of(address) in self.keys
        return parsed.key in self.keys or mail_addresses.without_tag(parsed) in self.keys
