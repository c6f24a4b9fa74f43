"""One operation's change of one mailbox, inside its transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rookery_core.errors import ResourceExhausted
from rookery_server.store import folders, ledger, mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Transaction
    from rookery_server.store.mailboxes import MailboxRow


class MailboxChange:
    """Collects what an operation does to a mailbox: its revision, its counters, its line in the log.

    The mailbox is locked while this exists. An operation that takes no revision leaves no trace. An import runs several
    operations in one transaction: each calls ``begin`` and gets a revision of its own.
    """

    def __init__(self, transaction: Transaction, mailbox: MailboxRow, caller: Caller, now: int) -> None:
        self.transaction = transaction
        self.connection: Connection = transaction.connection
        self.mailbox = mailbox
        self.caller = caller
        self.now = now
        self._last = mailbox.revision
        self._taken: int | None = None
        self._name = ""
        self._operation_id = b""
        self._log: list[dict[str, object]] = []
        self._folders: defaultdict[bytes, folders.Counts] = defaultdict(folders.Counts)
        self._folder_count = 0

    def begin(self, name: str, operation_id: bytes) -> None:
        """Begins the next operation; ``name`` is for the log, e.g. "item.create"."""
        self._taken, self._name, self._operation_id = None, name, operation_id

    @property
    def current_revision(self) -> int:
        """The mailbox's revision as far as this transaction has got; takes none."""
        return self._last

    @property
    def revision(self) -> int:
        """The operation's own revision: the mailbox's next, taken at the first use."""
        if self._taken is None:
            self._last += 1
            self._taken = self._last
            self._log.append(
                {
                    "mailbox_id": self.mailbox.id,
                    "revision": self._last,
                    "at": self.now,
                    "actor_id": self.caller.account_id,
                    "device_id": self.caller.session_id,
                    "operation": self._name,
                    "operation_id": self._operation_id,
                }
            )
        return self._taken

    def count(self, folder_id: bytes, *, items: int = 0, unread: int = 0, size: int = 0, held: int = 0) -> None:
        """Something inside a folder changed: ``items``, ``unread`` and ``size`` of its live items by these differences.

        ``held`` is the difference in bytes that count against the quota: those of live and recoverable items.
        """
        counts = self._folders[folder_id]
        counts.items += items
        counts.unread += unread
        counts.size += size
        counts.held += held
        counts.revision = self.revision

    def count_folders(self, difference: int) -> None:
        """So many folders more, or fewer."""
        self._folder_count += difference

    def require_room(self, size: int) -> None:
        """ResourceExhausted ``QUOTA_EXCEEDED`` unless so many bytes more fit into the mailbox."""
        quota = self.mailbox.quota_bytes
        used = self.mailbox.used_bytes + sum(counts.held for counts in self._folders.values())
        if quota and used + size > quota:
            raise ResourceExhausted(
                "QUOTA_EXCEEDED",
                f"the mailbox is full: {used:,} of {quota:,} bytes are used, {size:,} more do not fit; delete something first",
                metadata={"quota_bytes": str(quota), "used_bytes": str(used)},
            )

    def finish(self) -> None:
        """Writes clock, counters and log, and sees that those who wait hear of it after the commit."""
        if not self._log:
            return
        for folder_id, counts in sorted(self._folders.items()):
            folders.add_counts(self.connection, self.mailbox.id, folder_id, counts)
        mailboxes.advance(
            self.connection,
            self.mailbox.id,
            self._last,
            items=sum(counts.items for counts in self._folders.values()),
            size=sum(counts.held for counts in self._folders.values()),
            folders=self._folder_count,
        )
        ledger.log_changes(self.connection, self._log)
        self.transaction.announce(self.mailbox.uid, self._last)
