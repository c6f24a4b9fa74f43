"""Figures for each destination: counted, bounded, and told to metrics without ever going down."""

from __future__ import annotations

from rookery.v1 import submission_pb2 as records
from rookery_server.gateway.destinations import Destinations, Feedback
from rookery_server.gateway.figures import BOUNDS, Figures
from rookery_server.gateway.traffic import Traffic
from rookery_server.services.submission.settling import Result
from tests.support.fakes import FakeClock

TAKEN = Result(records.DELIVERY_STATE_RELAYED, "2.0.0", "250 thanks")
LATER = Result(records.DELIVERY_STATE_DEFERRED, "4.2.0", "450 not now")
DOUBTFUL = Result(records.DELIVERY_STATE_DEFERRED, "4.4.2", "gone after the dot", ambiguous=True)
NEVER = Result(records.DELIVERY_STATE_FAILED, "5.1.1", "550 nobody")
TOO_LATE = Result(records.DELIVERY_STATE_EXPIRED, "4.4.7", "given up")


def test_results_are_counted_by_what_they_came_to() -> None:
    figures = Figures()
    figures.record("a.test", [TAKEN, TAKEN, LATER, NEVER], 0.2, 1000)
    figures.record("a.test", [DOUBTFUL, TOO_LATE], 400.0, 1000)
    figure = figures.find("a.test")
    assert figure is not None
    counts = figure.counts
    assert (counts.attempts, counts.delivered, counts.deferred, counts.failed, counts.ambiguous) == (2, 2, 2, 2, 1)
    assert counts.bytes == 1000, "what nobody took was not handed over"
    assert counts.histogram[BOUNDS.index(0.25)] == 1 and counts.histogram[-1] == 1 and sum(counts.histogram) == 2
    assert figures.find("b.test") is None


def test_median_and_slowest_are_of_the_last_deliveries() -> None:
    figures = Figures()
    for seconds in (99.0,) * 10 + tuple(number / 100 for number in range(128)):
        figures.record("a.test", [TAKEN], seconds, 1)
    [(_, figure)] = figures
    assert (figure.quantile(0.5), figure.quantile(0.99)) == (0.64, 1.26)


def test_the_destinations_used_last_are_remembered() -> None:
    figures = Figures(most_kept=2)
    for name in ("a.test", "b.test", "a.test", "c.test"):
        figures.record(name, [TAKEN], 0.1, 1)
    assert [name for name, _ in figures] == ["a.test", "c.test"]


def test_those_with_the_most_traffic_are_told_by_name_and_the_others_together() -> None:
    figures = Figures(most_told=2)

    def deliver(name: str, times: int) -> None:
        for _ in range(times):
            figures.record(name, [TAKEN], 0.1, 1)

    def told() -> tuple[dict[str, int], int]:
        named, others = figures.told()
        return {name: counts.delivered for name, counts in named}, others.delivered

    deliver("a.test", 5)
    deliver("b.test", 3)
    deliver("c.test", 1)
    assert told() == ({"a.test": 0, "b.test": 0}, 9), "what was counted with the others stays there"
    deliver("a.test", 1)
    deliver("c.test", 4)
    assert told() == ({"a.test": 1, "b.test": 0}, 13), "names do not come and go"
    deliver("c.test", 2)
    assert told() == ({"a.test": 1, "c.test": 0}, 15)
    deliver("b.test", 1)
    deliver("c.test", 1)
    assert told() == ({"a.test": 1, "c.test": 1}, 16)


def test_a_destination_tells_what_runs_and_that_it_is_paused() -> None:
    clock = FakeClock()
    destinations, figures = Destinations(clock), Figures()
    traffic = Traffic(figures, destinations, lambda domain: domain)
    figures.record("a.test", [LATER], 0.1, 1)
    figures.record("", [TAKEN], 0.1, 5)
    destinations.begin("a.test")
    dead, here = traffic.seen()
    assert (dead.name, dead.running, dead.HasField("paused_until"), dead.deferred) == ("a.test", 1, False, 1)
    assert (here.name, here.delivered, here.bytes) == ("here", 1, 5)
    for _ in range(3):
        destinations.end("a.test", Feedback.FAULT)
        destinations.begin("a.test")
    assert traffic.seen()[0].paused_until.ToMicroseconds() > clock.micros()
    assert (traffic.name_of(""), traffic.name_of("a.test")) == ("here", "a.test")
