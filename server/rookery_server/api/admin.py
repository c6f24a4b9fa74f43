"""AdminService."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import admin_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.accounts.account_removal import AccountRemoval
    from rookery_server.services.accounts.accounts import Accounts
    from rookery_server.services.accounts.directory import Directory
    from rookery_server.services.accounts.statistics import Statistics


class AdminServicer:
    """Administers the server. The services refuse whoever is no administrator."""

    def __init__(self, accounts: Accounts, removal: AccountRemoval, directory: Directory, statistics: Statistics) -> None:
        self._accounts = accounts
        self._removal = removal
        self._directory = directory
        self._statistics = statistics

    async def create_account(self, request: messages.CreateAccountRequest, call: Call) -> bytes:
        """See ``Accounts.create``."""
        return await self._accounts.create(call.caller, request)

    async def get_account(self, request: messages.GetAccountRequest, call: Call) -> messages.GetAccountResponse:
        """See ``Accounts.get``."""
        return await self._accounts.get(call.caller, request)

    async def list_accounts(self, request: messages.ListAccountsRequest, call: Call) -> messages.ListAccountsResponse:
        """See ``Accounts.list``."""
        return await self._accounts.list(call.caller, request)

    async def update_account(self, request: messages.UpdateAccountRequest, call: Call) -> bytes:
        """See ``Accounts.update``."""
        return await self._accounts.update(call.caller, request)

    async def set_password(self, request: messages.SetPasswordRequest, call: Call) -> bytes:
        """See ``Accounts.set_password``."""
        return await self._accounts.set_password(call.caller, request)

    async def delete_account(self, request: messages.DeleteAccountRequest, call: Call) -> bytes:
        """See ``AccountRemoval.delete``."""
        return await self._removal.delete(call.caller, request)

    async def create_alias(self, request: messages.CreateAliasRequest, call: Call) -> bytes:
        """See ``Directory.create_alias``."""
        return await self._directory.create_alias(call.caller, request)

    async def list_aliases(self, request: messages.ListAliasesRequest, call: Call) -> messages.ListAliasesResponse:
        """See ``Directory.list_aliases``."""
        return await self._directory.list_aliases(call.caller, request)

    async def delete_alias(self, request: messages.DeleteAliasRequest, call: Call) -> bytes:
        """See ``Directory.delete_alias``."""
        return await self._directory.delete_alias(call.caller, request)

    async def create_domain(self, request: messages.CreateDomainRequest, call: Call) -> bytes:
        """See ``Directory.create_domain``."""
        return await self._directory.create_domain(call.caller, request)

    async def list_domains(self, request: messages.ListDomainsRequest, call: Call) -> messages.ListDomainsResponse:
        """See ``Directory.list_domains``."""
        del request
        return await self._directory.list_domains(call.caller)

    async def delete_domain(self, request: messages.DeleteDomainRequest, call: Call) -> bytes:
        """See ``Directory.delete_domain``."""
        return await self._directory.delete_domain(call.caller, request)

    async def get_statistics(self, request: messages.GetStatisticsRequest, call: Call) -> messages.GetStatisticsResponse:
        """See ``Statistics.get``."""
        del request
        return await self._statistics.get(call.caller)
