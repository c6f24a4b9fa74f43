"""Where a message ends, and what of it is the message: however it is cut, and whatever it tries."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_server.smtp.incoming_data import FALSE_END, NO_MEMORY, DotReader, IncomingMessage, too_large
from rookery_server.smtp.memory import Memory
from rookery_server.smtp.receiving import Kind
from tests.smtp.engine import Running, running

END = b"\r\n.\r\n"
STRANGE = st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.", b"\r\n..", b"\0"]), max_size=30).map(b"".join)


def incoming(limit: int = 1000, *, memory: int = 10_000) -> IncomingMessage:
    return IncomingMessage(limit, Memory(memory, memory).share("192.0.2.1", trusted=False))


def read(wire: bytes, cuts: list[int], message: IncomingMessage, *, strict: bool = False) -> bytes | None:
    """Feeds the bytes cut at the places; gives what is left behind the end, None if there is none."""
    reader = DotReader(message, strict=strict)
    places = sorted(cut for cut in cuts if cut < len(wire))
    for start, end in zip([0, *places], [*places, len(wire)], strict=True):
        if start < end and (rest := reader.feed(wire[start:end])) is not None:
            return rest + wire[end:]
    return None


def by_the_book(wire: bytes) -> tuple[bytes, bytes] | None:
    """Message and rest, line by line as RFC 5321 section 4.5.2 has it."""
    lines = wire.split(b"\r\n")
    kept = []
    for number, line in enumerate(lines[:-1]):
        if line == b".":
            return b"".join(each + b"\r\n" for each in kept), b"\r\n".join(lines[number + 1 :])
        kept.append(line.removeprefix(b"."))
    return None


@given(STRANGE, st.booleans(), STRANGE, st.lists(st.integers(0, 80), max_size=6))
def test_cuts_change_nothing(body: bytes, ended: bool, behind: bytes, cuts: list[int]) -> None:
    wire = body + (END + behind if ended else b"")
    message = incoming()
    rest = read(wire, cuts, message)
    expected = by_the_book(wire)
    if expected is None:
        assert rest is None
    else:
        assert (message.take(), rest) == expected
        assert message.size == len(expected[0])


@given(STRANGE, st.lists(st.integers(0, 80), max_size=6))
def test_what_only_looks_like_the_end_is_found_wherever_it_is_cut(body: bytes, cuts: list[int]) -> None:
    message = incoming()
    read(body + END, cuts, message, strict=True)
    whole = b"\r\n" + body + END
    lines = re.split(rb"[\r\n]", whole[: whole.index(END) + 2])
    assert message.refusal == (FALSE_END if b"." in lines else None)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_chunks_are_put_together(pieces: list[bytes]) -> None:
    message = incoming()
    for piece in pieces:
        message.add(piece)
    assert message.take() == b"".join(pieces)


def test_a_message_of_the_largest_size_is_taken_and_one_byte_more_is_not() -> None:
    for size, refusal in ((1000, None), (1001, too_large(1000))):
        message = incoming()
        message.add(b"x" * size)
        assert (message.refusal, message.endless) == (refusal, False)
    message.add(b"x" * 1000)
    assert message.endless


def test_memory_is_shared_and_comes_back() -> None:
    memory = Memory(most=1000, most_of_peer=600)
    first, second, third = (IncomingMessage(800, memory.share(peer, trusted=trusted)) for peer, trusted in PEERS)
    first.add(b"x" * 600)
    first.add(b"x")
    assert (first.refusal, memory.taken) == (NO_MEMORY, 0)
    second.add(b"x" * 500)
    third.add(b"x" * 501)
    assert (second.refusal, third.refusal, memory.taken) == (None, NO_MEMORY, 500)
    second.close()
    second.close()
    assert memory.taken == 0


PEERS = [("192.0.2.1", False), ("192.0.2.2", False), ("192.0.2.3", True)]


def test_a_trusted_peer_may_take_all_the_memory() -> None:
    memory = Memory(most=1000, most_of_peer=100)
    message = IncomingMessage(1000, memory.share("192.0.2.1", trusted=True))
    message.add(b"x" * 1000)
    assert message.refusal is None


SMUGGLED = b"MAIL FROM:<boss@rookery.test>\r\nRCPT TO:<anna@rookery.test>\r\nDATA\r\nSubject: smuggled\r\n\r\n.\r\n"
NO_ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r\n.\r",
    b"\r.\r\n",
    b"\r\r\n.\r\r\n",
    b"\n\r\n.\n\r\n",
    b"\n.\r\r\n",
]


async def smuggle(server: Running, verb: str, end: bytes) -> str:
    async with server.client() as client:
        await client.ready(verb)
        client.write(b"Subject: honest\r\n\r\nHello" + end + SMUGGLED)
        return await client.reply()


@pytest.mark.parametrize("end", NO_ENDS)
async def test_nothing_but_crlf_dot_crlf_ends_a_message(end: bytes) -> None:
    async with running() as server:
        answer = await smuggle(server, "EHLO", end)
        await server.quiet()
        assert answer == "550 5.6.0 The message has a dot on a line that does not end in CRLF: others would see its end there"
    assert (server.receiver.delivered, server.receiver.senders) == ([], ["ben@other.test"])


@pytest.mark.parametrize("body", [b"one\ntwo\n\n..\nthree", b"one\rtwo", b"one\r\n\0.\r\ntwo", b".one\n.two", b"one\r\r\ntwo"])
async def test_a_stranger_may_end_lines_in_any_way_but_the_message(body: bytes) -> None:
    async with running() as server, server.client() as client:
        await client.ready()
        client.write(b"Subject: from a scanner\n\n" + body + b"\r\n")
        assert await client.say(b".") == "250 2.0.0 Taken"
    [message] = server.receiver.messages
    assert message == b"Subject: from a scanner\n\n" + body + b"\r\n"


async def test_what_people_hand_in_gets_line_ends_that_can_be_signed() -> None:
    async with running(Kind.SUBMISSION, plaintext_passwords=True) as server, server.client() as client:
        await client.hello()
        await client.sign_in()
        for body in (b"Subject: x\n\none\rtwo\r\r\nthree\r\n", b"Subject: x\r\n\r\none\r\n"):
            await client.begin()
            client.write(body)
            assert await client.say(b".") == "250 2.0.0 Taken"
    lines = b"Subject: x\r\n\r\none\r\n"
    assert server.receiver.messages == [lines + b"two\r\n\r\nthree\r\n", lines]


async def test_a_chunk_has_no_end_to_be_faked() -> None:
    async with running() as server, server.client() as client:
        await client.hello()
        await client.say("MAIL FROM:<b@o.test>", "RCPT TO:<anna@rookery.test>")
        client.write(b"BDAT 11 LAST\r\none\n.\r\ntwo\n")
        assert await client.reply() == "250 2.0.0 Taken"
    assert server.receiver.messages == [b"one\n.\r\ntwo\n"]


@pytest.mark.parametrize("end", NO_ENDS)
async def test_what_the_mta_in_front_sends_is_kept_as_it_is(end: bytes) -> None:
    async with running(Kind.LMTP) as server:
        assert await smuggle(server, "LHLO", end) == "250 2.0.0 Taken"
        await server.quiet()
    assert server.receiver.senders == ["ben@other.test"]
    assert by_the_book(b"Subject: honest\r\n\r\nHello" + end + SMUGGLED) == (server.receiver.messages[0], b"")


@pytest.mark.parametrize("kind", [Kind.SMTP, Kind.LMTP])
async def test_a_session_said_byte_by_byte_is_the_same_as_one_said_at_once(kind: Kind) -> None:
    hello = b"LHLO c.test\r\n" if kind is Kind.LMTP else b"EHLO c.test\r\n"
    envelope = b"MAIL FROM:<b@o.test>\r\nRCPT TO:<anna@rookery.test>\r\nRCPT TO:<cleo@rookery.test>\r\nDATA\r\n"
    message = b"..\r\n...\r\n\r\n..x\r\nrest of it\r\n.\r\n"
    behind = b"NOOP\r\nMAIL FROM:<b@o.test>\r\nRSET\r\nQUIT\r\n"
    answers = []
    for size in (1, 2, 1000):
        async with running(kind) as server, server.client() as client:
            for burst, replies in ((hello, 2), (envelope, 4), (b"a\r\n" + message + behind, 5 + (kind is Kind.LMTP))):
                for start in range(0, len(burst), size):
                    client.write(burst[start : start + size])
                    await client.writer.drain()
                answers += [await client.reply() for _ in range(replies)]
            assert await client.rest() == b""
        assert server.receiver.messages == [b"a\r\n.\r\n..\r\n\r\n.x\r\nrest of it\r\n"]
    third = len(answers) // 3
    assert answers[:third] == answers[third : 2 * third] == answers[2 * third :]


async def test_an_empty_message_ends_with_its_first_line() -> None:
    async with running() as server, server.client() as client:
        await client.ready()
        assert await client.say(b".") == "250 2.0.0 Taken"
    assert server.receiver.messages == [b""]
