"""A connection: one channel, one sign-in, every call with its deadline and its attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import grpc.aio

from rookery.v1.auth_service_pb2 import RefreshRequest, Tokens
from rookery.v1.auth_service_pb2_grpc import AuthServiceStub
from rookery_client.connection.credentials import Credentials, TokenLock, no_lock
from rookery_client.connection.retry import Attempts, RetryPolicy
from rookery_client.connection.status import error_of_call
from rookery_core.errors import RookeryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_core.errors import RookeryError
    from rookery_core.rules.clock import Clock
    from rookery_core.rules.ids import Ids

Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """Calls a server. Raises only the exceptions of ``rookery_core.errors``.

    `deadline`: seconds that a call may take, all of its attempts together. `chance`: numbers from 0 to 1 for the delays.
    """

    def __init__(
        self,
        channel: grpc.aio.Channel,
        server: str,
        *,
        clock: Clock,
        ids: Ids,
        chance: Callable[[], float],
        retry: RetryPolicy,
        deadline: float,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        token_lock: TokenLock = no_lock,
    ) -> None:
        self.channel = channel
        self.server = server
        self.ids = ids
        self.deadline = deadline
        self._chance = chance
        self._retry = retry
        self._auth = AuthServiceStub(channel)
        self.credentials = Credentials(self._refresh, clock, tokens=tokens, on_tokens=on_tokens, lock=token_lock)

    async def unary(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        *,
        signed_in: bool = True,
        deadline: float | None = None,
    ) -> Response:
        """Makes a call, again with the very same request while the server is unavailable, and once after renewing the tokens.

        `deadline`: seconds for this call instead of the connection's.
        """
        attempts = self.attempts(signed_in=signed_in, deadline=self.deadline if deadline is None else deadline)
        while True:
            metadata = await attempts.metadata()
            try:
                return await method(request, metadata=metadata, timeout=attempts.timeout())
            except grpc.aio.AioRpcError as error:
                await attempts.failed(self.error_of(error))

    def attempts(self, *, signed_in: bool = True, deadline: float | None = None) -> Attempts:
        """Begins a call that is made by hand, a stream for instance. `deadline` in seconds; None: it may take any time."""
        return Attempts(self._retry, self._chance, self.credentials if signed_in else None, deadline)

    def error_of(self, error: grpc.aio.AioRpcError) -> RookeryError:
        """The exception that a failed call stands for."""
        return error_of_call(error, self.server)

    async def close(self) -> None:
        """Closes the channel; calls that are under way are cancelled."""
        await self.channel.close(grace=None)

    async def _refresh(self, refresh_token: str) -> Tokens:
        response = await self.unary(self._auth.Refresh, RefreshRequest(refresh_token=refresh_token), signed_in=False)
        return response.tokens
