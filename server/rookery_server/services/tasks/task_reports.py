"""Where tasks change that their owners were given: whoever gave them hears of it, in the same transaction.

Edits, completions, restored conflicts and what comes by mail are all written here, so no way of changing a task leaves it out.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemState
from rookery_core.errors import InvalidArgument, ResourceExhausted
from rookery_core.rules.scheduling import assigning, assignment_letters
from rookery_server.services.caller import NO_ID
from rookery_server.services.items import item_updates, item_writer
from rookery_server.services.scheduling import posting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.item_pb2 import Item
    from rookery.v1.submission_pb2 import Submission
    from rookery_core.rules.scheduling.itip import Letter, Self, Sending
    from rookery_server.services.change import MailboxChange
    from rookery_server.services.items.item_updates import Draft
    from rookery_server.store.items import PackedRow

_UNSENDABLE = frozenset({"ADDRESS_INVALID", "QUOTA_EXCEEDED"})
"""What ``posting.post`` raises before it has written anything."""


def write(change: MailboxChange, drafted: Draft, revision: int) -> PackedRow:
    """``item_updates.write``, and beside it what has to be told, once for each state. ``change.has_posted`` says if anything was.

    Where there is no room to keep what is sent, or the address takes no mail, the task is written all the same: the next report
    makes up for it.
    """
    if drafted.prepared is None or not assigning.is_taken(drafted.merged.item):
        return item_updates.write(change, drafted, revision)
    owner = posting.me(change.connection, change.mailbox.account_id)
    sending = assigning.report(drafted.before, drafted.merged.item, owner, change.now)
    if sending.letters and _is_posted(change, sending, owner):
        drafted = _noting(change, drafted, sending.item)
    return item_updates.write(change, drafted, revision)


def post(change: MailboxChange, item: Item, owner: Self, letters: Sequence[Letter], *, automatic: bool = False) -> list[Submission]:
    """Hands over the letters about a task, from the address by which its owner takes part in it."""
    author = owner._replace(person=assignment_letters.author(item, owner))
    submissions = posting.post(change, author, letters, automatic=automatic)
    change.has_posted = change.has_posted or bool(submissions)
    return submissions


def _is_posted(change: MailboxChange, sending: Sending, owner: Self) -> bool:
    """Whether the letters could be handed over; of those that could not nothing is left."""
    try:
        post(change, sending.item, owner, sending.letters, automatic=change.caller.account_id == NO_ID)
    except (InvalidArgument, ResourceExhausted) as error:
        if error.reason not in _UNSENDABLE:
            raise
        return False
    return True


def _noting(change: MailboxChange, drafted: Draft, item: Item) -> Draft:
    """The draft with what the item notes of the report."""
    merged = dataclasses.replace(drafted.merged, item=item)
    prepared = item_writer.prepare(item.summary, ItemState.FromString(drafted.row.state), item.content, now=change.now)
    prepared.blobs = drafted.prepared.blobs if drafted.prepared is not None else []
    return dataclasses.replace(drafted, merged=merged, prepared=prepared)
