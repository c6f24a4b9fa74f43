"""Cursors: how far a device is. It carries them, can not change them, and the server keeps nothing of them.

A cursor's ``base`` is the revision that the replica equals, but for what it was sent since: a fill that is not finished, and the
entries of the tail up to the tail's position. Each of those is told against the base, which moves on when the tail has told all.
Submissions have a position of their own, which moves on with each that is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rookery.internal.v1.packed_pb2 import SyncCursor
from rookery_core.errors import FailedPrecondition, InvalidArgument
from rookery_core.rules.sync_windows import Window

if TYPE_CHECKING:
    from rookery_server.services.caller import Caller
    from rookery_server.services.seals import Seal
    from rookery_server.services.sync.scopes import Scope
    from rookery_server.store.mailboxes import MailboxRow

_VERSION = 2


class Cursors:
    """Makes, seals and checks cursors. ``seal`` has the server's keys, the same on every process of a server."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def at(self, caller: Caller, mailbox: MailboxRow, scope: Scope) -> SyncCursor:
        """Of a replica that equals the mailbox as it is in this transaction: nothing to fill, the tail begins at its revision."""
        return SyncCursor(
            version=_VERSION,
            mailbox_uid=mailbox.uid,
            epoch=mailbox.epoch,
            account_id=caller.account_id,
            scope_digest=scope.digest(),
            window=to_message(scope.window),
            base=mailbox.revision,
        )

    def beginning(self, caller: Caller, mailbox: MailboxRow, scope: Scope) -> SyncCursor:
        """Of an empty replica: a first fill that has sent nothing yet."""
        cursor = self.at(caller, mailbox, scope)
        cursor.fill.SetInParent()
        return cursor

    def encode(self, cursor: SyncCursor) -> str:
        """The cursor as a device gets it."""
        return self._seal.close(cursor.SerializeToString())

    def decode(self, text: str, caller: Caller, mailbox: MailboxRow, scope: Scope) -> SyncCursor:
        """The cursor that a device brought back, good for this mailbox and scope; the window is still the cursor's own.

        InvalidArgument ``CURSOR_INVALID`` if it is damaged, of another mailbox or of another account. FailedPrecondition
        ``SCOPE_CHANGED`` for other folders, kinds or depth, and what ``require_good`` raises.
        """
        payload = self._seal.open(text)
        if payload is None:
            raise _invalid("the cursor is damaged, or not of this server: begin anew")
        cursor = SyncCursor.FromString(payload)
        if (cursor.mailbox_uid, cursor.account_id) != (mailbox.uid, caller.account_id):
            raise _invalid("the cursor belongs to another mailbox or another account: begin anew")
        require_good(cursor, mailbox)
        if cursor.scope_digest != scope.digest():
            raise FailedPrecondition("SCOPE_CHANGED", "the cursor was made for other folders, kinds or depth: fill anew")
        return cursor


def require_good(cursor: SyncCursor, mailbox: MailboxRow) -> None:
    """FailedPrecondition unless the mailbox can still tell what came after the cursor.

    ``EPOCH_CHANGED`` if it was restored from a backup, also where only the cursor, ahead of the mailbox, tells that;
    ``CURSOR_EXPIRED`` if what came after was forgotten meanwhile.
    """
    if cursor.epoch != mailbox.epoch or max(cursor.base, cursor.tail_revision) > mailbox.revision:
        raise FailedPrecondition("EPOCH_CHANGED", "the mailbox was restored from a backup: reconcile")
    if cursor.version != _VERSION or cursor.base < mailbox.oldest_revision:
        raise FailedPrecondition("CURSOR_EXPIRED", "the cursor is older than what the server remembers: reconcile")


def to_message(window: Window) -> SyncCursor.Window:
    """The window as a cursor keeps it."""
    return SyncCursor.Window(**window._asdict())


def of_message(window: Any) -> Window:
    """The window out of a cursor (a ``SyncCursor.Window``)."""
    return Window(*(getattr(window, name) if window.HasField(name) else None for name in Window._fields))


def _invalid(message: str) -> InvalidArgument:
    return InvalidArgument("CURSOR_INVALID", message, field="cursor")
