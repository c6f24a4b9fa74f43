"""What people read: text that can not harm a terminal, tables, sizes, times."""

from __future__ import annotations

import re
import sys
from datetime import UTC
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.timestamp_pb2 import Timestamp

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
_WIDE = 10_000
"""Columns of a table that no terminal shows: whoever reads it gets all of it."""


def clean_block(text: str) -> str:
    """Text of several lines without escape sequences, control characters and direction marks (tabs and line feeds stay)."""
    return _UNSEEN.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def clean(text: str) -> str:
    """The same in one line."""
    return " ".join(clean_block(text).split())


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = (), whole: Sequence[str] = ()) -> None:
    """Prints a table. Titles in `right` are aligned right; those in `whole` are never cut to make room."""
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _WIDE, highlight=False)
    sheet = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        keep = title in whole or not terminal
        sheet.add_column(
            title, justify="right" if title in right else "left", no_wrap=True, overflow="ignore" if keep else "ellipsis"
        )
        if keep and title in whole:
            sheet.columns[-1].min_width = 36 if title == "ID" else None
    for row in rows:
        sheet.add_row(*(Text(clean(cell)) for cell in row))
    console.print(sheet)


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
        return time.ToJsonString()
