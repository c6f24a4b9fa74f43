"""Death at a chosen moment: whoever may die asks its fate at every point where that could leave something half-done."""

from __future__ import annotations


class Died(BaseException):
    """It is dead, and nothing it does has any effect from now on. No error: nobody catches a power cut."""


class Fate:
    """Counts points down to the one where it ends. Afterwards every point is one."""

    def __init__(self) -> None:
        self._left = 0
        self.dead = False

    def seal(self, points: int) -> None:
        """Death comes at the so manieth point from now on."""
        self._left = points

    def end(self) -> None:
        """Death has come, from outside."""
        self.dead = True

    def point(self, name: str) -> None:
        """A moment at which it may end; raises ``Died`` if it does, or did."""
        if not self.dead and self._left:
            self._left -= 1
            self.dead = not self._left
        if self.dead:
            raise Died(name)
