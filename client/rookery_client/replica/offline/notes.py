"""What a person should know beside the answers of a replica."""

from __future__ import annotations


class Notes:
    """Sentences, each once, in the order in which they came up; at last, what waits to be sent."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}
        self._changes = 0

    def add(self, *sentences: str) -> None:
        """Adds sentences."""
        self._sentences.update(dict.fromkeys(sentences))

    def count_change(self) -> None:
        """Counts a change that was made here and that the server is to hear of."""
        self._changes += 1

    @property
    def sentences(self) -> list[str]:
        """All of them."""
        waiting = "1 change waits" if self._changes == 1 else f"{self._changes:,} changes wait"
        return [*self._sentences, *([f"{waiting} for the next sync."] if self._changes else [])]
