"""What went where from this process, as administrators see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.queue_service_pb2 import Destination
from rookery_server.store import outgoing

if TYPE_CHECKING:
    from collections.abc import Callable

    from rookery_server.gateway.destinations import Destinations
    from rookery_server.gateway.figures import Figures

HERE = "here"
"""What the mailboxes of this server are called among destinations."""


class Traffic:
    """Puts figures and pressure together. ``destination_of`` gives what mail for a domain elsewhere is counted under."""

    def __init__(self, figures: Figures, destinations: Destinations, destination_of: Callable[[str], str]) -> None:
        self.figures = figures
        self.destinations = destinations
        self._destination_of = destination_of

    def name_of(self, domain: str) -> str:
        """See ``services.submission.queue_destinations.Traffic``."""
        return HERE if domain == outgoing.HERE else self._destination_of(domain)

    def seen(self) -> list[Destination]:
        """See ``services.submission.queue_destinations.Traffic``."""
        found: list[Destination] = []
        for destination, figure in self.figures:
            counts, pressure = figure.counts, self.destinations.pressure(destination)
            one = Destination(
                name=destination or HERE,
                delivered=counts.delivered,
                deferred=counts.deferred,
                failed=counts.failed,
                ambiguous=counts.ambiguous,
                bytes=counts.bytes,
                running=pressure.running,
                most_running=pressure.most_running,
                median_seconds=figure.quantile(0.5),
                slowest_seconds=figure.quantile(0.99),
            )
            if pressure.paused_until:
                one.paused_until.FromMicroseconds(pressure.paused_until)
            found.append(one)
        return found
