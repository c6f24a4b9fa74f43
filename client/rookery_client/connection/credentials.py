"""The tokens of a signed-in device: kept, renewed once for everybody who waits, handed out for saving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from rookery.v1.auth_service_pb2 import Tokens
from rookery_core.errors import Unauthenticated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_core.rules.clock import Clock

TokenLock = Callable[[], AbstractAsyncContextManager[Tokens | None]]
"""Held while tokens are renewed, where several processes share them; gives the tokens as they are kept at that moment."""

MARGIN_MICROS = 60_000_000
"""Access tokens are renewed this long before they end, so that none ends on its way to the server."""


@asynccontextmanager
async def no_lock() -> AsyncIterator[Tokens | None]:
    """The lock of a process that shares its tokens with nobody."""
    yield None


class Credentials:
    """Holds the tokens of one session. Safe for any number of calls at once on one event loop."""

    def __init__(
        self,
        refresh: Callable[[str], Awaitable[Tokens]],
        clock: Clock,
        *,
        tokens: Tokens | None = None,
        on_tokens: Callable[[Tokens | None], None] | None = None,
        lock: TokenLock = no_lock,
    ) -> None:
        self._refresh = refresh
        self._clock = clock
        self._on_tokens = on_tokens
        self._lock = lock
        self._flight = asyncio.Lock()
        self._tokens: Tokens | None = None
        self._ends = 0
        self._adopt(tokens)

    @property
    def tokens(self) -> Tokens | None:
        """The tokens now held; None if nobody is signed in."""
        return self._tokens

    def replace(self, tokens: Tokens | None) -> None:
        """Takes new tokens, or none after signing out, and hands them on for saving."""
        self._adopt(tokens)
        if self._on_tokens is not None:
            self._on_tokens(tokens)

    async def access_token(self) -> str:
        """An access token good for a minute at least. Unauthenticated ``TOKEN_MISSING`` if nobody is signed in."""
        tokens = self._signed_in()
        if self._clock.micros() + MARGIN_MICROS >= self._ends:
            await self.renew(tokens.access_token)
        return self._signed_in().access_token

    async def renew(self, rejected: str) -> None:
        """Replaces the access token `rejected`. One call renews for all that wait; Unauthenticated if the session has ended."""
        async with self._flight:
            if self._signed_in().access_token != rejected:
                return
            async with self._lock() as kept:
                if kept is not None and kept.access_token != rejected:
                    self._adopt(kept)
                    if self._clock.micros() + MARGIN_MICROS < self._ends:
                        return
                self.replace(await self._refresh(self._signed_in().refresh_token))

    def _adopt(self, tokens: Tokens | None) -> None:
        self._tokens = tokens
        self._ends = tokens.access_expires.ToMicroseconds() if tokens is not None else 0

    def _signed_in(self) -> Tokens:
        if self._tokens is None:
            raise Unauthenticated("TOKEN_MISSING", "nobody is signed in: sign in first")
        return self._tokens
