"""Stretches of a line, from a beginning to before an end: instants, or places in a list."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Period = tuple[int, int]


def joined(found: Iterable[Period]) -> list[Period]:
    """The same stretches in order, apart from each other; empty ones are left out."""
    whole: list[Period] = []
    for begin, end in sorted(found):
        if begin >= end:
            continue
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((begin, end))
    return whole


def gaps(found: Sequence[Period], begin: int, end: int) -> list[Period]:
    """What is left of a stretch between those that are in order and apart from each other."""
    left: list[Period] = []
    at = begin
    for first, last in found:
        if at < min(first, end):
            left.append((at, min(first, end)))
        at = max(at, last)
    if at < end:
        left.append((at, end))
    return left


def within(found: Sequence[Period], begin: int, end: int) -> bool:
    """Whether one of those in order and apart from each other holds all from ``begin`` to ``end``."""
    place = bisect.bisect_right(found, begin, key=lambda period: period[0]) - 1
    return place >= 0 and end <= found[place][1]
