"""Signing in and out, sessions, the password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1 import auth_service_pb2 as pb
from rookery.v1.auth_service_pb2_grpc import AuthServiceStub

if TYPE_CHECKING:
    from rookery_client.connection import Connection


class Auth:
    """The AuthService."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = AuthServiceStub(connection.channel)

    async def login(self, address: str, password: str, device_name: str) -> pb.LoginResponse:
        """Begins a session for a device and keeps its tokens. Unauthenticated ``CREDENTIALS_INVALID`` if either is wrong."""
        request = pb.LoginRequest(
            address=address, password=password, device_name=device_name, operation_id=self._connection.ids.new()
        )
        response = await self._connection.unary(self._stub.Login, request, signed_in=False)
        self._connection.credentials.replace(response.tokens)
        return response

    async def logout(self) -> None:
        """Ends the session and forgets its tokens."""
        await self._connection.unary(self._stub.Logout, pb.LogoutRequest())
        self._connection.credentials.replace(None)

    async def who_am_i(self) -> pb.Identity:
        """Who is signed in."""
        response = await self._connection.unary(self._stub.WhoAmI, pb.WhoAmIRequest())
        return response.identity

    async def sessions(self) -> list[pb.Session]:
        """The account's sessions that still stand, the last used first."""
        response = await self._connection.unary(self._stub.ListSessions, pb.ListSessionsRequest())
        return list(response.sessions)

    async def revoke_session(self, session_id: bytes) -> None:
        """Ends another session of the account. NotFound ``SESSION_NOT_FOUND`` if it has no such session."""
        request = pb.RevokeSessionRequest(session_id=session_id, operation_id=self._connection.ids.new())
        await self._connection.unary(self._stub.RevokeSession, request)

    async def change_password(self, old_password: str, new_password: str) -> None:
        """Changes the password and ends all other sessions."""
        request = pb.ChangePasswordRequest(
            old_password=old_password, new_password=new_password, operation_id=self._connection.ids.new()
        )
        await self._connection.unary(self._stub.ChangePassword, request)
