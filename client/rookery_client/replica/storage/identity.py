"""Whose replica a file is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery.v1.person_pb2 import Person
from rookery_client.replica.storage import facts
from rookery_core.errors import FailedPrecondition
from rookery_core.rules import mail_addresses
from rookery_core.rules.scheduling.itip import Self

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
    display_name: str = ""
    """What the owner is called; "" while that is not known."""
    aliases: tuple[str, ...] = ()
    """Further addresses of the owner."""

    @property
    def owner(self) -> Self:
        """The owner, for the rules of scheduling."""
        keys = frozenset(map(mail_addresses.key_of, (self.address, *self.aliases)))
        return Self(Person(name=self.display_name, address=self.address), keys)

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Identity | None:
        """What the file says; None if it has not been used yet."""
        mailbox_id = facts.data(connection, facts.MAILBOX_ID)
        if not mailbox_id:
            return None
        names = (facts.text(connection, facts.SERVER), facts.text(connection, facts.ADDRESS))
        account_id, display_name = facts.data(connection, facts.ACCOUNT_ID), facts.text(connection, facts.DISPLAY_NAME)
        aliases = tuple(facts.text(connection, facts.ALIASES).splitlines())
        return cls(*names, mailbox_id, account_id, display_name, aliases)

    def write(self, connection: sqlite3.Connection) -> None:
        """Makes the file this one's, or notes a new address of the server or the account, another name, other aliases.

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
                facts.DISPLAY_NAME: self.display_name,
                facts.ALIASES: "\n".join(self.aliases),
            },
        )
