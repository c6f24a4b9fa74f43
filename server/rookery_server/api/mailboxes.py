"""``rookery.v1.MailboxService``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import mailbox_pb2
    from rookery_server.api.context import Call
    from rookery_server.services.mailboxes import MailboxService


class MailboxServicer:
    """Hands each call to the service that carries it out."""

    def __init__(self, mailboxes: MailboxService) -> None:
        self._mailboxes = mailboxes

    async def list_mailboxes(self, request: mailbox_pb2.ListMailboxesRequest, call: Call) -> mailbox_pb2.ListMailboxesResponse:
        """ListMailboxes."""
        return await self._mailboxes.list_mailboxes(call.caller, request)

    async def get_mailbox(self, request: mailbox_pb2.GetMailboxRequest, call: Call) -> mailbox_pb2.GetMailboxResponse:
        """GetMailbox."""
        return await self._mailboxes.get_mailbox(call.caller, request)
