from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rookery_server.gateway.destinations import BUSY, Destinations, Feedback
from tests.support.fakes import FakeClock

SECOND = 1_000_000


def started(destinations: Destinations, clock: FakeClock, name: str = "a.test") -> int:
    """Starts as much as may start, one after the other; tells how much that is."""
    count, room = 0, destinations.room(name)
    while destinations.ready_at(name) <= clock.micros():
        destinations.begin(name)
        count += 1
    assert room == count or (room == 1 and count), "there is as much room as there is"
    return count


def answering(clock: FakeClock, **limits: int) -> Destinations:
    """Destinations, of which a.test has answered."""
    destinations = Destinations(clock, **limits)  # type: ignore[arg-type]
    destinations.begin("a.test")
    destinations.end("a.test", Feedback.ALIVE)
    return destinations


def end(destinations: Destinations, feedback: Feedback, count: int = 1, name: str = "a.test") -> None:
    for _ in range(count):
        destinations.end(name, feedback)


def test_a_new_destination_gets_two_deliveries_at_once_and_a_handful_once_it_has_answered(clock: FakeClock) -> None:
    destinations = Destinations(clock)
    assert started(destinations, clock) == 2
    assert destinations.ready_at("a.test") == BUSY
    end(destinations, Feedback.UNKNOWN)
    assert started(destinations, clock) == 1
    end(destinations, Feedback.ALIVE)
    assert started(destinations, clock) == 4
    assert destinations.pressure("a.test") == (5, 5, 0)


def test_those_that_have_not_answered_share_places_and_the_others_do_not_need_them(clock: FakeClock) -> None:
    destinations = answering(clock, most_unanswered=5)
    assert [started(destinations, clock, f"tarpit{number}.test") for number in range(4)] == [2, 2, 1, 0]
    assert destinations.room("new.test") == 0
    assert clock.micros() < destinations.ready_at("new.test") <= clock.micros() + SECOND
    assert started(destinations, clock) == 5
    destinations.end("tarpit0.test", Feedback.ALIVE)  # it is none
    assert started(destinations, clock, "new.test") == 2


def test_success_opens_the_window_up_to_the_limit(clock: FakeClock) -> None:
    destinations = answering(clock, most_at_once=8)
    seen = []
    for _ in range(5):
        running = started(destinations, clock)
        seen.append(running)
        end(destinations, Feedback.ALIVE, min(2, running))
        end(destinations, Feedback.UNKNOWN, running - min(2, running))
    assert seen == [5, 7, 8, 8, 8]


def test_a_fault_closes_it_and_success_opens_it_again_slowly(clock: FakeClock) -> None:
    destinations = answering(clock)
    destinations.begin("a.test")
    end(destinations, Feedback.FAULT)
    assert destinations.pressure("a.test") == (0, 4, 0)
    assert started(destinations, clock) == 4
    end(destinations, Feedback.ALIVE, 4)
    assert destinations.pressure("a.test").most_running == 4
    assert started(destinations, clock) == 4


def test_after_three_faults_nothing_starts_for_a_minute_and_then_one(clock: FakeClock) -> None:
    destinations = answering(clock)
    assert started(destinations, clock) == 5
    end(destinations, Feedback.FAULT, 5)
    assert destinations.ready_at("a.test") == clock.micros() + 60 * SECOND
    clock.advance(seconds=60)
    assert started(destinations, clock) == 1


def test_each_failed_probe_doubles_the_pause_up_to_an_hour(clock: FakeClock) -> None:
    destinations = Destinations(clock)
    for _ in range(3):
        destinations.begin("a.test")
    end(destinations, Feedback.FAULT, 3)
    pauses = []
    for _ in range(8):
        pause = destinations.ready_at("a.test") - clock.micros()
        pauses.append(pause // SECOND)
        clock.advance(seconds=pause / SECOND)
        destinations.begin("a.test")
        end(destinations, Feedback.FAULT)
    assert pauses == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_probe_that_succeeds_brings_the_destination_back(clock: FakeClock) -> None:
    destinations = Destinations(clock)
    for _ in range(3):
        destinations.begin("a.test")
    end(destinations, Feedback.FAULT, 3)
    clock.advance(seconds=60)
    assert started(destinations, clock) == 1
    end(destinations, Feedback.ALIVE)
    assert started(destinations, clock) == 5


def test_a_success_between_faults_keeps_a_destination_alive(clock: FakeClock) -> None:
    destinations = Destinations(clock)
    for _ in range(5):
        for feedback in (Feedback.FAULT, Feedback.FAULT, Feedback.ALIVE):
            destinations.begin("a.test")
            end(destinations, feedback)
    assert destinations.ready_at("a.test") <= clock.micros()


def test_a_dead_destination_holds_up_no_other(clock: FakeClock) -> None:
    destinations = Destinations(clock)
    for _ in range(3):
        destinations.begin("dead.test")
    end(destinations, Feedback.FAULT, 3, "dead.test")
    assert destinations.ready_at("dead.test") > clock.micros()
    assert started(destinations, clock, "a.test") == 2


def test_a_rate_spreads_deliveries(clock: FakeClock) -> None:
    destinations = Destinations(clock, per_minute={"a.test": 30})
    times = []
    for _ in range(4):
        clock.now = max(clock.now, destinations.ready_at("a.test"))
        times.append(clock.now)
        destinations.begin("a.test")
        end(destinations, Feedback.ALIVE)
    assert [(time - times[0]) // SECOND for time in times] == [0, 2, 4, 6]
    assert started(destinations, clock, "b.test") == 2


@given(st.lists(st.sampled_from(["begin", *Feedback])))
def test_whatever_happens_a_destination_is_never_stuck(steps: list[str | Feedback]) -> None:
    clock = FakeClock()
    destinations = Destinations(clock)
    running = 0
    for step in steps:
        if step == "begin" and destinations.ready_at("a.test") <= clock.micros():
            destinations.begin("a.test")
            running += 1
        elif isinstance(step, Feedback) and running:
            destinations.end("a.test", step)
            running -= 1
        assert destinations.pressure("a.test")[0] == running
        assert running or destinations.ready_at("a.test") < BUSY
