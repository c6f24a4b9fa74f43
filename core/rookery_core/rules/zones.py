"""Time zones by their IANA names."""

from __future__ import annotations

import functools
import zoneinfo

UTC = "UTC"
_UTC_NAMES = frozenset(
    {"utc", "z", "gmt", "etc/utc", "etc/gmt", "zulu", "etc/zulu", "universal", "etc/universal", "uct", "etc/uct"}
)


@functools.cache
def _names() -> dict[str, str]:
    names = zoneinfo.available_timezones() - {"localtime", "posixrules", "Factory"}
    return {name.casefold(): name for name in names if not name.startswith(("right/", "posix/"))}


def names() -> list[str]:
    """All names of the tz database, in no particular order."""
    return list(_names().values())


def canonical(name: str) -> str | None:
    """The IANA name as the tz database writes it, "UTC" for all names of UTC, None for a name that the database does not know."""
    folded = name.strip().casefold()
    return UTC if folded in _UTC_NAMES else _names().get(folded)


@functools.lru_cache(maxsize=1024)
def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The rules of a zone, None for a name that the tz database does not know."""
    known = canonical(name)
    return zoneinfo.ZoneInfo(known) if known else None
