"""Whose replica a file is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_client.replica.storage import facts
from rookery_core.errors import FailedPrecondition

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Identity:
    """The mailbox that a replica is of, and who looks at it."""

    server: str
    """Where the server is, as the profile has it."""
    address: str
    """The account's address, to be shown."""
    mailbox_id: bytes
    account_id: bytes

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Identity | None:
        """What the file says; None if it has not been used yet."""
        mailbox_id = facts.data(connection, facts.MAILBOX_ID)
        if not mailbox_id:
            return None
        names = (facts.text(connection, facts.SERVER), facts.text(connection, facts.ADDRESS))
        return cls(*names, mailbox_id, facts.data(connection, facts.ACCOUNT_ID))

    def write(self, connection: sqlite3.Connection) -> None:
        """Makes the file this one's, or notes a new address of the server or the account.

        FailedPrecondition ``REPLICA_FOREIGN`` if it is another mailbox's or account's already. A server may move; its ids stay.
        """
        known = Identity.read(connection)
        if known is not None and (known.mailbox_id, known.account_id) != (self.mailbox_id, self.account_id):
            raise FailedPrecondition(
                "REPLICA_FOREIGN",
                f"the replica belongs to {known.address} on {known.server}: name another file with --replica",
            )
        facts.put(
            connection,
            {
                facts.SERVER: self.server,
                facts.ADDRESS: self.address,
                facts.MAILBOX_ID: self.mailbox_id,
                facts.ACCOUNT_ID: self.account_id,
            },
        )
