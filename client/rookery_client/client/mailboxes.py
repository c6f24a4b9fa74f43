"""Mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import mailbox_pb2 as pb
from rookery.v1.mailbox_pb2_grpc import MailboxServiceStub

if TYPE_CHECKING:
    from rookery_client.connection import Connection


class Mailboxes:
    """The MailboxService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = MailboxServiceStub(connection.channel)

    async def list(self) -> list[pb.Mailbox]:
        """The mailboxes that the caller may open, the own first."""
        response = await self._connection.unary(self._stub.ListMailboxes, pb.ListMailboxesRequest())
        return list(response.mailboxes)

    async def get(self, mailbox_id: bytes = b"") -> pb.Mailbox:
        """One mailbox, with its revision and figures."""
        response = await self._connection.unary(self._stub.GetMailbox, pb.GetMailboxRequest(mailbox_id=mailbox_id))
        return response.mailbox
