"""Sockets, stopping, and what is told of it all."""

from __future__ import annotations

import asyncio
import base64
import socket
import stat
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from rookery_core import errors
from rookery_core.errors import InvalidArgument, Unavailable
from rookery_server.smtp.counters import Counters
from rookery_server.smtp.errors import reply_for
from rookery_server.smtp.limits import Limits
from rookery_server.smtp.listener import Listener
from rookery_server.smtp.receiving import Kind, Reply
from tests.smtp.engine import HOST, UNKNOWN, Client, ScriptedReceiver, running

if TYPE_CHECKING:
    import pathlib
    import ssl

STOPPING = b"421 4.3.2 This server is stopping, please come back later\r\n"


def listener(receiver: ScriptedReceiver) -> Listener:
    return Listener(Kind.LMTP, receiver, host=HOST, limits=Limits.of(Kind.LMTP, 1_000_000), counters=Counters())


async def test_when_the_server_stops_the_idle_are_told_and_a_delivery_is_finished() -> None:
    receiver = ScriptedReceiver(hold=asyncio.Event())
    async with running(receiver=receiver) as server, server.client() as idle, server.client() as early, server.client() as busy:
        await idle.hello()
        await early.hello()
        await early.say("MAIL FROM:<b@o.test>")
        await busy.ready()
        busy.send("Subject: last one", ".")
        await receiver.started.wait()
        stopping = asyncio.create_task(server.listener.stop(grace=10))
        assert await idle.rest() == await early.rest() == STOPPING
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert receiver.hold is not None
        receiver.hold.set()
        assert await busy.rest() == b"250 2.0.0 Taken\r\n" + STOPPING
        await stopping
    assert receiver.messages == [b"Subject: last one\r\n"]


async def test_a_message_on_its_way_in_is_waited_for_while_the_server_stops() -> None:
    async with running() as server, server.client() as client:
        await client.ready()
        client.write(b"Subject: ")
        stopping = asyncio.create_task(server.listener.stop(grace=10))
        await asyncio.sleep(0.05)
        client.send("last one", ".")
        assert await client.rest() == b"250 2.0.0 Taken\r\n" + STOPPING
        await stopping
    assert server.receiver.messages == [b"Subject: last one\r\n"]


async def test_a_handshake_does_not_hold_up_the_end(server_tls: ssl.SSLContext) -> None:
    async with running(tls=server_tls) as server, server.client() as client:
        await client.hello()
        await client.say("STARTTLS")
        async with asyncio.timeout(5):
            await server.listener.stop(grace=0)
        assert await client.rest() == b""


async def test_what_outlasts_the_grace_is_broken_off() -> None:
    receiver = ScriptedReceiver(hold=asyncio.Event())
    async with running(receiver=receiver) as server, server.client() as busy, server.client() as slow:
        await busy.ready()
        busy.send(".")
        await slow.ready()
        await receiver.started.wait()
        await server.listener.stop(grace=0.05)
        for client in (busy, slow):
            assert await client.rest() == b""
    assert receiver.delivered == []


async def test_an_address_in_use_and_one_that_is_not_here() -> None:
    async with running() as server:
        with pytest.raises(Unavailable, match=f"can not listen on 127.0.0.1:{server.port}"):
            await server.listener.bind("127.0.0.1", server.port)
        with pytest.raises(InvalidArgument, match=r"can not listen on 192\.0\.2\.1:0"):
            await server.listener.bind("192.0.2.1", 0)


async def test_several_processes_may_share_a_port() -> None:
    one, other = listener(ScriptedReceiver()), listener(ScriptedReceiver())
    port = await one.bind("127.0.0.1", 0, reuse_port=True)
    assert await other.bind("127.0.0.1", port, reuse_port=True) == port
    await one.stop(grace=0)
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    await client.hello("LHLO")
    await client.close()
    await other.stop(grace=0)


async def test_lmtp_over_a_unix_socket(tmp_path: pathlib.Path) -> None:
    receiver = ScriptedReceiver()
    path = tmp_path / "lmtp"
    left_behind = socket.socket(socket.AF_UNIX)
    left_behind.bind(str(path))
    left_behind.close()
    server = listener(receiver)
    await server.bind_unix(path, 0o660)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with pytest.raises(Unavailable):
        await listener(receiver).bind_unix(path, 0o660)
    client = Client(*await asyncio.open_unix_connection(path))
    await client.ready("LHLO")
    assert await client.say(b".") == "250 2.0.0 Taken"
    assert await client.say("QUIT") == "221 2.0.0 Bye"
    await client.close()
    await server.stop(grace=1)
    assert not path.exists()
    assert (receiver.delivered[0].session.peer, receiver.delivered[0].session.port) == ("", 0)


async def test_a_file_that_is_no_socket_is_left_alone(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lmtp"
    path.write_text("dear")
    with pytest.raises(Unavailable):
        await listener(ScriptedReceiver()).bind_unix(path, 0o600)
    with pytest.raises(InvalidArgument):
        await listener(ScriptedReceiver()).bind_unix(tmp_path / ("x" * 120), 0o600)
    assert path.read_text() == "dear"


async def test_ipv6_and_ipv4_within_ipv6() -> None:
    receiver = ScriptedReceiver()
    server = listener(receiver)
    port = await server.bind("::1", 0)
    client = Client(*await asyncio.open_connection("::1", port))
    await client.ready("LHLO")
    assert await client.say(b".") == "250 2.0.0 Taken"
    await client.close()
    await server.stop(grace=1)
    assert receiver.delivered[0].session.peer == "::1"


async def test_the_log_has_a_line_for_each_message_and_nothing_of_what_it_says() -> None:
    receiver = ScriptedReceiver(refused={"nobody@rookery.test": UNKNOWN})
    with capture_logs() as lines:
        async with running(Kind.SUBMISSION, receiver, plaintext_passwords=True) as server, server.client() as client:
            await client.hello()
            await client.sign_in()
            client.send("MAIL FROM:<anna@rookery.test>", "RCPT TO:<nobody@rookery.test>", "RCPT TO:<ben@other.test>", "DATA")
            assert await client.codes(4) == [250, 550, 250, 354]
            client.send("Subject: secret", "", "Secret.", ".")
            assert await client.codes(1) == [250]
            client.send("MAIL FROM:<anna@rookery.test>", "RCPT TO:<nobody@rookery.test>", "RSET")
            assert await client.codes(3) == [250, 550, 250]
            await client.say(f"AUTH PLAIN {base64.b64encode(b'secret').decode()}")
            await client.say("QUIT")
    taken, refused = lines
    assert taken.pop("seconds") >= 0
    assert taken == {
        "event": "mail taken",
        "log_level": "info",
        "kind": "submission",
        "peer": "127.0.0.1",
        "hello": "client.test",
        "protocol": "ESMTPA",
        "sender": "anna@rookery.test",
        "recipients": 1,
        "refused": 1,
        "size": 28,
        "reply": "250 2.0.0 Taken",
    }
    assert (refused["event"], refused["reply"]) == ("mail refused", "550 5.1.1 Nobody has this address")


async def test_a_session_that_is_refused_has_a_line_in_the_log() -> None:
    with capture_logs() as lines:
        async with running(limits={"connections": 1}) as server, server.client() as client:
            await client.hello()
            async with server.client() as other:
                await other.rest()
            await client.say("BDAT")
    assert [line["why"] for line in lines if line["event"] == "mail session refused"] == [
        "Too many connections, please try again later",
        "BDAT without a size",
    ]


def kinds_of_errors() -> list[type[errors.RookeryError]]:
    return errors.RookeryError.__subclasses__()


@pytest.mark.parametrize("kind", kinds_of_errors())
def test_every_error_has_a_reply_whose_codes_agree(kind: type[errors.RookeryError]) -> None:
    for reason in errors.REASONS:
        reply = reply_for(kind(reason, "No."))
        assert 400 <= reply.code < 600
        assert reply.enhanced[0] == str(reply.code)[0]


@pytest.mark.parametrize("text", ["two\r\nlines", "250 faked\r\n250 again", "nul\0", "ümlaut", "x" * 10_000])
def test_a_reply_is_one_line_whatever_it_says(text: str) -> None:
    line = Reply(550, "5.0.0", text).line()
    assert line.isascii() and line.isprintable() and len(line) <= 512
