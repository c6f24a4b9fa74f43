"""Who carries an access token: looked up in the database, and remembered for a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_core.errors import Unauthenticated
from rookery_server.services.caller import Caller
from rookery_server.store import sessions

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.services.session_tokens import SessionTokens
    from rookery_server.store.database import Database

_FRESH = 5 * 1_000_000
_MOST = 10_000


class Callers:
    """Knows callers by access token.

    An answer is remembered for five seconds, and forgotten at once when this process ends the session: another process of the
    same server on PostgreSQL may take a revoked token for so long.
    """

    def __init__(self, database: Database, tokens: SessionTokens, clock: Clock) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._known: dict[str, tuple[Caller, int]] = {}  # token -> (who, until when to believe it)
        self._forgotten = 0

    async def authenticate(self, access_token: str) -> Caller:
        """Who carries the token.

        Unauthenticated: ``TOKEN_INVALID``, ``SESSION_EXPIRED`` (refresh it), ``SESSION_REVOKED`` (sign in again).
        """
        now = self._clock.micros()
        known = self._known.get(access_token)
        if known is not None and now < known[1]:
            return known[0]
        token = self._tokens.read_access(access_token, now)
        forgotten = self._forgotten
        standing = await self._database.peek(lambda connection: sessions.standing(connection, token.session_id))
        if standing is None or standing.revoked or standing.disabled:
            self._known.pop(access_token, None)
            raise Unauthenticated("SESSION_REVOKED", "the session was ended: sign in again")
        caller = Caller(standing.account_id, token.session_id, standing.administrator)
        if forgotten == self._forgotten:  # else what was read may be what was just ended
            self._remember(access_token, caller, min(now + _FRESH, token.expires * 1_000_000))
        return caller

    def forget(self, *, account_id: bytes = b"", session_id: bytes = b"") -> None:
        """Looks again at the next call of these: a session was ended, or an account changed."""
        self._forgotten += 1
        gone = [
            token
            for token, (caller, _) in self._known.items()
            if caller.account_id == account_id or caller.session_id == session_id
        ]
        for token in gone:
            del self._known[token]

    def _remember(self, access_token: str, caller: Caller, until: int) -> None:
        if len(self._known) >= _MOST:
            for token in list(self._known)[: _MOST // 2]:
                del self._known[token]
        self._known[access_token] = (caller, until)
