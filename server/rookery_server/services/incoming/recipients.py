"""Whose an address is, for mail that comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rookery.v1.admin_service_pb2 import ACCOUNT_KIND_GROUP
from rookery_core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from rookery_core.rules import mail_addresses
from rookery_server.store import domains, groups, incoming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from rookery_core.errors import RookeryError
    from rookery_core.rules.mail_addresses import MailAddress
    from rookery_server.store.database import Database
    from rookery_server.store.incoming import Destination

POSTMASTER = "postmaster"
"""The one recipient that may come without a domain (RFC 5321 section 4.1.1.3)."""

TRACE_BYTES = 2048
"""More than what a mailbox's copy has on top of the message. So whoever tells the size in advance is refused for want of room here,
or not at all: where one of several recipients is refused in the end, all have to be."""


class Recipient(NamedTuple):
    """Somebody here who gets a message."""

    address: str
    """As the envelope has it."""
    mailbox_uid: bytes
    group_id: bytes = b""
    """The account, if that is a group: its members get the message too."""


class Recipients:
    """Finds recipients."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, addresses: Sequence[str], *, size: int | None = None) -> list[Recipient | RookeryError]:
        """For each address whose it is, or why it takes no message.

        ``size``: there has to be room for a message of so many bytes (0: nobody knows how many). None: that is not the question.

        NotFound ``ACCOUNT_NOT_FOUND``, FailedPrecondition ``ACCOUNT_DISABLED``, ResourceExhausted ``QUOTA_EXCEEDED``,
        PermissionDenied ``RELAYING_DENIED`` for other servers' domains, InvalidArgument ``ADDRESS_INVALID``. An address
        ``user+tag@domain`` that nobody has leads to ``user@domain``. A group has room if one of its members has.
        """
        parsed = [_parse(address) for address in addresses]
        found = await self._database.peek(lambda connection: _look_up(connection, parsed, size))
        return [_judge(address, each, found, size) for address, each in zip(addresses, parsed, strict=True)]


class _Found(NamedTuple):
    """What the database says of some addresses."""

    destinations: dict[str, Destination]
    postmaster: Destination | None
    here: frozenset[str]
    """Those domains that are this server's, of addresses that nobody has."""
    spared: set[bytes]
    """Groups that are full themselves, and have a member who is not."""


def _parse(address: str) -> MailAddress | RookeryError | None:
    """The address; None for the postmaster's without a domain."""
    if address.lower() == POSTMASTER:
        return None
    try:
        return mail_addresses.parse(address, "address")
    except InvalidArgument as error:
        return error


def _look_up(connection: Connection, parsed: Sequence[MailAddress | RookeryError | None], size: int | None) -> _Found:
    whole = [each for each in parsed if isinstance(each, mail_addresses.MailAddress)]
    keys = {each.key for each in whole} | {key for each in whole if (key := mail_addresses.without_tag(each))}
    destinations = incoming.destinations(connection, keys) if keys else {}
    strange = {each.domain for each in whole if each.key not in destinations}
    here = domains.known(connection, strange) if strange else frozenset()
    postmaster = incoming.postmaster(connection) if None in parsed else None
    full = {each.account_id for each in (*destinations.values(), postmaster) if each and _is_group(each) and _is_full(each, size)}
    spared = groups.with_room(connection, list(full), (size or 0) + TRACE_BYTES) if full else set()
    return _Found(destinations, postmaster, here, spared)


def _is_group(destination: Destination) -> bool:
    return destination.kind == ACCOUNT_KIND_GROUP


def _is_full(destination: Destination, size: int | None) -> bool:
    quota = destination.quota_bytes
    return size is not None and quota > 0 and destination.used_bytes + size + TRACE_BYTES > quota


def _judge(address: str, parsed: MailAddress | RookeryError | None, found: _Found, size: int | None) -> Recipient | RookeryError:
    if isinstance(parsed, InvalidArgument):
        return parsed
    if isinstance(parsed, mail_addresses.MailAddress):
        leads_to = found.destinations.get(parsed.key) or found.destinations.get(mail_addresses.without_tag(parsed))
        if leads_to is None and parsed.domain not in found.here:
            return PermissionDenied("RELAYING_DENIED", f"{parsed.domain} is not served here, and mail for others is not passed on")
    else:
        leads_to = found.postmaster
    if leads_to is None:
        return NotFound("ACCOUNT_NOT_FOUND", f"there is no mailbox {address} here")
    if leads_to.disabled:
        return FailedPrecondition("ACCOUNT_DISABLED", f"the account of {address} is disabled")
    if _is_full(leads_to, size) and leads_to.account_id not in found.spared:
        return ResourceExhausted("QUOTA_EXCEEDED", f"the mailbox of {address} is full")
    return Recipient(address, leads_to.mailbox_uid, leads_to.account_id if _is_group(leads_to) else b"")
