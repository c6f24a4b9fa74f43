"""Amounts as people write them: a number with a unit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_DURATIONS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def size(value: object) -> int:
    """Bytes: a number with a unit, like "64MiB", or the number itself. ValueError, which says what is right, for anything else."""
    return _amount(value, _SIZES, "64MiB")


def duration(value: object) -> int:
    """Seconds: a number with a unit, like "14d", or the number itself. ValueError, which says what is right, for anything else."""
    return _amount(value, _DURATIONS, "14d")


def _amount(value: object, units: Mapping[str, int], example: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = re.fullmatch(r"(\d{1,15})\s*([a-z]*)", value.strip().lower()) if isinstance(value, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"a number with a unit is, like {example}")
    return int(match[1]) * units[match[2]]
