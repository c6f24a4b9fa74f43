"""Access and refresh tokens: derived from a session's row and a seal, so nothing secret about sessions is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.internal.v1.packed_pb2 import SessionToken
from rookery.v1.auth_service_pb2 import Tokens
from rookery_core.errors import Unauthenticated

if TYPE_CHECKING:
    from rookery_server.services.seals import Seal
    from rookery_server.store.sessions import SessionRow

ACCESS_MICROS = 3600 * 1_000_000
"""How long an access token is good: an hour."""
REFRESH_MICROS = 90 * 86_400 * 1_000_000
"""How long a refresh token is good: 90 days."""


class SessionTokens:
    """Makes and reads tokens. The same row gives the same tokens each time, on every process with the same keys."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    def issue(self, row: SessionRow) -> Tokens:
        """The tokens of the session's present generation."""
        tokens = Tokens(
            access_token=self._token(row, row.last_seen + ACCESS_MICROS, refresh=False),
            refresh_token=self._token(row, row.refresh_expires, refresh=True),
        )
        tokens.access_expires.FromMicroseconds(row.last_seen + ACCESS_MICROS)
        tokens.refresh_expires.FromMicroseconds(row.refresh_expires)
        return tokens

    def read_access(self, text: str, now: int) -> SessionToken:
        """What an access token says. Unauthenticated: ``TOKEN_INVALID`` if damaged, ``SESSION_EXPIRED`` after its hour."""
        token = self._read(text, refresh=False)
        if token.expires * 1_000_000 <= now:
            raise Unauthenticated("SESSION_EXPIRED", "the access token has ended: refresh it")
        return token

    def read_refresh(self, text: str, now: int) -> SessionToken:
        """What a refresh token says. Unauthenticated: ``TOKEN_INVALID`` if damaged, ``SESSION_REVOKED`` after its 90 days."""
        token = self._read(text, refresh=True)
        if token.expires * 1_000_000 <= now:
            raise Unauthenticated("SESSION_REVOKED", "the session was not used for 90 days and has ended: sign in again")
        return token

    def _token(self, row: SessionRow, expires: int, *, refresh: bool) -> str:
        token = SessionToken(session_id=row.id, generation=row.generation, expires=-(-expires // 1_000_000), refresh=refresh)
        return self._seal.close(token.SerializeToString())

    def _read(self, text: str, *, refresh: bool) -> SessionToken:
        payload = self._seal.open(text)
        token = None if payload is None else SessionToken.FromString(payload)
        if token is None or token.refresh != refresh:
            raise Unauthenticated("TOKEN_INVALID", "the token is damaged, or not of this server: sign in again")
        return token
