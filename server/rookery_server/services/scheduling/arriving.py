"""What a scheduling message does in the mailbox that it is delivered to, in the transaction of the delivery (RFC 5546).

The item that an invitation makes, and its answer where a room gives one, are there with the message or not at all; so what is
delivered once is carried out once. And nothing of it keeps a message out: what can not be carried out is delivered as it is.
"""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import structlog

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import SchedulingMessage
from rookery.v1.scheduling_pb2 import SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_IGNORED, SCHEDULING_EFFECT_OUTDATED
from rookery_core.errors import RookeryError, Unavailable
from rookery_core.rules import ids
from rookery_core.rules.scheduling import assignments, people, receiving
from rookery_core.rules.scheduling.receiving import Home
from rookery_server.services.caller import NO_ID
from rookery_server.services.items import item_updates
from rookery_server.services.scheduling import keeping, posting, rooms
from rookery_server.store import domains, items

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item
    from rookery_core.rules.scheduling.itip import Itip, Letter, Self
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.scheduling.arrivals import Arrived
    from rookery_server.store.item_blobs import PartRow
    from rookery_server.store.items import PackedRow

_log = structlog.get_logger(__name__)

_FAULTS = (RookeryError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, AssertionError, RuntimeError)
"""What rules raise of things that strangers write and nobody has thought of. Errors of the database are none of them."""


class Outcome(NamedTuple):
    """What came of a scheduling message."""

    message: SchedulingMessage
    """For the message's own content."""
    posted: bool = False
    """It was answered: the queue has something to do after the commit."""


class _Stored(NamedTuple):
    """The item that a message is about, as it is."""

    row: PackedRow
    item: Item
    held: list[PartRow]


class _Todo(NamedTuple):
    """What is to be written."""

    me: Self
    stored: _Stored | None
    after: Item
    home: Home
    letters: tuple[Letter, ...]


def arrive(change: MailboxChange, arrived: Arrived, message_id: bytes, *, reserved: int) -> Outcome:
    """Carries out what a message says that is about to be delivered as the item ``message_id``, as an operation of its own.

    ``reserved`` bytes of the mailbox are for the message itself. Where the item does not fit beside them, the message is all there
    is. Raises only what the database does, and Unavailable.
    """
    try:
        message, todo = _plan(change, arrived)
    except Unavailable:
        raise
    except _FAULTS as error:
        return _given_up(change, arrived, error)
    if todo is None:
        return Outcome(message)
    change.begin("scheduling.arrive", NO_ID)
    try:
        with change.connection.begin_nested():
            message.item_id = _write(change, todo, message_id, reserved)
            posted = posting.post(change, todo.me, todo.letters, automatic=True)
    except Unavailable:
        raise
    except _FAULTS as error:
        change.take_back()
        return _given_up(change, arrived, error)
    return Outcome(message, posted=bool(posted) or change.has_posted)


def _plan(change: MailboxChange, arrived: Arrived) -> tuple[SchedulingMessage, _Todo | None]:
    """What the message says of itself, and what is to be written, if anything; nothing is written yet."""
    connection, itip = change.connection, arrived.itip
    if arrived.unproven and domains.known(connection, arrived.unproven):
        return _ignored(arrived), None
    me = posting.me(connection, change.mailbox.account_id)
    row = keeping.find(change, itip.kind, itip.uid, partial(_is_organizer, itip, me))
    stored = _Stored(row, *item_updates.read(change, row)) if row is not None else None
    receive = assignments.receive if itip.kind == item_pb2.ITEM_KIND_TASK else receiving.receive
    received = receive(stored.item if stored else None, itip, me, arrived.sender, change.now)
    message, after, home = received.message, received.item, received.home
    message.effect = received.effect
    if row is not None and received.effect in {SCHEDULING_EFFECT_APPLIED, SCHEDULING_EFFECT_OUTDATED}:
        message.item_id = row.id
    if after is None:
        return message, None
    if row is not None and row.life == items.RECOVERABLE and home is Home.KEEP:
        message.effect = SCHEDULING_EFFECT_IGNORED  # its owner has done with it
        return message, None
    letters: tuple[Letter, ...] = ()
    if (answer := rooms.answer(change, me, arrived, row, after)) is not None:
        after, home, letters = answer
    return message, _Todo(me, stored, after, home, letters)


def _is_organizer(itip: Itip, me: Self, address: str) -> bool:
    """Whether an item of this organiser is what a message is about: answers are to one's own, all else to whose it says it is."""
    return me.owns(address) if itip.method in people.ANSWERS else people.is_same(address, itip.organizer.address)


def _write(change: MailboxChange, todo: _Todo, message_id: bytes, reserved: int) -> bytes:
    """Writes the item; gives its id."""
    if todo.stored is None:
        return keeping.create(change, _item_id(change, message_id), todo.after, todo.home, reserved=reserved).id
    row, before, held = todo.stored
    return keeping.update(change, row, before, held, todo.after, todo.home, reserved=reserved).id


def _item_id(change: MailboxChange, message_id: bytes) -> bytes:
    """A UUIDv7 that follows from the message: the same when the work is repeated."""
    digest = hashlib.sha256(b"\0".join((b"scheduling", change.mailbox.uid, message_id))).digest()
    return ids.uuid7(change.now // 1000, int.from_bytes(digest[:10], "big") >> 6)


def _ignored(arrived: Arrived) -> SchedulingMessage:
    return SchedulingMessage(method=arrived.itip.method, effect=SCHEDULING_EFFECT_IGNORED)


def _given_up(change: MailboxChange, arrived: Arrived, error: Exception) -> Outcome:
    _log.warning("a scheduling message was not carried out", mailbox=change.mailbox.uid.hex(), error=repr(error))
    return Outcome(_ignored(arrived))
