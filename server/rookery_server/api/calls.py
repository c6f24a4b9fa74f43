"""Around every call: who calls, how long it may take, what is told of an error, one line in the log.

Bytes come in and bytes go out: requests are decoded here, so that broken ones get a precise refusal, and a servicer may answer
with encoded bytes as well as with a message. On the hot path: nothing here that a call does not need.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from google.protobuf.message import DecodeError, Message

from rookery_core.errors import InvalidArgument, RookeryError, Unauthenticated, Unavailable
from rookery_core.rules.enums import require_known_enums
from rookery_core.rules.ids import text_of
from rookery_server.api import errors
from rookery_server.api.context import NOBODY, Call, peer_host
from rookery_server.services.caller import MACHINE_ADMINISTRATOR, NO_ID, Caller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from rookery_core.rules.ids import Ids
    from rookery_server.api.call_counts import CallCounts
    from rookery_server.api.context import Context

    Behaviour = Callable[[Any, Context], Awaitable[bytes | None]]
    Body = Callable[[Call, "_Record"], Awaitable[bytes | None]]

DEADLINE_SECONDS = 60.0
"""What a unary call gets whose client set no deadline."""

WRITE_SECONDS = 30.0
"""How long a device may leave a message of a lasting stream untaken."""
_ABANDON_SECONDS = 1.0
LASTING = frozenset({"rookery.v1.SyncService/Pull", "rookery.v1.SyncService/Watch"})
"""The streams that have no end of their own: who does not take what they bring is not waited for."""

_log = structlog.get_logger("rookery.calls")


class Authenticator(Protocol):
    """Knows callers by their access tokens."""

    async def authenticate(self, access_token: str) -> Caller:
        """Who carries this token. Unauthenticated if it is damaged, has ended, or its session was ended."""
        ...

    async def confirm(self, caller: Caller) -> None:
        """Unauthenticated ``SESSION_REVOKED`` if the caller's session was ended since."""
        ...


class _Record:
    """What the log says of one call."""

    __slots__ = ("account_id", "error", "received", "sent", "status")

    def __init__(self) -> None:
        self.received = self.sent = 0
        self.account_id = NO_ID
        self.status = "OK"
        self.error: RookeryError | None = None


class Calls:
    """Turns servicers' methods into what ``grpc.aio`` calls.

    A method is ``async def name(request, call) -> Message | bytes``; where the answer is a stream it is an async generator of
    those, where the request is one it gets an async iterator of messages. A stream lasts, so its caller is looked at again with
    each of its messages, either way.

    A request with an enum number that nobody knows is refused here. But not within a stream, where that would end all of it: there
    the service looks at each message.
    """

    def __init__(self, authenticator: Authenticator, ids: Ids, counts: CallCounts, *, write_seconds: float = WRITE_SECONDS) -> None:
        self._authenticator = authenticator
        self._ids = ids
        self._counts = counts
        self._write_seconds = write_seconds

    def unary_unary(self, name: str, method: Any, request_type: type[Message], *, public: bool) -> Behaviour:
        """The behaviour of a call with one request and one answer."""

        async def behave(raw: bytes, context: Context) -> bytes | None:
            async def body(call: Call, record: _Record) -> bytes:
                record.received = len(raw)
                response = await method(_decode_known(request_type, raw), call)
                return _encode(response, record)

            return await self._guard(name, context, body, public=public, limit=DEADLINE_SECONDS)

        return behave

    def stream_unary(self, name: str, method: Any, request_type: type[Message], *, public: bool) -> Behaviour:
        """The behaviour of a call with a stream of requests and one answer."""

        async def behave(raws: AsyncIterator[bytes], context: Context) -> bytes | None:
            async def body(call: Call, record: _Record) -> bytes:
                return _encode(await method(self._requests(request_type, raws, call, record), call), record)

            return await self._guard(name, context, body, public=public)

        return behave

    def unary_stream(self, name: str, method: Any, request_type: type[Message], *, public: bool) -> Behaviour:
        """The behaviour of a call with one request and a stream of answers."""

        async def behave(raw: bytes, context: Context) -> bytes | None:
            async def body(call: Call, record: _Record) -> None:
                record.received = len(raw)
                limit = self._write_seconds if name in LASTING else None
                await self._send(method(_decode_known(request_type, raw), call), call, context, record, limit)

            return await self._guard(name, context, body, public=public)

        return behave

    def stream_stream(self, name: str, method: Any, request_type: type[Message], *, public: bool) -> Behaviour:
        """The behaviour of a call with a stream both ways."""

        async def behave(raws: AsyncIterator[bytes], context: Context) -> bytes | None:
            async def body(call: Call, record: _Record) -> None:
                await self._send(method(self._requests(request_type, raws, call, record), call), call, context, record, None)

            return await self._guard(name, context, body, public=public)

        return behave

    async def _guard(self, name: str, context: Context, body: Body, *, public: bool, limit: float | None = None) -> bytes | None:
        started = time.perf_counter()
        request_id, token = _credentials(context)
        if not request_id:
            request_id = self._ids.new().hex()
        peer = peer_host(context.peer())
        record = _Record()
        try:
            caller = NOBODY if public else await self._identify(token, peer)
            record.account_id = caller.account_id
            call = Call(context, caller, peer, request_id)
            context.set_trailing_metadata(((errors.REQUEST_ID_KEY, request_id),))
            if limit is None or context.time_remaining() is not None:
                return await body(call, record)
            return await _within(limit, body(call, record))
        except RookeryError as error:
            record.status, record.error = type(error).__name__, error
            refusal = errors.refuse(context, error, request_id)
            await (_abandon(refusal) if error.reason == "SLOW_CONSUMER" else refusal)
        except _LimitReachedError:
            record.status = "DeadlineExceeded"
            await errors.expire(context, limit or 0.0, request_id)
        except asyncio.CancelledError:
            record.status = "Cancelled"
            raise
        except Exception:  # noqa: BLE001 - the outermost place: it is logged, and the caller is told nothing of it
            record.status = "Internal"
            _log.exception("call failed", method=name, request_id=request_id)
            await errors.fail(context, request_id)
        finally:
            seconds = time.perf_counter() - started
            self._counts.add(name, record.status, seconds)
            _write_line(name, record, peer, request_id, seconds)
        return None

    async def _identify(self, token: str | None, peer: str) -> Caller:
        if token is not None:
            return await self._authenticator.authenticate(token)
        if peer == "unix":
            return MACHINE_ADMINISTRATOR
        raise Unauthenticated("TOKEN_MISSING", "the call carries no access token: sign in first")

    async def _requests(
        self, request_type: type[Message], raws: AsyncIterator[bytes], call: Call, record: _Record
    ) -> AsyncIterator[Message]:
        async for raw in raws:
            await self._authenticator.confirm(call.caller)
            record.received += len(raw)
            yield _decode(request_type, raw)

    async def _send(self, responses: Any, call: Call, context: Context, record: _Record, limit: float | None) -> None:
        """Sends the answers; Unavailable ``SLOW_CONSUMER`` if one is not taken within ``limit`` seconds."""
        async with aclosing(responses):
            async for response in responses:
                await self._authenticator.confirm(call.caller)
                try:
                    async with asyncio.timeout(limit):
                        await context.write(_encode(response, record))
                except TimeoutError:
                    message = f"the stream was not read for {limit:.0f} seconds: begin it again"
                    raise Unavailable("SLOW_CONSUMER", message) from None
                del response  # the next one may be long in coming


class _LimitReachedError(Exception):
    """The server's own time limit for a call is reached."""


async def _within(seconds: float, work: Awaitable[bytes | None]) -> bytes | None:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise _LimitReachedError from None
        raise


async def _abandon(refusal: Awaitable[None]) -> None:
    """Ends the call of a client that reads nothing: the refusal waits behind what was not read, and is not waited for long."""
    try:
        async with asyncio.timeout(_ABANDON_SECONDS):
            await refusal
    except TimeoutError:
        raise asyncio.CancelledError from None  # with this gRPC drops the call, and what it still holds for it


def _credentials(context: Context) -> tuple[str, str | None]:
    """The client's own request id, "" if it gave none that is fit for a log, and the access token."""
    request_id, token = "", None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization" and isinstance(value, str):
            scheme, _, rest = value.partition(" ")
            if scheme.lower() == "bearer":
                token = rest.strip()
        elif key == errors.REQUEST_ID_KEY and isinstance(value, str) and len(value) <= 64:
            request_id = value
    return request_id, token


def _decode(request_type: type[Message], raw: bytes) -> Message:
    try:
        return request_type.FromString(raw)
    except DecodeError:
        name = request_type.DESCRIPTOR.name
        raise InvalidArgument(
            "FIELD_INVALID", f"the bytes can not be read as a {name}: damaged, or text that is not UTF-8"
        ) from None


def _decode_known(request_type: type[Message], raw: bytes) -> Message:
    request = _decode(request_type, raw)
    require_known_enums(request)
    return request


def _encode(response: Message | bytes, record: _Record) -> bytes:
    payload = response if isinstance(response, bytes) else response.SerializeToString()
    record.sent += len(payload)
    return payload


def _write_line(name: str, record: _Record, peer: str, request_id: str, seconds: float) -> None:
    fields: dict[str, object] = {
        "method": name,
        "status": record.status,
        "ms": round(seconds * 1000, 2),
        "account": text_of(record.account_id) if record.account_id != NO_ID else "",
        "peer": peer,
        "received": record.received,
        "sent": record.sent,
        "request_id": request_id,
    }
    if record.error is not None:
        fields["reason"] = record.error.reason
    _log.info("call", **fields)
