"""mbox files: what is read is what was written, byte for byte."""

from __future__ import annotations

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rookery_core.errors import InvalidArgument
from rookery_core.formats import mbox
from tests.support import corpus

lines = st.sampled_from([b"From ", b">From ", b">>From x\n", b"\n", b"\r\n", b"\r", b"abc", b"\nFrom a 10:00\n", b"\0", b"F"])
raws = st.one_of(st.binary(max_size=60), st.lists(lines, max_size=12).map(b"".join))


class Trickle(io.BytesIO):
    """A stream that gives a few bytes at a time, as pipes do."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(7)


def written(*messages: bytes) -> bytes:
    out = io.BytesIO()
    for raw in messages:
        mbox.write(out, raw, "ann@b.test", 1_000_000_000)
    return out.getvalue()


def raws_in(data: bytes) -> list[bytes]:
    return [message.raw for message in mbox.read(io.BytesIO(data))]


@given(st.lists(raws, max_size=5))
@example([b""])
@example([b"", b"\n", b"no line end", b"From x\n"])
@example([b"\r\n"])
def test_any_messages_come_back_byte_for_byte(messages: list[bytes]) -> None:
    data = written(*messages)
    assert raws_in(data) == messages
    assert [message.raw for message in mbox.read(Trickle(data))] == messages


def test_the_real_mailbox_comes_back_byte_for_byte() -> None:
    data = corpus.mbox().read_bytes()
    messages = list(mbox.read(io.BytesIO(data)))
    assert len(messages) == 1650
    assert all(data.startswith(message.from_line + b"\n", message.offset) for message in messages)
    # The From_ lines are a matter of the file; all that stands between them is written again as it was.
    rewritten = b"".join(message.from_line + b"\n" + written(message.raw).partition(b"\n")[2] for message in messages)
    assert rewritten == data
    assert raws_in(written(*(message.raw for message in messages))) == [message.raw for message in messages]


def test_reading_goes_on_at_an_offset() -> None:
    data = written(b"one\n", b"two\n", b"three\n")
    second = list(mbox.read(io.BytesIO(data)))[1]
    stream = io.BytesIO(data)
    stream.seek(second.offset)
    assert [message.raw for message in mbox.read(stream)] == [b"two\n", b"three\n"]


def test_a_from_line_has_sender_and_time() -> None:
    (message,) = mbox.read(io.BytesIO(written(b"x\n")))
    assert message.from_line == b"From ann@b.test Sun Sep  9 01:46:40 2001"
    out = io.BytesIO()
    mbox.write(out, b"x\n", "evil\nFrom x y", 10**18)
    assert raws_in(out.getvalue()) == [b"x\n"]


def test_files_of_other_programs_are_read() -> None:
    text = b"Subject: x\n\nFrom now on\nall\n\nFrom the start\n"
    unquoted = b"From a@b Tue May 10 11:28:07 2005\n" + text + b"\nFrom c@d Wed May 11 11:28:07 2005\n\nb\n"
    assert raws_in(unquoted) == [text, b"\nb"]
    windows = b"\r\nFrom a@b Tue May 10 11:28:07 2005\r\nA: b\r\n\r\nFrom c@d Tue May 10 11:28:07 2005\r\nC: d\r\n\r\n"
    assert raws_in(windows) == [b"A: b\r\n", b"C: d\r\n"]
    assert raws_in(b"From a@b\nA: b\n\n") == [b"A: b\n"]
    assert raws_in(b"") == raws_in(b"\n\n") == []
    assert raws_in(b"From a@b") == [b""]


def test_what_is_no_mbox_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        raws_in(b"\nSubject: a message\n")
    assert caught.value.reason == "DOCUMENT_INVALID"


def test_a_message_larger_than_the_buffer_is_read_whole() -> None:
    large = b"x" * 3_000_000 + b"\nFrom me\n"
    assert raws_in(written(large, b"after\n")) == [large, b"after\n"]
