"""Too much, too long, too often, too early."""

from __future__ import annotations

import asyncio
import socket

import pytest
import structlog

from rookery_server.smtp.guests import Guests
from rookery_server.smtp.limits import Limits
from rookery_server.smtp.receiving import Kind, Reply
from tests.smtp.engine import TAKEN, UNKNOWN, Running, ScriptedReceiver, running


async def test_ten_wrong_commands_end_the_session_and_a_message_makes_good() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        client.send(*["WHAT"] * 9)
        assert await client.codes(9) == [500] * 9
        await client.begin()
        await client.say(b".")
        client.send(*["WHAT"] * 11)
        assert await client.codes(11) == [500] * 10 + [421]
        assert await client.rest() == b""
        assert server.counters.refused_connections == 1


async def test_strangers_may_not_only_talk() -> None:
    for kind, verb, codes in ((Kind.SMTP, "EHLO", [250] * 5 + [421]), (Kind.LMTP, "LHLO", [250] * 9)):
        async with running(kind, limits={"idle_commands": 5}) as server, server.client() as client:
            await client.hello(verb)
            client.send(*["NOOP", "RSET", "RSET"] * 3)
            assert await client.codes(len(codes)) == codes


async def test_strangers_may_not_look_for_addresses() -> None:
    names = [f"a{number}@rookery.test" for number in range(4)]
    receiver = ScriptedReceiver(refused=dict.fromkeys(names, UNKNOWN))
    for kind, verb, codes in ((Kind.SMTP, "EHLO", [250, 550, 550, 550, 421]), (Kind.LMTP, "LHLO", [250, 550, 550, 550, 550])):
        async with running(kind, receiver, limits={"refused_recipients": 3}) as server, server.client() as client:
            await client.hello(verb)
            client.send("MAIL FROM:<b@o.test>", *(f"RCPT TO:<{name}>" for name in names))
            assert await client.codes(5) == codes


async def test_a_trusted_peer_is_under_no_limit_for_strangers() -> None:
    limits = {"idle_commands": 1, "messages": 1, "refused_recipients": 1, "peer_connections": 1, "greeting_pause": 60.0}
    receiver = ScriptedReceiver(refused={"nobody@rookery.test": UNKNOWN})
    async with (
        running(receiver=receiver, limits=limits, trusted=lambda peer: peer == "127.0.0.1") as server,
        server.client() as client,
        server.client() as other,
    ):
        await other.hello()
        await client.hello()
        for _ in range(3):
            client.send("RSET", "MAIL FROM:<b@o.test>", "RCPT TO:<nobody@rookery.test>")
            assert await client.codes(3) == [250, 250, 550]
            await client.say("RCPT TO:<anna@rookery.test>", "DATA")
            assert await client.say(b".") == "250 2.0.0 Taken"
    assert receiver.delivered[0].session.trusted


@pytest.mark.parametrize("together", [True, False])
async def test_recipients_beyond_the_limit_are_put_off_and_the_message_goes_to_the_others(together: bool) -> None:
    names = [f"a{number}@rookery.test" for number in range(60)]
    async with running(limits={"recipients": 3}) as server, server.client() as client:
        await client.hello()
        await client.say("MAIL FROM:<b@o.test>")
        if together:
            client.send(*(f"RCPT TO:<{name}>" for name in names))
            answers = [await client.reply() for _ in names]
        else:
            answers = [await client.say(f"RCPT TO:<{name}>") for name in names]
        assert [answer[:9] for answer in answers] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 57
        await client.say("DATA")
        assert await client.say(b".") == "250 2.0.0 Taken"
    assert server.receiver.delivered[0].envelope.recipients == names[:3]


async def test_a_stranger_sends_so_many_messages_and_comes_again() -> None:
    async with running(limits={"messages": 2}) as server, server.client() as client:
        await client.hello()
        for _ in range(2):
            await client.begin()
            assert await client.say(b".") == "250 2.0.0 Taken"
        assert (await client.say("MAIL FROM:<b@o.test>"))[:9] == "421 4.7.0"
        assert await client.rest() == b""


async def test_a_message_over_the_limit_is_read_to_its_end_and_refused() -> None:
    async with running(limits={"message_bytes": 1000}) as server, server.client() as client:
        await client.ready()
        client.write(b"x" * 1500 + b"\r\n")
        assert await client.say(b".") == "552 5.3.4 The message is larger than 1000 bytes"
        assert (await client.say("MAIL FROM:<b@o.test> SIZE=1001"))[:9] == "552 5.3.4"
        await client.begin()
        assert await client.say(b"x" * 998 + b"\r\n.") == "250 2.0.0 Taken"
    assert [len(message) for message in server.receiver.messages] == [1000]


async def test_lmtp_refuses_a_large_message_for_each_recipient() -> None:
    async with running(Kind.LMTP, limits={"message_bytes": 10}) as server, server.client() as client:
        await client.ready("LHLO", "anna@rookery.test", "cleo@rookery.test")
        client.send(b"x" * 12, ".")
        assert await client.codes(2) == [552, 552]


@pytest.mark.parametrize("by_chunks", [False, True])
async def test_a_message_without_end_is_cut_off(by_chunks: bool) -> None:
    async with running(limits={"message_bytes": 100_000}) as server, server.client() as client:
        await client.hello()
        if by_chunks:
            await client.say("MAIL FROM:<b@o.test>", "RCPT TO:<anna@rookery.test>")
            client.send("BDAT 99999999999 LAST")
        else:
            await client.begin()
        with pytest.raises(ConnectionError):
            await client.flood()
        await server.quiet()
    assert (server.receiver.delivered, server.counters.refusals[552]) == ([], 1)


async def test_a_refused_chunk_spoils_the_message_and_those_behind_it_are_refused_for_the_same_reason() -> None:
    for limits, code in (({"message_bytes": 10}, 552), ({"message_bytes": 100, "memory_bytes": 10}, 452)):
        async with running(limits=limits, trusted=lambda _: True) as server, server.client() as client:
            await client.hello()
            client.send("MAIL FROM:<b@o.test>", "RCPT TO:<anna@rookery.test>")
            client.write(b"BDAT 11\r\n" + b"x" * 11 + b"BDAT 4 LAST\r\nQUITDATA\r\nRSET\r\n")
            assert await client.codes(6) == [250, 250, code, code, 503, 250]
        assert server.receiver.delivered == []


async def test_empty_chunks_are_but_talk() -> None:
    async with running(limits={"idle_commands": 5}) as server, server.client() as client:
        await client.hello()
        await client.say("MAIL FROM:<b@o.test>", "RCPT TO:<anna@rookery.test>")
        client.send(*["BDAT 0"] * 6)
        assert await client.codes(6) == [250] * 5 + [421]


@pytest.mark.parametrize("sender", [None, UNKNOWN])
async def test_what_was_on_its_way_behind_a_refusal_is_no_fault(sender: Reply | None) -> None:
    receiver = ScriptedReceiver(refuse_sender=sender, refused={"nobody@rookery.test": UNKNOWN})
    recipients = ["RCPT TO:<nobody@rookery.test>"] * 5
    async with running(receiver=receiver, limits={"faults": 3}) as server, server.client() as client:
        await client.hello()
        for _ in range(3):
            client.send("MAIL FROM:<b@o.test>", *recipients, "DATA", "RSET")
            assert await client.codes(8) == [550 if sender else 250] + [503 if sender else 550] * 5 + [503, 250]
        receiver.refuse_sender = None
        await client.begin()
        assert await client.say(b".") == "250 2.0.0 Taken"
        client.send(*["DATA"] * 3)
        assert await client.codes(4) == [503] * 3 + [421]


async def memory_taken(server: Running, size: int) -> None:
    async with asyncio.timeout(5):
        while True:
            if server.listener.memory_taken >= size:
                return
            await asyncio.sleep(0.001)


async def test_beyond_the_memory_messages_are_put_off_and_it_comes_back() -> None:
    limits = {"message_bytes": 1000, "memory_bytes": 1500}
    async with running(limits=limits, trusted=lambda _: True) as server, server.client() as first, server.client() as second:
        await first.ready()
        first.write(b"x" * 900)
        await memory_taken(server, 900)
        await second.ready()
        assert await second.say(b"x" * 900 + b"\r\n.") == (
            "452 4.3.1 Too many messages are on their way in just now, please try again later"
        )
        first.write(b"\r\n")
        assert await first.say(b".") == "250 2.0.0 Taken"
        await second.begin()
        assert await second.say(b"x" * 900 + b"\r\n.") == "250 2.0.0 Taken"


async def test_a_broken_off_message_gives_its_memory_back_and_is_not_delivered() -> None:
    async with running() as server:
        for end in (b"", b"\r\n", b"\r\n."):
            async with server.client() as client:
                await client.ready()
                client.write(b"Subject: half" + end)
                await client.writer.drain()
            await server.quiet()
            assert server.listener.memory_taken == 0
    assert server.receiver.delivered == []


async def test_a_client_that_closes_its_side_still_gets_its_answers() -> None:
    async with running() as server, server.client() as client:
        await client.ready()
        client.write(b"Hello\r\n.\r\nNOOP\r\nNOO")
        client.writer.write_eof()
        assert await client.rest() == b"250 2.0.0 Taken\r\n250 2.0.0 OK\r\n"
    assert server.receiver.messages == [b"Hello\r\n"]


async def test_a_client_that_is_gone_when_it_is_to_be_turned_away_is_no_event() -> None:
    loop = asyncio.get_running_loop()
    with structlog.testing.capture_logs() as events:
        async with running() as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.setblocking(False)
                assert (await loop.sock_recv(client, 1000)).startswith(b"220 ")
                client.send(b"WHAT\r\n" * 20)
            await server.quiet()
    assert [event["event"] for event in events] == ["mail session refused"]


async def test_a_client_that_goes_away_during_the_delivery_is_delivered_for() -> None:
    receiver = ScriptedReceiver(hold=asyncio.Event())
    async with running(receiver=receiver) as server:
        async with server.client() as client:
            await client.ready()
            client.send(".")
            await receiver.started.wait()
        assert receiver.hold is not None
        receiver.hold.set()
        await server.quiet()
    assert len(receiver.delivered) == 1


async def test_who_talks_before_the_greeting_is_not_heard() -> None:
    async with running(limits={"greeting_pause": 0.2}) as server:
        async with server.client() as client:
            client.send("EHLO client.test", "MAIL FROM:<b@o.test>")
            assert await client.rest() == b"554 5.5.0 Who talks before the greeting is not heard\r\n"
        async with server.client() as client:
            await client.hello()
        async with server.client() as client:
            client.writer.write_eof()
            assert await client.rest() == b"", "who goes without a word has only looked whether somebody is there"
        await server.quiet()
    assert server.receiver.senders == []
    assert server.counters.refused_connections == 1


@pytest.mark.parametrize("line", ["GET / HTTP/1.1", "POST /mail HTTP/1.0", "Host: mx.rookery.test", "User-Agent: Mozilla/5.0"])
async def test_a_browser_is_turned_away_at_once(line: str) -> None:
    async with running() as server, server.client() as client:
        await client.reply()
        client.send(line, "", "EHLO client.test", "MAIL FROM:<b@o.test>")
        assert await client.rest() == b"554 5.5.1 This is a mail server\r\n"
    assert server.receiver.senders == []


async def test_a_message_does_not_come_before_the_answer_to_data() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        await client.say("MAIL FROM:<b@o.test>", "RCPT TO:<anna@rookery.test>")
        client.send("DATA", "Subject: hasty", ".")
        assert await client.reply() == "554 5.5.0 The message has to wait for the answer to DATA"
        assert await client.rest() == b""
    assert server.receiver.delivered == []


async def test_connections_beyond_the_limits_are_told_so() -> None:
    async with running(limits={"connections": 3, "peer_connections": 2}) as server:
        async with server.client() as first, server.client() as second, server.client() as third:
            await first.hello()
            await second.hello()
            assert await third.rest() == b"421 4.7.0 Too many connections from your address, please try again later\r\n"
            async with server.client(local_addr=("127.0.0.2", 0)) as other, server.client(local_addr=("127.0.0.3", 0)) as last:
                await other.hello()
                assert await last.rest() == b"421 4.3.2 Too many connections, please try again later\r\n"
        await server.quiet()
        assert (server.counters.refused_connections, server.counters.refusals) == (2, {421: 2})
        async with server.client() as again:
            await again.hello()


def test_a_peer_comes_so_often_in_a_minute() -> None:
    guests = Guests(Limits(1, 1, connections=100, peer_connections=100, peer_arrivals=2))
    answers = [guests.admit(f"2001:db8::{number}", 100.0 + number, trusted=False) for number in range(2)]
    assert answers == [None, None]
    refusal = guests.admit("2001:db8::3", 159.0, trusted=False)
    assert refusal is not None and refusal.code == 421
    assert guests.admit("2001:db8::3", 159.0, trusted=True) is None
    assert guests.admit("2001:db8:0:1::1", 159.0, trusted=False) is None
    assert guests.admit("2001:db8::3", 160.0, trusted=False) is None


async def test_a_thousand_connections_in_the_midst_of_a_message() -> None:
    count = 1000
    receiver = ScriptedReceiver(answers=[TAKEN])
    limits = {"connections": count, "peer_connections": count, "peer_arrivals": count}
    async with running(receiver=receiver, limits=limits) as server:
        before = b"EHLO c.test\r\nMAIL FROM:<b@o.test>\r\nRCPT TO:<anna@rookery.test>\r\n"
        loop = asyncio.get_running_loop()
        clients = [socket.socket() for _ in range(count)]
        try:
            for client in clients:
                client.setblocking(False)
                await loop.sock_connect(client, ("127.0.0.1", server.port))

            async def talk(client: socket.socket, said: bytes, expected: bytes) -> None:
                await loop.sock_sendall(client, said)
                heard = b""
                while expected not in heard:
                    heard += await loop.sock_recv(client, 4096)

            async with asyncio.timeout(60):
                for client in clients:
                    await talk(client, before, b"2.1.5")
                    await talk(client, b"DATA\r\n", b"354")
                    await loop.sock_sendall(client, b"Subject: one of many\r\n\r\n")
                assert server.counters.open_connections == count
                for client in clients:
                    await talk(client, b"Hello.\r\n.\r\n", b"250 2.0.0")
        finally:
            for client in clients:
                client.close()
        await server.quiet()
    assert receiver.messages == [b"Subject: one of many\r\n\r\nHello.\r\n"] * count


async def test_while_a_message_is_delivered_its_client_is_not_read() -> None:
    receiver = ScriptedReceiver(hold=asyncio.Event())
    async with running(receiver=receiver, limits={"idle_commands": 10**9}) as server, server.client() as client:
        await client.ready()
        client.write(b".\r\n" + b"NOOP x\r\n" * 3_000_000)
        await receiver.started.wait()
        await asyncio.sleep(0.1)
        waiting = client.writer.transport.get_write_buffer_size()
        await asyncio.sleep(0.1)
        assert client.writer.transport.get_write_buffer_size() == waiting > 0
        client.writer.transport.abort()
        assert receiver.hold is not None
        receiver.hold.set()
