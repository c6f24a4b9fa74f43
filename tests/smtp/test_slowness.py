"""Clients that are slow, stop, or take no answers."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.smtp.engine import running

SLOW = "421 4.4.2 Too slow, closing the connection"


@pytest.mark.parametrize("said", [b"", b"NOO", b"N" * 5000])
async def test_a_command_that_does_not_come_is_not_waited_for(said: bytes) -> None:
    async with running(limits={"command_seconds": 0.1}) as server, server.client() as client:
        await client.hello()
        client.write(said)
        assert await client.reply() == SLOW
        assert await client.rest() == b""


async def test_a_line_without_end_wins_no_time_however_fast_it_comes() -> None:
    async with running(limits={"command_seconds": 0.3}) as server, server.client() as client:
        await client.hello()
        with pytest.raises(ConnectionError):
            await client.flood()
        await server.quiet()


async def test_dripping_a_command_wins_no_time() -> None:
    async with running(limits={"command_seconds": 0.3}) as server, server.client() as client:
        await client.hello()
        answer = asyncio.create_task(client.reply())
        while not answer.done():
            client.write(b"x")
            await asyncio.sleep(0.02)
        assert answer.result() == SLOW


async def test_a_message_that_stops_is_not_waited_for() -> None:
    async with running(limits={"block_seconds": 0.1}) as server, server.client() as client:
        await client.ready()
        client.write(b"Subject: half")
        assert await client.reply() == SLOW
        await server.quiet()
        assert (server.listener.memory_taken, server.receiver.delivered) == (0, [])


async def test_dripping_a_message_wins_no_time() -> None:
    async with running(limits={"transaction_seconds": 0.3}) as server, server.client() as client:
        await client.ready()
        answer = asyncio.create_task(client.reply())
        while not answer.done():
            client.write(b"x")
            await asyncio.sleep(0.02)
        assert answer.result() == SLOW


async def ask_on_and_on(client: socket.socket) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, b"EHLO a\r\n" * 1000)


async def test_a_client_that_takes_no_answers_is_not_read_and_not_waited_for() -> None:
    async with running(limits={"untaken_seconds": 0.3, "idle_commands": 10**9}) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            client.send(b"EHLO client.test\r\n")
            async with asyncio.timeout(10):
                with pytest.raises(ConnectionError):
                    await ask_on_and_on(client)
            await server.quiet()
