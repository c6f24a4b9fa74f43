"""Figures of a server: its calls, the listeners that mail comes in by, and mail for groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client import Metric

    from rookery_server.api.call_counts import CallCounts
    from rookery_server.services.accounts.group_mail import GroupMail
    from rookery_server.smtp.counters import Counters

_LISTENER = ("listener",)
_LISTENER_COUNTERS = {
    "connections": "Connections that were opened.",
    "refused_connections": "Connections turned away or hung up on.",
    "messages": "Messages that were delivered.",
    "message_bytes": "Bytes of those.",
    "recipients": "Recipients of those.",
}


class CallFigures:
    """What was asked by gRPC."""

    def __init__(self, counts: CallCounts) -> None:
        self._counts = counts

    async def families(self) -> Iterable[Metric]:
        """See ``endpoint.Source``."""
        ended = CounterMetricFamily("rookery_calls", "gRPC calls that have ended.", labels=("method", "status"))
        for key, count in self._counts.ended.items():
            ended.add_metric(key, count)
        seconds = CounterMetricFamily("rookery_call_seconds", "How long they took in all.", labels=("method",))
        for method, total in self._counts.seconds.items():
            seconds.add_metric((method,), total)
        return ended, seconds


class GroupFigures:
    """What did not reach members of groups, of whom no sender hears."""

    def __init__(self, groups: GroupMail) -> None:
        self._groups = groups

    async def families(self) -> Iterable[Metric]:
        """See ``endpoint.Source``."""
        meaning = "Copies for members of groups that their mailboxes did not take, most since they are full."
        return [CounterMetricFamily("rookery_group_copies_refused", meaning, value=self._groups.missed)]


class ListenerFigures:
    """What came in by LMTP, SMTP and submission. ``counters`` is by listener."""

    def __init__(self, counters: Mapping[str, Counters]) -> None:
        self._counters = counters

    async def families(self) -> Iterable[Metric]:
        """See ``endpoint.Source``."""
        families: list[Metric] = []
        for name, meaning in _LISTENER_COUNTERS.items():
            family = CounterMetricFamily(f"rookery_listener_{name}", meaning, labels=_LISTENER)
            for listener, counters in self._counters.items():
                family.add_metric((listener,), getattr(counters, name))
            families.append(family)
        opened = GaugeMetricFamily("rookery_listener_open_connections", "Connections that are open.", labels=_LISTENER)
        refusals = CounterMetricFamily("rookery_listener_refusals", "Negative replies.", labels=(*_LISTENER, "code"))
        for listener, counters in self._counters.items():
            opened.add_metric((listener,), counters.open_connections)
            for code, count in counters.refusals.items():
                refusals.add_metric((listener, str(code)), count)
        return *families, opened, refusals
