"""Mailboxes, read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import mailbox_pb2
from rookery_server.services import access
from rookery_server.store import accounts, mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database
    from rookery_server.store.mailboxes import MailboxRow


def to_message(connection: Connection, row: MailboxRow) -> mailbox_pb2.Mailbox:
    """The record."""
    owner = accounts.find(connection, row.account_id)
    return mailbox_pb2.Mailbox(
        id=row.uid,
        address=owner.address if owner else "",
        display_name=owner.display_name if owner else "",
        epoch=row.epoch,
        revision=row.revision,
        oldest_revision=row.oldest_revision,
        quota_bytes=row.quota_bytes,
        used_bytes=row.used_bytes,
        item_count=row.item_count,
        folder_count=row.folder_count,
        aliases=accounts.aliases_of(connection, [row.account_id]).get(row.account_id, []),
    )


class MailboxService:
    """Carries out the calls of ``rookery.v1.MailboxService``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_mailbox(self, caller: Caller, request: mailbox_pb2.GetMailboxRequest) -> mailbox_pb2.GetMailboxResponse:
        """One mailbox that the caller may open."""

        def work(connection: Connection) -> mailbox_pb2.GetMailboxResponse:
            row = access.open_mailbox(connection, caller, request.mailbox_id)
            return mailbox_pb2.GetMailboxResponse(mailbox=to_message(connection, row), revision=row.revision)

        return await self._database.peek(work)

    async def list_mailboxes(self, caller: Caller, request: mailbox_pb2.ListMailboxesRequest) -> mailbox_pb2.ListMailboxesResponse:
        """The mailboxes that the caller may open: its own, if it has one."""
        del request

        def work(connection: Connection) -> mailbox_pb2.ListMailboxesResponse:
            row = mailboxes.find_of_account(connection, caller.account_id)
            return mailbox_pb2.ListMailboxesResponse(mailboxes=[to_message(connection, row)] if row else [])

        return await self._database.peek(work)
