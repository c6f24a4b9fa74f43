"""mbox files: what is read is what was written, byte for byte."""

from __future__ import annotations

import io
import tracemalloc

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


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("stream", [io.BytesIO, Trickle])
def test_a_message_that_is_too_large_is_passed_over_and_the_next_is_read(stream: type[io.BytesIO], line_end: bytes) -> None:
    small = b"Subject: small" + line_end
    data = b"".join(
        b"From a@b" + date + line_end + raw + line_end
        for date, raw in ((b" Tue May 10 11:28:07 2005", small), (b" 10:00", (b"large" + line_end) * 99), (b" 11:00", small))
    )
    first, large, last = mbox.read(stream(data), 200)
    assert (first.raw, first.too_large, last.raw, last.too_large) == (small, False, small, False)
    assert (large.raw, large.too_large, large.from_line) == (b"", True, b"From a@b 10:00")
    assert data[large.offset :].startswith(b"From a@b 10:00") and data[last.offset :].startswith(b"From a@b 11:00")


@given(st.lists(raws, min_size=1, max_size=5), st.integers(30, 90))
def test_a_limit_changes_nothing_but_the_messages_beyond_it(messages: list[bytes], largest: int) -> None:
    data = written(*messages)
    whole = list(mbox.read(io.BytesIO(data)))
    ends = [*(message.offset for message in whole[1:]), len(data)]
    for stream in (io.BytesIO(data), Trickle(data)):
        for message, expected, end in zip(mbox.read(stream, largest), whole, ends, strict=True):
            too_large = end - expected.offset > largest
            assert (message.offset, message.from_line, message.too_large) == (expected.offset, expected.from_line, too_large)
            assert message.raw == (b"" if too_large else expected.raw)


def test_a_large_message_is_not_kept_in_memory_beyond_the_limit() -> None:
    tracemalloc.start()
    try:
        data = io.BytesIO(written(b"x" * 40_000_000, b"after\n"))
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        large, after = mbox.read(data, 4_000_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert large.too_large and after.raw == b"after\n"
    assert peak - before < 12_000_000
