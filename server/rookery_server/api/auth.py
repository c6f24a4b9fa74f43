"""AuthService."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rookery.v1 import auth_service_pb2 as messages
    from rookery_server.api.context import Call
    from rookery_server.services.accounts.sessions import Sessions
    from rookery_server.services.accounts.sign_in import SignIn


class AuthServicer:
    """Signs people in and out."""

    def __init__(self, sign_in: SignIn, sessions: Sessions) -> None:
        self._sign_in = sign_in
        self._sessions = sessions

    async def login(self, request: messages.LoginRequest, call: Call) -> messages.LoginResponse:
        """See ``SignIn.login``."""
        return await self._sign_in.login(request, call.peer)

    async def refresh(self, request: messages.RefreshRequest, call: Call) -> messages.RefreshResponse:
        """See ``Sessions.refresh``."""
        return await self._sessions.refresh(request, call.peer)

    async def logout(self, request: messages.LogoutRequest, call: Call) -> messages.LogoutResponse:
        """See ``Sessions.logout``."""
        del request
        return await self._sessions.logout(call.caller)

    async def who_am_i(self, request: messages.WhoAmIRequest, call: Call) -> messages.WhoAmIResponse:
        """See ``Sessions.who_am_i``."""
        del request
        return await self._sessions.who_am_i(call.caller)

    async def list_sessions(self, request: messages.ListSessionsRequest, call: Call) -> messages.ListSessionsResponse:
        """See ``Sessions.list``."""
        del request
        return await self._sessions.list(call.caller)

    async def revoke_session(self, request: messages.RevokeSessionRequest, call: Call) -> bytes:
        """See ``Sessions.revoke``."""
        return await self._sessions.revoke(call.caller, request)

    async def change_password(self, request: messages.ChangePasswordRequest, call: Call) -> bytes:
        """See ``SignIn.change_password``."""
        return await self._sign_in.change_password(call.caller, request, call.peer)
