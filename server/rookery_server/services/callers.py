"""Who carries an access token: looked up in the database, and remembered for a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rookery_core.errors import Unauthenticated
from rookery_server.services.caller import NO_ID, Caller
from rookery_server.store import sessions

if TYPE_CHECKING:
    from rookery_core.rules.clock import Clock
    from rookery_server.services.accounts.session_tokens import SessionTokens
    from rookery_server.store.database import Database
    from rookery_server.store.sessions import Standing

K = TypeVar("K")
V = TypeVar("V")

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
        self._standing: dict[bytes, tuple[bytes, int]] = {}  # session -> (whose, until when to believe that it stands)
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
        self._known.pop(access_token, None)
        standing = await self._require_standing(token.session_id)
        caller = Caller(standing.account_id, token.session_id, standing.administrator)
        if forgotten == self._forgotten:  # else what was read may be what was just ended
            _remember(self._known, access_token, (caller, min(now + _FRESH, token.expires * 1_000_000)))
        return caller

    async def confirm(self, caller: Caller) -> None:
        """Unauthenticated ``SESSION_REVOKED`` if the session of a caller who was authenticated before has ended since.

        For calls that last: an access token that reaches its end meanwhile does not end them.
        """
        if caller.session_id == NO_ID:
            return
        now = self._clock.micros()
        known = self._standing.get(caller.session_id)
        if known is not None and now < known[1]:
            return
        forgotten = self._forgotten
        self._standing.pop(caller.session_id, None)
        await self._require_standing(caller.session_id)
        if forgotten == self._forgotten:
            _remember(self._standing, caller.session_id, (caller.account_id, now + _FRESH))

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
        for session in [session for session, (whose, _) in self._standing.items() if whose == account_id or session == session_id]:
            del self._standing[session]

    async def _require_standing(self, session_id: bytes) -> Standing:
        standing = await self._database.glance(lambda connection: sessions.standing(connection, session_id))
        if standing is None or standing.revoked or standing.disabled:
            raise Unauthenticated("SESSION_REVOKED", "the session was ended: sign in again")
        return standing


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Keeps the value; the older half is forgotten where there are too many."""
    if len(known) >= _MOST:
        for old in list(known)[: _MOST // 2]:
            del known[old]
    known[key] = value
