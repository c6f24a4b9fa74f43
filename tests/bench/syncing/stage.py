"""What all measurements of synchronisation stand on: a server with two filled mailboxes, one four times as large as the other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tests.bench.server import ADDRESS

if TYPE_CHECKING:
    import pathlib

    from tests.bench.server import Server

SMALL, LARGE = ADDRESS, "bert@bench.example"
"""Whose the two mailboxes are."""
TIMES = 4
"""How much larger the large one is."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stage:
    """A server that runs, with its two mailboxes."""

    server: Server
    folder: pathlib.Path
    """Where replicas go."""
    count: int
    """Items in the small mailbox."""
    rounds: int
    """How often a call is made that is measured by itself; other repetitions are in proportion."""

    @property
    def mailboxes(self) -> tuple[tuple[str, int], ...]:
        """Whose they are, and how many items they have."""
        return (SMALL, self.count), (LARGE, self.count * TIMES)
