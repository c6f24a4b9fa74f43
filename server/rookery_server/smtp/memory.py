"""How much memory messages take while they come in: a thousand clients that each send a large one do not bring the server down."""

from __future__ import annotations

from collections import Counter


class Memory:
    """All of a listener's."""

    def __init__(self, most: int, most_of_peer: int) -> None:
        self._most = most
        self._most_of_peer = most_of_peer
        self._taken = 0
        self._by_peer: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Bytes at the moment."""
        return self._taken

    def share(self, peer: str, *, trusted: bool) -> Share:
        """For one message of a peer."""
        return Share(self, peer, self._most if trusted else self._most_of_peer)

    def take(self, peer: str, size: int, most: int) -> bool:
        """Whether there was room; if so, it is taken."""
        if self._taken + size > self._most or self._by_peer[peer] + size > most:
            return False
        self._taken += size
        self._by_peer[peer] += size
        return True

    def give_back(self, peer: str, size: int) -> None:
        """The opposite."""
        self._taken -= size
        self._by_peer[peer] -= size
        if self._by_peer[peer] <= 0:
            del self._by_peer[peer]


class Share:
    """What one message takes."""

    def __init__(self, memory: Memory, peer: str, most: int) -> None:
        self._memory = memory
        self._peer = peer
        self._most = most
        self._taken = 0

    def take(self, size: int) -> bool:
        """Whether there was room."""
        if not self._memory.take(self._peer, size, self._most):
            return False
        self._taken += size
        return True

    def give_back(self) -> None:
        """All of it; any number of times."""
        if self._taken:
            self._memory.give_back(self._peer, self._taken)
            self._taken = 0
