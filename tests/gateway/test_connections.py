"""The pool, with real sessions."""

from __future__ import annotations

import asyncio

import pytest

from rookery_server.gateway.connections import ConnectionPool, Limits, Purpose
from rookery_server.gateway.security import PLAIN
from rookery_server.gateway.smtp_session import Credentials, SmtpSession
from tests.gateway.messages import OPPORTUNISTIC, chunks, envelope, open_session
from tests.gateway.scripted_server import ScriptedServer


async def used(server: ScriptedServer) -> SmtpSession:
    """A session that has carried a message."""
    session = await open_session(server.endpoint())
    await session.send(envelope(), chunks())
    return session


async def test_a_session_is_used_again_for_the_same_purpose_only() -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool()
        purpose = Purpose(server.endpoint(), PLAIN, None)
        session = await used(server)
        pool.give_back(purpose, session)
        assert pool.take(purpose._replace(endpoint=server.endpoint("other.test"))) is None
        assert pool.take(purpose._replace(security=OPPORTUNISTIC)) is None
        assert pool.take(purpose._replace(credentials=Credentials("anna", "geheim"))) is None
        assert pool.take(Purpose(server.endpoint(), PLAIN, None)) is session
        assert pool.take(purpose) is None
        pool.give_back(purpose, session)
        await pool.close()
    assert server.commands[-1] == b"QUIT"


async def test_of_several_sessions_the_one_used_last_is_taken_and_the_longest_idle_goes() -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool(Limits(idle_sessions=2))
        purpose = Purpose(server.endpoint(), PLAIN, None)
        first, second, third = [await used(server) for _ in range(3)]
        for session in (first, second, third):
            pool.give_back(purpose, session)
        assert len(pool) == 2
        assert [pool.take(purpose) for _ in range(3)] == [third, second, None]
        pool.give_back(purpose, second)
        third.abort()
        pool.give_back(purpose, third)
        assert pool.take(purpose) is second
        await pool.close()


async def test_a_session_is_left_after_so_many_messages() -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool(Limits(messages=2))
        purpose = Purpose(server.endpoint(), PLAIN, None)
        session = await used(server)
        pool.give_back(purpose, session)
        assert pool.take(purpose) is session
        await session.send(envelope(), chunks())
        pool.give_back(purpose, session)
        assert len(pool) == 0
        await pool.close()
    assert server.commands[-1] == b"QUIT"


@pytest.mark.parametrize("limits", [Limits(seconds=0), Limits(idle_sessions=0)])
async def test_a_session_is_not_kept_beyond_the_limits(limits: Limits) -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool(limits)
        pool.give_back(Purpose(server.endpoint(), PLAIN, None), await used(server))
        assert len(pool) == 0
        await pool.close()


async def test_of_too_many_sessions_the_longest_idle_one_goes() -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool(Limits(idle_sessions=2))
        sessions = [await used(server) for _ in range(3)]
        for session in sessions:
            pool.give_back(Purpose(server.endpoint(), PLAIN, None), session)
        assert [pool.take(Purpose(server.endpoint(), PLAIN, None)) for _ in range(3)] == [sessions[2], sessions[1], None]
        for session in sessions:
            await session.quit()
        await pool.close()


async def test_an_idle_session_is_left() -> None:
    async with ScriptedServer().running() as server:
        pool = ConnectionPool(Limits(idle_seconds=0.01))
        pool.give_back(Purpose(server.endpoint(), PLAIN, None), await used(server))
        async with asyncio.timeout(5):
            await server.left.wait()
        assert len(pool) == 0
        await pool.close()
    assert server.commands[-1] == b"QUIT"


async def test_a_session_that_the_host_has_closed_meanwhile_is_not_handed_out() -> None:
    async with ScriptedServer({"end": b"250 2.0.0 queued\r\n421 4.4.2 idle for too long\r\n"}).running() as server:
        pool = ConnectionPool()
        purpose = Purpose(server.endpoint(), PLAIN, None)
        session = await open_session(server.endpoint())
        pool.give_back(purpose, session)
        assert pool.take(purpose) is session
        pool.give_back(purpose, session)
        await session.send(envelope(), chunks())
        assert pool.take(purpose) is None
        await pool.close()
