from __future__ import annotations

import email
import email.policy
import statistics

import pytest

from tests.bench.generator import LARGEST, MEDIAN_BYTES, RARE_EVERY, RARE_FIRST, RARE_WORD, SMALLEST, Generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(3)


def test_the_same_seed_gives_the_same_mailbox(generator: Generator) -> None:
    again = Generator(3)
    assert [again.message(number) for number in (500, 0, 17)] == [generator.message(number) for number in (500, 0, 17)]


def test_another_seed_gives_another_mailbox(generator: Generator) -> None:
    assert Generator(4).message(0) != generator.message(0)


def test_sizes_are_log_normal(generator: Generator) -> None:
    sizes = [len(generator.message(number)) for number in range(4_000)]
    assert MEDIAN_BYTES * 0.8 < statistics.median(sizes) < MEDIAN_BYTES * 1.2
    assert 16_000 < statistics.mean(sizes) < 34_000
    assert SMALLEST * 0.7 < min(sizes) <= max(sizes) < LARGEST + 2_000


def test_messages_are_well_formed_and_of_many_forms(generator: Generator) -> None:
    messages = [email.message_from_bytes(generator.message(number), policy=email.policy.default) for number in range(300)]
    assert [part.defects for message in messages for part in message.walk() if part.defects] == []
    kinds = {message.get_content_type() for message in messages}
    assert kinds == {"text/plain", "multipart/alternative", "multipart/mixed"}
    identifiers = [message["Message-ID"] for message in messages]
    assert len(set(identifiers)) == 300
    assert {message["In-Reply-To"] for message in messages if message["In-Reply-To"]} <= set(identifiers)


def test_there_are_common_and_rare_words(generator: Generator) -> None:
    common = [generator.common_word.encode() in generator.message(number) for number in range(300)]
    assert sum(common) > 200
    rare = [number for number in range(RARE_EVERY) if RARE_WORD.encode() in generator.message(number)]
    assert rare == [RARE_FIRST]
