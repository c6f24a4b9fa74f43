"""How calendars are set: read by many, set by their owners and by administrators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.admin_service_pb2 import AccountKind
from rookery.v1.availability_service_pb2 import (
    CalendarSettings,
    GetCalendarSettingsResponse,
    UpdateCalendarSettingsResponse,
)
from rookery_core.errors import NotFound, PermissionDenied
from rookery_core.rules.availability import settings as rules
from rookery_server.services.accounts import addresses
from rookery_server.store import accounts, mailboxes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery.v1.availability_service_pb2 import GetCalendarSettingsRequest, UpdateCalendarSettingsRequest
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.store.accounts import AccountRow
    from rookery_server.store.database import Database, Transaction


class CalendarSettingsService:
    """Carries out GetCalendarSettings and UpdateCalendarSettings.

    PermissionDenied ``ADMINISTRATOR_ONLY`` for another's calendar, unless the caller administers the server; NotFound
    ``ACCOUNT_NOT_FOUND``; InvalidArgument.
    """

    def __init__(self, database: Database, operations: Operations) -> None:
        self._database = database
        self._operations = operations

    async def get(self, caller: Caller, request: GetCalendarSettingsRequest) -> GetCalendarSettingsResponse:
        """The settings, with what holds where nothing was set."""
        key = _key(request.address)

        def work(connection: Connection) -> GetCalendarSettingsResponse:
            row = _account(connection, caller, key)
            mailbox = mailboxes.find_of_account(connection, row.id)
            found = CalendarSettings() if mailbox is None else of(connection, mailbox.id, row.kind)
            return GetCalendarSettingsResponse(settings=found, revision=row.revision)

        return await self._database.peek(work)

    async def update(self, caller: Caller, request: UpdateCalendarSettingsRequest) -> bytes:
        """Sets them, whole; the encoded UpdateCalendarSettingsResponse."""
        key = _key(request.address)

        def work(transaction: Transaction) -> UpdateCalendarSettingsResponse:
            connection = transaction.connection
            row = _account(connection, caller, key)
            mailbox = mailboxes.find_of_account(connection, row.id, lock=True)
            if mailbox is None:
                raise _unknown(row.address)
            kept = rules.checked(request.settings, AccountKind.ValueType(row.kind))
            mailboxes.set_calendar_settings(connection, mailbox.id, kept.SerializeToString())
            return UpdateCalendarSettingsResponse(settings=rules.whole(kept, row.kind), revision=mailbox.revision)

        return await self._operations.on_server(caller, request.operation_id, "calendar.set", request, work)


def of(connection: Connection, mailbox_id: int, kind: int) -> CalendarSettings:
    """How the calendar of a mailbox is set, with what holds where nothing was set; ``kind`` is its account's."""
    return rules.whole(CalendarSettings.FromString(mailboxes.calendar_settings(connection, mailbox_id)), kind)


def _key(address: str) -> str:
    return addresses.parse(address, "address").key if address else ""


def _account(connection: Connection, caller: Caller, key: str) -> AccountRow:
    """Whose calendar is meant, if the caller may look at how it is set."""
    if not key:
        row = accounts.find(connection, caller.account_id)
        if row is None:
            raise NotFound("ACCOUNT_NOT_FOUND", "say whose calendar: address", field="address")
        return row
    owner = accounts.address_of(connection, key)
    if not caller.administrator and (owner is None or owner.account_id != caller.account_id):
        raise PermissionDenied("ADMINISTRATOR_ONLY", "how the calendars of others are set is for administrators", field="address")
    row = accounts.find(connection, owner.account_id) if owner is not None else None
    if row is None:
        raise _unknown(key)
    return row


def _unknown(address: str) -> NotFound:
    return NotFound("ACCOUNT_NOT_FOUND", f"no account has the address {address}", field="address")
