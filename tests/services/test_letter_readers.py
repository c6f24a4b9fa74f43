"""Letters that come in by the crowd, read by a worker process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import FailedPrecondition
from rookery_core.formats.trace import HOPS_LIMIT, Hop
from rookery_server.services.importing.document_readers import DocumentReaders
from rookery_server.services.incoming.letter_readers import LetterReaders, Task
from rookery_server.services.incoming.letters import Arrival

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rookery_server.services.incoming.letters import Letter

HOP = Hop("mx.elsewhere.example", "192.0.2.1", "mx.rookery.example", "ESMTPS", "42", 1_700_000_000, "anna@rookery.example")
ROUND_IN_CIRCLES = b"Received: from here by there\r\n" * (HOPS_LIMIT + 1)


def letter(number: int, header: bytes = b"", body: bytes = b"Hello") -> Task:
    data = b"Message-ID: <%d@elsewhere.example>\r\nSubject: Number %d\r\n%b\r\n%b\r\n" % (number, number, header, body)
    arrival = Arrival("far@elsewhere.example", data, HOP, trusted=True)
    return Task(arrival, 1_700_000_000_000_000, number.to_bytes(16, "big"), frozenset({"mx.rookery.example"}))


@pytest.fixture
async def workers() -> AsyncIterator[DocumentReaders]:
    """One worker process, which has started."""
    readers = DocumentReaders(1)
    readers.are_ready()  # has it started
    await readers.run(os.getpid)
    assert readers.are_ready()
    yield readers
    readers.close()


async def read(readers: LetterReaders, *tasks: Task) -> list[Letter | BaseException]:
    return await asyncio.gather(*(readers.read(task, crowded=True) for task in tasks), return_exceptions=True)


async def test_a_crowd_of_letters_is_read_by_a_worker_as_it_would_be_here(workers: DocumentReaders) -> None:
    attached = b'Content-Type: image/png; name="a.png"\r\nContent-Disposition: attachment\r\n'
    vouched = b"Authentication-Results: mx.rookery.example; spf=pass\r\n"
    crowd = [
        letter(1),
        letter(2, attached),
        letter(3, vouched),
        *(letter(number, body=b"words " * 4000) for number in range(4, 40)),
    ]
    assert await read(LetterReaders(workers), *crowd) == [task.read() for task in crowd]


async def test_a_letter_that_goes_round_in_circles_is_refused_alone(workers: DocumentReaders) -> None:
    first, circling, last = await read(LetterReaders(workers), letter(1), letter(2, ROUND_IN_CIRCLES), letter(3))
    assert [first, last] == [letter(1).read(), letter(3).read()]
    assert isinstance(circling, FailedPrecondition)
    assert circling.reason == "MAIL_LOOP"


async def test_a_letter_that_no_worker_can_take_holds_up_no_other(workers: DocumentReaders) -> None:
    class Unmovable(bytes):
        """Not to be sent to another process: nobody there knows its class."""

    crowd = [letter(1), letter(2), letter(3)]
    odd = crowd[1]._replace(blob_id=Unmovable(crowd[1].blob_id))
    assert await read(LetterReaders(workers), crowd[0], odd, crowd[2]) == [task.read() for task in crowd]


async def test_letters_are_read_here_when_the_worker_dies(workers: DocumentReaders, caplog: pytest.LogCaptureFixture) -> None:
    for process in multiprocessing.active_children():
        process.kill()
    crowd = [letter(number) for number in range(5)]
    assert await read(LetterReaders(workers), *crowd) == [task.read() for task in crowd]
    assert "the workers that read documents ended" in caplog.text
