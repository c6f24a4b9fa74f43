"""Administration: accounts, further addresses, domains, figures. For administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.field_mask_pb2 import FieldMask

from rookery.v1 import admin_service_pb2 as pb
from rookery.v1.admin_service_pb2_grpc import AdminServiceStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rookery_client.connection import Connection


class Admin:
    """The AdminService. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody else."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AdminServiceStub(connection.channel)

    async def create_account(self, account: pb.Account, password: str = "") -> pb.Account:
        """Creates an account, its address at the least, with its mailbox. Without a password it can not sign in."""
        request = pb.CreateAccountRequest(operation_id=self._connection.ids.new(), account=account, password=password)
        return (await self._connection.unary(self._stub.CreateAccount, request)).account

    async def get_account(self, account: bytes | str) -> pb.Account:
        """An account by id (bytes) or by any of its addresses (text)."""
        request = pb.GetAccountRequest()
        if isinstance(account, bytes):
            request.account_id = account
        else:
            request.address = account
        return (await self._connection.unary(self._stub.GetAccount, request)).account

    async def accounts(self, *, page_size: int = 500) -> AsyncIterator[pb.Account]:
        """All accounts, by address."""
        request = pb.ListAccountsRequest(page_size=page_size)
        while True:
            page = await self._connection.unary(self._stub.ListAccounts, request)
            for account in page.accounts:
                yield account
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def update_account(self, account: pb.Account, paths: Sequence[str]) -> pb.Account:
        """Gives the fields at `paths` the values that they have in `account`, which has the id."""
        request = pb.UpdateAccountRequest(
            operation_id=self._connection.ids.new(), account=account, update_mask=FieldMask(paths=paths)
        )
        return (await self._connection.unary(self._stub.UpdateAccount, request)).account

    async def set_password(self, account_id: bytes, password: str) -> None:
        """Sets an account's password and ends all of its sessions."""
        request = pb.SetPasswordRequest(operation_id=self._connection.ids.new(), account_id=account_id, password=password)
        await self._connection.unary(self._stub.SetPassword, request)

    async def delete_account(self, account_id: bytes) -> pb.DeleteAccountResponse:
        """Removes an account and everything in its mailbox, for good."""
        request = pb.DeleteAccountRequest(operation_id=self._connection.ids.new(), account_id=account_id)
        return await self._connection.unary(self._stub.DeleteAccount, request, deadline=max(600.0, self._connection.deadline))

    async def create_alias(self, address: str, account_id: bytes) -> pb.Alias:
        """Gives an account a further address."""
        alias = pb.Alias(address=address, account_id=account_id)
        request = pb.CreateAliasRequest(operation_id=self._connection.ids.new(), alias=alias)
        return (await self._connection.unary(self._stub.CreateAlias, request)).alias

    async def aliases(self, account_id: bytes = b"", *, page_size: int = 500) -> AsyncIterator[pb.Alias]:
        """The further addresses of one account, or of all, by address."""
        request = pb.ListAliasesRequest(account_id=account_id, page_size=page_size)
        while True:
            page = await self._connection.unary(self._stub.ListAliases, request)
            for alias in page.aliases:
                yield alias
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def delete_alias(self, address: str) -> None:
        """Takes a further address away."""
        request = pb.DeleteAliasRequest(operation_id=self._connection.ids.new(), address=address)
        await self._connection.unary(self._stub.DeleteAlias, request)

    async def create_domain(self, name: str) -> pb.Domain:
        """Adds a mail domain."""
        request = pb.CreateDomainRequest(operation_id=self._connection.ids.new(), domain=pb.Domain(name=name))
        return (await self._connection.unary(self._stub.CreateDomain, request)).domain

    async def domains(self) -> list[pb.Domain]:
        """The mail domains, by name."""
        return list((await self._connection.unary(self._stub.ListDomains, pb.ListDomainsRequest())).domains)

    async def delete_domain(self, name: str) -> None:
        """Removes a mail domain that no address uses."""
        request = pb.DeleteDomainRequest(operation_id=self._connection.ids.new(), name=name)
        await self._connection.unary(self._stub.DeleteDomain, request)

    async def statistics(self) -> pb.GetStatisticsResponse:
        """Figures of the whole server."""
        return await self._connection.unary(self._stub.GetStatistics, pb.GetStatisticsRequest())
