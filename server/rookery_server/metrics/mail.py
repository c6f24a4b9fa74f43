"""Figures of mail on its way: for each destination, and of the queue."""

from __future__ import annotations

import heapq
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from rookery_server.gateway.figures import BOUNDS
from rookery_server.gateway.traffic import HERE
from rookery_server.store import outgoing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import Metric

    from rookery_core.rules.clock import Clock
    from rookery_server.gateway.figures import Counts
    from rookery_server.gateway.traffic import Traffic
    from rookery_server.store.database import Database
    from rookery_server.store.outgoing import Backlog

OTHERS = "other"
"""The label of all destinations that have none of their own."""

_MOST_WAITING = 200
_LABELS = ("destination",)
_BOUNDS = (*(str(bound) for bound in BOUNDS), "+Inf")
_COUNTERS = {
    "attempts": "Deliveries that were tried.",
    "delivered": "Recipients that were reached.",
    "deferred": "Recipients that could not be reached yet.",
    "failed": "Recipients that were refused or given up.",
    "ambiguous": "Recipients of whom nobody knows whether they were reached; they are tried again.",
    "bytes": "Bytes of messages that were handed over.",
}


class MailFigures:
    """What this process has delivered, and what waits in the queue, whichever process will deliver it."""

    def __init__(self, database: Database, clock: Clock, traffic: Traffic) -> None:
        self._database = database
        self._clock = clock
        self._traffic = traffic

    async def families(self) -> Iterable[Metric]:
        """See ``endpoint.Source``."""
        waiting = await self._database.read(outgoing.backlog)
        named, others = self._traffic.figures.told()
        counts = [(name or HERE, each) for name, each in named]
        return [*_counted([*counts, (OTHERS, others)]), *self._pressure([name for name, _ in named]), *self._queue(waiting)]

    def _pressure(self, names: list[str]) -> Iterable[Metric]:
        running = GaugeMetricFamily("rookery_mail_running", "Deliveries under way.", labels=_LABELS)
        limit = GaugeMetricFamily("rookery_mail_running_limit", "Deliveries that may be under way at once.", labels=_LABELS)
        paused = GaugeMetricFamily(
            "rookery_mail_paused", "1 while nothing is tried, since the host does not answer.", labels=_LABELS
        )
        for name in names:
            pressure = self._traffic.destinations.pressure(name)
            label = (name or HERE,)
            running.add_metric(label, pressure.running)
            limit.add_metric(label, pressure.most_running)
            paused.add_metric(label, bool(pressure.paused_until))
        return running, limit, paused

    def _queue(self, waiting: Iterable[Backlog]) -> Iterable[Metric]:
        totals: dict[str, tuple[int, int]] = {}
        for backlog in waiting:
            _add(totals, self._traffic.name_of(backlog.domain), backlog.recipients, backlog.oldest)
        shown = dict(heapq.nlargest(_MOST_WAITING, totals.items(), key=lambda entry: entry[1][0]))
        for name in totals.keys() - shown.keys():
            _add(shown, OTHERS, *totals[name])
        recipients = GaugeMetricFamily("rookery_queue_recipients", "Recipients that wait for delivery.", labels=_LABELS)
        oldest = GaugeMetricFamily("rookery_queue_oldest_seconds", "How long the first of them has waited.", labels=_LABELS)
        now = self._clock.micros()
        for name, (count, since) in shown.items():
            recipients.add_metric((name,), count)
            oldest.add_metric((name,), max(0, now - since) / 1_000_000)
        return recipients, oldest


def _add(totals: dict[str, tuple[int, int]], name: str, recipients: int, oldest: int) -> None:
    count, since = totals.get(name, (0, oldest))
    totals[name] = count + recipients, min(since, oldest)


def _counted(counts: list[tuple[str, Counts]]) -> Iterable[Metric]:
    for name, meaning in _COUNTERS.items():
        family = CounterMetricFamily(f"rookery_mail_{name}", meaning, labels=_LABELS)
        for label, each in counts:
            family.add_metric((label,), getattr(each, name))
        yield family
    seconds = HistogramMetricFamily("rookery_mail_delivery_seconds", "How long deliveries took.", labels=_LABELS)
    for label, each in counts:
        buckets = list(zip(_BOUNDS, accumulate(each.histogram), strict=True))
        seconds.add_metric((label,), buckets, each.seconds)
    yield seconds
