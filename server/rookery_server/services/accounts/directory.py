"""Domains and further addresses, for administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import admin_service_pb2 as messages
from rookery_core.errors import FailedPrecondition, NotFound, ResourceExhausted
from rookery_core.rules import mail_addresses
from rookery_core.rules.ids import require_id
from rookery_server.services.accounts import addresses
from rookery_server.services.accounts.accounts import hold_domain, page_size, require_administrator, require_locked
from rookery_server.store import accounts, dkim_keys, domains, outgoing
from rookery_server.store.accounts import AddressRow

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.services.page_tokens import PageTokens
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.domains import DomainRow

MOST_DOMAINS = 10_000


class Directory:
    """Adds, lists and removes domains and aliases. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody but administrators."""

    def __init__(self, database: Database, operations: Operations, page_tokens: PageTokens, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._page_tokens = page_tokens
        self._clock = clock

    async def create_alias(self, caller: Caller, request: messages.CreateAliasRequest) -> bytes:
        """Gives an account a further address.

        InvalidArgument ``ADDRESS_INVALID``; NotFound ``ACCOUNT_NOT_FOUND``, ``DOMAIN_NOT_FOUND``; AlreadyExists ``ADDRESS_TAKEN``.
        """
        require_administrator(caller)
        address = addresses.parse(request.alias.address, "alias.address")
        account_id = require_id(request.alias.account_id, "alias.account_id")

        def create(transaction: Transaction) -> messages.CreateAliasResponse:
            connection = transaction.connection
            require_locked(connection, account_id)
            hold_domain(connection, address.domain)
            accounts.add_address(connection, AddressRow(address.key, address.text, address.domain, account_id, False))
            return messages.CreateAliasResponse(alias=messages.Alias(address=address.text, account_id=account_id))

        return await self._operations.on_server(caller, request.operation_id, "alias.create", request, create)

    async def list_aliases(self, caller: Caller, request: messages.ListAliasesRequest) -> messages.ListAliasesResponse:
        """A page of further addresses, of one account or of all, by address."""
        require_administrator(caller)
        if request.account_id:
            require_id(request.account_id, "account_id")
        size = page_size(request.page_size)
        query = messages.ListAliasesRequest(account_id=request.account_id)
        digest = self._page_tokens.digest(caller, b"", query)
        token = self._page_tokens.decode(request.page_token, digest)

        def read(connection: Connection) -> messages.ListAliasesResponse:
            rows = accounts.list_aliases(connection, request.account_id, token.text if token else "", size + 1)
            shown = [messages.Alias(address=row.text, account_id=row.account_id) for row in rows[:size]]
            response = messages.ListAliasesResponse(aliases=shown)
            if len(rows) > size:
                response.next_page_token = self._page_tokens.encode(digest, text=rows[size - 1].key)
            return response

        return await self._database.read(read)

    async def delete_alias(self, caller: Caller, request: messages.DeleteAliasRequest) -> bytes:
        """Takes a further address away. NotFound ``ACCOUNT_NOT_FOUND``; FailedPrecondition ``ADDRESS_INVALID`` if primary."""
        require_administrator(caller)
        address = addresses.parse(request.address, "address")

        def delete(transaction: Transaction) -> messages.DeleteAliasResponse:
            connection = transaction.connection
            found = accounts.address_of(connection, address.key)
            if found is None:
                raise NotFound("ACCOUNT_NOT_FOUND", f"no account has the address {address.text}", field="address")
            if found.is_primary:
                message = f"{address.text} is an account's primary address: it goes with the account only"
                raise FailedPrecondition("ADDRESS_INVALID", message, field="address")
            accounts.remove_address(connection, address.key)
            return messages.DeleteAliasResponse()

        return await self._operations.on_server(caller, request.operation_id, "alias.delete", request, delete)

    async def create_domain(self, caller: Caller, request: messages.CreateDomainRequest) -> bytes:
        """Adds a domain. InvalidArgument ``ADDRESS_INVALID``; AlreadyExists ``DOMAIN_TAKEN``; ResourceExhausted from 10,000 on."""
        require_administrator(caller)
        name = mail_addresses.domain_name(request.domain.name.strip(), "domain.name")
        now = self._clock.micros()

        def create(transaction: Transaction) -> messages.CreateDomainResponse:
            if domains.count(transaction.connection) >= MOST_DOMAINS:
                raise ResourceExhausted("LIMIT_EXCEEDED", f"a server has at most {MOST_DOMAINS:,} domains")
            domains.add(transaction.connection, name, now)
            outgoing.bring_home(transaction.connection, name)  # what waits to be sent there would come back to us
            return messages.CreateDomainResponse(domain=_message(domains.DomainRow(name, now, 0)))

        return await self._operations.on_server(caller, request.operation_id, "domain.create", request, create)

    async def list_domains(self, caller: Caller) -> messages.ListDomainsResponse:
        """The domains, by name."""
        require_administrator(caller)
        rows = await self._database.read(domains.list_all)
        return messages.ListDomainsResponse(domains=[_message(row) for row in rows])

    async def delete_domain(self, caller: Caller, request: messages.DeleteDomainRequest) -> bytes:
        """Removes a domain, and with it its keys for DKIM.

        NotFound ``DOMAIN_NOT_FOUND``; FailedPrecondition ``DOMAIN_IN_USE`` while addresses use it.
        """
        require_administrator(caller)
        name = mail_addresses.domain_name(request.name.strip(), "name")

        def delete(transaction: Transaction) -> messages.DeleteDomainResponse:
            connection = transaction.connection
            if not domains.hold(connection, name, alone=True):
                raise NotFound("DOMAIN_NOT_FOUND", f"this server has no domain {name}", field="name")
            if domains.is_used(connection, name):
                raise FailedPrecondition("DOMAIN_IN_USE", f"addresses use {name}: remove them first", field="name")
            dkim_keys.remove_all(connection, name)
            domains.remove(connection, name)
            return messages.DeleteDomainResponse()

        return await self._operations.on_server(caller, request.operation_id, "domain.delete", request, delete)


def _message(row: DomainRow) -> messages.Domain:
    domain = messages.Domain(name=row.name, address_count=row.address_count)
    domain.created.FromMicroseconds(row.created)
    return domain
