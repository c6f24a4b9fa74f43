"""When a failed call is worth another attempt, and how long to wait before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rookery_core.errors import RookeryError, Unauthenticated, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_client.connection.credentials import Credentials

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently to try again; the delays double from the first to the longest, in seconds.

    `attempts`: for a call, the first one included. `resumptions`: for a
    stream that has brought something already, until it brings more: long enough for a server that is started again.
    """

    attempts: int = 6
    resumptions: int = 12
    first_delay: float = 0.1
    longest_delay: float = 5.0

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row (1 and up): half of the step is certain, half is `chance` (0 to 1).

        The chance keeps the clients of a server that comes back from calling all at once.
        """
        step = min(self.longest_delay, self.first_delay * 2.0 ** min(failures - 1, 30))
        return step * (0.5 + 0.5 * chance)


class Attempts:
    """The attempts of one call, or of one stream with its resumptions.

    Every attempt carries the same request, so also the same operation id: that is what makes trying again safe.
    """

    def __init__(
        self, policy: RetryPolicy, chance: Callable[[], float], credentials: Credentials | None, deadline: float | None
    ) -> None:
        self._policy = policy
        self._chance = chance
        self._credentials = credentials
        self._end = None if deadline is None else asyncio.get_running_loop().time() + deadline
        self._failures = 0
        self._most = policy.attempts
        self._renewed = False
        self._access = ""

    async def metadata(self) -> Metadata:
        """The metadata of the next attempt: the access token, renewed first if it is about to end."""
        if self._credentials is None:
            return ()
        self._access = await self._credentials.access_token()
        return (("authorization", f"Bearer {self._access}"),)

    def timeout(self) -> float | None:
        """Seconds left of the call's deadline; None if it has none."""
        return None if self._end is None else max(0.001, self._end - asyncio.get_running_loop().time())

    def progressed(self) -> None:
        """Tells that the stream brought something: the failures are counted from nothing again."""
        self._failures = 0
        self._most = max(self._policy.attempts, self._policy.resumptions)
        self._renewed = False

    async def failed(self, error: RookeryError) -> None:
        """Waits until the next attempt is due; raises `error` if there shall be none."""
        if isinstance(error, Unauthenticated) and error.reason == "SESSION_EXPIRED" and self._credentials is not None:
            if self._renewed:
                raise error
            self._renewed = True
            await self._credentials.renew(self._access)
            return
        self._failures += 1
        if not isinstance(error, Unavailable) or self._failures >= self._most:
            raise error
        delay = self._policy.delay(self._failures, self._chance())
        if self._end is not None and asyncio.get_running_loop().time() + delay >= self._end:
            raise error
        await asyncio.sleep(delay)
