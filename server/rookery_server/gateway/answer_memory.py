"""Answers of the DNS, kept for as long as they are valid."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from rookery_server.gateway.resolver import Answer

Record = TypeVar("Record")

_MOST = 10_000


class AnswerMemory(Generic[Record]):
    """Those of one kind, by name; the longest unused is forgotten first. Belongs to one event loop, whose clock it goes by."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._known: OrderedDict[str, tuple[float, Answer[Record]]] = OrderedDict()

    def find(self, name: str) -> Answer[Record] | None:
        """What is known of a name, and valid still."""
        known = self._known.get(name)
        if known is None:
            return None
        if known[0] <= asyncio.get_running_loop().time():
            del self._known[name]
            return None
        self._known.move_to_end(name)
        return known[1]

    def keep(self, name: str, answer: Answer[Record], seconds: float) -> Answer[Record]:
        """Keeps an answer that is valid for so long; gives it back."""
        self._known[name] = asyncio.get_running_loop().time() + seconds, answer
        self._known.move_to_end(name)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer
