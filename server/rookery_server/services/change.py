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
    from rookery_server.store.folders import FolderRow
    from rookery_server.store.mailboxes import MailboxRow


class MailboxChange:
    """Collects what an operation does to a mailbox: its revision, its counters, its line in the log.

    The mailbox is locked while this exists. An operation that takes no revision leaves no trace. Imports and Push run several
    operations in one transaction: each calls ``begin`` and gets a revision of its own. One that is refused after it has begun is
    taken back, while whoever runs it rolls back its savepoint.
    """

    def __init__(self, transaction: Transaction, mailbox: MailboxRow, caller: Caller, now: int) -> None:
        self.transaction = transaction
        self.connection: Connection = transaction.connection
        self.mailbox = mailbox
        self.caller = caller
        self.now = now
        self.has_posted = False
        """Whether something was put into the queue of outgoing mail, so that it is to be woken after the commit."""
        self._last = mailbox.revision
        self._taken: int | None = None
        self._name = ""
        self._operation_id = b""
        self._log: list[dict[str, object]] = []
        self._settled: defaultdict[bytes, folders.Counts] = defaultdict(folders.Counts)  # of operations before the running one
        self._folders: defaultdict[bytes, folders.Counts] = defaultdict(folders.Counts)  # of the running one
        self._folder_count = 0
        self._next_uids: dict[bytes, int] = {}  # of folders, as the table has them
        self._before = (self._last, 0, 0)  # revision, lines of the log and folders, as the running operation found them

    def begin(self, name: str, operation_id: bytes) -> None:
        """Begins the next operation; ``name`` is for the log, e.g. "item.create"."""
        self._settle()
        self._taken, self._name, self._operation_id = None, name, operation_id
        self._before = (self._last, len(self._log), self._folder_count)

    def take_back(self) -> None:
        """Forgets all that the running operation has counted and logged; its revision goes to the next."""
        self._last, lines, self._folder_count = self._before
        del self._log[lines:]
        self._folders.clear()
        self._taken = None

    @property
    def current_revision(self) -> int:
        """The mailbox's revision as far as this transaction has got; takes none."""
        return self._last

    @property
    def revision(self) -> int:
        """The operation's own revision: the mailbox's next, taken at the first use."""
        return self.next_revision() if self._taken is None else self._taken

    def next_revision(self) -> int:
        """A revision that nothing else of the operation bears, for one more version of an item; its own from now on."""
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

    def know(self, folder: FolderRow) -> None:
        """A folder's row, read in this transaction: its next uid needs not be asked for once more."""
        self._next_uids[folder.id] = folder.next_uid

    def take_uids(self, folder_id: bytes, wanted: int) -> int:
        """Reserves so many uids of a folder, whose contents change; gives the first."""
        if folder_id not in self._next_uids:
            self._next_uids[folder_id] = folders.next_uid(self.connection, self.mailbox.id, folder_id)
        first = self._next_uids[folder_id] + self._folders[folder_id].uids
        if folder_id in self._settled:
            first += self._settled[folder_id].uids
        self._folders[folder_id].uids += wanted
        self._folders[folder_id].revision = self.revision
        return first

    def counted(self, row: FolderRow) -> FolderRow:
        """A folder's row with what this transaction has counted so far: the table has that only after ``finish``."""
        for each in (self._settled.get(row.id), self._folders.get(row.id)):
            if each is not None:
                row = row._replace(
                    item_count=row.item_count + each.items,
                    unread_count=row.unread_count + each.unread,
                    size_bytes=row.size_bytes + each.size,
                    next_uid=row.next_uid + each.uids,
                    contents_revision=each.revision,
                )
        return row

    @property
    def folder_count(self) -> int:
        """How many folders the mailbox has by now."""
        return self.mailbox.folder_count + self._folder_count

    def count_folders(self, difference: int) -> None:
        """So many folders more, or fewer."""
        self._folder_count += difference

    def require_room(self, size: int) -> None:
        """ResourceExhausted ``QUOTA_EXCEEDED`` unless so many bytes more fit into the mailbox."""
        quota = self.mailbox.quota_bytes
        used = self.mailbox.used_bytes + sum(counts.held for counts in (*self._settled.values(), *self._folders.values()))
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
        self._settle()
        for folder_id, counts in sorted(self._settled.items()):
            folders.add_counts(self.connection, self.mailbox.id, folder_id, counts)
        mailboxes.advance(
            self.connection,
            self.mailbox.id,
            self._last,
            items=sum(counts.items for counts in self._settled.values()),
            size=sum(counts.held for counts in self._settled.values()),
            folders=self._folder_count,
        )
        ledger.log_changes(self.connection, self._log)
        self.transaction.announce(self.mailbox.uid, self._last)

    def _settle(self) -> None:
        """Adds what the running operation has counted to what those before it have."""
        for folder_id, running in self._folders.items():
            counts = self._settled[folder_id]
            counts.items += running.items
            counts.unread += running.unread
            counts.size += running.size
            counts.held += running.held
            counts.uids += running.uids
            counts.revision = running.revision
        self._folders.clear()
