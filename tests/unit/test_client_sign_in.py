from __future__ import annotations

import asyncio
import contextlib

import pytest
from google.rpc import code_pb2

from rookery.v1.auth_service_pb2 import LogoutResponse
from rookery.v1.folder_pb2 import ListFoldersResponse
from rookery_core import errors
from tests.support.client_fakes import client_of, refresh, refuse, tokens


class Gate:
    """Refuses every access token but one, as a server does after a token ended."""

    def __init__(self, good: str) -> None:
        self.good = good
        self.calls = 0
        self.refreshes: list[str] = []

    async def folders(self, request, context):
        self.calls += 1
        if dict(context.invocation_metadata())["authorization"] != f"Bearer {self.good}":
            await refuse(context, code_pb2.UNAUTHENTICATED, "SESSION_EXPIRED")
        return ListFoldersResponse()

    async def refresh(self, request, context):
        self.refreshes.append(request.refresh_token)
        await asyncio.sleep(0.05)
        return await refresh(request, context)

    @property
    def handlers(self):
        return {"FolderService.ListFolders": self.folders, "AuthService.Refresh": self.refresh}


async def test_an_ended_access_token_is_renewed_and_the_call_repeated():
    gate, saved = Gate("access-2"), []
    async with client_of(gate.handlers, on_tokens=saved.append) as client:
        await client.folders.list()
        assert client.tokens == tokens("2")
    assert gate.calls == 2
    assert saved == [tokens("2")]


async def test_many_calls_that_find_the_token_ended_renew_it_once():
    gate = Gate("access-2")
    async with client_of(gate.handlers) as client:
        await asyncio.gather(*(client.folders.list() for _ in range(20)))
    assert gate.refreshes == ["refresh-1"]
    assert gate.calls == 40


async def test_a_token_about_to_end_is_renewed_before_the_call():
    gate = Gate("access-2")
    async with client_of(gate.handlers, tokens=tokens("1", expires_micros=1_000_000)) as client:
        await asyncio.gather(*(client.folders.list() for _ in range(5)))
    assert gate.refreshes == ["refresh-1"]
    assert gate.calls == 5


async def test_a_token_refused_right_after_renewal_is_an_error_not_a_loop():
    gate = Gate("access-99")
    async with client_of(gate.handlers) as client:
        with pytest.raises(errors.Unauthenticated) as caught:
            await client.folders.list()
    assert caught.value.reason == "SESSION_EXPIRED"
    assert gate.refreshes == ["refresh-1"]


async def test_a_revoked_session_is_an_error_at_once():
    async def revoked(request, context):
        await refuse(context, code_pb2.UNAUTHENTICATED, "SESSION_REVOKED", "sign in again")

    gate = Gate("x")
    async with client_of({**gate.handlers, "FolderService.ListFolders": revoked}) as client:
        with pytest.raises(errors.Unauthenticated, match="sign in again"):
            await client.folders.list()
    assert gate.refreshes == []


async def test_a_lost_answer_to_a_refresh_is_asked_for_again():
    seen = []

    async def flaky(request, context):
        seen.append(request.refresh_token)
        if len(seen) == 1:
            await refuse(context, code_pb2.UNAVAILABLE, "SERVER_STOPPING")
        return await refresh(request, context)

    gate = Gate("access-2")
    async with client_of({**gate.handlers, "AuthService.Refresh": flaky}) as client:
        await client.folders.list()
    assert seen == ["refresh-1", "refresh-1"]


async def test_tokens_that_another_process_renewed_meanwhile_are_taken_over():
    gate, held = Gate("access-7"), []

    @contextlib.asynccontextmanager
    async def lock():
        held.append(True)
        yield tokens("7")

    async with client_of(gate.handlers, token_lock=lock) as client:
        await client.folders.list()
        assert client.tokens == tokens("7")
    assert held == [True]
    assert gate.refreshes == []


async def test_ended_tokens_of_another_process_are_renewed_from_there():
    gate = Gate("access-8")

    @contextlib.asynccontextmanager
    async def lock():
        yield tokens("7", expires_micros=1_000_000)

    async with client_of(gate.handlers, token_lock=lock) as client:
        await client.folders.list()
    assert gate.refreshes == ["refresh-7"]


async def test_signing_in_and_out_hands_the_tokens_on():
    async def logout(request, context):
        return LogoutResponse()

    saved = []
    async with client_of({"AuthService.Logout": logout}, tokens=None, on_tokens=saved.append) as client:
        with pytest.raises(errors.Unauthenticated) as caught:
            await client.folders.list()
        assert caught.value.reason == "TOKEN_MISSING"
        await client.login("anna@example.org", "secret", "test")
        await client.logout()
        assert client.tokens is None
    assert saved == [tokens("1"), None]
