"""Digests tell whether two sides hold the same."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from rookery_core.rules.digests import DIGEST_BYTES, RangeDigest

IDS = st.binary(min_size=16, max_size=16)
HELD = st.dictionaries(IDS, st.integers(0, (1 << 64) - 1), max_size=20)


def digest(held: dict[bytes, int]) -> tuple[int, bytes]:
    made = RangeDigest()
    made.add(sorted(held.items()))
    return made.count, made.digest()


def test_a_digest_is_the_one_of_the_contract() -> None:
    held = {b"\xff" * 16: 1, b"\x00" * 16: (1 << 64) - 1, b"\x7f" * 16: 0x0102}
    plain = bytes(16) + b"\xff" * 8 + b"\x7f" * 16 + b"\0\0\0\0\0\0\1\2" + b"\xff" * 16 + b"\0\0\0\0\0\0\0\1"
    assert digest(held) == (3, hashlib.sha256(plain).digest())
    assert digest({}) == (0, hashlib.sha256(b"").digest())
    assert len(digest(held)[1]) == DIGEST_BYTES


@given(HELD, st.integers(0, 20))
def test_what_is_added_in_portions_gives_what_it_gives_at_once(held: dict[bytes, int], cut: int) -> None:
    entries = sorted(held.items())
    made = RangeDigest()
    made.add(iter(entries[:cut]))
    made.add(entries[cut:])
    assert (made.count, made.digest()) == digest(held)


@given(HELD, HELD)
def test_only_equal_holdings_have_equal_digests(one: dict[bytes, int], other: dict[bytes, int]) -> None:
    assert (digest(one) == digest(other)) == (one == other)
