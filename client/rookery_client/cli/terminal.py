"""What people read: text that can not harm a terminal, tables, sizes, times."""

from __future__ import annotations

import datetime
import re
import sys
from datetime import UTC
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp
    from rich.console import JustifyMethod

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS and their like: titles, links
    r"|\x1b[ -/]*[0-~]?"  # other escapes
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but tab and line feed
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of text around
    "\u2028\u2029\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)
_LEAST = 14
"""Columns of the terminal below which a shortened text says nothing any more."""
_WIDE = 10_000
"""Columns of a table that no terminal shows: whoever reads it gets all of it."""


def clean_block(text: str) -> str:
    """Text of several lines without escape sequences, control characters and direction marks (tabs and line feeds stay)."""
    return _UNSEEN.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def clean(text: str) -> str:
    """The same in one line."""
    return " ".join(clean_block(text).split())


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    cut: Sequence[str] = (),
    drop: Sequence[str] = (),
) -> None:
    """Prints a table. Titles in `right` are aligned right.

    Where the terminal is too narrow, the columns in `drop` are left out, in that order, until it suffices, and those in `cut`
    are shortened; all others are always whole. What is no terminal gets everything.
    """
    cells = [[clean(cell) for cell in row] for row in rows]
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    shown = _fitting(titles, cells, cut, drop, console.width)
    sheet = Table(box=None, pad_edge=False, header_style="bold")
    for index in shown:
        justify: JustifyMethod = "right" if titles[index] in right else "left"
        sheet.add_column(titles[index], justify=justify, no_wrap=titles[index] not in cut)
    for row in cells:
        sheet.add_row(*(Text(row[index], no_wrap=True, overflow="ellipsis") for index in shown))
    console.print(sheet)


def _fitting(
    titles: Sequence[str], cells: Sequence[Sequence[str]], cut: Sequence[str], drop: Sequence[str], width: int
) -> list[int]:
    """The columns that are shown."""
    needed = {
        index: max((cell_len(text) for text in (title, *(row[index] for row in cells))), default=0)
        for index, title in enumerate(titles)
    }
    for index, title in enumerate(titles):
        if title in cut:
            needed[index] = min(needed[index], _LEAST)
    for title in drop:
        if sum(needed.values()) + 2 * len(needed) > width:
            del needed[titles.index(title)]
    return list(needed)


def size(count: int) -> str:
    """Bytes as people say it: 512 B, 6.1 KB, 24 MB (decimal units)."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("KB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def moment(time: Timestamp) -> str:
    """A time on the machine's own clock, to the minute; "" for no time."""
    if not time.seconds and not time.nanos:
        return ""
    try:
        return time.ToDatetime(tzinfo=UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError):
        return time_text(time)


class _Local(datetime.tzinfo):
    def fromutc(self, when: datetime.datetime) -> datetime.datetime:
        return when.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)

    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta | None:
        return _at(when).utcoffset()

    def dst(self, when: datetime.datetime | None) -> datetime.timedelta | None:
        return _at(when).dst()

    def tzname(self, when: datetime.datetime | None) -> str | None:
        return _at(when).tzname()


def _at(when: datetime.datetime | None) -> datetime.datetime:
    """The time on the machine's clock; of no time, its offset and name are None."""
    return datetime.datetime.min if when is None else when.replace(tzinfo=None).astimezone()  # noqa: DTZ901


LOCAL = _Local()
"""The machine's own time zone, by its rules for each date."""


def time_text(time: Timestamp) -> str:
    """A time in RFC 3339, UTC; "@" and its seconds since 1970 where its year has no four digits, or its nanoseconds are none."""
    try:
        return time.ToJsonString()
    except ValueError:
        return f"@{time.seconds}"
