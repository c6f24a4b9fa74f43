"""Which time zone this machine is in, by its IANA name."""

from __future__ import annotations

import os
import pathlib

from rookery_core.rules import zones

_CLOCK = pathlib.Path("/etc/localtime")


def local_zone() -> str:
    """The name in $TZ, else the one that /etc/localtime leads to; "UTC" if that tells none."""
    named = os.environ.get("TZ", "").removeprefix(":")
    if named:
        return zones.canonical(named) or zones.UTC
    _, _, found = str(_CLOCK.resolve()).partition("/zoneinfo/")
    return zones.canonical(found) or zones.UTC
