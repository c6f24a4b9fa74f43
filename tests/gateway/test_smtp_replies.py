from __future__ import annotations

import pytest

from rookery_server.gateway.smtp_replies import LONGEST_LINE, MOST_LINES, GarbageReply, Reply, ReplyParser


def read(*data: bytes) -> list[Reply]:
    parser = ReplyParser()
    return [reply for piece in data for reply in parser.feed(piece)]


def test_replies_come_one_after_the_other_however_they_arrive() -> None:
    stream = b"250-mx.test\r\n250-SIZE 100\r\n250 OK\r\n354 go\r\n"
    expected = [Reply(250, ("mx.test", "SIZE 100", "OK")), Reply(354, ("go",))]
    assert read(stream) == expected
    assert read(*(stream[place : place + 1] for place in range(len(stream)))) == expected


def test_a_code_may_stand_alone_and_a_line_may_end_in_lf() -> None:
    assert read(b"250\r\n", b"250 \n") == [Reply(250, ("",)), Reply(250, ("",))]


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n",
        b"\r\n",
        b"25 ok\r\n",
        b"2500 ok\r\n",
        b"150 ok\r\n",
        b"650 ok\r\n",
        b"250_ok\r\n",
        "２５０ ok\r\n".encode(),
        b"250-a\r\n251 b\r\n",
        b"\0\0\0\0\r\n",
        b"\x16\x03\x01\x02\x00\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_what_is_no_reply_is_refused(garbage: bytes) -> None:
    with pytest.raises(GarbageReply):
        read(garbage)


def test_a_line_without_end_is_refused_before_it_fills_the_memory() -> None:
    parser = ReplyParser()
    parser.feed(b"250 " + b"x" * (LONGEST_LINE - 4))
    with pytest.raises(GarbageReply):
        parser.feed(b"x")


def test_a_reply_without_end_is_refused() -> None:
    assert len(read(b"250-x\r\n" * (MOST_LINES - 1) + b"250 x\r\n")) == 1
    with pytest.raises(GarbageReply):
        read(b"250-x\r\n" * (MOST_LINES + 1))


@pytest.mark.parametrize(
    ("line", "enhanced", "text"),
    [
        (b"550 5.1.1 no such user\r\n", "5.1.1", "no such user"),
        (b"550 no such user\r\n", "5.0.0", "no such user"),
        (b"450 5.1.1 undecided\r\n", "4.0.0", "undecided"),
        (b"250 2.1.5\r\n", "2.1.5", ""),
        (b"550 5.1.1234 far away\r\n", "5.0.0", "5.1.1234 far away"),
        (b"550-5.7.1 not\r\n550 5.7.1 here\r\n", "5.7.1", "not here"),
        (b"550-5.7.1 not\r\n550 here\r\n", "5.7.1", "not here"),
    ],
)
def test_the_enhanced_code_counts_if_it_fits_the_code(line: bytes, enhanced: str, text: str) -> None:
    [reply] = read(line)
    assert (reply.enhanced, reply.text) == (enhanced, text)


def test_what_can_not_be_printed_is_replaced_in_a_replys_text() -> None:
    [reply] = read(b"550 \x1b[31mred\x07 \xff " + "Grüße \u202eabc".encode() + b"\r\n")
    assert reply.text == "?[31mred? ? Grüße ?abc"
