"""In whose name somebody may send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import InvalidArgument, PermissionDenied
from rookery_core.rules import mail_addresses
from rookery_server.store import accounts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from rookery_server.services.caller import Caller


def require_own(connection: Connection, caller: Caller, address: str) -> str:
    """The address as envelopes have it. PermissionDenied ``SENDER_NOT_ALLOWED`` unless it is one of the caller's account."""
    try:
        parsed = mail_addresses.parse(address, "item_id")
    except InvalidArgument:
        owner = None
    else:
        owner = accounts.address_of(connection, parsed.key)
    if owner is None or owner.account_id != caller.account_id:
        message = f"you can not send as “{address[:100]}”: it is no address of yours"
        raise PermissionDenied("SENDER_NOT_ALLOWED", message, metadata={"address": address[:320]})
    return parsed.text
