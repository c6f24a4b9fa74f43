"""Progress of long work, on stderr, and only where somebody looks."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bar(title: str, total: float) -> Iterator[Callable[[int], None]]:
    """A bar for work of `total` bytes; gives a function to tell of each step."""
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    # Lines that go to stderr meanwhile, of documents that failed, are printed above the bar.
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.advance(task, count)
