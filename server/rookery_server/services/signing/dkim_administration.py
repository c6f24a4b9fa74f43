"""Keys for DKIM signatures in an administrator's hands. Private keys stay here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rookery.v1 import dkim_service_pb2 as messages
from rookery_core.errors import NotFound, ResourceExhausted
from rookery_core.rules import mail_addresses
from rookery_server.services.accounts.accounts import hold_domain, require_administrator
from rookery_server.services.signing import dkim_keys as keys
from rookery_server.store import dkim_keys
from rookery_server.store.dkim_keys import DkimKeyRow

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.services.operations import Operations
    from rookery_server.services.signing.key_ring import KeyRing
    from rookery_server.store.database import Database, Transaction

MOST_KEYS = 20
"""Keys of a domain: each active one signs each message."""

_ALGORITHMS = {
    messages.DKIM_ALGORITHM_UNSPECIFIED: keys.Algorithm.RSA,
    messages.DKIM_ALGORITHM_RSA: keys.Algorithm.RSA,
    messages.DKIM_ALGORITHM_ED25519: keys.Algorithm.ED25519,
}
_NUMBERS = {
    keys.Algorithm.RSA: messages.DKIM_ALGORITHM_RSA,
    keys.Algorithm.ED25519: messages.DKIM_ALGORITHM_ED25519,
}


class DkimAdministration:
    """Carries out the calls of ``rookery.v1.DkimService``. PermissionDenied ``ADMINISTRATOR_ONLY`` for everybody else."""

    def __init__(self, database: Database, operations: Operations, ring: KeyRing, clock: Clock) -> None:
        self._database = database
        self._operations = operations
        self._ring = ring
        self._clock = clock

    async def create_dkim_key(self, caller: Caller, request: messages.CreateDkimKeyRequest) -> bytes:
        """Makes a key; the encoded CreateDkimKeyResponse. ResourceExhausted ``LIMIT_EXCEEDED`` from 20 keys of a domain on."""
        require_administrator(caller)
        domain = mail_addresses.domain_name(request.domain.strip(), "domain")
        algorithm = _ALGORITHMS[request.algorithm]
        now = self._clock.micros()
        selector = keys.require_selector(request.selector or _usual_selector(algorithm, now), domain)
        key = await asyncio.to_thread(keys.generate, selector, algorithm)
        row = DkimKeyRow(domain, selector, _NUMBERS[algorithm], keys.to_der(key), active=False, created=now)

        def create(transaction: Transaction) -> messages.CreateDkimKeyResponse:
            hold_domain(transaction.connection, domain)
            if dkim_keys.count(transaction.connection, domain) >= MOST_KEYS:
                raise ResourceExhausted("LIMIT_EXCEEDED", f"a domain has at most {MOST_KEYS} keys: delete one that signs no more")
            dkim_keys.add(transaction.connection, row)
            return messages.CreateDkimKeyResponse(key=_message(row))

        return await self._operations.on_server(caller, request.operation_id, "dkim.create", request, create)

    async def list_dkim_keys(self, caller: Caller, request: messages.ListDkimKeysRequest) -> messages.ListDkimKeysResponse:
        """The keys, by domain and selector."""
        require_administrator(caller)
        domain = mail_addresses.domain_name(request.domain.strip(), "domain") if request.domain else ""
        rows = await self._database.read(lambda connection: dkim_keys.of_domain(connection, domain))
        return messages.ListDkimKeysResponse(keys=map(_message, rows))

    async def set_dkim_key_active(self, caller: Caller, request: messages.SetDkimKeyActiveRequest) -> bytes:
        """Lets a key sign, or not any more; the encoded SetDkimKeyActiveResponse."""
        require_administrator(caller)
        domain = mail_addresses.domain_name(request.domain.strip(), "domain")
        selector = keys.require_selector(request.selector, domain)

        def change(transaction: Transaction) -> messages.SetDkimKeyActiveResponse:
            row = dkim_keys.find(transaction.connection, domain, selector, lock=True)
            if row is None:
                raise _missing(domain, selector)
            dkim_keys.set_active(transaction.connection, domain, selector, active=request.active)
            key = _message(row)
            key.active = request.active
            return messages.SetDkimKeyActiveResponse(key=key)

        answer = await self._operations.on_server(caller, request.operation_id, "dkim.activate", request, change)
        self._ring.forget(domain)
        return answer

    async def delete_dkim_key(self, caller: Caller, request: messages.DeleteDkimKeyRequest) -> bytes:
        """Deletes a key; the encoded DeleteDkimKeyResponse."""
        require_administrator(caller)
        domain = mail_addresses.domain_name(request.domain.strip(), "domain")
        selector = keys.require_selector(request.selector, domain)

        def delete(transaction: Transaction) -> messages.DeleteDkimKeyResponse:
            if not dkim_keys.remove(transaction.connection, domain, selector):
                raise _missing(domain, selector)
            return messages.DeleteDkimKeyResponse()

        answer = await self._operations.on_server(caller, request.operation_id, "dkim.delete", request, delete)
        self._ring.forget(domain)
        return answer


def _usual_selector(algorithm: keys.Algorithm, now: int) -> str:
    """The first letter of the algorithm and the date, as in "r20261123"."""
    return f"{algorithm.value[0]}{datetime.fromtimestamp(now / 1_000_000, UTC):%Y%m%d}"


def _missing(domain: str, selector: str) -> NotFound:
    return NotFound("DKIM_KEY_NOT_FOUND", f"{domain} has no key {selector}", field="selector")


def _message(row: DkimKeyRow) -> messages.DkimKey:
    """The record without the private key. Where that can not be read, there is no record to be published: its value is empty."""
    key = messages.DkimKey(
        domain=row.domain, selector=row.selector, algorithm=messages.DkimAlgorithm.ValueType(row.algorithm), active=row.active
    )
    key.created.FromMicroseconds(row.created)
    try:
        record = keys.dns_record(row.domain, keys.from_der(row.selector, row.private_key))
    except ValueError:
        return key
    key.record_name, key.record_value = record.name, record.text
    return key
