from __future__ import annotations

from rookery_server.gateway.retry_schedule import LIFETIME, next_attempt, notice_due

MINUTE = 60_000_000
QUEUED = 1_750_000_000_000_000


def pauses(chance: float) -> list[float]:
    """Minutes between the attempts of a message that never gets through."""
    now, found, attempts = QUEUED, [], 1
    while (following := next_attempt(attempts, QUEUED, now, lambda: chance)) is not None:
        found.append((following - now) / MINUTE)
        now, attempts = following, attempts + 1
    assert now == QUEUED + LIFETIME
    return found


def test_attempts_become_rarer_and_end_after_five_days() -> None:
    found = pauses(0.0)
    assert found[:8] == [2, 5, 10, 15, 30, 60, 120, 120]
    assert set(found[6:-1]) == {120}
    assert len(found) == 6 + 59  # 122 minutes, and then every two hours until 7,200 minutes are over


def test_pauses_are_longer_by_up_to_a_tenth() -> None:
    assert pauses(0.5)[:7] == [2.1, 5.25, 10.5, 15.75, 31.5, 63, 126]


def test_the_last_attempt_is_at_the_end_and_none_after_it() -> None:
    end = QUEUED + LIFETIME
    assert next_attempt(40, QUEUED, end - MINUTE, lambda: 0.9) == end
    assert next_attempt(41, QUEUED, end, lambda: 0.9) is None
    assert next_attempt(1, QUEUED, end + MINUTE, lambda: 0.9) is None


def test_the_sender_is_told_after_four_hours() -> None:
    assert not notice_due(QUEUED, QUEUED + 240 * MINUTE - 1)
    assert notice_due(QUEUED, QUEUED + 240 * MINUTE)
