"""Letters of meetings and assigned tasks, from the owner of a mailbox: composed, kept in Outbox or Sent Items, and queued.

All of it happens inside the transaction that changes the meeting, compression too, which elsewhere comes before: what is told, and
to whom, follows from what the transaction reads. So either both have happened or neither has, and nobody is told twice.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from rookery.v1.item_pb2 import Item, ItemState
from rookery.v1.person_pb2 import Person
from rookery_core.formats import imip, itip, mime
from rookery_core.formats.addressees import MOST_RECIPIENTS, Addressee
from rookery_core.formats.mime_headers import read_block
from rookery_core.rules import ids, mail_addresses
from rookery_core.rules.scheduling import people
from rookery_core.rules.scheduling.itip import Letter, Self
from rookery_server.services.importing import documents
from rookery_server.services.importing.documents import Marks
from rookery_server.services.submission import posted, submission_changes
from rookery_server.services.submission.departing import Departing
from rookery_server.services.submission.submission_changes import Plan
from rookery_server.store import accounts, blob_chunks, domains

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from rookery.v1.submission_pb2 import Submission
    from rookery_server.services.change import MailboxChange

_SECOND = 1_000_000


class _Ids(NamedTuple):
    """What one message is called."""

    item: bytes
    submission: bytes
    blob: bytes


class _Envelope(NamedTuple):
    """A message, and those whom it goes to: at most 1,000."""

    letter: Letter
    addressees: Sequence[Addressee]
    written: bytes
    """What programs read of it: the same in all messages that a letter becomes."""


def me(connection: Connection, account_id: bytes) -> Self:
    """The owner of a mailbox, with all their addresses."""
    account = accounts.find(connection, account_id)
    if account is None:
        raise ValueError("a mailbox belongs to an account")
    aliases = accounts.aliases_of(connection, [account_id]).get(account_id, [])
    keys = {mail_addresses.key_of(address) for address in (account.address, *aliases)}
    return Self(Person(name=account.display_name, address=account.address), frozenset(keys))


def post(change: MailboxChange, owner: Self, letters: Sequence[Letter], *, automatic: bool = False) -> list[Submission]:
    """Hands letters over to be sent, from the owner; a submission for each, for one to thousands one for each thousand.

    A letter to nobody is left out. ``automatic``: a machine wrote it, so reports about it go to nobody (RFC 3834 section 3.3).
    InvalidArgument ``ADDRESS_INVALID`` before anything is written; ResourceExhausted ``QUOTA_EXCEEDED``. Once it is committed, the
    caller wakes the queue.
    """
    envelopes = list(_envelopes(letters))
    return [
        _post(change, owner, envelope, _ids(change, position, envelope.letter), automatic=automatic)
        for position, envelope in enumerate(envelopes)
    ]


def _envelopes(letters: Sequence[Letter]) -> Iterator[_Envelope]:
    for letter in letters:
        found: dict[str, Addressee] = {}
        for person in letter.to:
            address = mail_addresses.parse(person.address, "to", underscores=True)
            found.setdefault(address.key, Addressee(person, address))
        everybody = list(found.values())
        written = itip.write(letter.itip) if everybody else b""
        for start in range(0, len(everybody), MOST_RECIPIENTS):
            some = everybody[start : start + MOST_RECIPIENTS]
            yield _Envelope(letter._replace(to=tuple(each.person for each in some)), some, written)


def _post(change: MailboxChange, owner: Self, envelope: _Envelope, named: _Ids, *, automatic: bool) -> Submission:
    now, author = change.now, people.sender_of(envelope.letter, owner)
    message_id = f"{ids.text_of(named.item)}@{author.address.rpartition('@')[2]}"
    data = imip.compose(
        envelope.letter, author, message_id=message_id, date=now // _SECOND, automatic=automatic, written=envelope.written
    )
    header = data[: read_block(data, 0, len(data)).body]
    parsed = mime.parse(data)
    posted.name_hidden(parsed.content, envelope.addressees)
    marks = Marks(ItemState(read=True), Timestamp(seconds=now // _SECOND, nanos=now % _SECOND * 1000))
    copy = documents.prepare_parsed(parsed, data, marks, now=now, blob_id=named.blob)
    departing = Departing(
        content_revision=0,
        item=Item(id=named.item, summary=parsed.summary, content=parsed.content),
        sender="" if automatic else mail_addresses.parse(author.address, "").text,
        addressees=envelope.addressees,
        here=domains.known(change.connection, {each.address.domain for each in envelope.addressees}),
        blob=blob_chunks.prepare(data, named.blob),
        eight_bit=not data.isascii(),
        unicode_header=not header.isascii(),
    )
    plan = Plan(departing, named.submission, named.item, now, hold_until=None)
    return submission_changes.post(change, plan, copy).record


def _ids(change: MailboxChange, position: int, letter: Letter) -> _Ids:
    """Ids that follow from what is sent, when and from where: the work may run more than once."""
    told = (change.revision.to_bytes(8, "big"), position.to_bytes(4, "big"), letter.itip.uid.encode("utf-8", "replace"))
    made = (
        hashlib.sha256(b"\0".join((b"scheduling", purpose, change.mailbox.uid, *told))).digest()
        for purpose in (b"item", b"submission", b"blob")
    )
    return _Ids(*(ids.uuid7(change.now // 1000, int.from_bytes(digest[:10], "big") >> 6) for digest in made))
