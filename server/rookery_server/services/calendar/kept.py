"""What was worked out for calendars and is kept in memory, as long as there is room for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable


class Weighed(Protocol):
    """Something that takes memory."""

    @property
    def weight(self) -> int:
        """About how many bytes, by now."""
        ...


class Kept:
    """Things by their keys, up to so many bytes together: what was asked for longest ago goes. May be shared between threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._things: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    @property
    def weight(self) -> int:
        """About how many bytes are kept, as far as it was looked at."""
        return self._bytes

    def find(self, key: Hashable) -> Any:
        """The thing, or None. What has become heavier since is weighed again."""
        with self._lock:
            found = self._things.get(key)
            if found is None:
                return None
            thing, weight = found
            if thing.weight == weight:
                self._things.move_to_end(key)
            else:
                self._put(key, thing)
            return thing

    def put(self, key: Hashable, thing: Weighed) -> None:
        """Keeps it, in the place of what had this key."""
        with self._lock:
            self._put(key, thing)

    def _put(self, key: Hashable, thing: Weighed) -> None:
        """As the last that was asked for, so that it is not the first to go."""
        before = self._things.pop(key, None)
        weight = thing.weight
        self._bytes += weight - (before[1] if before else 0)
        self._things[key] = thing, weight
        while self._bytes > self._most_bytes and len(self._things) > 1:
            _, (_, gone) = self._things.popitem(last=False)
            self._bytes -= gone
