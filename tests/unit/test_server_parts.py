"""Small parts of the server by themselves: seals, page tokens, addresses, periodic work."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery.v1 import admin_service_pb2 as admin
from rookery_core.errors import InvalidArgument, Unavailable
from rookery_server.jobs.runner import JobRunner
from rookery_server.services.accounts import addresses
from rookery_server.services.caller import Caller
from rookery_server.services.page_tokens import PageTokens
from rookery_server.services.seals import Seal

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = b"k" * 32
ANNA = Caller(b"a" * 16, b"s" * 16, administrator=False)
BEN = Caller(b"b" * 16, b"s" * 16, administrator=False)


@given(st.binary(max_size=200))
def test_what_was_sealed_opens_and_nothing_else_does(payload: bytes) -> None:
    seal = Seal("test", {1: KEY})
    text = seal.close(payload)
    assert seal.open(text) == payload
    assert Seal("other", {1: KEY}).open(text) is None
    assert Seal("test", {1: b"x" * 32}).open(text) is None
    assert Seal("test", {2: KEY}).open(text) is None


@given(st.binary(max_size=50), st.data())
def test_a_seal_changed_anywhere_does_not_open(payload: bytes, data: st.DataObject) -> None:
    seal = Seal("test", {1: KEY}, mac_bytes=16)
    text = seal.close(payload)
    place = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("ABCabc019-_").filter(lambda character: character != text[place]))
    assert seal.open(text[:place] + other + text[place + 1 :]) is None


@given(st.text(max_size=100))
def test_no_text_makes_opening_a_seal_fail(text: str) -> None:
    assert Seal("test", {1: KEY}).open(text) is None


def test_an_older_key_still_opens_and_the_newest_signs() -> None:
    old = Seal("test", {1: KEY}).close(b"x")
    both = Seal("test", {1: KEY, 2: b"n" * 32})
    assert both.open(old) == b"x"
    assert Seal("test", {2: b"n" * 32}).open(both.close(b"y")) == b"y"


def test_a_page_token_gives_back_where_the_page_ended() -> None:
    tokens = PageTokens(KEY)
    digest = tokens.digest(ANNA, b"m" * 16, admin.ListAliasesRequest(account_id=b"x" * 16))
    assert tokens.decode("", digest) is None
    for number, text in ((-5, None), (0, None), (1 << 62, None), (None, ""), (None, "Ärger")):
        token = tokens.decode(tokens.encode(digest, number=number, text=text, item_id=b"i" * 16), digest)
        assert token is not None and token.id == b"i" * 16
        assert (token.number if token.HasField("number") else None) == number
        assert (token.text if token.HasField("text") else None) == text


def test_a_page_token_is_bound_to_caller_mailbox_call_and_query() -> None:
    tokens = PageTokens(KEY)
    query = admin.ListAliasesRequest(account_id=b"x" * 16)
    token = tokens.encode(tokens.digest(ANNA, b"m" * 16, query), number=1)
    for other in (
        tokens.digest(BEN, b"m" * 16, query),
        tokens.digest(ANNA, b"n" * 16, query),
        tokens.digest(ANNA, b"", query),
        tokens.digest(ANNA, b"m" * 16, admin.ListAliasesRequest()),
        tokens.digest(ANNA, b"m" * 16, admin.ListAccountsRequest()),
    ):
        with pytest.raises(InvalidArgument, match="another query"):
            tokens.decode(token, other)
    with pytest.raises(InvalidArgument, match="not of this server"):
        PageTokens(b"x" * 32).decode(token, tokens.digest(ANNA, b"m" * 16, query))


@given(st.text(max_size=80) | st.emails())
def test_what_is_taken_for_an_address_stays_the_same_address_however_often_it_is_read(text: str) -> None:
    with contextlib.suppress(InvalidArgument):
        address = addresses.parse(text, "field")
        assert addresses.parse(address.text, "field") == address
        assert addresses.parse(address.key, "field").key == address.key


async def run_until(stop: Callable[[], bool], runner: JobRunner) -> None:
    runner.start()
    for _ in range(10_000):
        if stop():
            break
        await asyncio.sleep(0)
    await runner.stop()


async def test_a_job_runs_at_the_start_and_then_by_its_period() -> None:
    sleeps: list[float] = []
    runs: list[int] = []

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        await asyncio.sleep(0)

    async def work() -> int:
        runs.append(1)
        return 0

    runner = JobRunner(sleep)
    runner.every("work", 3600, work)
    await run_until(lambda: len(runs) == 3, runner)
    assert sleeps[:2] == [3600, 3600]


@pytest.mark.parametrize("error", [Unavailable("DATABASE_BUSY", "busy"), ZeroDivisionError()])
async def test_a_job_that_fails_is_tried_again_ever_more_slowly_and_ends_no_other(error: Exception) -> None:
    sleeps: list[float] = []
    runs: list[str] = []

    async def sleep(seconds: float) -> None:
        if runs[-1] == "bad":
            sleeps.append(seconds)
        await asyncio.sleep(0)

    async def bad() -> int:
        runs.append("bad")
        if len(sleeps) == 4:
            return 1
        raise error

    runner = JobRunner(sleep)
    runner.every("bad", 30, bad)
    await run_until(lambda: len(sleeps) >= 6, runner)
    assert sleeps[:6] == [5, 10, 20, 30, 30, 5]


async def test_a_runner_that_stops_cancels_what_runs() -> None:
    ended = asyncio.Event()

    async def long() -> int:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()
        return 0

    runner = JobRunner()
    runner.every("long", 1, long)
    runner.start()
    await asyncio.sleep(0)
    await runner.stop()
    assert ended.is_set()
