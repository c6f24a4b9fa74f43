"""In whose name somebody may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument, PermissionDenied
from rookery_core.rules import mail_addresses
from rookery_server.store import accounts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.store.accounts import AccountRow


def require_own(connection: Connection, account: AccountRow | None, address: str) -> str:
    """The address as envelopes have it. PermissionDenied ``SENDER_NOT_ALLOWED`` unless it is one of the account's."""
    try:
        parsed = mail_addresses.parse(address, "item_id")
    except InvalidArgument:
        is_own = False
    else:
        is_own = account is not None and (parsed.key == account.key or _has_alias(connection, account, parsed.key))
    if not is_own:
        message = f"you can not send as “{address[:100]}”: it is no address of yours"
        raise PermissionDenied("SENDER_NOT_ALLOWED", message, metadata={"address": address[:320]})
    return parsed.text


def _has_alias(connection: Connection, account: AccountRow, key: str) -> bool:
    owner = accounts.address_of(connection, key)
    return owner is not None and owner.account_id == account.id
