"""How often each call was made, how it ended, and how long it took."""

from __future__ import annotations

from collections import Counter


class CallCounts:
    """Counts since the start of the process. Belongs to one event loop."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        """Calls by method ("rookery.v1.ItemService/GetItem") and outcome ("OK", or the kind of the error)."""
        self.seconds: dict[str, float] = {}
        """Their time in all, by method. Streams last as long as somebody listens."""

    def add(self, method: str, status: str, seconds: float) -> None:
        """A call has ended."""
        self.ended[method, status] += 1
        self.seconds[method] = self.seconds.get(method, 0.0) + seconds
