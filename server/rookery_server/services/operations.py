"""Idempotency: every mutation goes through here (ARCHITECTURE decision 5).

An operation is named by (acting account, operation id). Its result is written in the transaction that carries it out, so that a
repeat, after a lost answer or a restart, gives the first answer again. Definitive refusals are kept too. Which mailbox, and which
order of locks, is the business of this module; what is done is the business of the service that calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rookery.internal.v1 import packed_pb2
from rookery_core import errors
from rookery_core.errors import FailedPrecondition, InvalidArgument, RookeryError
from rookery_core.rules import ids
from rookery_server.services import access
from rookery_server.services.change import MailboxChange
from rookery_server.store import jobs, ledger

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from sqlalchemy import Connection

    from rookery_core.rules.clock import Clock
    from rookery_server.services.caller import Caller
    from rookery_server.store.database import Database, Transaction
    from rookery_server.store.jobs import JobRow

HORIZON_DAYS = 60
"""How long the ledger remembers; an operation id older than that is refused."""
_DAY = 86_400_000_000

Opened = TypeVar("Opened")

MailboxWork = Callable[[MailboxChange], "Message"]
ServerWork = Callable[["Transaction"], "Message"]


def request_hash(name: str, request: Message) -> bytes:
    """What tells a repeat from another request under the same operation id."""
    return hashlib.sha256(name.encode() + b"\0" + request.SerializeToString(deterministic=True)).digest()


def check_operation_id(operation_id: bytes, now: int) -> None:
    """InvalidArgument unless it is a UUIDv7; FailedPrecondition ``OPERATION_EXPIRED`` beyond the ledger's horizon.

    An id from more than a day ahead is refused too: the ledger would forget it before its own time came.
    """
    ids.require_minted(operation_id, "operation_id")
    age = now - ids.millis_of(operation_id) * 1000
    if age > HORIZON_DAYS * _DAY:
        raise FailedPrecondition(
            "OPERATION_EXPIRED", f"the operation id is older than {HORIZON_DAYS} days: read the state again and decide anew"
        )
    if age < -_DAY:
        raise InvalidArgument("ID_INVALID", "the operation id is more than a day ahead of the server's clock", field="operation_id")


def require_same_request(row: JobRow, kind: str, request: Message) -> None:
    """FailedPrecondition ``OPERATION_REUSED`` unless this very request began the job."""
    if (row.kind, row.arguments) != (kind, request.SerializeToString(deterministic=True)):
        message = "this operation id belongs to another request, which is not finished: mint a new one for a new request"
        raise FailedPrecondition("OPERATION_REUSED", message)


def replay(entry: ledger.Entry, wanted_hash: bytes) -> bytes:
    """The first answer again: its bytes, or its refusal raised. ``OPERATION_REUSED`` if that was another request."""
    if entry.request_hash != wanted_hash:
        raise FailedPrecondition(
            "OPERATION_REUSED", "this operation id was used for another request: mint a new one for a new request"
        )
    if entry.refusal is not None:
        raise decode_refusal(entry.refusal)
    return entry.result or b""


def encode_refusal(error: RookeryError) -> bytes:
    """A definitive refusal as the ledger keeps it."""
    kept = {**error.metadata, "": type(error).__name__}
    if error.field:
        kept["\0field"] = error.field
    return packed_pb2.RecordedError(reason=error.reason, message=error.message, metadata=kept).SerializeToString()


def decode_refusal(recorded: bytes) -> RookeryError:
    """The refusal that the ledger kept."""
    message = packed_pb2.RecordedError.FromString(recorded)
    metadata = dict(message.metadata)
    kind: type[RookeryError] = getattr(errors, metadata.pop("", "FailedPrecondition"))
    field = metadata.pop("\0field", None)
    return kind(message.reason, message.message, metadata=metadata, field=field)


class Operations:
    """Carries mutations out, once each."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def on_mailbox(
        self,
        caller: Caller,
        mailbox_uid: bytes,
        operation_id: bytes,
        name: str,
        request: Message,
        work: MailboxWork,
        *,
        committed: Callable[[], None] | None = None,
    ) -> bytes:
        """Runs ``work`` on the caller's mailbox; gives the encoded response.

        ``work`` may run more than once and changes nothing but the transaction. ``request`` decides whether a repeat is one.
        ``committed`` is called once what the last run of ``work`` has done is on disk; a repeat runs it not at all.
        """

        def open_first(transaction: Transaction) -> MailboxChange:
            mailbox = access.open_mailbox(transaction.connection, caller, mailbox_uid, lock=True)
            return MailboxChange(transaction, mailbox, caller, self._clock.micros())

        def run(transaction: Transaction, change: MailboxChange) -> Message:
            del transaction
            change.begin(name, operation_id)
            response = work(change)
            change.finish()
            return response

        result, is_new = await self._once(caller, operation_id, name, request, open_first, run)
        if is_new and committed is not None:
            committed()
        return result

    async def on_server(self, caller: Caller, operation_id: bytes, name: str, request: Message, work: ServerWork) -> bytes:
        """Runs ``work`` on what belongs to no mailbox: accounts, domains, sessions. Gives the encoded response."""

        def open_first(transaction: Transaction) -> None:
            ledger.serialize(transaction.connection, caller.account_id, operation_id)

        def run(transaction: Transaction, opened: None) -> Message:
            del opened
            return work(transaction)

        result, _ = await self._once(caller, operation_id, name, request, open_first, run)
        return result

    async def _once(
        self,
        caller: Caller,
        operation_id: bytes,
        name: str,
        request: Message,
        open_first: Callable[[Transaction], Opened],
        run: Callable[[Transaction, Opened], Message],
    ) -> tuple[bytes, bool]:
        """The encoded response, and whether it was carried out now: a repeat gets the first answer."""
        now = self._clock.micros()
        check_operation_id(operation_id, now)
        wanted_hash = request_hash(name, request)

        def record(connection: Connection, *, result: bytes | None = None, refusal: bytes | None = None) -> None:
            entry = {"account_id": caller.account_id, "id": operation_id, "request_hash": wanted_hash, "created": now}
            ledger.record(connection, [{**entry, "result": result, "refusal": refusal}])

        def attempt(transaction: Transaction) -> tuple[bytes, bool]:
            opened = open_first(transaction)  # the lock comes first: two repeats at once must not both find nothing
            if entry := ledger.find(transaction.connection, caller.account_id, operation_id):
                return replay(entry, wanted_hash), False
            if job := jobs.find(transaction.connection, caller.account_id, operation_id):
                require_same_request(job, name, request)
            result = run(transaction, opened).SerializeToString()
            record(transaction.connection, result=result)
            return result, True

        def refuse(transaction: Transaction, refusal: bytes) -> bytes | None:
            open_first(transaction)
            if entry := ledger.find(transaction.connection, caller.account_id, operation_id):
                return replay(entry, wanted_hash)
            record(transaction.connection, refusal=refusal)
            return None

        try:
            return await self._database.write(attempt)
        except RookeryError as error:
            if not error.definitive or isinstance(error, InvalidArgument) or error.reason in _UNRECORDED:
                raise
            refusal = encode_refusal(error)
            answered = await self._database.write(lambda transaction: refuse(transaction, refusal))
            if answered is not None:
                return answered, False
            raise


_UNRECORDED = frozenset({"OPERATION_REUSED", "MAILBOX_NOT_FOUND"})
"""Refusals that belong to no operation of this account: the id is another request's, or there is no mailbox to act on."""
