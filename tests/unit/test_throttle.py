"""Whoever guesses passwords is slowed down, however cleverly they ask."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import ResourceExhausted, Unauthenticated, Unavailable
from rookery_server.services.accounts.throttle import Throttle
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable


def guess(throttle: Throttle, key: str = "anna") -> None:
    """An attempt with a wrong password."""
    with pytest.raises(Unauthenticated), throttle.attempt(key):
        raise Unauthenticated("CREDENTIALS_INVALID", "no")


def refusal(throttle: Throttle, key: str = "anna") -> int:
    """For how many seconds the key has to wait."""
    with pytest.raises(ResourceExhausted) as caught, throttle.attempt(key):
        pytest.fail("an attempt that has to wait is not carried out")
    assert caught.value.reason == "LOGIN_THROTTLED"
    return int(caught.value.metadata["retry_seconds"])


def enter(throttle: Throttle, key: str = "anna") -> None:
    """An attempt with the right password."""
    with throttle.attempt(key):
        pass


def test_the_wait_doubles_with_each_wrong_password_and_ends_at_five_minutes() -> None:
    clock = FakeClock()
    throttle = Throttle(clock, free=3)
    waits = []
    for failure in range(1, 16):
        guess(throttle)
        if failure >= 3:
            waits.append(refusal(throttle))
            clock.advance(seconds=waits[-1])
        enter(throttle)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    enter(throttle, "ben")


def test_wrong_passwords_are_forgotten_after_an_hour_or_a_right_one() -> None:
    clock = FakeClock()
    throttle = Throttle(clock, free=2)
    ways: tuple[Callable[[], None], ...] = (lambda: clock.advance(seconds=3601), lambda: throttle.forget("anna"))
    for forget in ways:
        guess(throttle)
        guess(throttle)
        forget()
        guess(throttle)
        enter(throttle)
        throttle.forget("anna")


def test_the_throttle_remembers_no_more_than_its_share() -> None:
    throttle = Throttle(FakeClock(), free=1)
    for number in range(10_001):
        guess(throttle, str(number))
    enter(throttle, "0")
    refusal(throttle, "1")


def test_of_many_guesses_at_once_only_the_free_ones_are_looked_at() -> None:
    throttle = Throttle(FakeClock(), free=3)
    with ExitStack() as running:
        for _ in range(3):
            running.enter_context(throttle.attempt("anna"))
        assert refusal(throttle) == 1
        enter(throttle, "ben")
    enter(throttle)


def test_after_the_free_ones_guesses_are_looked_at_one_at_a_time() -> None:
    clock = FakeClock()
    throttle = Throttle(clock, free=3)
    for _ in range(3):
        guess(throttle)
    clock.advance(seconds=refusal(throttle))
    with throttle.attempt("anna"):
        assert refusal(throttle) == 1
    enter(throttle)


def test_hanging_up_before_the_answer_is_a_wrong_password() -> None:
    throttle = Throttle(FakeClock(), free=1)
    with pytest.raises(asyncio.CancelledError), throttle.attempt("anna"):
        raise asyncio.CancelledError
    assert refusal(throttle) == 1


def test_what_fails_for_another_reason_is_no_wrong_password() -> None:
    throttle = Throttle(FakeClock(), free=1)
    with pytest.raises(Unavailable), throttle.attempt("anna"):
        raise Unavailable("DATABASE_BUSY", "later")
    enter(throttle)
